import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SERVICE_NAMES, type ServiceName } from '../../../harness/contract/names.ts';
import type { EnvironmentOptions, ServerAddress } from '../../../harness/environment/environment.ts';
import { openJournal } from '../../../harness/environment/journal.ts';
import { openHome } from '../../../harness/environment/leftovers/home.ts';
import { MARK_VARIABLE, noteProcess } from '../../../harness/environment/leftovers/marker.ts';
import { removeLeftovers } from '../../../harness/environment/leftovers/remove.ts';
import { cachePath } from '../../../harness/environment/process/cache.ts';
import { type PartPlan, ProcessPart } from '../../../harness/environment/process/part.ts';
import { connectError } from '../../../harness/environment/process/probes.ts';
import {
  type Accounts,
  createAccounts,
  signingKeyFile,
  writeClientsFile,
} from '../../../harness/environment/servers/credentials.ts';
import { setupPostgres } from '../../../harness/environment/servers/postgres-part.ts';
import { setupRedis } from '../../../harness/environment/servers/redis-part.ts';
import { createPasswords, hashedSecret, redisUsers } from '../../../harness/environment/servers/rights.ts';
import { serverUser } from '../../../harness/environment/servers/server-user.ts';
import { planServices, type ServicePlanner } from '../../../harness/environment/servers/service-part.ts';
import { claimPorts } from '../../../harness/net/ports.ts';
import { memoryRecorder } from '../../../harness/record/writer.ts';
import { createAuthority } from './certificates.ts';

const HOST = '127.0.0.1';

/** How a service is told to reach the servers. */
export interface Choices {
  redisScheme: 'redis' | 'rediss';
  /** At the end of DATABASE_URL. */
  databaseParameters: string;
  settings: Record<string, string>;
}

/** The reference with servers that speak TLS and nothing else. */
export interface TlsPipeline extends AsyncDisposable {
  accounts: Accounts;
  urls: Record<ServiceName, string>;
  /** Files with the certificate of the authority that vouched for the servers, and of another one. */
  authorities: { right: string; wrong: string };
  /** Starts a service, or another instance of one, that reaches the servers in this way. @returns its URL */
  start(service: ServiceName, choices: Choices, instance?: boolean): Promise<{ url: string; part: ProcessPart }>;
}

type Plan = Pick<PartPlan, 'launch' | 'probe' | 'discardSignal' | 'discardGraceMs'>;

