import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { CONSUMER_GROUP, DEAD_LETTER_STREAM_SUFFIX, EVENT_STREAM_NAME } from '../../../services/contract/names.ts';
import { connectPostgres, connectRedis } from '../../clients/servers.ts';
import { createFaults } from '../../faults/faults.ts';
import { memoryRecorder } from '../../record/writer.ts';
import type { OwnEnvironment } from '../common/environment.ts';
import { startReference } from '../fixtures/reference.ts';
import { MARK_VARIABLE } from '../leftovers/marker.ts';
import { markedProcesses } from '../process/table.ts';
import { databaseSetups, hashedSecret, REDIS_RIGHTS, redisUsers, SERVICE_USERS, type ServiceUser } from './rights.ts';

type Redis = ReturnType<typeof connectRedis>;

const STREAM = EVENT_STREAM_NAME;
const LETTERS = STREAM + DEAD_LETTER_STREAM_SUFFIX;
const OTHER: Record<ServiceUser, ServiceUser> = { admin: 'query', query: 'admin' };

/** What only the harness may do, and each service besides. */
const REFUSED: Record<ServiceUser | 'both', readonly string[]> = {
  both: [
    'FLUSHALL',
    'FLUSHDB',
    'CONFIG GET *',
    'CONFIG SET maxmemory 1',
    'ACL LIST',
    'ACL SETUSER admin +@all',
    'KEYS *',
    'SCAN 0',
    'MONITOR',
    'DEBUG SLEEP 0',
    'SHUTDOWN NOSAVE',
    'REPLICAOF NO ONE',
    'SAVE',
    'CLIENT KILL TYPE normal',
    'CLIENT PAUSE 1',
    'SCRIPT KILL',
    'SET another-key 1',
    'GET another-key',
    'XADD another-stream * a b',
    `DEL ${STREAM}`,
    `UNLINK ${STREAM}`,
    `EXPIRE ${STREAM} 1`,
    `RENAME ${STREAM} another-key`,
    `DUMP ${STREAM}`,
    `XTRIM ${STREAM} MAXLEN 0`,
    `XDEL ${STREAM} 1-1`,
    `XSETID ${STREAM} 1-1`,
    `XRANGE ${STREAM} - +`,
    `XREAD STREAMS ${STREAM} 0`,
    `XGROUP DESTROY ${STREAM} ${CONSUMER_GROUP}`,
    `XGROUP SETID ${STREAM} ${CONSUMER_GROUP} 0`,
    `DEL ${LETTERS}`,
    `XTRIM ${LETTERS} MAXLEN 0`,
    'EVAL return(1) 1 another-key',
  ],
  admin: [
    `XREADGROUP GROUP ${CONSUMER_GROUP} x STREAMS ${STREAM} >`,
    `XACK ${STREAM} ${CONSUMER_GROUP} 1-1`,
    `XAUTOCLAIM ${STREAM} ${CONSUMER_GROUP} x 0 0`,
    `XGROUP CREATE ${STREAM} another 0`,
    `XINFO GROUPS ${STREAM}`,
    `XADD ${LETTERS} * a b`,
    `XRANGE ${LETTERS} - +`,
    'EVAL return(1) 0',
    'CLIENT LIST',
    'CLIENT UNBLOCK 1',
  ],
  query: [
    `XREADGROUP GROUP ${CONSUMER_GROUP} x STREAMS ${LETTERS} >`,
    'MULTI',
    `XACK ${LETTERS} ${CONSUMER_GROUP} 1-1`,
  ],
};

let environment: OwnEnvironment;

beforeAll(async () => {
  const recorder = memoryRecorder();
  environment = await startReference({ recorder, storage: 'memory' });
}, 60_000);

afterAll(() => environment?.stop());

/** What Redis answers: a word of its own choice, or the error. */
const answerOf = (redis: Redis, [command = '', ...args]: readonly string[]): Promise<string> =>
  redis.call(command, ...args).then(
    (answer) => JSON.stringify(answer) ?? 'OK',
    (error: Error) => error.message,
  );

async function withRedis<T>(user: ServiceUser, act: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = connectRedis(environment.accessOf(user).redis);
  try {
    return await act(redis);
  } finally {
    redis.disconnect();
  }
}

async function withDatabase<T>(access: Parameters<typeof connectPostgres>[0], act: (pool: Pool) => Promise<T>) {
  const pool = connectPostgres(access);
  try {
    return await act(pool);
  } finally {
    await pool.end();
  }
}

