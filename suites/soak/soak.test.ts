import {
  finalReads,
  InconclusiveError,
  type Instance,
  monotonicMs,
  type PipelineClient,
  VisibilityTracker,
  watchMemory,
} from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { clientOf, createdIn } from '../runner/client.ts';
import { currentRun } from '../runner/run.ts';
import { suite } from '../runner/suite.ts';
import { awaitAllAlike } from '../steps/alike.ts';
import { upload } from '../steps/steps.ts';
import { MIX, type MixedLoad, startMixedLoad } from './load.ts';
import { disrupt, drawRounds, lackedBy, lengthOf, readRounds } from './nemesis.ts';
import { demandInTime, demandNoOutage, operationsOf, whileRedisAlone } from './no-outage.ts';
import { SOAK } from './requirements.ts';

const { historyPath, plan } = currentRun().context;
const { seconds = 45, ratePerSecond = 15, rounds: given, without = [] } = plan.soak ?? {};
const planned = given === undefined ? undefined : readRounds(given);
const lastsMs = planned === undefined ? seconds * 1000 : lengthOf(planned);
/** What is written in a longer one needs a disk that is too large to be filled. */
const SMALL_DISK_MS_MAX = 3_600_000;
const verify = suite(SOAK, lastsMs <= SMALL_DISK_MS_MAX ? { postgresDisk: 'small' } : {});

verify(
  'SOAK-01',
  'Under mixed load, while a seeded nemesis breaks servers, services and wires, one or two at a time, nothing that was accepted is lost, undone or brought back, and an outage of Redis alone is no outage of the pipeline.',
  soaks,
  { lastsMs, checkedFromFile: true },
);

/** So many uploads are followed until they are seen, evenly over the whole: a report shows each of them. */
const FOLLOWED = 4000;
const followedEvery = Math.max(3, Math.ceil(((lastsMs / 1000) * ratePerSecond * MIX.upload) / 100 / FOLLOWED));
/** Longer than faults last, and than what they leave behind takes. */
const SEEN_MS = 60_000;
/** The memory of every process is looked at some 200 times, but not all the time. */
const MEMORY_EVERY_MS = Math.min(15_000, Math.max(2000, lastsMs / 200));
/** Everything accepted is as the registry has it, this long after the last fault was healed, take-overs not counted. */
const CONVERGED_MS = 30_000;
const FINAL_READS_MS = 120_000;
/** Looking at many files takes its time, however well they are. */
const FINAL_READ_MS = 10;

async function soaks(t: CaseContext): Promise<void> {
  const { env, pipeline, recorder, random, evidence, signal } = t;
  const since = recorder.now();
  await using resources = new AsyncDisposableStack();
  const instances: Instance[] = [];
  const another = async (service: 'admin' | 'query'): Promise<PipelineClient | undefined> => {
    if (!env.capabilities.has(`multiple-${service}-instances`)) return undefined;
    const instance = resources.use(await env.startInstance(service));
    instances.push(instance);
    return resources.use(clientOf(env, { recorder, urls: { [service]: instance.url } }));
  };
  const [otherQuery, otherAdmin] = await Promise.all([another('query'), another('admin')]);
  const parts = [...Object.values(env.parts), ...instances.map(({ part }) => part)];
  resources.use(watchMemory({ parts, recorder, everyMs: MEMORY_EVERY_MS }));
  const offered = new Set([...env.capabilities].filter((each) => !without.includes(each)));
  const rounds = planned ?? drawRounds(random.fork('nemesis'), offered, lastsMs);
  const lacked = lackedBy(rounds, offered);
  if (lacked.length > 0)
    throw new InconclusiveError(`The plan breaks what cannot be broken here: ${lacked.join(', ')}`);
  recorder.record({ type: 'soak-planned', rounds });
  const over = new AbortController();
  const followed = AbortSignal.any([signal, over.signal]);
  const tracker = new VisibilityTracker({ pipeline, recorder, timeoutMs: SEEN_MS, signal: followed });
  resources.defer(async () => {
    over.abort();
    // Of a soak that came to its end all was seen; of one that did not there is something better to tell.
    await tracker.finish().catch(() => {});
  });
  let uploads = 0;
  const load = startMixedLoad(t, {
    ratePerSecond,
    readers: [pipeline, otherQuery ?? pipeline],
    writers: [pipeline, otherAdmin ?? pipeline],
    take(uploaded) {
      const taken = uploads++ % followedEvery === 0;
      if (taken) tracker.watch({ ...uploaded, kind: 'created', phase: 'soak' });
      return taken;
    },
  });
  const inTime = async <T>(accusing: Promise<T>): Promise<T> => {
    try {
      return await accusing;
    } catch (error) {
      demandInTime(load.latestMs, ratePerSecond, error);
      throw error;
    }
  };
  const disrupting = disrupt({ ...t, otherAdmin, otherQuery, instances }, rounds).finally(async () => {
    await load.stop();
    Object.assign(evidence, countsOf(load));
  });
  const { broken, leftOut } = await inTime(disrupting);
  const seen = broken.filter((each) => each.seen);
  Object.assign(evidence, {
    faults: seen.length,
    kinds: new Set(seen.map(({ name }) => name)).size,
    faultsLeftOut: leftOut,
  });
  await upload(pipeline, { filename: `${t.unique}-last.txt`, content: Buffer.from('last') });
  const files = await createdIn(historyPath, 'SOAK-01', since);
  const startedAt = monotonicMs();
  evidence.files = files.length;
  const convergedMs = CONVERGED_MS + env.limits.pendingRetryMs + files.length * FINAL_READ_MS;
  await inTime(awaitAllAlike(t, files, convergedMs));
  evidence.convergedMs = Math.round(monotonicMs() - startedAt);
  evidence.followed = (await tracker.finish()).length;
  await finalReads(pipeline, files, { timeoutMs: FINAL_READS_MS + files.length * FINAL_READ_MS, signal });
  evidence.readAtEnd = files.length;
  // Before a failure is attributed to the target.
  demandInTime(load.latestMs, ratePerSecond);
  const noOutage = await whileRedisAlone(operationsOf(historyPath, 'SOAK-01', since), broken);
  evidence.whileRedisAway = noOutage.whileRedisAway;
  evidence.failedWhileRedisAway = noOutage.failed;
  demandNoOutage(noOutage);
}

function countsOf(load: MixedLoad): Record<string, number> {
  return {
    generatorLateMs: Math.round(load.latestMs),
    operations: load.count(['ok', 'fail', 'unknown']),
    writes: load.count(['ok'], ['upload', 'update', 'delete']),
    failed: load.count(['fail']),
    unknown: load.count(['unknown']),
  };
}
