import { createHash, randomBytes } from 'node:crypto';
import { DEAD_LETTER_STREAM_SUFFIX, EVENT_STREAM_NAME } from '../../../services/contract/names.ts';

/** The services that log in to Redis and PostgreSQL; their users have their names. */
export const SERVICE_USERS = ['admin', 'query'] as const;
export type ServiceUser = (typeof SERVICE_USERS)[number];

/** As whom the harness itself logs in: it breaks and watches what services only use. */
export const HARNESS_USER = { redis: 'default', postgres: 'postgres' } as const;

/** One password for each user of a server. */
export type Passwords = Readonly<Record<'harness' | ServiceUser, string>>;

export function createPasswords(): Passwords {
  const secret = (): string => randomBytes(18).toString('base64url');
  return { harness: secret(), admin: secret(), query: secret() };
}

/** `stream` is the stream of events, `letters` that of events which could not be applied. */
export type KeyName = 'stream' | 'letters';

/** Commands, and the keys that they may be used on together. */
export interface RedisRight {
  /** As an ACL names them: `client|id` is one subcommand of CLIENT. */
  commands: readonly string[];
  /** None for commands that name no key. */
  keys: readonly KeyName[];
  /** What the service does with them. */
  purpose: string;
}

/**
 * What each service's user may do at Redis; whatever is not here is refused (Redis documentation, "ACL"). HELLO and AUTH
 * need no right.
 */
export const REDIS_RIGHTS: Readonly<Record<ServiceUser, readonly RedisRight[]>> = {
  admin: [
    { commands: ['ping', 'info', 'client|setname'], keys: [], purpose: 'connecting, health' },
    { commands: ['multi', 'exec', 'discard'], keys: [], purpose: 'a batch as one transaction' },
    { commands: ['xadd'], keys: ['stream'], purpose: 'publishing, and trimming with it' },
  ],
  query: [
    { commands: ['ping', 'info', 'client|setname'], keys: [], purpose: 'connecting, health, noticing another Redis' },
    { commands: ['client|id', 'client|unblock'], keys: [], purpose: 'ending its own blocking read' },
    { commands: ['client|list'], keys: [], purpose: 'telling dead consumers from quiet ones' },
    {
      commands: ['xgroup|create', 'xreadgroup', 'xautoclaim', 'xack', 'xinfo|groups'],
      keys: ['stream'],
      purpose: 'consuming, and metrics',
    },
    { commands: ['xinfo|consumers', 'xgroup|delconsumer'], keys: ['stream'], purpose: 'removing dead consumers' },
    { commands: ['xadd'], keys: ['stream'], purpose: 'publishing a dead letter again when an ADMIN asks for it' },
    {
      commands: ['xadd', 'xlen', 'xrange', 'xrevrange', 'xdel'],
      keys: ['letters'],
      purpose: 'keeping and listing dead letters',
    },
    {
      commands: ['eval'],
      keys: ['stream', 'letters'],
      purpose: 'several of these in one step; a script may do no more than its user',
    },
  ],
};

/**
 * The users of a Redis as an ACL file holds them, one a line. Commands on keys become selectors, so that none of them
 * works on the keys of another.
 * @param secretOf how a user's password is written: `>password`, or `#` and its SHA-256
 * @param besides further selectors of a service's user, e.g. `~file-events +xread`: what a broken variant does
 */
export function redisUsers(
  secretOf: (user: keyof Passwords) => string,
  { stream = EVENT_STREAM_NAME, besides = {} }: { stream?: string; besides?: RedisGrants } = {},
): string {
  const keys: Record<KeyName, string> = { stream, letters: stream + DEAD_LETTER_STREAM_SUFFIX };
  const lines = SERVICE_USERS.map((user) => {
    const rights = REDIS_RIGHTS[user];
    const keyless = rights.filter((right) => right.keys.length === 0).flatMap(({ commands }) => commands);
    const selectors = rights
      .filter((right) => right.keys.length > 0)
      .map((right) => [...right.keys.map((key) => `~${keys[key]}`), ...right.commands.map(allowed)].join(' '));
    const further = [...selectors, ...(besides[user] ?? [])].map((selector) => `(${selector})`);
    return ['user', user, 'on', secretOf(user), 'resetchannels', '-@all', ...keyless.map(allowed), ...further].join(
      ' ',
    );
  });
  return `${[`user ${HARNESS_USER.redis} on ${secretOf('harness')} ~* &* +@all`, ...lines].join('\n')}\n`;
}

/** What a service's user at Redis may do besides its rights. */
export type RedisGrants = Partial<Record<ServiceUser, readonly string[]>>;

const allowed = (command: string): string => `+${command}`;

/** A password as an ACL file may hold it without telling it; random ones need no salt. */
export const hashedSecret = (password: string): string => `#${createHash('sha256').update(password).digest('hex')}`;

/** Attributes of a service's role in PostgreSQL: it can log in, and nothing else. */
const ROLE_ATTRIBUTES = 'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS';

/** Statements that are run in one database, in order. */
export interface DatabaseSetup {
  database: 'postgres' | ServiceUser;
  statements: readonly string[];
}

/**
 * What makes a fresh PostgreSQL ready for the services: a role and a database each. A role may connect to its own
 * database only, and there create and own its tables in the schema `public`; the databases belong to the superuser.
 * @param passwordOf what is written between the quotes
 */
export function databaseSetups(passwordOf: (user: ServiceUser) => string): readonly DatabaseSetup[] {
  return [
    {
      database: 'postgres',
      statements: [
        ...SERVICE_USERS.map((user) => `CREATE ROLE ${user} ${ROLE_ATTRIBUTES} PASSWORD '${passwordOf(user)}'`),
        ...SERVICE_USERS.map((user) => `CREATE DATABASE ${user} STRATEGY file_copy`),
        `REVOKE ALL ON DATABASE ${SERVICE_USERS.join(', ')}, postgres, template1 FROM PUBLIC`,
        ...SERVICE_USERS.map((user) => `GRANT CONNECT ON DATABASE ${user} TO ${user}`),
      ],
    },
    ...SERVICE_USERS.map((user) => ({
      database: user,
      statements: [
        'REVOKE ALL ON SCHEMA public FROM PUBLIC',
        `GRANT USAGE, CREATE ON SCHEMA public TO ${user}`,
        ...(user === 'query' ? ['CREATE EXTENSION pg_trgm'] : []),
      ],
    })),
  ];
}
