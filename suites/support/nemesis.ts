import { setTimeout as sleep } from 'node:timers/promises';
import type { Capability } from '../../harness/contract/capabilities.ts';
import {
  type Fault,
  type Faults,
  InconclusiveError,
  NotNowError,
  type PartName,
  type Random,
} from '../../harness/index.ts';
import type { CaseContext } from './case.ts';

interface Disruption {
  needs: readonly Capability[];
  /** What it breaks, and what has to stand while it is begun and healed: two at once share none of these. */
  touches: readonly PartName[];
  begin: (faults: Faults) => Promise<Fault>;
}

/** Everything the nemesis can do, by name. */
const DISRUPTIONS = {
  'redis-killed': { needs: ['stop redis'], touches: ['redis'], begin: (f) => f.redis.kill() },
  'redis-emptied': {
    needs: ['stop redis', 'wipe redis'],
    touches: ['redis'],
    begin: (f) => f.redis.kill({ data: 'lose' }),
  },
  'redis-restarted': { needs: ['stop redis'], touches: ['redis'], begin: (f) => f.redis.restart() },
  'redis-paused': { needs: ['pause redis'], touches: ['redis'], begin: (f) => f.redis.pause() },
  'redis-refused': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.refuse({ server: 'redis' }),
  },
  'redis-blackholed': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.blackhole({ server: 'redis' }),
  },
  'redis-replies-blackholed': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.blackhole({ server: 'redis', only: 'replies' }),
  },
  'redis-forgotten': {
    needs: ['network redis'],
    touches: ['redis', 'admin', 'query'],
    begin: (f) => f.network.forget({ server: 'redis' }),
  },
  'redis-delayed': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.delay({ server: 'redis', ms: 50 }),
  },
  'redis-oom': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('OOM') },
  'redis-readonly': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('READONLY') },
  'query-cut': {
    needs: ['network redis'],
    touches: ['redis', 'query'],
    begin: (f) => f.network.blackhole({ client: 'query', server: 'redis' }),
  },
  'admin-cut': {
    needs: ['network redis'],
    touches: ['redis', 'admin'],
    begin: (f) => f.network.refuse({ client: 'admin', server: 'redis' }),
  },
  'query-killed': { needs: ['stop query'], touches: ['query'], begin: (f) => f.query.kill() },
  'query-stopped': { needs: ['stop query'], touches: ['query'], begin: (f) => f.query.stop() },
  'query-paused': { needs: ['pause query'], touches: ['query'], begin: (f) => f.query.pause() },
  'admin-killed': { needs: ['stop admin'], touches: ['admin'], begin: (f) => f.admin.kill() },
  'admin-stopped': { needs: ['stop admin'], touches: ['admin'], begin: (f) => f.admin.stop() },
  'admin-paused': { needs: ['pause admin'], touches: ['admin'], begin: (f) => f.admin.pause() },
  'ingester-killed': { needs: ['stop ingester'], touches: ['ingester'], begin: (f) => f.ingester.kill() },
  'storage-killed': { needs: ['stop storage'], touches: ['storage'], begin: (f) => f.storage.kill() },
  'postgres-killed': { needs: ['stop postgres'], touches: ['postgres'], begin: (f) => f.postgres.kill() },
  'postgres-paused': { needs: ['pause postgres'], touches: ['postgres'], begin: (f) => f.postgres.pause() },
  'admin-backends-terminated': {
    needs: ['backends'],
    touches: ['postgres', 'admin'],
    begin: (f) => f.backends.terminate('admin'),
  },
  'query-backends-terminated': {
    needs: ['backends'],
    touches: ['postgres', 'query'],
    begin: (f) => f.backends.terminate('query'),
  },
} as const satisfies Record<string, Disruption>;

type DisruptionName = keyof typeof DISRUPTIONS;
const NAMES = Object.keys(DISRUPTIONS) as [DisruptionName, ...DisruptionName[]];
const of = (name: DisruptionName): Disruption => DISRUPTIONS[name];

