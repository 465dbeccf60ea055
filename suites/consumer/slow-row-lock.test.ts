import { setInterval } from 'node:timers/promises';
import { monotonicMs } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { awaitSettled, stillPending, takeOverMs } from '../steps/consumers.ts';
import { awaitEvents, lastEventId, watchDeadLetters } from '../steps/events.ts';
import { consistently } from '../steps/eventually.ts';
import { lockRow } from '../steps/read-model.ts';
import { registerPlain, updateDescription } from '../steps/registrations.ts';
import { awaitById, awaitSearchable } from '../steps/steps.ts';
import { demand } from '../steps/violation.ts';
import { CONSUMER } from './requirements.ts';

const verify = suite(CONSUMER);

verify(
  'CON-10',
  'A row that is locked for longer than the retry time, with two consumers, ends in the right result and in no livelock.',
  waitsForTheRow,
);

const OTHERS_EVERY_MS = 500;
/** An entry may change hands when the retry time is over, and perhaps once more; not all the time. */
const OWNERS_MAX = 4;

async function waitsForTheRow(t: CaseContext): Promise<void> {
  const { env, pipeline, redis, evidence, unique, signal } = t;
  const { pendingRetryMs, syncMs } = env.limits;
  await using _second = await env.startInstance('query');
  const deadLetters = await watchDeadLetters(t);
  const { file_id } = await registerPlain(pipeline, `${unique}.txt`);
  await awaitSearchable(pipeline, file_id, { timeoutMs: syncMs, signal });
  const before = await lastEventId(redis);
  const entryIds: string[] = [];
  {
    await using _lock = await lockRow(env, file_id);
    await updateDescription(pipeline, file_id, 'from behind the lock');
    for (const { id } of await awaitEvents(t, file_id, before, 1)) entryIds.push(id);
    // So long that both consumers, should they wait for the lock, let the others wait for longer than they may, however
    // late the second one takes the event over.
    const lockedMs = Math.max(1.5 * pendingRetryMs, takeOverMs(t) + 1.5 * syncMs);
    evidence.lockedMs = lockedMs;
    [evidence.owners, evidence.others] = await Promise.all([
      watchOwners(t, entryIds, lockedMs),
      othersGoOn(t, lockedMs),
    ]);
    await deadLetters.demandNone('while a row was locked');
  }
  const isUpdated = (hit?: { description: string | null }): boolean => hit?.description === 'from behind the lock';
  const waiting = { timeoutMs: takeOverMs(t), signal };
  await awaitById(pipeline, file_id, 'the update after the lock was released', isUpdated, waiting);
  await awaitSettled(t, entryIds);
  await deadLetters.demandNone('for a row that was locked');
}

/** The entry stays pending, and with whom it is. @returns how many times it got an owner, the first one included */
async function watchOwners(t: CaseContext, entryIds: readonly string[], ms: number): Promise<number> {
  const owners: string[] = [];
  const look = async (): Promise<void> => {
    const [entry] = await stillPending(t, entryIds);
    demand(entry !== undefined || owners.length === 0, 'The event of a locked row is no longer pending');
    if (entry !== undefined && entry.consumer !== owners.at(-1)) owners.push(entry.consumer);
    demand(
      owners.length <= OWNERS_MAX,
      () => `The event of a locked row changed hands ${owners.length - 1} times: no consumer leaves it to the other`,
    );
  };
  await consistently(look, { forMs: ms, everyMs: 50, signal: t.signal });
  return owners.length;
}

/** Other files stay searchable within the sync budget throughout. @returns how many */
async function othersGoOn({ env, pipeline, unique, signal }: CaseContext, ms: number): Promise<number> {
  const untilMs = monotonicMs() + ms;
  let others = 0;
  for await (const _tick of setInterval(OTHERS_EVERY_MS, undefined, { signal })) {
    if (monotonicMs() >= untilMs) break;
    const { file_id } = await registerPlain(pipeline, `${unique}-other-${others}.txt`);
    await awaitSearchable(pipeline, file_id, { timeoutMs: env.limits.syncMs, signal });
    others++;
  }
  return others;
}
