import { monotonicMs } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { awaitSettled, leavePending, takeOverMs } from '../steps/consumers.ts';
import {
  addEvents,
  CraftedFile,
  MAYBE_STORABLE,
  POISON_KINDS,
  type Poison,
  type PoisonKind,
  poison,
} from '../steps/crafted-events.ts';
import { type DeadLetters, watchDeadLetters } from '../steps/events.ts';
import { consistently } from '../steps/eventually.ts';
import { publishSome } from '../steps/publishing.ts';
import { takeAwayRows } from '../steps/read-model.ts';
import { awaitById, awaitSearchable, findById } from '../steps/steps.ts';
import { demand } from '../steps/violation.ts';
import { CONSUMER } from './requirements.ts';

const verify = suite(CONSUMER);

verify(
  'CON-07/single',
  'Of every kind of event that cannot be applied, one delays the next event by at most 2 s.',
  eachKindDelaysNothing,
);
verify('CON-07/many', 'Thirty events that cannot be applied delay the next one by at most 2 s.', manyDelayNothing);
verify('CON-08', 'An outage of PostgreSQL is not poison: nothing is dead-lettered for it.', outageIsNoPoison);

/** How much later than without poison the event behind it may become visible. */
const DELAY_MS_MAX = 2000;
/** On a machine so busy that this comes to more: this many times what a good event takes alone. */
const DELAY_FACTOR = 30;
const SAMPLES = 5;
/** What poison costs comes every time, what else the machine is doing does not: the best of so many counts. */
const ROUNDS_MAX = 3;
/** A consumer may keep an event for another try after the retry time, this often, before it gives it up. */
const TRIES_MAX = 3;
const MANY = 30;

async function eachKindDelaysNothing(t: CaseContext): Promise<void> {
  await delayNothing(
    t,
    POISON_KINDS.map((kind) => [kind]),
  );
  t.evidence.kinds = POISON_KINDS.length;
}

async function manyDelayNothing(t: CaseContext): Promise<void> {
  const many = (kinds: readonly PoisonKind[]): PoisonKind[] =>
    Array.from({ length: MANY }, (_, i) => kinds[i % kinds.length]).filter((kind) => kind !== undefined);
  return delayNothing(t, [many(POISON_KINDS), many(MAYBE_STORABLE)]);
}

/** Each group comes with a good event behind it, which may hardly wait for it; every poison ends as a dead letter. */
async function delayNothing(t: CaseContext, groups: readonly (readonly PoisonKind[])[]): Promise<void> {
  const { env, evidence } = t;
  const deadLetters = await watchDeadLetters(t);
  const samples: number[] = [];
  for (let i = 0; i < SAMPLES; i++) samples.push((await goodBehind(t, [], env.limits.syncMs)).ms);
  const usualMs = samples.toSorted((a, b) => a - b)[SAMPLES >> 1] ?? 0;
  const delayMsMax = Math.max(DELAY_MS_MAX, DELAY_FACTOR * usualMs);
  const poisons: Poison[] = [];
  const entryIds: string[] = [];
  evidence.slowestDelayMs = 0;
  for (const kinds of groups) {
    let delayMs = Number.POSITIVE_INFINITY;
    for (let round = 0; round < ROUNDS_MAX && delayMs > delayMsMax; round++) {
      const group = kinds.map((kind, i) => poison(kind, `${t.unique}-${round}-${i}.txt`));
      const behind = await goodBehind(t, group, usualMs + ROUNDS_MAX * delayMsMax);
      poisons.push(...group);
      entryIds.push(...behind.entryIds);
      delayMs = Math.min(delayMs, behind.ms - usualMs);
    }
    const what = `${kinds.length} with ${[...new Set(kinds)].slice(0, 3).join(', ')}`;
    demand(
      delayMs <= delayMsMax,
      `A good event was visible ${delayMs} ms late behind ${what}, not within ${delayMsMax} ms`,
    );
    evidence.slowestDelayMs = Math.max(evidence.slowestDelayMs, delayMs);
  }
  await awaitSettled(t, entryIds, { timeoutMs: TRIES_MAX * env.limits.pendingRetryMs + env.limits.syncMs });
  evidence.poisons = await demandBuried(t, poisons, deadLetters);
}

