import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceName } from '../../../services/contract/names.ts';
import { SyncproofError } from '../../core/errors.ts';
import type { PartLabel, PartName } from '../../record/history.ts';
import type { Link, ServerAddress } from '../common/environment.ts';
import { crashNote } from '../common/journal.ts';
import { linkAddress } from '../common/links.ts';
import type { Home } from '../leftovers/home.ts';
import { MARK_VARIABLE, noteProcess } from '../leftovers/marker.ts';
import { removeLeftovers } from '../leftovers/remove.ts';
import type { OwnStart } from '../own/own.ts';
import { cachePath } from '../process/cache.ts';
import { type PartPlan, ProcessPart } from '../process/part.ts';
import type { SmallDisk } from '../process/small-disk.ts';
import { secretsOf, signingKeyFile, writeClientsFile } from '../servers/credentials.ts';
import { type PostgresTemplate, setupPostgres } from '../servers/postgres.ts';
import { setupRedis } from '../servers/redis-part.ts';
import { hashedSecret, type Passwords } from '../servers/rights.ts';
import { planServices, usersOf } from '../servers/services.ts';

/** Waits for all, also when one fails, so that nothing goes on in the background; then throws the first error if any. */
async function allOrFirstError<T extends readonly unknown[]>(
  promises: readonly [...{ [K in keyof T]: Promise<T[K]> }],
): Promise<T> {
  let failed = false;
  let first: unknown;
  const settled = await Promise.allSettled(
    promises.map((promise) =>
      promise.catch((error: unknown) => {
        if (!failed) first = error;
        failed = true;
        throw error;
      }),
    ),
  );
  if (failed) throw first;
  return settled.map((result) => (result.status === 'fulfilled' ? result.value : undefined)) as unknown as T;
}

interface ProcessPartsOptions extends OwnStart {
  links: readonly Link[];
  /** Of the users of Redis. */
  redisPasswords: Passwords;
  postgresDisk: SmallDisk | undefined;
}

interface ProcessParts {
  parts: Readonly<Record<PartName, ProcessPart>>;
  template: PostgresTemplate;
  /** Plans a further instance of a service. */
  instance(name: PartLabel, service: ServiceName, address: ServerAddress): ProcessPart;
  /** Of accounts and servers. */
  secrets: readonly string[];
}

/** Finds the servers' programs and plans every part; nothing runs yet. */
export async function planParts(context: ProcessPartsOptions): Promise<ProcessParts> {
  const { options, home, journal, address, links, redisPasswords } = context;
  const prepare = (part: PartName) => ({
    onProgress: (detail: string) => journal.note('starting', { part, detail }),
    signal: options.signal,
  });
  const storage = options.storage ?? 'memory';
  const users = {
    file: join(home.home, 'redis-users.acl'),
    text: usersOf(options, (user) => hashedSecret(redisPasswords[user])),
    password: redisPasswords.harness,
  };
  const [redis, postgres, keyFile, clientsFile] = await allOrFirstError([
    setupRedis({ ...address('redis'), dataDirectory: join(home.data, 'redis'), users }, prepare('redis')),
    setupPostgres(
      { ...address('postgres'), dataDirectory: home.postgresData, storage, disk: context.postgresDisk },
      prepare('postgres'),
    ),
    signingKeyFile(options.signal),
    writeClientsFile(home.home, context.accounts),
    mkdir(context.logDirectory, { recursive: true }),
  ]);
  const { passwords } = postgres.template;
  const { services, instance } = planServices({
    address,
    options,
    objectDirectory: join(home.data, 'objects'),
    compileCache: cachePath('compiled'),
    keyFile,
    clientsFile,
    accounts: context.accounts,
    redisUrl: (service) => `redis://${service}:${redisPasswords[service]}@${linkAddress(links, service, 'redis')}`,
    databaseUrl: (service) =>
      `postgres://${service}:${passwords[service]}@${linkAddress(links, service, 'postgres')}/${service}`,
  });
  const secrets = [...secretsOf(context.accounts), ...Object.values(passwords), ...Object.values(redisPasswords)];
  const build = partBuilder(context, secrets);
  const parts = {
    redis: build('redis', redis.plan),
    postgres: build('postgres', postgres.plan),
    admin: build('admin', services.admin),
    storage: build('storage', services.storage),
    ingester: build('ingester', services.ingester),
    query: build('query', services.query),
  };
  return {
    parts,
    template: postgres.template,
    instance: (name, service, at) => build(name, instance(service, at)),
    secrets,
  };
}

type Plan = Omit<PartPlan, 'name' | 'logPath' | 'onSpawn' | 'onCrash' | 'secrets'>;

/** Adds to a plan what all parts have: the environment's mark, a log file, notes of their processes and crashes. */
function partBuilder(
  { home, journal, logDirectory }: ProcessPartsOptions,
  secrets: readonly string[],
): (name: PartLabel, plan: Plan) => ProcessPart {
  return (name, plan) =>
    new ProcessPart({
      ...plan,
      name,
      secrets,
      logPath: join(logDirectory, `${name}.log`),
      launch: async (signal) => {
        const launch = await plan.launch(signal);
        return { ...launch, env: { ...launch.env, [MARK_VARIABLE]: home.id } };
      },
      onSpawn: (pid) => noteProcess(home, pid),
      onCrash: crashNote(journal, name),
    });
}

/** Ends services and servers at once: their data is no longer needed. What still carries the mark is ended, too. */
export async function discardParts(parts: Readonly<Record<PartName, ProcessPart>>, home: Home): Promise<void> {
  const results = await Promise.allSettled(Object.values(parts).map((part) => part.discard()));
  await removeLeftovers(home);
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (errors.length > 0) throw new SyncproofError('Parts did not end in order', { cause: new AggregateError(errors) });
}
