import {
  awaitReadiness,
  createPipelineClient,
  finalReads,
  type PartName,
  type PipelineClient,
  pollUntil,
  startOpenLoop,
} from '../../harness/index.ts';
import { CONSUMER_GROUP, EVENT_STREAM_NAME, type ServiceName } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { committed, shown } from '../steps/alike.ts';
import { eventually } from '../steps/eventually.ts';
import { inParallel } from '../steps/many.ts';
import { register, registration } from '../steps/registrations.ts';
import { awaitSearchable, findById, registered, search, searchAll, upload } from '../steps/steps.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { SYNC } from './requirements.ts';

const verify = suite(SYNC);
/** In an order in which each finds what it needs. */
const PRODUCERS: readonly ServiceName[] = ['admin', 'storage', 'ingester'];

verify(
  'SYNC-08',
  'Several instances of query answer alike once converged, and one more or one less changes nothing.',
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
  'Every service starts and files are uploaded before Redis is there: the pipeline ends in sync.',
  startsBeforeRedis,
  { environment: { deferred: ['redis'] } },
);

const CALLS_PER_SECOND = 40;
/** Fewer than connections that a service has, so that a busy machine makes calls slow and does not refuse them. */
const CALLS_AT_ONCE = 4;
/** Accepted writes before the instance is killed, and again after another was added. */
const WRITES_EACH_SIDE = 40;
const LOAD_TIMEOUT_MS = 30_000;
const READS_AT_ONCE = 4;
const PAGE_SIZE = 30;

async function instancesAnswerAlike(t: CaseContext): Promise<void> {
  const { pipeline, env, faults, evidence, signal } = t;
  await using second = await env.startInstance('query');
  await using secondClient = clientOf(t, second.url);
  await using cleanup = new AsyncDisposableStack();
  const load = startLoad(t);
  cleanup.defer(() => load.stop());
  load.readers.add(secondClient);
  await load.writes(WRITES_EACH_SIDE);
  load.readers.delete(secondClient);
  await using gone = await faults.of(second).kill();
  await using third = await env.startInstance('query');
  await using thirdClient = clientOf(t, third.url);
  load.readers.add(thirdClient);
  await load.writes(WRITES_EACH_SIDE);
  await load.stop();

  const expected = await registryAnswers(t, load.files);
  // What the killed one held is taken over only after a while.
  const timeoutMs = 2 * env.promises.pendingRetryMs + env.promises.syncMs;
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
  await converged('The instance that was killed and came back', secondClient);
  // Nobody went back meanwhile, and the one that came back brought nothing old with it.
  demandEqual(await answersOf(t, pipeline, load.files), expected, 'The first instance in the end');
  await finalReads(pipeline, [...load.files.keys()], { signal });

  evidence.writes = load.accepted();
  evidence.searches = load.searches();
  evidence.instances = 3;
  evidence.files = load.files.size;
}

function clientOf({ env, recorder }: CaseContext, url: string): PipelineClient {
  return createPipelineClient({ urls: { ...env.urls, query: url }, accounts: env.accounts, recorder });
}

interface Load {
  /** Whoever is asked before each change; what they keep in memory is old after it. */
  readers: Set<PipelineClient>;
  /** Every registered file; false once its deletion was accepted. */
  files: ReadonlyMap<string, boolean>;
  accepted(): number;
  searches(): number;
  /** Resolves when so many more writes were accepted. */
  writes(count: number): Promise<void>;
  stop(): Promise<void>;
}

