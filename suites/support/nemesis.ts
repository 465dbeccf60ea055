import { setTimeout as sleep } from 'node:timers/promises';
import { lengthOf, type PlannedRound } from '../../harness/config/soak-plan.ts';
import type { Capability } from '../../harness/contract/capabilities.ts';
import {
  type Fault,
  type Faults,
  InconclusiveError,
  NotNowError,
  type PartName,
  type Random,
  UsageError,
} from '../../harness/index.ts';
import { AIMS, type Aiming } from './aimed.ts';
import type { Broken } from './no-outage.ts';

interface Disruption {
  needs: readonly Capability[];
  /** What it breaks, and what has to stand while it is begun and healed: two at once share none of these. */
  touches: readonly PartName[];
  /** How long after its healing operations may still fail because of it, in ms; `LINGERS_MS` when absent. */
  lingersMs?: number;
  begin: (faults: Faults) => Promise<Fault>;
}

/** Operations of the first moment may meet broken connections. */
const LINGERS_MS = 2000;

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
  'redis-requests-blackholed': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.blackhole({ server: 'redis', only: 'requests' }),
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
  'redis-jittery': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.delay({ server: 'redis', ms: 60, jitterMs: 50 }),
  },
  'redis-throttled': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.throttle({ server: 'redis', bytesPerSecond: 4_000 }),
  },
  'redis-oom': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('OOM') },
  'redis-readonly': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('READONLY') },
  'redis-misconf': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('MISCONF') },
  'redis-noperm': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('NOPERM') },
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
  'postgres-refused': {
    needs: ['network postgres'],
    touches: ['postgres'],
    begin: (f) => f.network.refuse({ server: 'postgres' }),
  },
  'postgres-blackholed': {
    needs: ['network postgres'],
    touches: ['postgres'],
    begin: (f) => f.network.blackhole({ server: 'postgres' }),
  },
  'postgres-forgotten': {
    needs: ['network postgres'],
    touches: ['postgres', 'admin', 'query'],
    // Each client finds out when a request on a silent connection runs out of time, one connection after the other.
    lingersMs: 12_000,
    begin: (f) => f.network.forget({ server: 'postgres' }),
  },
  'postgres-delayed': {
    needs: ['network postgres'],
    touches: ['postgres'],
    begin: (f) => f.network.delay({ server: 'postgres', ms: 20 }),
  },
  'postgres-jittery': {
    needs: ['network postgres'],
    touches: ['postgres'],
    begin: (f) => f.network.delay({ server: 'postgres', ms: 20, jitterMs: 18 }),
  },
  'postgres-throttled': {
    needs: ['network postgres'],
    touches: ['postgres'],
    begin: (f) => f.network.throttle({ server: 'postgres', bytesPerSecond: 8_000 }),
  },
  'postgres-disk-full': {
    needs: ['fill postgres'],
    touches: ['postgres'],
    begin: (f) => f.postgres.fillDisk(),
  },
  'admin-backends-stopped': {
    needs: ['backends'],
    touches: ['postgres', 'admin'],
    begin: (f) => f.backends.stop('admin'),
  },
  'query-backends-stopped': {
    needs: ['backends'],
    touches: ['postgres', 'query'],
    begin: (f) => f.backends.stop('query'),
  },
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
const NAMES = Object.keys(DISRUPTIONS) as DisruptionName[];
const of = (name: DisruptionName): Disruption => DISRUPTIONS[name];

type AimName = keyof typeof AIMS;
const AIM_NAMES = Object.keys(AIMS) as AimName[];
const isAim = (name: DisruptionName | AimName): name is AimName => name in AIMS;

/**
 * What one round does: an aim, one disruption, or two that overlap. Times are ms from the round's start; an aim takes its
 * own time.
 */
export interface Round extends PlannedRound {
  disruptions: readonly { name: DisruptionName | AimName; startMs: number; holdMs: number }[];
}

export { lengthOf };

/** Rounds that were drawn earlier. @throws UsageError for what this version cannot break */
export function readRounds(planned: readonly PlannedRound[]): Round[] {
  return planned.map(({ pauseMs, disruptions }) => ({
    pauseMs,
    disruptions: disruptions.map(({ name, ...times }) => ({ name: known(name), ...times })),
  }));
}

/** What rounds need and is not offered. */
export function lackedBy(rounds: readonly Round[], offered: ReadonlySet<Capability>): Capability[] {
  const needed = rounds.flatMap(({ disruptions }) =>
    disruptions.flatMap(({ name }): readonly Capability[] => (isAim(name) ? AIMS[name].needs : of(name).needs)),
  );
  return [...new Set(needed)].filter((need) => !offered.has(need));
}

function known(name: string): DisruptionName | AimName {
  const all = [...NAMES, ...AIM_NAMES];
  const found = all.find((each) => each === name);
  if (found === undefined) throw new UsageError(`Expected one of ${all.join(', ')} in the plan of a soak, got ${name}`);
  return found;
}

const PAUSE_MS = [1500, 4000] as const;
const HOLD_MS = [1000, 6000] as const;
/** Of three rounds one has two disruptions. */
const DOUBLE_OF = 3;
/** About as long as an aim takes. */
const AIM_MS = 4000;

/**
 * Draws rounds for about `forMs`, the same ones for the same source. The first one is of Redis alone, every second one is
 * an aim, and every name that is offered comes before any of its sort comes twice: a short soak, too, sees many.
 */
