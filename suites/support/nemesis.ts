import { setTimeout as sleep } from 'node:timers/promises';
import { lengthOf, type PlannedRound } from '../../harness/config/soak-plan.ts';
import type { Capability } from '../../harness/contract/capabilities.ts';
import { InconclusiveError, NotNowError, type Random, UsageError } from '../../harness/index.ts';
import type { DisruptionName } from '../spec/disruptions.ts';
import { AIMS, type Aiming } from './aimed.ts';
import { DISRUPTIONS, type Disruption } from './disruptions.ts';

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
    const first = draw((name) => rounds.length > 0 || (isOfRedis(name) && of(name).momentary !== true));
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

/** What the nemesis did. Times are run time. */
export interface Done {
  name: DisruptionName | AimName;
  requestedAt: number;
  healedAt: number;
  ofRedis: boolean;
}

/**
 * Carries rounds out, one after the other, each healed before the next begins. A fault that makes no sense at its moment,
 * or that nobody saw, is undone and left out.
 * @param broken told when a round begins and when all of it is healed
 * @throws Violation of an aim, and what a fault throws that cannot be healed; all others of its round are healed then, too
 */
export async function disrupt(
  t: Aiming,
  rounds: readonly Round[],
  broken: (isOn: boolean) => void,
): Promise<{ done: Done[]; leftOut: number }> {
  const { signal } = t;
  const done: Done[] = [];
  let leftOut = 0;
  for (const [index, { pauseMs, disruptions }] of rounds.entries()) {
    await sleep(pauseMs, undefined, { signal });
    const round = disruptions.map(async ({ name, startMs, holdMs }) => {
      await sleep(startMs, undefined, { signal });
      const times = isAim(name) ? await aimAt(t, name, index) : await hold(t, name, holdMs);
      if (times === undefined) leftOut++;
      else done.push({ name, ...times, ofRedis: !isAim(name) && isOfRedis(name) });
    });
    broken(true);
    const failed = (await Promise.allSettled(round)).find((end) => end.status === 'rejected');
    broken(false);
    if (failed !== undefined) throw failed.reason;
  }
  return { done, leftOut };
}

interface Times {
  requestedAt: number;
  healedAt: number;
}

async function hold({ faults, signal }: Aiming, name: DisruptionName, holdMs: number): Promise<Times | undefined> {
  const begun = await of(name).begin(faults).catch(leaveOut);
  if (begun === undefined) return undefined;
  await using fault = begun;
  await sleep(holdMs, undefined, { signal });
  const healedAt = await fault.heal();
  return { requestedAt: fault.requestedAt, healedAt };
}

async function aimAt(t: Aiming, name: AimName, index: number): Promise<Times | undefined> {
  const requestedAt = t.recorder.now();
  const acted = await AIMS[name]
    .act({ ...t, unique: `${t.unique}-${name}-${index}` })
    .then(() => true)
    .catch(leaveOut);
  return acted === undefined ? undefined : { requestedAt, healedAt: t.recorder.now() };
}

/** For a fault that makes no sense at its moment, or that nobody saw. */
function leaveOut(error: unknown): undefined {
  if (!(error instanceof InconclusiveError) && !(error instanceof NotNowError)) throw error;
}
