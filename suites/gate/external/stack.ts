import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ControlHooks, type Target, targetText } from '../../../harness/config/target.ts';
import { pollUntil } from '../../../harness/core/time.ts';
import { openJournal } from '../../../harness/environment/common/journal.ts';
import { type Home, openHome } from '../../../harness/environment/leftovers/home.ts';
import { MARK_VARIABLE } from '../../../harness/environment/leftovers/marker.ts';
import { removeLeftovers } from '../../../harness/environment/leftovers/remove.ts';
import { connectError, expectStatus, pingPostgres } from '../../../harness/environment/process/probes.ts';
import { findProcess } from '../../../harness/environment/process/table.ts';
import { type Accounts, createAccounts, signingKeyFile } from '../../../harness/environment/servers/credentials.ts';
import { setupPostgres } from '../../../harness/environment/servers/postgres.ts';
import { setupRedis } from '../../../harness/environment/servers/redis-part.ts';
import { hashedSecret } from '../../../harness/environment/servers/rights.ts';
import { claimPorts } from '../../../harness/net/ports.ts';
import { memoryRecorder } from '../../../harness/record/writer.ts';
import type { Role } from '../../../services/contract/http.ts';
import type { ServiceName } from '../../../services/contract/names.ts';

/** What runs, as the harness's own plans of parts say it. */
export interface Launch {
  command: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Root only: as whom it runs. */
  uid?: number;
  gid?: number;
}

