import { CONSUMER_GROUP, EVENT_STREAM_NAME, type ServiceName } from '../../harness/contract/names.ts';
import { awaitReadiness, type PartName, pollUntil } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { awaitSearchable, upload } from '../support/steps.ts';
import { suite } from '../support/suite.ts';
import { demand, promised } from '../support/violation.ts';

const verify = suite();

const FILES = 5;
const SYNC_AFTER_START_MS = 15_000;
/** In an order in which each finds what it needs. */
const PRODUCERS: readonly ServiceName[] = ['admin', 'storage', 'ingester'];

verify(
  'SYNC-09/consumer-first',
  async (t) => {
    for (const part of PRODUCERS) await startPart(t, part);
    await uploadAndFind(t);
  },
  { environment: { deferred: PRODUCERS } },
);

verify(
  'SYNC-09/producer-first',
  async (t) => {
    const early = await uploadSome(t, 'early');
    await promised(
      'Events on the stream although nobody consumes',
      pollUntil(async () => ((await t.redis.xlen(EVENT_STREAM_NAME)) >= early.length ? true : undefined), {
        what: `${early.length} events on the stream`,
        timeoutMs: 5000,
        signal: t.signal,
      }),
    );
    await startPart(t, 'query');
    const late = await uploadSome(t, 'late');
    await findAll(t, [...early, ...late]);
  },
  { environment: { deferred: ['query'] } },
);

verify(
  'SYNC-09/before-stream',
  async (t) => {
    // A consumer may have made an empty stream for its group. Losing it leaves a Redis that nobody has written to; a
    // consumer that notices may make it again at once.
    await t.redis.del(EVENT_STREAM_NAME);
    for (const part of PRODUCERS) await startPart(t, part);
    await uploadAndFind(t);
  },
  { environment: { deferred: PRODUCERS } },
);

verify(
  'SYNC-09/before-redis',
  async (t) => {
    const early = await uploadSome(t, 'early');
    await startPart(t, 'redis');
    const late = await uploadSome(t, 'late');
    await findAll(t, [...early, ...late]);
    const groups = await t.redis.call('xinfo', 'GROUPS', EVENT_STREAM_NAME);
    demand(JSON.stringify(groups).includes(CONSUMER_GROUP), `The group ${CONSUMER_GROUP} does not exist`);
  },
  { environment: { deferred: ['redis'] } },
);

/** Starts a part that needs nothing that comes later, and waits until it can do its work. */
async function startPart({ env, pipeline, signal }: CaseContext, part: PartName): Promise<void> {
  await promised(`${part} starts without what comes later`, env.parts[part].start());
  if (part === 'redis' || part === 'postgres') return;
  const what = `${part} ready without what comes later`;
  const isReady = ({ status }: { status?: number }): boolean => status === 200;
  await promised(what, awaitReadiness(pipeline, part, what, isReady, { timeoutMs: SYNC_AFTER_START_MS, signal }));
}

async function uploadAndFind(t: CaseContext): Promise<void> {
  await findAll(t, await uploadSome(t, 'file'));
}

async function uploadSome({ pipeline, unique }: CaseContext, kind: string): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < FILES; i++) {
    const filename = `${unique}-${kind}-${i}.txt`;
    const { file_id } = await upload(pipeline, { filename, content: Buffer.from(filename) });
    ids.push(file_id);
  }
  return ids;
}

/** All must be searchable, and every process still the one that was started. */
async function findAll({ env, pipeline, evidence, signal }: CaseContext, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => awaitSearchable(pipeline, id, { timeoutMs: SYNC_AFTER_START_MS, signal })));
  for (const part of Object.values(env.parts)) demand(await part.running(), `${part.name} is not running any more`);
  evidence.files = ids.length;
}