export function drawRounds(random: Random, offered: ReadonlySet<Capability>, forMs: number): Round[] {
  const isOffered = ({ needs }: { needs: readonly Capability[] }): boolean => needs.every((need) => offered.has(need));
  const draw = deckOf(
    random,
    NAMES.filter((name) => isOffered(of(name))),
  );
  const drawAim = deckOf(
    random,
    AIM_NAMES.filter((name) => isOffered(AIMS[name])),
  );
  const rounds: Round[] = [];
  let lengthMs = 0;
  const add = (round: Round): void => {
    rounds.push(round);
    lengthMs += lengthOf([round]);
  };
  while (lengthMs < forMs) {
    const pauseMs = random.integer(...PAUSE_MS);
    const aim = rounds.length % 2 === 1 ? drawAim(() => true) : undefined;
    if (aim !== undefined) {
      add({ pauseMs, disruptions: [{ name: aim, startMs: 0, holdMs: AIM_MS }] });
      continue;
    }
    const first = draw((name) => rounds.length > 0 || isOfRedis(name));
    if (first === undefined) return rounds;
    // The first one lasts, so that also a short soak says something of an outage of Redis alone.
    const holdMs = rounds.length === 0 ? HOLD_MS[1] : random.integer(...HOLD_MS);
    const disruptions: Round['disruptions'][number][] = [{ name: first, startMs: 0, holdMs }];
    const second =
      rounds.length > 0 && random.integer(1, DOUBLE_OF) === 1 ? draw((name) => areApart(first, name)) : undefined;
    if (second !== undefined) {
      disruptions.push({ name: second, startMs: random.integer(0, holdMs), holdMs: random.integer(...HOLD_MS) });
    }
    add({ pauseMs, disruptions });
  }
  return rounds;
}

const areApart = (one: DisruptionName, other: DisruptionName): boolean =>
  of(one).touches.every((part) => !of(other).touches.includes(part));

/** Searches and uploads have nothing to do with it. */
const isOfRedis = (name: DisruptionName): boolean => of(name).touches.every((part) => part === 'redis');

/** Draws the next name that fits; all come before any comes twice. */
function deckOf<T>(random: Random, names: readonly T[]): (fits: (name: T) => boolean) => T | undefined {
  let deck: T[] = [];
  return (fits) => {
    if (!deck.some(fits) && names.some(fits)) deck = [...deck, ...shuffled(random, names)];
    const at = deck.findIndex(fits);
    return at < 0 ? undefined : deck.splice(at, 1)[0];
  };
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const left = [...items];
  return Array.from({ length: left.length }, () => left.splice(random.integer(0, left.length - 1), 1)[0] as T);
}

/**
 * Carries rounds out, one after the other, each healed before the next begins, and records when each began and was over. A
 * fault that makes no sense at its moment, or that nobody saw, is undone and left out.
 * @returns all that was broken, or may have been, in the order of its end; and how many disruptions were left out
 * @throws Violation of an aim, and what a fault throws that cannot be healed; all others of its round are healed then, too
 */
export async function disrupt(
  t: Aiming,
  rounds: readonly Round[],
): Promise<{ broken: readonly Broken[]; leftOut: number }> {
  const { signal, recorder } = t;
  const broken: Broken[] = [];
  let leftOut = 0;
  for (const [index, { pauseMs, disruptions }] of rounds.entries()) {
    await sleep(pauseMs, undefined, { signal });
    const number = index + 1;
    recorder.record({ type: 'round', round: number, of: rounds.length, event: 'began' });
    const round = disruptions.map(async ({ name, startMs, holdMs }) => {
      await sleep(startMs, undefined, { signal });
      const times = isAim(name) ? await aimAt(t, name, index) : await hold(t, name, holdMs);
      if (times?.seen !== true) leftOut++;
      if (times === undefined) return;
      const lingersMs = isAim(name) ? LINGERS_MS : (of(name).lingersMs ?? LINGERS_MS);
      broken.push({ ...times, name, round: number, lingersMs, ofRedis: !isAim(name) && isOfRedis(name) });
    });
    const failed = (await Promise.allSettled(round)).find((end) => end.status === 'rejected');
    recorder.record({ type: 'round', round: number, of: rounds.length, event: 'ended' });
    if (failed !== undefined) throw failed.reason;
  }
  return { broken, leftOut };
}

type Times = Pick<Broken, 'requestedAt' | 'healedAt' | 'seen'>;

/** @returns undefined when nothing was broken */
async function hold(
  { faults, recorder, signal }: Aiming,
  name: DisruptionName,
  holdMs: number,
): Promise<Times | undefined> {
  const askedAt = recorder.now();
  const begun = await of(name).begin(faults).catch(leaveOut);
  if (begun === 'not now') return undefined;
  if (begun === 'not seen') return { requestedAt: askedAt, healedAt: recorder.now(), seen: false };
  await using fault = begun;
  await sleep(holdMs, undefined, { signal });
  const healedAt = await fault.heal();
  return { requestedAt: fault.requestedAt, healedAt, seen: true };
}

/** An aim that was left out may have got as far as to break something. */
async function aimAt(t: Aiming, name: AimName, index: number): Promise<Times> {
  const requestedAt = t.recorder.now();
  const acted = await AIMS[name]
    .act({ ...t, unique: `${t.unique}-${name}-${index}` })
    .then(() => 'seen' as const)
    .catch(leaveOut);
  return { requestedAt, healedAt: t.recorder.now(), seen: acted === 'seen' };
}

/** For a fault that makes no sense at its moment, so that nothing was broken, or that was broken and nobody saw it. */
function leaveOut(error: unknown): 'not now' | 'not seen' {
  if (error instanceof NotNowError) return 'not now';
  if (error instanceof InconclusiveError) return 'not seen';
  throw error;
}