/** What one round does: one disruption, or two that overlap. Times are ms from the round's start. */
export interface Round {
  pauseMs: number;
  disruptions: readonly { name: DisruptionName; startMs: number; holdMs: number }[];
}

const PAUSE_MS = [1500, 4000] as const;
const HOLD_MS = [1000, 6000] as const;
/** Of three rounds one has two disruptions. */
const DOUBLE_OF = 3;

/**
 * Draws rounds for about `forMs`, the same ones for the same source. The first one is of Redis alone, and every name that
 * is offered comes before any comes twice: a short soak, too, sees many.
 */
export function drawRounds(random: Random, offered: ReadonlySet<Capability>, forMs: number): Round[] {
  const possible = NAMES.filter((name) => of(name).needs.every((need) => offered.has(need)));
  let deck: DisruptionName[] = [];
  const draw = (fits: (name: DisruptionName) => boolean): DisruptionName | undefined => {
    if (!deck.some(fits) && possible.some(fits)) deck = [...deck, ...shuffled(random, possible)];
    const at = deck.findIndex(fits);
    return at < 0 ? undefined : deck.splice(at, 1)[0];
  };
  const rounds: Round[] = [];
  for (let lengthMs = 0; lengthMs < forMs; ) {
    const pauseMs = random.integer(...PAUSE_MS);
    const first = draw((name) => rounds.length > 0 || isOfRedis(name));
    if (first === undefined) return rounds;
    // The first one lasts, so that also a short soak says something of an outage of Redis alone.
    const holdMs = rounds.length === 0 ? HOLD_MS[1] : random.integer(...HOLD_MS);
    const disruptions = [{ name: first, startMs: 0, holdMs }];
    const second =
      rounds.length > 0 && random.integer(1, DOUBLE_OF) === 1 ? draw((name) => areApart(first, name)) : undefined;
    if (second !== undefined) {
      disruptions.push({ name: second, startMs: random.integer(0, holdMs), holdMs: random.integer(...HOLD_MS) });
    }
    rounds.push({ pauseMs, disruptions });
    lengthMs += pauseMs + Math.max(...disruptions.map((each) => each.startMs + each.holdMs));
  }
  return rounds;
}

const areApart = (one: DisruptionName, other: DisruptionName): boolean =>
  of(one).touches.every((part) => !of(other).touches.includes(part));

/** Searches and uploads have nothing to do with it. */
const isOfRedis = (name: DisruptionName): boolean => of(name).touches.every((part) => part === 'redis');

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const left = [...items];
  return Array.from({ length: left.length }, () => left.splice(random.integer(0, left.length - 1), 1)[0] as T);
}

/** What the nemesis did. Times are run time. */
export interface Done {
  name: DisruptionName;
  witness: string;
  requestedAt: number;
  healedAt: number;
  ofRedis: boolean;
}

/**
 * Carries rounds out, one after the other, each healed before the next begins. A fault that makes no sense at its moment,
 * or that nobody saw, is undone and left out.
 * @throws what a fault throws that cannot be healed; all others of its round are healed then, too
 */
export async function disrupt(
  { faults, signal }: CaseContext,
  rounds: readonly Round[],
): Promise<{ done: Done[]; leftOut: number }> {
  const done: Done[] = [];
  let leftOut = 0;
  for (const { pauseMs, disruptions } of rounds) {
    await sleep(pauseMs, undefined, { signal });
    const round = disruptions.map(async ({ name, startMs, holdMs }) => {
      await sleep(startMs, undefined, { signal });
      const begun = await of(name)
        .begin(faults)
        .catch((error: unknown) => {
          if (!(error instanceof InconclusiveError) && !(error instanceof NotNowError)) throw error;
          leftOut++;
        });
      if (begun === undefined) return;
      await using fault = begun;
      await sleep(holdMs, undefined, { signal });
      const healedAt = await fault.heal();
      const { witness, requestedAt } = fault;
      done.push({ name, witness, requestedAt, healedAt, ofRedis: isOfRedis(name) });
    });
    const failed = (await Promise.allSettled(round)).find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
  return { done, leftOut };
}
