import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { demandAlike } from '../steps/alike.ts';
import { awaitSettled, demandDrained, leavePending } from '../steps/consumers.ts';
import { addEvents, CraftedFile, type EventFields, type Producer } from '../steps/crafted-events.ts';
import { awaitEvents, lastEventId, type StreamEntry, watchDeadLetters } from '../steps/events.ts';
import { registerPlain, remove, updateDescription } from '../steps/registrations.ts';
import { awaitById, awaitSearchable, findById, findByName } from '../steps/steps.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { CONSUMER } from './requirements.ts';

const verify = suite(CONSUMER);

verify(
  'CON-03/published',
  'Events as the pipeline publishes them: a stale redelivery never overwrites a newer row.',
  publishedStaysNewest,
);
verify(
  'CON-03/plain',
  'Events without versions, as a plain producer sends them: a stale redelivery never overwrites a newer row.',
  plainStaysNewest,
);
verify(
  'CON-04/published',
  'Events as the pipeline publishes them: a redelivered creation or update never brings a deleted file back.',
  publishedStaysGone,
);
verify(
  'CON-04/plain',
  'Events without versions, as a plain producer sends them: a redelivered creation or update never brings a deleted file back.',
  plainStaysGone,
);
verify('CON-05/versions', 'Events with versions: in whatever order they arrive, the final state is right.', (t) =>
  endsRightInEveryOrder(t, 'versions'),
);
verify(
  'CON-05/plain',
  'Events without versions, as a plain producer sends them: in whatever order they arrive, the final state is right.',
  (t) => endsRightInEveryOrder(t, 'plain'),
);
verify('CON-06', 'The same event twice, or ten times, makes one row with the same content.', appliesCopiesOnce);

const idsOf = (entries: readonly StreamEntry[]): string[] => entries.map(({ id }) => id);
/** So many that their numbers are out of order when compared as text. */
const UPDATES = 10;

async function publishedStaysNewest(t: CaseContext): Promise<void> {
  const before = await lastEventId(t.redis);
  const { file_id } = await registerPlain(t.pipeline, `${t.unique}.txt`);
  for (let i = 1; i <= UPDATES; i++) await updateDescription(t.pipeline, file_id, `update ${i}`);
  const entries = await awaitEvents(t, file_id, before, UPDATES + 1);
  await staysNewest(t, file_id, `update ${UPDATES}`, idsOf(entries).slice(0, UPDATES));
}

async function plainStaysNewest(t: CaseContext): Promise<void> {
  const file = new CraftedFile(`${t.unique}.txt`, 'plain');
  const updates = [2, 3, 4].map((version) => file.updated(version, `version ${version}`));
  const ids = await addEvents(t.redis, [file.created(), ...updates]);
  await staysNewest(t, file.id, 'version 4', ids.slice(0, -1));
}

/** Once the newest state was shown it stays, while older events are delivered again: one by one, then all. */
async function staysNewest(t: CaseContext, fileId: string, newest: string, staleIds: readonly string[]): Promise<void> {
  const isNewest = (hit: { description: string | null } | undefined): boolean => hit?.description === newest;
  const timeoutMs = t.env.limits.syncMs;
  await awaitById(t.pipeline, fileId, `${newest} of ${fileId}`, isNewest, { timeoutMs, signal: t.signal });
  await redeliver(t, [staleIds.slice(-1), staleIds.slice(1, 2), staleIds], async () => {
    const hit = await findById(t.pipeline, fileId);
    demandEqual(hit?.description, newest, `The description of ${fileId} while older events are delivered again`);
  });
}

async function publishedStaysGone(t: CaseContext): Promise<void> {
  const { env, pipeline, redis, unique, signal } = t;
  const before = await lastEventId(redis);
  const { file_id, original_filename } = await registerPlain(pipeline, `${unique}.txt`);
  await updateDescription(pipeline, file_id, 'as updated');
  await awaitSearchable(pipeline, file_id, { timeoutMs: env.limits.syncMs, signal });
  await remove(pipeline, file_id);
  await staysGone(t, file_id, original_filename, idsOf(await awaitEvents(t, file_id, before, 3)));
}

async function plainStaysGone(t: CaseContext): Promise<void> {
  const { env, pipeline, redis, unique, signal } = t;
  const file = new CraftedFile(`${unique}.txt`, 'plain');
  const ids = await addEvents(redis, [file.created(), file.updated(2, 'as updated')]);
  await awaitSearchable(pipeline, file.id, { timeoutMs: env.limits.syncMs, signal });
  ids.push(...(await addEvents(redis, [file.deleted(3)])));
  await staysGone(t, file.id, file.filename, ids);
}

/** Once the deletion was seen the file stays deleted, while its events are delivered again: one by one, then all. */
async function staysGone(t: CaseContext, fileId: string, name: string, ids: readonly string[]): Promise<void> {
  const { env, pipeline, signal } = t;
  const waiting = { timeoutMs: env.limits.syncMs, signal };
  await awaitById(pipeline, fileId, `${fileId} gone after its deletion`, (hit) => hit === undefined, waiting);
  await redeliver(t, [ids.slice(0, 1), ids.slice(1, 2), ids], async () => {
    const back = (await findById(pipeline, fileId)) ?? (await findByName(pipeline, name))[0];
    demand(
      back === undefined,
      () => `${fileId}, which was deleted, reappeared as ${back?.description ?? back?.filename}`,
    );
  });
}

