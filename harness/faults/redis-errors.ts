import type { Redis } from 'ioredis';
import { CONSUMER_GROUP, EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import { connectRedis, OBSERVER } from '../clients/servers.ts';
import { describeError, SyncproofError } from '../core/errors.ts';
import { pollUntil, untilAnswers } from '../core/time.ts';
import type { Environment } from '../environment/common/environment.ts';
import type { FaultPlan } from './fault.ts';

/** Errors with which a Redis that is up answers. */
export const REDIS_ERRORS = ['OOM', 'MISCONF', 'LOADING', 'READONLY', 'NOPERM', 'BUSY'] as const;
export type RedisError = (typeof REDIS_ERRORS)[number];

interface Provocation {
  provoke(redis: Redis): Promise<void>;
  /** The witness, where others than the harness get the error; undefined where it is one of them. */
  seen?(redis: Redis): Promise<string | undefined>;
  /** Also undoes a half-done provocation. */
  undo(redis: Redis): Promise<void>;
  /** What shows that it is undone, besides that the harness can write. @throws while it is not */
  healed?(redis: Redis): Promise<string>;
}

/** Longer than any of these faults is on. */
const HAND_TIMEOUT_MS = 300_000;
/** What the witness writes to; gone when the fault is over. */
const PROBE_KEY = 'syncproof:probe';
/** Keys that make a reload take time. */
const PADDING = { prefix: 'syncproof:padding:', keys: 1000, bytes: 2048, loadMs: 20 } as const;

/**
 * Redis answers writes with an error, for real: by its own settings, access rules and scripts. The witness is a write of
 * the harness that gets this error; where only the services get it, what Redis says it would answer them.
 */
export function redisErrorPlan(environment: Environment, error: RedisError): FaultPlan {
  const provocation = PROVOCATIONS[error]();
  // Opened while all is well: a Redis that is busy or loads lets no client get ready.
  let redis: Redis | undefined;
  // What provokes may wait for an answer all along; Redis hangs for good when such a client leaves while it loads.
  let hand: Redis | undefined;
  const open = (): Redis => (redis ??= connectRedis(environment.redisAddress()));
  const write = async (): Promise<string> => {
    try {
      await open().xadd(PROBE_KEY, 'MAXLEN', 1, '*', 'syncproof', 'probe');
      return 'OK';
    } catch (cause) {
      return describeError(cause);
    }
  };
  return {
    kind: `redis-${error.toLowerCase()}`,
    target: 'redis',
    async check() {
      const answer = await write();
      if (answer === 'OK') return;
      redis?.disconnect();
      throw new SyncproofError(`Redis answers a write with: ${answer}`);
    },
    async apply() {
      hand = connectRedis(environment.redisAddress(), { answerTimeoutMs: HAND_TIMEOUT_MS });
      await provocation.provoke(hand);
    },
    async witness() {
      const seen = await provocation.seen?.(open());
      if (seen !== undefined) return seen;
      const answer = await write();
      if (answer.startsWith(error)) return `XADD is answered with ${answer.slice(0, 60)}`;
      throw new SyncproofError(`XADD is answered with ${answer}`);
    },
    undo: () => provocation.undo(open()),
    async witnessHealed() {
      const answer = await write();
      if (answer !== 'OK') throw new SyncproofError(`XADD is answered with ${answer}`);
      const healed = await provocation.healed?.(open());
      await open().del(PROBE_KEY);
      redis?.disconnect();
      hand?.disconnect();
      return `XADD is answered with an id${healed === undefined ? '' : `, ${healed}`}`;
    },
  };
}

/** Changes settings and puts back what they were. */
function settings(changes: Readonly<Record<string, string>>, then?: (redis: Redis) => Promise<void>): Provocation {
  const before = new Map<string, string>();
  return {
    async provoke(redis) {
      for (const [name, value] of Object.entries(changes)) {
        const [, old] = (await redis.config('GET', name)) as string[];
        if (old === undefined) throw new SyncproofError(`Redis has no setting ${name}`);
        before.set(name, old);
        await redis.config('SET', name, value);
      }
      await then?.(redis);
    },
    async undo(redis) {
      // The last first: what keeps Redis answering while it loads must outlive what slows it down.
      for (const [name, value] of [...before].toReversed()) await redis.config('SET', name, value);
    },
  };
}

const PROVOCATIONS: Readonly<Record<RedisError, () => Provocation>> = {
  OOM: () => settings({ 'maxmemory-policy': 'noeviction', maxmemory: '1' }),

  /** A snapshot that cannot be written makes Redis refuse writes (stop-writes-on-bgsave-error). */
  MISCONF: () => {
    const unwritable = settings({ dir: '/proc', save: '1 1000000' }, async (redis) => {
      await redis.bgsave();
    });
    return {
      provoke: unwritable.provoke,
      async undo(redis) {
        await unwritable.undo(redis);
        // Only a snapshot that succeeds ends the refusal for good; one may still be failing.
        await redis.bgsave().catch(() => {});
      },
    };
  },

  /** A reload of what Redis holds, slowed down by a pause per key. */
  LOADING: () => {
    const slow = settings({
      rdbcompression: 'no',
      'loading-process-events-interval-bytes': '1024',
      'key-load-delay': String(PADDING.loadMs * 1000),
    });
    return {
      async provoke(redis) {
        const { prefix, keys, bytes } = PADDING;
        const script =
          "for i=1,tonumber(ARGV[2]) do redis.call('SET', ARGV[1]..i, string.rep('x', tonumber(ARGV[3]))) end";
        await redis.eval(script, 0, prefix, keys, bytes);
        await slow.provoke(redis);
        // Answered when it is over.
        redis.call('DEBUG', 'RELOAD').catch(() => {});
        await sent(redis);
      },
      async undo(redis) {
        await slow.undo(redis);
        const names = Array.from({ length: PADDING.keys }, (_, index) => `${PADDING.prefix}${index + 1}`);
        await untilAnswered(() => redis.del(...names));
      },
    };
  },

  /** A replica of a primary that is not there. */
  READONLY: () => ({
    async provoke(redis) {
      await redis.replicaof('127.0.0.1', 1);
    },
    async undo(redis) {
      await redis.replicaof('NO', 'ONE');
    },
  }),

  NOPERM: loseRights,

  /** A script that does not end. */
  BUSY: () => {
    const impatient = settings({ 'busy-reply-threshold': '1' });
    return {
      async provoke(redis) {
        await impatient.provoke(redis);
        // Never answered: it is killed.
        redis.eval('while true do end', 0).catch(() => {});
        await sent(redis);
      },
      async undo(redis) {
        await redis.script('KILL').catch(ifNotBusy);
        await untilAnswered(() => impatient.undo(redis));
      },
    };
  },
};

/** What services do with the stream: publish, and consume. Redis does not carry it out when it is asked what if. */
const STREAM_COMMANDS = [
  ['XADD', EVENT_STREAM_NAME, '*', 'syncproof', 'probe'],
  ['XREADGROUP', 'GROUP', CONSUMER_GROUP, 'probe', 'STREAMS', EVENT_STREAM_NAME, '>'],
] as const;

/**
 * The users of the services may do nothing with streams any more: all that can log in, but the harness's own; that one,
 * too, where the services share it or there is no other.
 */
function loseRights(): Provocation {
  const rules = new Map<string, readonly string[]>();
  let own = '';
  return {
    async provoke(redis) {
      own = String(await redis.call('ACL', 'WHOAMI'));
      const clients = String(await redis.call('CLIENT', 'LIST'))
        .trim()
        .split('\n');
      const shared = clients.some((line) => line.includes(` user=${own} `) && !line.includes(` name=${OBSERVER} `));
      const users = await usersOf(redis);
      const canLogIn = users.filter(({ rule }) => rule.includes('on'));
      const others = canLogIn.filter(({ name }) => name !== own);
      for (const { name, rule } of shared || others.length === 0 ? canLogIn : others) {
        rules.set(name, rule);
        await redis.acl('SETUSER', name, ...withoutStreams(rule));
      }
    },
    async seen(redis) {
      if (rules.has(own)) return undefined;
      for (const user of rules.keys()) {
        for (const command of STREAM_COMMANDS) {
          const answer = String(await redis.call('ACL', 'DRYRUN', user, ...command));
          if (answer === 'OK') throw new SyncproofError(`${user} may ${command[0]}`);
        }
      }
      return `XADD and XREADGROUP are answered with NOPERM to ${[...rules.keys()].join(', ')}`;
    },
    async undo(redis) {
      for (const [user, rule] of rules) await redis.acl('SETUSER', user, 'nocommands', ...rule);
    },
    async healed(redis) {
      const users = await usersOf(redis);
      // In any order: Redis itself keeps none.
      const inOrder = (rule: readonly string[] = []): string =>
        rule
          .join(' ')
          .split(/[ ()]+/)
          .toSorted()
          .join(' ');
      for (const [user, rule] of rules) {
        const now = users.find(({ name }) => name === user)?.rule;
        if (inOrder(now) !== inOrder(rule)) throw new SyncproofError(`the rights of ${user} are not what they were`);
      }
      return `${[...rules.keys()].join(', ')} may do what they could before`;
    },
  };
}

async function usersOf(redis: Redis): Promise<{ name: string; rule: readonly string[] }[]> {
  return ((await redis.acl('LIST')) as string[]).map((line) => {
    const [, name = '', ...rule] = line.split(' ');
    return { name, rule };
  });
}

/** Selectors, which add to what a rule allows, are there since Redis 7. */
const withoutStreams = (rule: readonly string[]): string[] =>
  rule.some((word) => word.startsWith('(')) ? ['clearselectors', '-@stream'] : ['-@stream'];

/** Resolves when a command that is not answered soon is on its way. */
async function sent(redis: Redis): Promise<void> {
  await pollUntil(() => (redis.stream.writableLength === 0 ? true : undefined), {
    what: 'a command to be sent',
    timeoutMs: 2000,
    intervalMs: 2,
  });
}

/** Nothing to kill: it has ended already. */
function ifNotBusy(error: unknown): void {
  if (!describeError(error).startsWith('NOTBUSY')) throw error;
}

/** Loading goes on for a moment after its pauses were taken away, a script for a moment after it was killed. */
async function untilAnswered(command: () => Promise<unknown>): Promise<void> {
  await untilAnswers(command, { what: 'Redis to answer again', timeoutMs: 25_000 });
}
