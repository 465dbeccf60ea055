import { awaitReadiness, finalReads, type PartName, type PipelineClient } from '../../harness/index.ts';
import { CONSUMER_GROUP, EVENT_STREAM_NAME, type ServiceName } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { clientOf } from '../runner/client.ts';
import { suite } from '../runner/suite.ts';
import { eventually } from '../steps/eventually.ts';
import { awaitSearchable, upload } from '../steps/steps.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { SYNC } from './requirements.ts';
import { answersOf, registryAnswers, startLoad } from './steps.ts';

const verify = suite(SYNC);

/** In an order in which each finds what it needs. */
const PRODUCERS: readonly ServiceName[] = ['admin', 'storage', 'ingester'];

verify(
  'SYNC-08',
  'Several instances of query give the same answers once converged, and adding or removing one changes nothing.',
  instancesAnswerAlike,
);
verify(
  'SYNC-09/consumer-first',
  'The consumer starts, alone with its servers, before the producer: the pipeline ends in sync.',
  startsConsumerFirst,
  { environment: { deferred: PRODUCERS } },
);
verify(
  'SYNC-09/producer-first',
  'Files are uploaded before the consumer has ever started: the pipeline ends in sync.',
  startsProducerFirst,
  { environment: { deferred: ['query'] } },
);
verify(
  'SYNC-09/before-stream',
  'The consumer starts before there is a stream, and the stream is lost before its first event: it ends in sync.',
  startsBeforeStream,
  { environment: { deferred: PRODUCERS } },
);
verify(
  'SYNC-09/before-redis',
  'Every service starts and files are uploaded before Redis runs: the pipeline ends in sync.',
  startsBeforeRedis,
  { environment: { deferred: ['redis'] } },
);

/** Accepted writes before the instance is killed, and again after another was added. */
const WRITES_EACH_SIDE = 40;

async function instancesAnswerAlike(t: CaseContext): Promise<void> {
  const { pipeline, env, recorder, faults, evidence, signal } = t;
  await using second = await env.startInstance('query');
  await using secondClient = clientOf(env, { recorder, urls: { query: second.url } });
  await using cleanup = new AsyncDisposableStack();
  const load = startLoad(t);
  cleanup.defer(() => load.stop());
  load.readers.add(secondClient);
  await load.writes(WRITES_EACH_SIDE);
  load.readers.delete(secondClient);
  await using gone = await faults.of(second).kill();
  await using third = await env.startInstance('query');
  await using thirdClient = clientOf(env, { recorder, urls: { query: third.url } });
  load.readers.add(thirdClient);
  await load.writes(WRITES_EACH_SIDE);
  await load.stop();

  const expected = await registryAnswers(t, load.files);
  // What the killed one held is taken over only after a while.
  const timeoutMs = 2 * env.limits.pendingRetryMs + env.limits.syncMs;
  const converged = async (what: string, client: PipelineClient): Promise<void> => {
    const probe = async (): Promise<true> => {
      demandEqual(await answersOf(t, client, load.files), expected, `${what} against the registry`);
      return true;
    };
    await eventually(`${what} like the registry`, probe, { timeoutMs, intervalMsMax: 500, signal });
  };
  await converged('The first instance', pipeline);
  await converged('The instance added under load', thirdClient);
  await gone.heal();
  await converged('The instance that was killed and restarted', secondClient);
  // No instance went back meanwhile, and the restarted one brought nothing old with it.
  demandEqual(await answersOf(t, pipeline, load.files), expected, 'The first instance in the end');
  await finalReads(pipeline, [...load.files.keys()], { signal });

  evidence.writes = load.accepted();
  evidence.searches = load.searches();
  evidence.instances = 3;
  evidence.files = load.files.size;
}

const FILES = 5;
const SYNC_AFTER_START_MS = 15_000;

async function startsConsumerFirst(t: CaseContext): Promise<void> {
  for (const part of PRODUCERS) await startPart(t, part);
  await uploadAndFind(t);
}

async function startsProducerFirst(t: CaseContext): Promise<void> {
  const early = await uploadSome(t, 'early');
  await eventually(
    'Events on the stream although no consumer runs',
    async () => ((await t.redis.xlen(EVENT_STREAM_NAME)) >= early.length ? true : undefined),
    { timeoutMs: 5000, signal: t.signal },
  );
  await startPart(t, 'query');
  const late = await uploadSome(t, 'late');
  await findAll(t, [...early, ...late]);
}

async function startsBeforeStream(t: CaseContext): Promise<void> {
  // A consumer may have made an empty stream for its group. Losing it leaves a Redis that was never written to; a
  // consumer that notices may make it again at once.
  await t.redis.del(EVENT_STREAM_NAME);
  for (const part of PRODUCERS) await startPart(t, part);
  await uploadAndFind(t);
}

async function startsBeforeRedis(t: CaseContext): Promise<void> {
  const early = await uploadSome(t, 'early');
  await startPart(t, 'redis');
  const late = await uploadSome(t, 'late');
  await findAll(t, [...early, ...late]);
  const groups = await t.redis.call('xinfo', 'GROUPS', EVENT_STREAM_NAME);
  demand(JSON.stringify(groups).includes(CONSUMER_GROUP), `The group ${CONSUMER_GROUP} does not exist`);
}

/** Starts a component that needs none that starts later, and waits until it is ready. */
async function startPart({ env, pipeline, signal }: CaseContext, part: PartName): Promise<void> {
  await eventually(`${part} starts without what starts later`, env.parts[part].start());
  if (part === 'redis' || part === 'postgres') return;
  const what = `${part} ready without what starts later`;
  const isReady = ({ status }: { status?: number }): boolean => status === 200;
  await eventually(what, awaitReadiness(pipeline, part, what, isReady, { timeoutMs: SYNC_AFTER_START_MS, signal }));
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
  for (const part of Object.values(env.parts)) demand(await part.running(), `${part.name} is no longer running`);
  evidence.files = ids.length;
}