describe.each(SERVICE_USERS)('the user of %s at Redis', (user) => {
  test.each([...REFUSED.both, ...REFUSED[user]])('is refused: %s', async (line) => {
    expect(await withRedis(user, (redis) => answerOf(redis, line.split(' ')))).toMatch(/^NOPERM /);
  });

  test('has exactly the rights that are written down, and keeps them when Redis comes back empty', async () => {
    const redis = connectRedis(environment.redisAddress());
    const password = environment.accessOf(user).redis.password ?? '';
    const written = redisUsers((each) => (each === user ? hashedSecret(password) : 'nopass'));
    const [, , ...rule] =
      written
        .split('\n')
        .find((line) => line.startsWith(`user ${user} `))
        ?.split(' ') ?? [];
    const demandWritten = async (): Promise<void> => {
      await redis.acl('SETUSER', 'as-written', ...rule);
      const lines = (await redis.acl('LIST')) as string[];
      await redis.acl('DELUSER', 'as-written');
      expect(ruleOf(lines, user)).toEqual(ruleOf(lines, 'as-written'));
    };
    await demandWritten();
    const faults = createFaults(environment, memoryRecorder());
    await (await faults.redis.kill({ data: 'lose' })).heal();
    await demandWritten();
    await (await faults.redisAnswers('NOPERM')).heal();
    await demandWritten();
    redis.disconnect();
  });
});

/** The selectors of a user, the root first, each with its words in order: Redis lists them in any. */
function ruleOf(lines: readonly string[], user: string): string[][] {
  const rule = lines.find((line) => line.startsWith(`user ${user} `))?.slice(`user ${user} `.length) ?? '';
  return rule.split(/[()]/).map((selector) => selector.trim().split(' ').toSorted());
}

test('scripts of query may do no more than query itself', async () => {
  const script = (body: string) => ['EVAL', `return redis.call(${body})`, '2', STREAM, LETTERS];
  await withRedis('query', async (redis) => {
    for (const body of [`'DEL', KEYS[1]`, `'XTRIM', KEYS[1], 'MAXLEN', 0`, `'XDEL', KEYS[1], '1-1'`, `'KEYS', '*'`]) {
      expect(await answerOf(redis, script(body)), body).toMatch(
        /executing the script can't (run|access)|ACL failure in script/,
      );
    }
    expect(await answerOf(redis, script(`'XLEN', KEYS[2]`))).toBe('0');
  });
});

test('a client that does not log in gets no answer', async () => {
  const { host, port } = environment.redisAddress();
  const redis = connectRedis({ host, port });
  expect(await answerOf(redis, ['PING'])).toMatch(/^NOAUTH/);
  redis.disconnect();
});

describe.each(SERVICE_USERS)('the role of %s at PostgreSQL', (user) => {
  const own = () => environment.accessOf(user).database;

  test('owns its tables, and none of its attributes gives it power over the server', async () => {
    const { rows } = await withDatabase(own(), (pool) =>
      pool.query(`
        SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
          (SELECT count(*) FROM pg_auth_members WHERE member = pg_roles.oid)::int AS memberships,
          (SELECT count(*) FROM pg_database WHERE datdba = pg_roles.oid)::int AS databases,
          (SELECT bool_and(tableowner = current_user) FROM pg_tables WHERE schemaname = 'public') AS owns
        FROM pg_roles WHERE rolname = current_user`),
    );
    expect(rows).toEqual([
      {
        rolsuper: false,
        rolcreatedb: false,
        rolcreaterole: false,
        rolreplication: false,
        rolbypassrls: false,
        memberships: 0,
        databases: 0,
        owns: true,
      },
    ]);
  });

  test.each(['the other', 'postgres', 'template1'])('connects to no other database: %s', async (name) => {
    const database = name === 'the other' ? OTHER[user] : name;
    await withDatabase({ ...own(), database }, async (pool) => {
      await expect(pool.query('SELECT 1')).rejects.toThrow(`permission denied for database "${database}"`);
    });
  });

  test.each([
    'CREATE DATABASE mine',
    'CREATE ROLE mine',
    `ALTER ROLE ${user} SUPERUSER`,
    `DROP DATABASE ${OTHER[user]}`,
    'CREATE SCHEMA mine',
    'CREATE EXTENSION hstore',
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${OTHER[user]}'`,
    'SELECT * FROM pg_authid',
    'ALTER SYSTEM SET max_connections = 1',
    'CHECKPOINT',
  ])('is refused: %s', async (statement) => {
    await withDatabase(own(), async (pool) => {
      await expect(pool.query(statement)).rejects.toThrow(/permission denied|must be owner/);
    });
  });
});