/** Registers, updates, deletes and searches at a steady rate; any answer that is not a good one ends it. */
function startLoad(t: CaseContext): Load {
  const { pipeline, recorder, random, unique, signal } = t;
  const readers = new Set([pipeline]);
  const files = new Map<string, boolean>();
  // Each file is changed in one way only, so that no update meets a deletion.
  const updatable: string[] = [];
  const deletable: string[] = [];
  let accepted = 0;
  let searches = 0;
  const ask = async (question: (reader: PipelineClient) => Promise<unknown>): Promise<void> => {
    const asked = [...readers].map(async (reader) => {
      try {
        await question(reader);
      } catch (error) {
        // One that was taken off meanwhile may have been killed with the question.
        if (readers.has(reader)) throw error;
      }
    });
    await Promise.all(asked);
  };
  const loop = startOpenLoop({
    recorder,
    ratePerSecond: CALLS_PER_SECOND,
    inFlightMax: CALLS_AT_ONCE,
    signal,
    act: async (index) => {
      if (index % 4 === 3) {
        await ask((reader) => search(reader, { query: unique, mode: 'partial', limit: 10 }));
        searches++;
        return;
      }
      const updated = index % 8 === 2 ? updatable[index % updatable.length] : undefined;
      const deleted = index % 8 === 6 ? deletable.shift() : undefined;
      const changed = updated ?? deleted;
      if (changed !== undefined) await ask((reader) => findById(reader, changed));
      if (updated !== undefined) {
        const { status, outcome } = await pipeline.update(updated, { description: `as of call ${index}` });
        demandEqual(status ?? outcome, 200, 'The answer to an update');
      } else if (deleted !== undefined) {
        const { status, outcome } = await pipeline.remove(deleted);
        demandEqual(status ?? outcome, 200, 'The answer to a deletion');
        files.set(deleted, false);
      } else {
        const name = `${unique}-${String(index).padStart(5, '0')}.txt`;
        const { file_id } = await register(pipeline, registration(random.fork(name), { original_filename: name }));
        files.set(file_id, true);
        (index % 2 === 0 ? updatable : deletable).push(file_id);
      }
      accepted++;
    },
  });
  return {
    readers,
    files,
    accepted: () => accepted,
    searches: () => searches,
    stop: loop.stop,
    async writes(count) {
      const target = accepted + count;
      const enough = pollUntil(() => (accepted >= target ? true : undefined), {
        what: `${count} more writes to be accepted`,
        timeoutMs: LOAD_TIMEOUT_MS,
        signal,
      });
      // A load that broke says why.
      await Promise.race([enough, loop.done]);
    },
  };
}

/** One entry per thing that was asked for, so that a difference is told by its name. */
type Answers = Record<string, unknown>;

/** What an instance must answer: the registry's entries by id, and by name in the order of names. */
async function registryAnswers({ pipeline }: CaseContext, files: Load['files']): Promise<Answers> {
  const ids = [...files.keys()];
  const entries = await inParallel(ids, READS_AT_ONCE, async (id) =>
    files.get(id) === true ? committed(await registered(pipeline, id)) : null,
  );
  const listed = entries.filter((entry) => entry !== null);
  listed.sort((a, b) => (String(a.filename) < String(b.filename) ? -1 : 1));
  return answers(ids, entries, listed, [listed.length]);
}

async function answersOf({ unique }: CaseContext, client: PipelineClient, files: Load['files']): Promise<Answers> {
  const ids = [...files.keys()];
  const wanted = { query: unique, mode: 'partial', sort_by: 'filename', sort_order: 'asc' };
  const { hits, totals } = await searchAll(client, wanted, PAGE_SIZE);
  const entries = await inParallel(ids, READS_AT_ONCE, async (id) => {
    const hit = await findById(client, id);
    return hit === undefined ? null : shown(hit);
  });
  return answers(ids, entries, hits.map(shown), totals);
}

function answers(
  ids: readonly string[],
  entries: readonly unknown[],
  listed: readonly Record<string, unknown>[],
  totals: readonly number[],
): Answers {
  return {
    'total_count of every page': [...new Set(totals)],
    'names in their order': listed.map(({ filename }) => filename),
    ...Object.fromEntries(ids.map((id, index) => [`${id} by id`, entries[index]])),
    ...Object.fromEntries(listed.map((entry) => [`${entry.id} by name`, entry])),
  };
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
    'Events on the stream although nobody consumes',
    async () => ((await t.redis.xlen(EVENT_STREAM_NAME)) >= early.length ? true : undefined),
    { timeoutMs: 5000, signal: t.signal },
  );
  await startPart(t, 'query');
  const late = await uploadSome(t, 'late');
  await findAll(t, [...early, ...late]);
}

async function startsBeforeStream(t: CaseContext): Promise<void> {
  // A consumer may have made an empty stream for its group. Losing it leaves a Redis that nobody has written to; a
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

/** Starts a part that needs nothing that comes later, and waits until it can do its work. */
async function startPart({ env, pipeline, signal }: CaseContext, part: PartName): Promise<void> {
  await eventually(`${part} starts without what comes later`, env.parts[part].start());
  if (part === 'redis' || part === 'postgres') return;
  const what = `${part} ready without what comes later`;
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
  for (const part of Object.values(env.parts)) demand(await part.running(), `${part.name} is not running any more`);
  evidence.files = ids.length;
}
