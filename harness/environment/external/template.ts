import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CONTRACT_CALLS, type Role } from '../../../services/contract/http.ts';
import {
  EVENT_STREAM_NAME,
  SERVICE_NAMES,
  type ServiceName,
  STANDARD_PORTS,
} from '../../../services/contract/names.ts';
import { connectRedis } from '../../clients/servers.ts';
import { targetText } from '../../config/target.ts';
import type { OwnEnvironment } from '../common/environment.ts';

const ANSWER_TIMEOUT_MS = 2000;
const REDIS_ADDRESS = { host: '127.0.0.1', port: 6379 };

/** What a service that runs says of itself. */
export interface FoundService {
  url: string;
  /** Its `/version`: version, git_sha and config; undefined where it has none. */
  version?: Readonly<Record<string, unknown>>;
  config: Readonly<Record<string, unknown>>;
  /** Calls of the contract that its `/openapi.json` has, e.g. `GET /api/search/{id}`; undefined without one. */
  calls?: ReadonlySet<string>;
  metrics: boolean;
}

export interface Discovery {
  services: Readonly<Partial<Record<ServiceName, FoundService>>>;
  /** Why no service was found at an address. */
  missing: Readonly<Partial<Record<ServiceName, string>>>;
  /** A Redis on this machine that has the stream of events. */
  redisUrl?: string;
}

/** Where services are looked for when no address is given. */
export function standardUrl(service: ServiceName): string {
  return `http://127.0.0.1:${STANDARD_PORTS[service]}`;
}

/** Asks services that run what they are and what they can do. Changes nothing, needs no credentials. */
export async function discover(urls: Readonly<Record<ServiceName, string>>): Promise<Discovery> {
  const services: Partial<Record<ServiceName, FoundService>> = {};
  const missing: Partial<Record<ServiceName, string>> = {};
  await Promise.all(
    SERVICE_NAMES.map(async (name) => {
      const url = urls[name].replace(/\/+$/, '');
      const live = await ask(`${url}/health/live`);
      if (live.status === 200) services[name] = await askService(url);
      else missing[name] = live.status === undefined ? live.why : `${url}/health/live answered ${live.status}`;
    }),
  );
  const redisUrl = await findRedis();
  return { services, missing, redisUrl };
}

async function askService(url: string): Promise<FoundService> {
  const [version, openapi, metrics] = await Promise.all([
    ask(`${url}/version`),
    ask(`${url}/openapi.json`),
    ask(`${url}/metrics`),
  ]);
  const facts = objectIn(version);
  const paths = objectIn(openapi)?.paths;
  return {
    url,
    version: facts,
    config: isObject(facts?.config) ? facts.config : {},
    calls: isObject(paths) ? callsOf(paths) : undefined,
    metrics: metrics.status === 200,
  };
}

/** The contract's calls among those of an OpenAPI document, whatever it calls the parameters of a path. */
function callsOf(paths: Readonly<Record<string, unknown>>): ReadonlySet<string> {
  const shape = (path: string): string => path.replaceAll(/\{[^}]*\}/g, '{}');
  const offered = Object.entries(paths).flatMap(([path, operations]) =>
    isObject(operations) ? Object.keys(operations).map((method) => `${method.toUpperCase()} ${shape(path)}`) : [],
  );
  return new Set(CONTRACT_CALLS.filter((call) => offered.includes(shape(call))));
}

type Asked = { status: number; body: string } | { status: undefined; why: string };

async function ask(url: string): Promise<Asked> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS), redirect: 'manual' });
    return { status: response.status, body: await response.text() };
  } catch {
    return { status: undefined, why: `nothing answers at ${url}` };
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function objectIn(asked: Asked): Record<string, unknown> | undefined {
  if (asked.status !== 200) return undefined;
  try {
    const value: unknown = JSON.parse(asked.body);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Only one that has the stream: any other Redis belongs to another system. */
async function findRedis(): Promise<string | undefined> {
  const redis = connectRedis(REDIS_ADDRESS, { answerTimeoutMs: ANSWER_TIMEOUT_MS });
  try {
    const found = await redis.exists(EVENT_STREAM_NAME);
    return found === 1 ? `redis://${REDIS_ADDRESS.host}:${REDIS_ADDRESS.port}` : undefined;
  } catch {
    return undefined;
  } finally {
    redis.disconnect();
  }
}

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

# What your pipeline limits; cases wait and judge by it.
limits:
${promiseLines(services)}

${unsupportedLines(services)}

${buildLines(services.admin)}

# How components are stopped and started, so that outages can be judged. What a case breaks is restored, also after
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

# allow_partial: true        # exit with 0 although cases were skipped for a missing capability
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
    line('sync_ms', undefined, 5000, 'a committed change is visible within this time while no fault is active'),
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

function unsupportedLines({ query, ...others }: Discovery['services']): string {
  const all = [query, ...Object.values(others)].filter((service) => service !== undefined);
  const unsupported = [
    ...(query?.calls !== undefined && !query.calls.has('GET /api/download/{id}') ? ['download'] : []),
    ...(all.every(({ metrics }) => metrics) ? [] : ['metrics']),
  ];
  return unsupported.length === 0
    ? '# unsupported: [download, metrics]   # what of the contract your pipeline does not support'
    : `unsupported: [${unsupported.join(', ')}]`;
}

function buildLines(admin: FoundService | undefined): string {
  const sha = text(admin?.version?.git_sha);
  const known = sha !== undefined && sha !== 'unknown';
  const line = `build: { git_sha: "${known ? sha : variable('GITHUB_SHA')}" }`;
  return `# What /version must answer: so that the build which is judged is the one you intend.
${known ? line : `# ${line}`}`;
}

/** Calls that no `/openapi.json` has, as an invitation to say where they are. */
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

/**
 * Describes a running reference pipeline as a target, as an example of how one is judged. The file has secrets,
 * so only this user can read it.
 */
export async function writeOwnTarget(environment: OwnEnvironment, path: string): Promise<void> {
  const { urls, accounts, folder, limits } = environment;
  const redis = environment.redisAddress();
  const database = (service: 'admin' | 'query'): string => {
    const { host, port, database: name, user, password } = environment.databaseAccess(service);
    return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${name}`;
  };
  const account = (role: Role) => ({ client_id: accounts[role].clientId, client_secret: accounts[role].clientSecret });
  const keyFile = join(folder, 'signing-key.pem');
  const key = await environment.signingKey?.();
  if (key !== undefined) await writeFile(keyFile, key, { mode: 0o600 });
  const text = targetText({
    name: 'syncproof reference',
    services: {
      admin: { url: urls.admin },
      storage: { url: urls.storage },
      ingester: { url: urls.ingester },
      query: { url: urls.query },
    },
    credentials: { ADMIN: account('ADMIN'), USER: account('USER'), READONLY: account('READONLY') },
    signing_key_file: key === undefined ? undefined : keyFile,
    redis: { url: `redis://:${encodeURIComponent(redis.password ?? '')}@${redis.host}:${redis.port}`, admin: true },
    postgres: { query: database('query'), admin: database('admin') },
    limits: {
      sync_ms: limits.syncMs,
      pending_retry_ms: limits.pendingRetryMs,
      stream_entries_max: limits.streamEntriesMax,
      upload_bytes_max: Number.isFinite(limits.uploadBytesMax) ? limits.uploadBytesMax : undefined,
    },
  });
  await writeFile(path, text, { mode: 0o600 });
}