test('no password is among the arguments of a process, or in a file that others can read', async () => {
  const accesses = SERVICE_USERS.flatMap((user) => [
    ...Object.values(environment.accessOf(user)),
    environment.databaseAccess(user),
  ]);
  const secrets = [environment.redisAddress(), ...accesses].map(({ password }) => String(password));
  expect(new Set(secrets).size).toBe(6);
  const pids = markedProcesses(`${MARK_VARIABLE}=${environment.id}`, []);
  expect(pids.length).toBeGreaterThan(5);
  for (const pid of pids) {
    // One that has ended meanwhile, e.g. a worker of PostgreSQL, tells nothing either.
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    for (const secret of secrets) expect(line).not.toContain(secret);
  }
  const files = (await readdir(environment.folder, { withFileTypes: true })).filter((entry) => entry.isFile());
  const names = files.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['clients.json', 'redis-users.acl']));
  for (const name of ['clients.json', 'redis-users.acl']) {
    expect((await stat(join(environment.folder, name))).mode & 0o077, name).toBe(0);
  }
  const users = await readFile(join(environment.folder, 'redis-users.acl'), 'utf8');
  for (const secret of secrets) expect(users).not.toContain(secret);
});

test('docs/security.md has the rights at Redis as a table', async () => {
  const text = await readFile(join(import.meta.dirname, '../../../docs/security.md'), 'utf8');
  const rows = text.split('\n').map((line) => line.slice(1, -1).split('|'));
  const told = rows
    .map((cells) => cells.map((cell) => cell.trim()))
    .filter(([user]) => /^`(admin|query)`$/.test(user ?? ''));
  const names = { stream: 'events', letters: 'dead letters' };
  const written = SERVICE_USERS.flatMap((user) =>
    REDIS_RIGHTS[user].map(({ commands, keys, purpose }) => [
      `\`${user}\``,
      commands.map((command) => `\`${command.replace('|', ' ').toUpperCase()}\``).join(', '),
      keys.map((key) => names[key]).join(', '),
      purpose,
    ]),
  );
  // The roles of PostgreSQL have a table, too, whose second cell is a database.
  expect(told.filter(([, may]) => !/^`[a-z]+`$/.test(may ?? ''))).toEqual(written);
});

describe('the files of docker/', () => {
  const file = (name: string): Promise<string> => readFile(join(import.meta.dirname, '../../../docker', name), 'utf8');

  test('give Redis the same users', async () => {
    const names = { harness: 'redis', admin: 'admin', query: 'query' };
    expect(await file('redis/users.dev.acl')).toBe(redisUsers((user) => `>dev-${names[user]}`));
  });

  test('let each service log in as its own user, and Redis know them', async () => {
    const { services } = parse(await file('compose.yaml'), { merge: true });
    const [target] = services.redis.volumes.flatMap((volume: unknown) => {
      const { source = '', target: path = '' } = volume as { source?: string; target?: string };
      return source.includes('./redis/users.dev.acl') ? [path] : [];
    });
    expect(services.redis.command.slice(0, 3)).toEqual(['redis-server', '--aclfile', target]);
    expect(services.redis.environment.REDISCLI_AUTH).toContain(':-dev-redis}');
    for (const user of SERVICE_USERS) {
      const { REDIS_URL, DATABASE_URL } = services[user].environment;
      expect(REDIS_URL).toBe(`redis://${user}:\${${user.toUpperCase()}_REDIS_PASSWORD:-dev-${user}}@redis:6379`);
      expect(DATABASE_URL).toMatch(new RegExp(`^postgres://${user}:.*@postgres:5432/${user}$`));
    }
  });

  test('give PostgreSQL the same roles and databases', async () => {
    const setups = databaseSetups((user) => `\${${user.toUpperCase()}_DB_PASSWORD:?}`);
    const blocks = setups.map(({ database, statements }) => {
      const where = database === 'postgres' ? '' : `--dbname ${database} `;
      return `docker_process_sql ${where}<<SQL\n${statements.map((statement) => `${statement};\n\n`).join('')}SQL\n`;
    });
    const text = await file('postgres/init-databases.sh');
    expect(text.slice(text.indexOf('docker_process_sql '))).toBe(blocks.join('\n'));
  });
});
