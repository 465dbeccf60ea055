import { type Fault, InconclusiveError } from '../../harness/index.ts';
import { CONSUMER_GROUP, EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { CraftedFile } from '../steps/crafted-events.ts';
import { lastEventId } from '../steps/events.ts';
import { eventually } from '../steps/eventually.ts';
import { changeFiles, demandInSync, uploadSynced } from '../steps/in-sync.ts';
import { awaitSomebodyWaiting, lockReadModel } from '../steps/read-model.ts';
import { awaitById, awaitSearchable, upload } from '../steps/steps.ts';
import { demandEqual } from '../steps/violation.ts';
import { RECOVERY } from './requirements.ts';

const verify = suite(RECOVERY);

verify(
  'REC-01/stream-deleted',
  'The stream is deleted under a blocked consumer: nothing written from then on is skipped.',
  (t) => skipsNothing(t, 'stream-deleted'),
);
verify(
  'REC-01/group-destroyed',
  'The consumer group is destroyed under a blocked consumer: nothing written from then on is skipped.',
  (t) => skipsNothing(t, 'group-destroyed'),
);
verify('REC-01/flushed', 'Redis is flushed under a blocked consumer: nothing written from then on is skipped.', (t) =>
  skipsNothing(t, 'flushed'),
);
verify(
  'REC-02/consumer-down',
  'The consumer is down, Redis loses what was published meanwhile: the read model ends equal to the registry.',
  (t) => losesWhatNobodySaw(t, ({ faults }) => faults.query.stop()),
);
verify(
  'REC-02/consumer-cut',
  'The consumer is cut off, Redis loses what was published meanwhile: the read model ends equal to the registry.',
  (t) => losesWhatNobodySaw(t, cutOff),
);
verify(
  'REC-02/database-silent',
  'The same, and the connections of query to PostgreSQL are half-open: the read model ends equal to the registry.',
  losesWithSilentDatabase,
);
verify(
  'REC-02/comparing-silent',
  'The same, and the connections of query to PostgreSQL become half-open while it repairs the loss: the read model ends equal to the registry.',
  losesWithDatabaseFallingSilent,
);
verify('REC-04', 'Stream ids that go backwards hide nothing.', bearsIdsGoingBackwards);
verify('REC-06', 'Events that are trimmed away before they were delivered are noticed and repaired.', repairsTrimmed);

const RECOVERS_MS = 10_000;
const REPAIRED_MS = 30_000;
const UPLOADS = 10;
/** A statement on a half-open connection times out first. */
const GOES_ON_MS = 12_000;
const isThere = (hit: unknown): boolean => hit !== undefined;

type Transaction = ReturnType<CaseContext['redis']['multi']>;

const REMOVALS = {
  'stream-deleted': (transaction: Transaction) => transaction.del(EVENT_STREAM_NAME),
  'group-destroyed': (transaction: Transaction) => transaction.xgroup('DESTROY', EVENT_STREAM_NAME, CONSUMER_GROUP),
  flushed: (transaction: Transaction) => transaction.flushall(),
} as const;

async function skipsNothing(t: CaseContext, removal: keyof typeof REMOVALS): Promise<void> {
  const { redis, evidence, unique } = t;
  await uploadSynced(t, 3, `${removal}-before`);
  // In one step with the removal: no consumer can make its group in between and so be given the event anyway.
  const file = new CraftedFile(`${unique}-same-moment.txt`, 'plain');
  const [removed] =
    (await REMOVALS[removal](redis.multi())
      .xadd(EVENT_STREAM_NAME, '*', ...file.created())
      .exec()) ?? [];
  evidence.removed = removed?.[0] === null && removed[1] !== 0 ? 1 : 0;
  const ids = await uploadSome(t, `${removal}-after`);
  evidence.uploads = ids.length;
  await demandAllSearchable(t, [file.id, ...ids]);
}

const cutOff = ({ faults }: CaseContext): Promise<Fault> => faults.network.refuse({ client: 'query', server: 'redis' });

async function losesWithSilentDatabase(t: CaseContext): Promise<void> {
  // Whatever has compared just now may keep its connections for the next time.
  await losesWhatNobodySaw(t, cutOff);
  await losesWhatNobodySaw(t, async () => {
    const away = await cutOff(t);
    await t.faults.network.forget({ client: 'query', server: 'postgres' });
    return away;
  });
}

async function losesWithDatabaseFallingSilent(t: CaseContext): Promise<void> {
  await losesWhatNobodySaw(t, cutOff, async (away) => {
    await using _locked = await lockReadModel(t.env, 'everybody');
    await away.heal();
    await awaitSomebodyWaiting(t, 'a comparison').catch((cause: unknown) => {
      throw new InconclusiveError('No comparison was in progress that could lose its connections', { cause });
    });
    await t.faults.network.forget({ client: 'query', server: 'postgres' });
  });
}

async function losesWhatNobodySaw(
  t: CaseContext,
  keepAway: (t: CaseContext) => Promise<Fault>,
  comeBack: (away: Fault) => Promise<unknown> = (away) => away.heal(),
): Promise<void> {
  const { redis, faults, evidence, signal } = t;
  const files = await uploadSynced(t, 12, 'before');
  await using away = await keepAway(t);
  const before = Number(await redis.xlen(EVENT_STREAM_NAME));
  const changed = await changeFiles(t, { update: files.slice(0, 3), remove: files.slice(3, 6), create: 5 });
  const published = async (): Promise<number | undefined> => {
    const count = Number(await redis.xlen(EVENT_STREAM_NAME)) - before;
    return count >= 11 ? count : undefined;
  };
  evidence.lostEvents = await eventually('Events of all changes on the stream', published, {
    timeoutMs: t.env.limits.syncMs,
    signal,
  });
  await using empty = await faults.redis.kill({ data: 'lose' });
  await empty.heal();
  await comeBack(away);
  const rest = { ...changed, updated: [...changed.updated, ...files.slice(6)] };
  await demandInSync(t, rest, { timeoutMs: REPAIRED_MS, what: 'The read model equal to the registry after the loss' });
  // The comparison needs no consumer; whatever comes next does.
  const created = await uploadSome(t, 'after', 1);
  const what = 'A file that was uploaded afterwards in the read model';
  await demandInSync(t, { created, updated: [], deleted: [] }, { timeoutMs: GOES_ON_MS, what });
}

async function bearsIdsGoingBackwards(t: CaseContext): Promise<void> {
  const { redis, faults, evidence, unique, signal } = t;
  const file = new CraftedFile(`${unique}-ahead.txt`, 'plain');
  const ahead = `${Date.now() + 3_600_000}-0`;
  await redis.xadd(EVENT_STREAM_NAME, ahead, ...file.created());
  await awaitSearchable(t.pipeline, file.id, { timeoutMs: t.env.limits.syncMs, signal });
  await using empty = await faults.redis.kill({ data: 'lose' });
  await empty.heal();
  const ids = await uploadSome(t, 'after');
  evidence.uploads = ids.length;
  await demandAllSearchable(t, ids);
  evidence.aheadMs = milliseconds(ahead) - milliseconds(await lastEventId(redis));
}

const milliseconds = (id: string): number => Number(id.split('-', 1)[0]);

async function uploadSome({ pipeline, unique }: CaseContext, kind: string, count = UPLOADS): Promise<string[]> {
  const names = Array.from({ length: count }, (_, i) => `${unique}-${kind}-${i}.txt`);
  const uploads = await Promise.all(
    names.map((filename) => upload(pipeline, { filename, content: Buffer.from(filename) })),
  );
  demandEqual(new Set(uploads.map(({ file_id }) => file_id)).size, count, 'Files that were uploaded');
  return uploads.map(({ file_id }) => file_id);
}

async function demandAllSearchable({ pipeline, signal }: CaseContext, ids: readonly string[]): Promise<void> {
  await Promise.all(
    ids.map((id) => awaitById(pipeline, id, `${id} searchable`, isThere, { timeoutMs: RECOVERS_MS, signal })),
  );
}

async function repairsTrimmed(t: CaseContext): Promise<void> {
  const { redis, faults, evidence, signal } = t;
  const files = await uploadSynced(t, 12, 'before');
  // Refused, not silenced: an entry that was handed to the consumer and lost on the wire would still be pending.
  await using cut = await faults.network.refuse({ client: 'query', server: 'redis' });
  const before = Number(await redis.xlen(EVENT_STREAM_NAME));
  const changed = await changeFiles(t, { update: files.slice(0, 3), remove: files.slice(3, 6), create: 5 });
  await eventually(
    'Events of all changes on the stream',
    async () => (Number(await redis.xlen(EVENT_STREAM_NAME)) - before >= 11 ? true : undefined),
    { timeoutMs: t.env.limits.syncMs, signal },
  );
  evidence.trimmed = Math.min(Number(await redis.xtrim(EVENT_STREAM_NAME, 'MAXLEN', 0)), 11);
  await cut.heal();
  // The next event is what shows that some before it are missing.
  const later = await uploadSynced(t, 1, 'later');
  const rest = { ...changed, updated: [...changed.updated, ...files.slice(6), ...later] };
  await demandInSync(t, rest, {
    timeoutMs: REPAIRED_MS,
    what: 'The read model equal to the registry after the trimming',
  });
}