/** Delivers entries once more, one round after the other, and looks all the time until each round is done and after it. */
async function redeliver(t: CaseContext, rounds: readonly (readonly string[])[], look: () => Promise<void>) {
  const { evidence } = t;
  evidence.redelivered = 0;
  evidence.looks = 0;
  const countedLook = async (): Promise<void> => {
    await look();
    evidence.looks = Number(evidence.looks) + 1;
  };
  for (const ids of rounds) {
    // An acknowledgement that is on its way would undo what follows.
    await awaitSettled(t, ids);
    await leavePending(t, ids);
    await awaitSettled(t, ids, { meanwhile: countedLook });
    await countedLook();
    evidence.redelivered += ids.length;
  }
}

/** What becomes of a file: its events in the order of its changes, and what search shows in the end. */
const FATES: readonly { events: (file: CraftedFile) => EventFields[]; end: string | undefined }[] = [
  { events: (file) => [file.created(), file.updated(2, 'as updated')], end: 'as updated' },
  { events: (file) => [file.created(), file.updated(2, 'as updated'), file.deleted(3)], end: undefined },
];

/** Every order of every fate's events, all at once and each after the one before it was applied. */
async function endsRightInEveryOrder(t: CaseContext, producer: Producer): Promise<void> {
  const { pipeline, redis, evidence, unique, signal } = t;
  const timeoutMs = t.env.limits.syncMs;
  const deadLetters = await watchDeadLetters(t);
  const files = FATES.flatMap(({ events, end }) =>
    permutations(events(new CraftedFile('', producer)).map((_, place) => place)).flatMap((order) =>
      ['at once', 'one by one'].map((arrival) => {
        const file = new CraftedFile(`${unique} ${order.join('')} ${arrival}.txt`, producer);
        const inOrder = events(file);
        const shuffled = order.map((place) => inOrder[place] ?? []);
        return {
          file,
          end,
          arrival,
          order,
          arrivals: arrival === 'at once' ? [shuffled] : shuffled.map((one) => [one]),
        };
      }),
    ),
  );
  for (let step = 0; ; step++) {
    const events = files.flatMap(({ arrivals }) => arrivals[step] ?? []);
    if (events.length === 0) break;
    await addEvents(redis, events);
    await demandDrained(t);
  }
  for (const { file, end, arrival, order } of files) {
    const what = `${end ?? 'Nothing'} of events that came ${arrival}, in the order ${order.map((place) => place + 1)}`;
    await awaitById(pipeline, file.id, what, (hit) => hit?.description === end, { timeoutMs, signal });
  }
  await deadLetters.demandNone('although each could be applied');
  evidence.orders = files.length;
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

/** A count of 2 is what a lost reply makes, 10 what a publisher does that cannot stop. */
const TIMES = [2, 10];

async function appliesCopiesOnce(t: CaseContext): Promise<void> {
  const deadLetters = await watchDeadLetters(t);
  t.evidence.copies = 0;
  for (const times of TIMES) {
    await appliedBefore(t, times);
    await neverSeenBefore(t, times);
  }
  await deadLetters.demandNone('that came more than once');
}

/** Events of a registered file come again after they were applied. */
async function appliedBefore(t: CaseContext, times: number): Promise<void> {
  const { pipeline, redis, unique } = t;
  const before = await lastEventId(redis);
  const { file_id, original_filename } = await registerPlain(pipeline, `${unique}-${times}.txt`, {
    tags: ['one', 'two'],
  });
  await updateDescription(pipeline, file_id, 'as updated');
  const originals = await awaitEvents(t, file_id, before, 2);
  await demandDrained(t);
  await addCopies(
    t,
    originals.map(({ fields }) => Object.entries(fields).flat()),
    times - 1,
  );
  await demandAlike(t, file_id, `each of its events came ${times} times`);
  await demandFoundOnce(t, original_filename, times);
}

/** All copies of an event come at once, and before any of them was applied. */
async function neverSeenBefore(t: CaseContext, times: number): Promise<void> {
  const file = new CraftedFile(`${t.unique}-${times} at once.txt`, 'versions');
  const tags = ['one', 'two'];
  await addCopies(t, [file.created('as created', { tags }), file.updated(2, 'as updated', { tags })], times);
  const hit = await findById(t.pipeline, file.id);
  const shown = { description: hit?.description, tags: hit?.tags };
  demandEqual(shown, { description: 'as updated', tags }, `The file whose events came ${times} times at once`);
  await demandFoundOnce(t, file.filename, times);
  await addCopies(t, [file.deleted(3)], times);
  demandEqual(await findById(t.pipeline, file.id), undefined, `The file whose deletion came ${times} times`);
}

async function addCopies(t: CaseContext, events: readonly EventFields[], copies: number): Promise<void> {
  const ids = await addEvents(
    t.redis,
    events.flatMap((event) => Array.from({ length: copies }, () => event)),
  );
  await demandDrained(t);
  t.evidence.copies = Number(t.evidence.copies) + ids.length;
}

async function demandFoundOnce({ pipeline }: CaseContext, name: string, times: number): Promise<void> {
  const hits = await findByName(pipeline, name);
  demandEqual(hits.length, 1, `Results for ${name}, of which each event came ${times} times`);
}
