import { setTimeout as sleep } from 'node:timers/promises';
import type { Capability } from '../../harness/config/capabilities.ts';
import { lengthOf, type PlannedRound } from '../../harness/config/soak-plan.ts';
import { type CataloguedFault, FAULTS, type FaultName } from '../../harness/faults/catalogue.ts';
import { type Broken, InconclusiveError, NotNowError, type Random, UsageError } from '../../harness/index.ts';
import type { Aim, Aiming } from './aim.ts';
import { CONSUMING_AIMS, PUBLISHING_AIMS } from './aims-events.ts';
import { COMMITTING_AIMS, UPLOADING_AIMS } from './aims-writing.ts';

/** Operations of the first moment may meet broken connections. */
const LINGERS_MS = 2000;

const NAMES = Object.keys(FAULTS) as FaultName[];
const of = (name: FaultName): CataloguedFault => FAULTS[name];

/**
 * Interleavings that a fault at any moment would hit once in a long while. Each comes about by something that is seen from
 * outside, not by a timer.
 */
export const AIMS = {
  ...UPLOADING_AIMS,
  ...COMMITTING_AIMS,
  ...PUBLISHING_AIMS,
  ...CONSUMING_AIMS,
} as const satisfies Record<string, Aim>;

type AimName = keyof typeof AIMS;
const AIM_NAMES = Object.keys(AIMS) as AimName[];
const isAim = (name: FaultName | AimName): name is AimName => name in AIMS;

/**
 * What one round does: an aim, one disruption, or two that overlap. Times are ms from the round's start; an aim takes its
 * own time.
 */
export interface Round extends PlannedRound {
  disruptions: readonly { name: FaultName | AimName; startMs: number; holdMs: number }[];
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

function known(name: string): FaultName | AimName {
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

const areApart = (one: FaultName, other: FaultName): boolean =>
  of(one).touches.every((part) => !of(other).touches.includes(part));

/** Searches and uploads have nothing to do with it. */
const isOfRedis = (name: FaultName): boolean => of(name).touches.every((part) => part === 'redis');

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
 * fault that is not applicable in this state, or was never observed, is undone and left out.
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
    // An aim asks for answers: what was broken before must not be felt any more.
    const feltUntil = Math.max(0, ...broken.map(({ healedAt, lingersMs }) => healedAt + lingersMs));
    const feltMs = disruptions.some(({ name }) => isAim(name)) ? feltUntil - recorder.now() : 0;
    await sleep(Math.max(pauseMs, feltMs), undefined, { signal });
    const number = index + 1;
    recorder.record({ type: 'round', round: number, of: rounds.length, event: 'began' });
    const ofRound: Broken[] = [];
    const round = disruptions.map(async ({ name, startMs, holdMs }) => {
      await sleep(startMs, undefined, { signal });
      const times = isAim(name) ? await aimAt(t, name, index) : await hold(t, name, holdMs);
      if (times?.seen !== true) leftOut++;
      if (times === undefined) return;
      const lingersMs = isAim(name) ? LINGERS_MS : (of(name).lingersMs ?? LINGERS_MS);
      ofRound.push({ ...times, name, round: number, lingersMs, ofRedis: !isAim(name) && isOfRedis(name) });
    });
    const failed = (await Promise.allSettled(round)).find((end) => end.status === 'rejected');
    recorder.record({ type: 'round', round: number, of: rounds.length, event: 'ended', broken: ofRound });
    broken.push(...ofRound);
    if (failed !== undefined) throw failed.reason;
  }
  return { broken, leftOut };
}

type Times = Pick<Broken, 'requestedAt' | 'healedAt' | 'seen'>;

/** @returns undefined when nothing was broken */
async function hold({ faults, recorder, signal }: Aiming, name: FaultName, holdMs: number): Promise<Times | undefined> {
  const askedAt = recorder.now();
  const begun = await of(name).start(faults).catch(leaveOut);
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

/** For a fault that is not applicable in this state, so that nothing was broken, or that was never observed. */
function leaveOut(error: unknown): 'not now' | 'not seen' {
  if (error instanceof NotNowError) return 'not now';
  if (error instanceof InconclusiveError) return 'not seen';
  throw error;
}