export async function startTlsServers(): Promise<TlsPipeline> {
  await using resources = new AsyncDisposableStack();
  const recorder = memoryRecorder();
  const { home } = await openHome(resources, 'memory', (id) => openJournal(recorder, id, 'processes'));
  const ports = resources.use(await claimPorts(HOST));
  resources.defer(() => removeLeftovers(home));
  const parts: ProcessPart[] = [];
  resources.defer(async () => {
    await Promise.all(parts.map((part) => part.discard()));
  });
  const run = async (name: ServiceName | 'redis' | 'postgres', plan: Plan): Promise<ProcessPart> => {
    const part = new ProcessPart({
      ...{ ...plan, name, secrets: [], logPath: join(home.home, `${name}-${parts.length}.log`) },
      launch: async (signal) => {
        const launch = await plan.launch(signal);
        return { ...launch, env: { ...launch.env, [MARK_VARIABLE]: home.id } };
      },
      onSpawn: (pid) => noteProcess(home, pid),
      onCrash: () => {},
    });
    parts.push(part);
    await part.start();
    return part;
  };
  const address = (): ServerAddress => ({ host: HOST, port: ports.next() });
  const [redis, postgres] = [address(), address()];
  const files = await writeFiles(home.data);
  const redisPasswords = createPasswords();
  const { plan: redisPlan } = await setupRedis(
    {
      ...{ ...redis, dataDirectory: join(home.data, 'redis') },
      users: {
        file: join(home.home, 'redis-users.acl'),
        text: redisUsers((user) => hashedSecret(redisPasswords[user])),
      },
    },
    {},
  );
  const { plan: postgresPlan, template } = await setupPostgres(
    { ...postgres, dataDirectory: home.postgresData, storage: 'memory' },
    {},
  );
  // The last of two settings of the same name counts.
  const redisTls = ['--port', '0', '--tls-port', String(redis.port), '--tls-auth-clients', 'no'];
  const redisFiles = ['--tls-cert-file', files.certificate, '--tls-key-file', files.key];
  const postgresTls = { ssl: 'on', ssl_cert_file: files.certificate, ssl_key_file: files.key, hba_file: files.access };
  await Promise.all([
    run('redis', speaking(redisPlan, redis, [...redisTls, ...redisFiles])),
    run(
      'postgres',
      speaking(
        postgresPlan,
        postgres,
        Object.entries(postgresTls).flatMap(([k, v]) => ['-c', `${k}=${v}`]),
      ),
    ),
  ]);

  const accounts = createAccounts();
  const addresses = new Map(SERVICE_NAMES.map((service) => [service, address()]));
  const at = (service: ServiceName): ServerAddress => addresses.get(service) ?? { host: HOST, port: 0 };
  const [keyFile, clientsFile] = [await signingKeyFile(), await writeClientsFile(home.home, accounts)];
  const planner = (choices: Choices): ServicePlanner => {
    const { redisScheme, databaseParameters, settings } = choices;
    const options: EnvironmentOptions = {
      ...{ kind: 'processes', profile: 'default', recorder },
      settings: { admin: settings, query: settings },
    };
    return planServices({
      ...{ options, accounts, keyFile, clientsFile, address: at },
      ...{ compileCache: cachePath('compiled'), objectDirectory: join(home.data, 'objects') },
      redisUrl: (service) => `${redisScheme}://${service}:${redisPasswords[service]}@${HOST}:${redis.port}`,
      databaseUrl: (service) =>
        `postgres://${service}:${template.passwords[service]}@${HOST}:${postgres.port}/${service}${databaseParameters}`,
    });
  };
  const urlOf = ({ host, port }: ServerAddress): string => `http://${host}:${port}`;
  const owned = resources.move();
  return {
    accounts,
    urls: Object.fromEntries(SERVICE_NAMES.map((name) => [name, urlOf(at(name))])) as TlsPipeline['urls'],
    authorities: { right: files.right, wrong: files.wrong },
    async start(service, choices, instance = false) {
      const place = instance ? address() : at(service);
      const part = await run(service, planner(choices).instance(service, place));
      return { url: urlOf(place), part };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** With further arguments, and taken for up once it takes connections: what it says over them is the services' matter. */
function speaking(plan: Plan, address: ServerAddress, further: readonly string[]): Plan {
  return {
    ...plan,
    async launch(signal) {
      const launch = await plan.launch(signal);
      return { ...launch, args: [...launch.args, ...further] };
    },
    async probe() {
      const code = await connectError(address);
      if (code !== undefined) throw new Error(code);
    },
  };
}

/** Certificates, and who may connect to PostgreSQL: over TLS only. */
async function writeFiles(folder: string) {
  const user = serverUser();
  const path = (name: string): string => join(folder, 'tls', name);
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(path(name), text, { mode: 0o600 });
    // PostgreSQL may run as another user, and insists on owning its key; root's Redis reads everything.
    if (user !== undefined) await chown(path(name), user.uid, user.gid);
    return path(name);
  };
  await mkdir(join(folder, 'tls'), { mode: 0o755 });
  const authority = createAuthority('the right authority');
  const { key, certificate } = authority.issue(HOST);
  return {
    key: await write('server.key', key),
    certificate: await write('server.pem', certificate),
    access: await write('pg_hba.conf', 'hostssl all all samehost scram-sha-256\n'),
    right: await write('authority.pem', authority.certificate),
    wrong: await write('another.pem', createAuthority('another authority').certificate),
  };
}
