import { CONTRACT_CALLS } from '../../contract/calls.ts';
import { SERVICE_NAMES, type ServiceName } from '../../contract/names.ts';
import type { Discovery, FoundService } from './discover.ts';

/** A target file with what running services told, and the rest as comments. */
export function targetTemplate(found: Discovery, { name, schema }: { name: string; schema: string }): string {
  const { services } = found;
  const version = text(services.admin?.version?.version);
  return `# yaml-language-server: $schema=${schema}
# The pipeline that syncproof is to judge. \`syncproof plan --target FILE\` says what can be judged with what is said here,
# \`syncproof run --target FILE\` does it. Every key that does not exist is an error. \${NAME} is replaced by an environment
# variable, so that secrets need not stand here.

name: ${JSON.stringify(name)}
${version === undefined ? '# version: 1.4.0            # of your pipeline, for the report and the badge' : `version: ${JSON.stringify(version)}`}

services:
${SERVICE_NAMES.map((service) => serviceLines(service, found)).join('\n')}

# Accounts that may have a token. Cases write as ADMIN; the other two are for what a role may not do.
credentials:
  ADMIN: { client_id: "\${ADMIN_CLIENT_ID}", client_secret: "\${ADMIN_CLIENT_SECRET}" }
  # USER: { client_id: "\${USER_CLIENT_ID}", client_secret: "\${USER_CLIENT_SECRET}" }
  # READONLY: { client_id: "\${READONLY_CLIENT_ID}", client_secret: "\${READONLY_CLIENT_SECRET}" }

# The private key that signs tokens (PEM): makes expired and forged tokens possible.
# signing_key_file: signing-key.pem

# The Redis of the stream. It is read; faults are made only with what \`control\` allows. \`admin: true\` lets cases make it
# answer with errors (CONFIG, ACL, DEBUG, REPLICAOF): never on a Redis that others use.
${redisLines(found.redisUrl)}

# The databases: \`query\` holds the read model, \`admin\` the registry (with the right to create triggers on its table).
# postgres:
#   query: postgres://query:\${QUERY_DB_PASSWORD}@127.0.0.1:5432/query
#   admin: postgres://admin:\${ADMIN_DB_PASSWORD}@127.0.0.1:5432/admin

# What your pipeline promises; cases wait and judge by it.
promises:
${promiseLines(services)}

${lacksLines(services)}

${buildLines(services.admin)}

# How parts are ended and started again, so that outages can be judged. Whatever a case breaks is put back, also after
# Ctrl-C. Give one of docker, compose and kubectl, or commands of your own (run by /bin/sh where this file is).
# control:
#   redis: { docker: my-redis }
#   query: { compose: { file: compose.yaml, service: query } }
#   admin: { kubectl: { workload: deployment/admin, namespace: files } }
#   postgres:
#     kill: systemctl kill -s KILL postgresql
#     stop: systemctl stop postgresql
#     start: systemctl start postgresql
#     timeout_s: 60

${mappingLines(services)}
# driver: driver.ts          # what mapping cannot say; see docs/targets.md

# Failures that are known and expected for now. An unexpected pass, and an entry whose time is over, fail the run.
# xfail:
#   - requirement: PUB-01
#     reason: there is no outbox yet
#     link: https://tickets.example/123
#     expires: 2030-01-31

# allow_partial: true        # exit with 0 although cases were skipped for lack of a capability
`;
}

function serviceLines(service: ServiceName, { services, missing }: Discovery): string {
  const found = services[service];
  if (found !== undefined) return `  ${service}: { url: ${JSON.stringify(found.url)} }`;
  const without: Partial<Record<ServiceName, string>> = {
    ingester: 'without one, writes are registrations at admin',
    storage: 'needed only where it is to be broken',
  };
  return `  # ${service}: { url: … }   # ${missing[service] ?? 'not asked'}; ${without[service] ?? ''}`;
}

function redisLines(url: string | undefined): string {
  const standard = `redis://:${variable('REDIS_PASSWORD')}@127.0.0.1:6379`;
  const lines = ['redis:', `  url: ${url ?? standard}`, '  # admin: true'];
  return url === undefined ? lines.map((line) => `# ${line}`).join('\n') : lines.join('\n');
}

function promiseLines({ query, admin, ingester }: Discovery['services']): string {
  const line = (key: string, value: unknown, standard: number | undefined, meaning: string): string => {
    const given = typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined;
    const shown = `${key}: ${given ?? standard ?? 104857600}`.padEnd(28);
    return `  ${given === undefined && standard === undefined ? '# ' : ''}${shown} # ${meaning}${given === undefined ? '' : ', as the service says'}`;
  };
  return [
    line('sync_ms', undefined, 5000, 'a committed change shows within this time while nothing is broken'),
    line(
      'pending_retry_ms',
      query?.config.REDIS_PENDING_RETRY_MS,
      60_000,
      'entries held for longer are taken over by another consumer',
    ),
    line('stream_entries_max', admin?.config.EVENT_STREAM_MAXLEN, 10_000, 'the length of the stream is kept near it'),
    line('upload_bytes_max', ingester?.config.UPLOAD_MAX_BYTES, undefined, 'larger uploads are refused with 413'),
  ].join('\n');
}

function lacksLines({ query, ...others }: Discovery['services']): string {
  const all = [query, ...Object.values(others)].filter((service) => service !== undefined);
  const lacks = [
    ...(query?.calls !== undefined && !query.calls.has('GET /api/download/{id}') ? ['download'] : []),
    ...(all.every(({ metrics }) => metrics) ? [] : ['metrics']),
  ];
  return lacks.length === 0
    ? '# lacks: [download, metrics]   # what the contract has and your pipeline has not'
    : `lacks: [${lacks.join(', ')}]`;
}

function buildLines(admin: FoundService | undefined): string {
  const sha = text(admin?.version?.git_sha);
  const known = sha !== undefined && sha !== 'unknown';
  const line = `build: { git_sha: "${known ? sha : variable('GITHUB_SHA')}" }`;
  return `# What /version must answer: that the build which is judged is the one you mean.
${known ? line : `# ${line}`}`;
}

/** Calls that nobody's `/openapi.json` has, as an invitation to say where they are. */
function mappingLines(services: Discovery['services']): string {
  const told = Object.values(services).flatMap(({ calls }) => (calls === undefined ? [] : [calls]));
  const unseen =
    told.length === 0
      ? []
      : CONTRACT_CALLS.filter(
          (call) => !/\/(health|metrics|version|\.well-known)/.test(call) && !told.some((calls) => calls.has(call)),
        );
  const head = '# Calls that look different: another path, method, field or status.';
  const example = [
    '# mapping:',
    '#   POST /api/search: { path: /v2/search, request: { query: q }, response: { total_count: total } }',
  ];
  if (unseen.length === 0) return [head, ...example].join('\n');
  return [
    head,
    '# Not found in any /openapi.json; say where they are:',
    '# mapping:',
    ...unseen.map((call) => `#   ${call}: { path: … }`),
  ].join('\n');
}

/** What the target file takes from the environment. */
const variable = (name: string): string => `\${${name}}`;

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
