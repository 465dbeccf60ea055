import {
  finalReads,
  InconclusiveError,
  type Instance,
  monotonicMs,
  type PipelineClient,
  VisibilityTracker,
} from '../../harness/index.ts';
import { awaitAllAlike } from '../support/alike.ts';
import type { CaseContext } from '../support/case.ts';
import { clientOf } from '../support/client.ts';
import { MIX, type MixedKind, type Seen, startMixedLoad } from '../support/mixed-load.ts';
import { type Done, disrupt, drawRounds, lackedBy, lengthOf, readRounds } from '../support/nemesis.ts';
import { currentRun } from '../support/run.ts';
import { upload } from '../support/steps.ts';
import { suite } from '../support/suite.ts';
import { demand } from '../support/violation.ts';

const { seconds = 45, ratePerSecond = 15, rounds: given, without = [] } = currentRun().context.soak ?? {};
const planned = given === undefined ? undefined : readRounds(given);
const lastsMs = planned === undefined ? seconds * 1000 : lengthOf(planned);
/** What is written in a longer one needs a disk that is too large to be filled. */
const SMALL_DISK_MS_MAX = 3_600_000;
const verify = suite(lastsMs <= SMALL_DISK_MS_MAX ? { postgresDisk: 'small' } : {});

/** So many uploads are followed until they are seen, evenly over the whole: a report shows each of them. */
const FOLLOWED = 4000;
const followedEvery = Math.max(3, Math.ceil(((lastsMs / 1000) * ratePerSecond * MIX.upload) / 100 / FOLLOWED));
/** Longer than faults last, and than what they leave behind takes. */
const SEEN_MS = 60_000;
/** A load that is later than that is not the one that was asked for. */
const LATE_MS_MAX = 3000;
/** Everything accepted is as the registry has it, this long after the last fault was healed, take-overs not counted. */
const CONVERGED_MS = 30_000;
const FINAL_READS_MS = 120_000;
/** Looking at many files takes its time, however well they are. */
const FINAL_READ_MS = 10;
/** In an outage of Redis alone, of a thousand operations one may fail. */
const AVAILABILITY_MIN = 0.999;
/** After an outage of anything else, operations of the first moment may still meet broken connections. */
const AFTERMATH_MS = 2000;

verify(
  'SOAK-01',
  async (t) => {
    const { env, pipeline, recorder, random, evidence, signal } = t;
    await using resources = new AsyncDisposableStack();
    const instances: Instance[] = [];
    const another = async (service: 'admin' | 'query'): Promise<PipelineClient | undefined> => {
      if (!env.capabilities.has(`several ${service}`)) return undefined;
      const instance = resources.use(await env.startInstance(service));
      instances.push(instance);
      return resources.use(clientOf(env, { recorder, urls: { [service]: instance.url } }));
    };
    const [otherQuery, otherAdmin] = await Promise.all([another('query'), another('admin')]);
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
    let phase = 'baseline';
    let uploads = 0;
    const load = startMixedLoad(t, {
      ratePerSecond,
      readers: [pipeline, otherQuery ?? pipeline],
      writers: [pipeline, otherAdmin ?? pipeline],
      take(uploaded) {
        const taken = uploads++ % followedEvery === 0;
        if (taken) tracker.watch({ ...uploaded, kind: 'created', phase });
        return taken;
      },
    });
    let disrupted: Awaited<ReturnType<typeof disrupt>>;
    try {
      disrupted = await disrupt({ ...t, otherAdmin, otherQuery, instances }, rounds, (isOn) => {
        phase = isOn ? 'outage' : 'baseline';
      });
    } finally {
      await load.stop();
    }
    evidence.generatorLateMs = Math.round(load.latestMs);
    await upload(pipeline, { filename: `${t.unique}-last.txt`, content: Buffer.from('last') });
    const startedAt = monotonicMs();
    const files = [...t.created];
    await awaitAllAlike(t, files, CONVERGED_MS + env.promises.pendingRetryMs + files.length * FINAL_READ_MS);
    evidence.convergedMs = Math.round(monotonicMs() - startedAt);
    evidence.followed = (await tracker.finish()).length;
    await finalReads(pipeline, files, { timeoutMs: FINAL_READS_MS + files.length * FINAL_READ_MS, signal });
    weigh(t, load.seen, disrupted.done);
    evidence.faultsLeftOut = disrupted.leftOut;
    evidence.files = files.length;
    if (load.latestMs > LATE_MS_MAX) {
      throw new InconclusiveError(
        `An operation began ${Math.round(load.latestMs)} ms after it was due: ${ratePerSecond} operations a second are more than this machine gives; try a lower --rate`,
      );
    }
  },
  { lastsMs, checkedFromFile: true },
);

/** Counts what happened, and how available the pipeline was while Redis alone was away. */
function weigh({ evidence }: CaseContext, seen: readonly Seen[], done: readonly Done[]): void {
  const count = (outcome: Seen['outcome'], kinds?: readonly MixedKind[]): number =>
    seen.filter((each) => each.outcome === outcome && (kinds?.includes(each.kind) ?? true)).length;
  Object.assign(evidence, {
    faults: done.length,
    kinds: new Set(done.map(({ name }) => name)).size,
    operations: seen.length,
    writes: count('ok', ['upload', 'update', 'delete']),
    failed: count('fail'),
    unknown: count('unknown'),
  });
  const away = done.filter(({ ofRedis }) => ofRedis);
  const others = done.filter(({ ofRedis }) => !ofRedis);
  const during = seen.filter(
    ({ dueAt }) =>
      away.some(({ requestedAt, healedAt }) => dueAt >= requestedAt && dueAt <= healedAt) &&
      !others.some(
        ({ requestedAt, healedAt }) => dueAt >= requestedAt - AFTERMATH_MS && dueAt <= healedAt + AFTERMATH_MS,
      ),
  );
  const bad = during.filter(({ outcome }) => outcome !== 'ok');
  evidence.whileRedisAway = during.length;
  demand(
    bad.length <= (1 - AVAILABILITY_MIN) * during.length,
    () =>
      `${bad.length} of ${during.length} operations failed while Redis alone was away, the first: a ${bad[0]?.kind}, ${bad[0]?.outcome}`,
  );
}
