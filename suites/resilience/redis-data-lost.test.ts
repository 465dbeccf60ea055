import { CONSUMER_GROUP, EVENT_STREAM_NAME } from '../../harness/contract/names.ts';
import { type Fault, InconclusiveError, pollUntil } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { CraftedFile } from '../support/crafted-events.ts';
import { lastEventId } from '../support/events.ts';
import { changeFiles, demandInSync, uploadSynced } from '../support/in-sync.ts';
import { awaitSomebodyWaiting, lockReadModel } from '../support/read-model.ts';
import { awaitById, awaitSearchable, upload } from '../support/steps.ts';
import { suite } from '../support/suite.ts';
import { demandEqual, promised } from '../support/violation.ts';

const verify = suite();

const RECOVERS_MS = 10_000;
const REPAIRED_MS = 30_000;
const UPLOADS = 10;
/** A statement on a connection that nobody answers on is given up first. */
const GOES_ON_MS = 12_000;

const isThere = (hit: unknown): boolean => hit !== undefined;

type Transaction = ReturnType<CaseContext['redis']['multi']>;

const REMOVALS: Record<string, (transaction: Transaction) => Transaction> = {
  'stream-deleted': (transaction) => transaction.del(EVENT_STREAM_NAME),
  'group-destroyed': (transaction) => transaction.xgroup('DESTROY', EVENT_STREAM_NAME, CONSUMER_GROUP),
  flushed: (transaction) => transaction.flushall(),
};

for (const [variant, remove] of Object.entries(REMOVALS)) {
  verify(`REC-01/${variant}`, async (t) => {
    const { redis, evidence, unique } = t;
    await uploadSynced(t, 3, `${variant}-before`);
    // In one step with the removal: no consumer can make its group in between and so be given the event anyway.
    const file = new CraftedFile(`${unique}-same-moment.txt`, 'plain');
    const [removal] =
      (await remove(redis.multi())
        .xadd(EVENT_STREAM_NAME, '*', ...file.created())
        .exec()) ?? [];
    evidence.removed = removal?.[0] === null && removal[1] !== 0 ? 1 : 0;
    const ids = await uploadSome(t, `${variant}-after`);
    evidence.uploads = ids.length;
    await demandAllSearchable(t, [file.id, ...ids]);
  });
}

const cutOff = ({ faults }: CaseContext): Promise<Fault> => faults.network.refuse({ client: 'query', server: 'redis' });

verify('REC-02/consumer-down', (t) => losesWhatNobodySaw(t, ({ faults }) => faults.query.stop()));
verify('REC-02/consumer-cut', (t) => losesWhatNobodySaw(t, cutOff));
verify('REC-02/database-silent', async (t) => {
  // Whatever has compared just now may keep its connections for the next time.
  await losesWhatNobodySaw(t, cutOff);
  await losesWhatNobodySaw(t, async () => {
    const away = await cutOff(t);
    await t.faults.network.forget({ client: 'query', server: 'postgres' });
    return away;
  });
});
verify('REC-02/comparing-silent', (t) =>
  losesWhatNobodySaw(t, cutOff, async (away) => {
    await using _locked = await lockReadModel(t.env, 'everybody');
    await away.heal();
    await awaitSomebodyWaiting(t, 'a comparison').catch((cause: unknown) => {
      throw new InconclusiveError('No comparison was under way that could lose its connections', { cause });
    });
    await t.faults.network.forget({ client: 'query', server: 'postgres' });
  }),
);

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
  evidence.lostEvents = await promised(
    'Events of all changes on the stream',
    pollUntil(published, { what: '11 new entries', timeoutMs: t.env.promises.syncMs, signal }),
  );
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

verify('REC-04', async (t) => {
  const { redis, faults, evidence, unique, signal } = t;
  const file = new CraftedFile(`${unique}-ahead.txt`, 'plain');
  const ahead = `${Date.now() + 3_600_000}-0`;
  await redis.xadd(EVENT_STREAM_NAME, ahead, ...file.created());
  await awaitSearchable(t.pipeline, file.id, { timeoutMs: t.env.promises.syncMs, signal });
  await using empty = await faults.redis.kill({ data: 'lose' });
  await empty.heal();
  const ids = await uploadSome(t, 'after');
  evidence.uploads = ids.length;
  await demandAllSearchable(t, ids);
  evidence.aheadMs = milliseconds(ahead) - milliseconds(await lastEventId(redis));
});

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