/** Adds poison and a good event behind it in one step. @returns how long it took until the good one was visible */
async function goodBehind(
  { redis, pipeline, unique, signal }: CaseContext,
  poisons: readonly Poison[],
  timeoutMs: number,
): Promise<{ entryIds: string[]; ms: number }> {
  const good = new CraftedFile(`${unique}-good.txt`, 'versions');
  const sentAt = monotonicMs();
  const entryIds = await addEvents(redis, [...poisons.map(({ fields }) => fields), good.created()]);
  const kinds = [...new Set(poisons.map(({ kind }) => kind))].slice(0, 3).join(', ');
  const what = poisons.length === 0 ? 'a good event' : `a good event behind ${poisons.length} with ${kinds}`;
  await awaitById(pipeline, good.id, what, (hit) => hit !== undefined, { timeoutMs, signal });
  return { entryIds, ms: Math.round(monotonicMs() - sentAt) };
}

/**
 * @returns how many are dead letters
 * @throws Violation unless each is, with its error, or can be applied after all
 */
async function demandBuried(t: CaseContext, poisons: readonly Poison[], deadLetters: DeadLetters): Promise<number> {
  const letters = await deadLetters.since();
  let buried = 0;
  for (const { kind, mark, file } of poisons) {
    const own = letters.filter(({ fields }) => Object.values(fields).some((value) => value.includes(mark)));
    const what = `The event with ${kind}`;
    if (own.length === 0 && MAYBE_STORABLE.includes(kind) && (await findById(t.pipeline, file.id)) !== undefined)
      continue;
    demand(own.length === 1, `${what} is ${own.length} times on the dead-letter stream, expected once`);
    const { error = '', attempts = '1' } = own[0]?.fields ?? {};
    demand(error !== '', `${what}: its dead letter has no error`);
    demand(/^[1-9]\d*$/.test(attempts), `${what}: its dead letter has attempts ${JSON.stringify(attempts)}`);
    buried++;
  }
  return buried;
}

const FILES = 5;
/** Delivered more often than anything that is tried a bounded number of times. */
const DELIVERIES = 100;
/** Until a consumer has taken over what it looks for now and then, and has failed with it. */
const OLD_AWAY_MS = 2500;
/** Longer than one needs that gives up after a handful of tries. */
const NEW_AWAY_MS = 2500;

async function outageIsNoPoison(t: CaseContext): Promise<void> {
  const { redis, pipeline, faults, evidence, signal } = t;
  const deadLetters = await watchDeadLetters(t);
  const old = await publishSome(t, 'old', FILES);
  await takeAwayRows(t, old.fileIds);
  await awaitSettled(t, old.entryIds);
  const fresh = Array.from({ length: FILES }, (_, i) => new CraftedFile(`${t.unique}-new-${i}.txt`, 'versions'));
  const buryNone = (): Promise<void> => deadLetters.demandNone('during a PostgreSQL outage');
  const entryIds = [...old.entryIds];
  {
    await using _away = await faults.postgres.stop();
    await leavePending(t, old.entryIds, { deliveries: DELIVERIES });
    evidence.looks = await consistently(buryNone, { forMs: OLD_AWAY_MS, signal });
    entryIds.push(
      ...(await addEvents(
        redis,
        fresh.map((file) => file.created()),
      )),
    );
    evidence.looks += await consistently(buryNone, { forMs: NEW_AWAY_MS, signal });
  }
  const fileIds = [...old.fileIds, ...fresh.map(({ id }) => id)];
  const waiting = { timeoutMs: takeOverMs(t), signal };
  for (const id of fileIds) await awaitSearchable(pipeline, id, waiting);
  await awaitSettled(t, entryIds);
  await deadLetters.demandNone('although only PostgreSQL was unavailable');
  evidence.applied = fileIds.length;
}