/** A part that a shell script starts, and whose pid file is all that is known of it. */
export interface PlainPart {
  name: string;
  hooks: Omit<ControlHooks, 'timeout_s'>;
  start(): Promise<void>;
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/**
 * Writes `NAME.start.sh`, which starts the part in the background and puts its pid into `NAME.pid`, and gives the commands
 * of a target file in the same folder.
 */
async function plainPart(
  folder: string,
  name: string,
  launch: Launch,
  { mark, stopSignal = 'TERM', children = false }: { mark: string; stopSignal?: string; children?: boolean },
): Promise<PlainPart> {
  const { command, args, env = {}, cwd = folder, uid, gid } = launch;
  const variables = Object.entries(env).map(([key, value]) => quoted(`${key}=${value}`));
  const asUser = uid === undefined ? '' : `setpriv --reuid=${uid} --regid=${gid} --clear-groups `;
  const line = `env -i ${quoted(mark)} ${variables.join(' ')} ${asUser}${[command, ...args].map(quoted).join(' ')}`;
  const script = `#!/bin/sh
# Starts ${name}; its process id is in ${name}.pid.
cd "$(dirname "$0")" || exit 1
# One that was just ended still holds its data and its address for a moment.
for try in $(seq 100); do kill -0 "$(cat ${name}.pid 2> /dev/null)" 2> /dev/null || break; sleep 0.05; done
folder=$PWD
cd ${quoted(cwd)} || exit 1
${line} >> "$folder/${name}.log" 2>&1 < /dev/null &
echo $! > "$folder/${name}.pid"
`;
  await writeFile(join(folder, `${name}.start.sh`), script);
  const pid = `$(cat ${name}.pid)`;
  // PostgreSQL is several processes, which neither die nor stand still with their first one.
  const all = children ? `${pid} $(pgrep -P ${pid})` : pid;
  return {
    name,
    hooks: {
      kill: `kill -KILL ${all}`,
      stop: `kill -${stopSignal} ${pid}`,
      start: `sh ${name}.start.sh`,
      pause: `kill -STOP ${all}`,
      resume: `kill -CONT ${all}`,
    },
    async start() {
      await promisify(execFile)('sh', [`${name}.start.sh`], { cwd: folder });
    },
  };
}

const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 30_000;

type TargetText = Parameters<typeof targetText>[0];

/** What the services of a stack are given. */
export interface Given {
  folder: string;
  accounts: Accounts;
  keyFile: string;
  url(service: ServiceName): string;
  redisUrl: string;
  databaseUrl(service: 'admin' | 'query'): string;
}

export interface StackPlan {
  /** Its services, in the order in which they are started. */
  services: readonly ServiceName[];
  launch(service: ServiceName, given: Given): Promise<Launch>;
  /** Of Redis; none when absent. */
  redisPassword?: string;
}

/** A pipeline of plain processes that shell scripts in one folder start: somebody else's, as far as the suite knows. */
export interface Stack extends AsyncDisposable {
  given: Given;
  /** What a target file says of it: with access to everything, and with hooks. */
  target: TargetText & Pick<Target, 'control'>;
  /** Which parts are gone, or stand still. */
  fallen(): Promise<string[]>;
  /** Writes a target file beside the scripts. @returns its path */
  writeTarget(name: string, target: TargetText): Promise<string>;
}

/**
 * Starts real servers and services, each as a process that nobody here is the parent of. The harness's own marks, port
 * claims and watchdog see to it that nothing of it remains, however this process ends.
 */
export async function startStack(plan: StackPlan, signal: AbortSignal): Promise<Stack> {
  await using resources = new AsyncDisposableStack();
  const { home } = await openHome(resources, 'memory', (id) => openJournal(memoryRecorder(), id, 'processes'));
  const ports = resources.use(await claimPorts(HOST));
  resources.defer(() => removeLeftovers(home));
  const redis = { host: HOST, port: ports.next() };
  const postgres = { host: HOST, port: ports.next() };
  const { redisPart, postgresPart, passwords } = await planServers({ home, redis, postgres, plan, signal });

  const addresses = new Map(plan.services.map((service) => [service, ports.next()]));
  const secret = plan.redisPassword === undefined ? '' : `:${encodeURIComponent(plan.redisPassword)}@`;
  const given: Given = {
    folder: home.home,
    accounts: createAccounts(),
    keyFile: await signingKeyFile(signal),
    url: (service) => `http://${HOST}:${addresses.get(service)}`,
    redisUrl: `redis://${secret}${HOST}:${redis.port}`,
    databaseUrl: (service) => `postgres://${service}:${passwords[service]}@${HOST}:${postgres.port}/${service}`,
  };
  const parts: PlainPart[] = [redisPart, postgresPart];
  for (const service of plan.services) {
    parts.push(await plainPart(home.home, service, await plan.launch(service, given), { mark: markOf(home) }));
  }
  const further: Further[] = [];
  for (const name of ['query-2', 'query-3']) {
    const url = `http://${HOST}:${ports.next()}`;
    const launch = await plan.launch('query', {
      ...given,
      url: (service) => (service === 'query' ? url : given.url(service)),
    });
    further.push({ url, part: await plainPart(home.home, name, launch, { mark: markOf(home) }) });
  }
  await Promise.all([redisPart.start(), postgresPart.start()]);
  await answering(signal, 'Redis and PostgreSQL', async () => {
    if ((await connectError(redis)) !== undefined) throw new Error('Redis takes no connection');
    await pingPostgres(postgres);
  });
  for (const part of parts.slice(2)) await part.start();
  for (const service of plan.services) {
    await answering(signal, service, () => expectStatus(`${given.url(service)}/health/ready`));
  }
  const owned = resources.move();
  return {
    given,
    target: targetOf(plan, given, { parts, further }),
    async fallen() {
      const states = await Promise.all(
        parts.map(async ({ name }) => {
          const pid = Number(await readFile(join(home.home, `${name}.pid`), 'utf8'));
          const state = findProcess(pid)?.state;
          if (state === undefined) return [`${name} is gone`];
          return state.startsWith('T') ? [`${name} stands still`] : [];
        }),
      );
      return states.flat();
    },
    async writeTarget(name, target) {
      const path = join(home.home, `${name}.yaml`);
      await writeFile(path, targetText(target), { mode: 0o600 });
      return path;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const markOf = ({ id }: Home): string => `${MARK_VARIABLE}=${id}`;

interface Address {
  host: string;
  port: number;
}

async function planServers({
  home,
  redis,
  postgres,
  plan,
  signal,
}: {
  home: Home;
  redis: Address;
  postgres: Address;
  plan: StackPlan;
  signal: AbortSignal;
}) {
  const mark = markOf(home);
  const dataDirectory = join(home.data, 'redis');
  const secret = plan.redisPassword === undefined ? 'nopass' : hashedSecret(plan.redisPassword);
  const users = { file: join(home.home, 'users.acl'), text: `user default on ${secret} ~* &* +@all\n` };
  // Nothing compares a target without outbox with its registry: what its Redis acknowledged must not go with a kill.
  const settings = { ...redis, dataDirectory, users, appendfsync: 'always' } as const;
  const { plan: redisPlan } = await setupRedis(settings, { signal });
  const redisPart = await plainPart(home.home, 'redis', await redisPlan.launch(), { mark });
  const { plan: postgresPlan, template } = await setupPostgres(
    { ...postgres, dataDirectory: home.postgresData, storage: 'memory' },
    { signal },
  );
  const postgresPart = await plainPart(home.home, 'postgres', await postgresPlan.launch(signal), {
    mark,
    stopSignal: 'INT',
    children: true,
  });
  const wipe = `rm -rf ${dataDirectory}/*`;
  return {
    redisPart: { ...redisPart, hooks: { ...redisPart.hooks, wipe } },
    postgresPart,
    passwords: template.passwords,
  };
}

async function answering(signal: AbortSignal, what: string, probe: () => Promise<unknown>): Promise<void> {
  const asked = async (): Promise<true> => {
    await probe();
    return true;
  };
  await pollUntil(asked, { what: `${what} to answer`, timeoutMs: START_TIMEOUT_MS, signal });
}

/** An instance of query that does not run until somebody starts it. */
interface Further {
  url: string;
  part: PlainPart;
}

function targetOf(
  { services }: StackPlan,
  given: Given,
  { parts, further }: { parts: readonly PlainPart[]; further: readonly Further[] },
): Stack['target'] {
  const account = (role: Role) => {
    const { clientId, clientSecret } = given.accounts.roles[role];
    return { client_id: clientId, client_secret: clientSecret };
  };
  const urls = Object.fromEntries(services.map((service) => [service, { url: given.url(service) }]));
  const more = further.map(({ url, part: { hooks } }) => {
    const { start = '', stop = '', kill = '' } = hooks;
    return { url, start, stop, kill };
  });
  const control = Object.fromEntries(parts.map(({ name, hooks }) => [name, hooks]));
  return {
    name: 'plain processes',
    services: { ...urls, query: { url: given.url('query'), more } } as TargetText['services'],
    credentials: { ADMIN: account('ADMIN'), USER: account('USER'), READONLY: account('READONLY') },
    signing_key_file: given.keyFile,
    redis: { url: given.redisUrl, admin: true },
    postgres: { query: given.databaseUrl('query'), admin: given.databaseUrl('admin') },
    control: control as unknown as Target['control'],
  };
}
