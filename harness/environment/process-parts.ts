import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceName } from '../contract/names.ts';
import { SyncproofError } from '../core/errors.ts';
import type { PartLabel, PartName } from '../record/history.ts';
import { type Disk, SMALL_DISK_SETTINGS } from './disk.ts';
import type { EnvironmentOptions, Link, ServerAddress } from './environment.ts';
import type { Journal } from './journal.ts';
import type { Home } from './leftovers/home.ts';
import { MARK_VARIABLE, noteProcess } from './leftovers/marker.ts';
import { removeLeftovers } from './leftovers/remove.ts';
import { linkAddress } from './links.ts';
import { cachePath } from './process/cache.ts';
import { type PartPlan, ProcessPart } from './process/part.ts';
import { allOrFirstError } from './process/together.ts';
import { type Accounts, secretsOf, signingKeyFile, writeClientsFile } from './servers/credentials.ts';
import { setupPostgres } from './servers/postgres-part.ts';
import type { PostgresTemplate } from './servers/postgres-template.ts';
import { setupRedis } from './servers/redis-part.ts';
import { hashedSecret, type Passwords } from './servers/rights.ts';
import { planServices } from './servers/service-part.ts';
import { usersOf } from './servers/service-settings.ts';

export interface ProcessPartsOptions {
  options: EnvironmentOptions;
  home: Home;
  journal: Journal;
  address(part: PartName): ServerAddress;
  links: readonly Link[];
  accounts: Accounts;
  /** Of the users of Redis. */
  redisPasswords: Passwords;
  logDirectory: string;
  postgresDisk: Disk | undefined;
}

export interface ProcessParts {
  parts: Readonly<Record<PartName, ProcessPart>>;
  template: PostgresTemplate;
  /** Plans a further instance of a service. */
  instance(name: PartLabel, service: ServiceName, address: ServerAddress): ProcessPart;
  signingKeyFile: string;
}

/** Finds the servers' programs and plans every part; nothing runs yet. */
export async function planParts(context: ProcessPartsOptions): Promise<ProcessParts> {
  const { options, home, journal, address, links, redisPasswords } = context;
  const prepare = (part: PartName) => ({
    onProgress: (detail: string) => journal.note('starting', { part, detail }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const storage = options.storage ?? 'memory';
  const users = {
    file: join(home.home, 'redis-users.acl'),
    text: usersOf(options, (user) => hashedSecret(redisPasswords[user])),
    password: redisPasswords.harness,
  };
  const settings = context.postgresDisk === undefined ? {} : SMALL_DISK_SETTINGS;
  const [redis, postgres, keyFile, clientsFile] = await allOrFirstError([
    setupRedis({ ...address('redis'), dataDirectory: join(home.data, 'redis'), users }, prepare('redis')),
    setupPostgres({ ...address('postgres'), dataDirectory: home.postgresData, storage, settings }, prepare('postgres')),
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
  const build = partBuilder(context, [...Object.values(passwords), ...Object.values(redisPasswords)]);
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
    signingKeyFile: keyFile,
  };
}

type Plan = Omit<PartPlan, 'name' | 'logPath' | 'onSpawn' | 'onCrash' | 'secrets'>;

/** Adds to a plan what all parts have: the environment's mark, a log file, notes of their processes and crashes. */
function partBuilder(
  { home, journal, accounts, logDirectory }: ProcessPartsOptions,
  passwords: readonly string[],
): (name: PartLabel, plan: Plan) => ProcessPart {
  const secrets = [...secretsOf(accounts), ...passwords];
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
      onCrash: (exitCode) =>
        journal.note('failed', {
          part: name,
          detail: exitCode === null ? 'was killed from outside' : `exited by itself with ${exitCode}`,
        }),
    });
}

/** Ends services and servers at once: nobody needs their data any more. Whatever still carries the mark goes, too. */
export async function discardParts(parts: Readonly<Record<PartName, ProcessPart>>, home: Home): Promise<void> {
  const results = await Promise.allSettled(Object.values(parts).map((part) => part.discard()));
  await removeLeftovers(home);
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (errors.length > 0) throw new SyncproofError('Parts did not end in order', { cause: new AggregateError(errors) });
}
