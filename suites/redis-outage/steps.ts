import { awaitReadiness, cacheOf, type HistoryRecord, startOpenLoop } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { clientOf } from '../runner/client.ts';
import { eventually } from '../steps/eventually.ts';
import { demandInSync, uploadSynced } from '../steps/in-sync.ts';
import { watchMachine } from '../steps/machine-share.ts';
import {
  CONVERGE_MS,
  demandAllAnswered,
  demandAllFound,
  demandAllVisible,
  outage,
  REDIS_AWAY,
  type RedisAway,
} from '../steps/outage.ts';
import { awaitMarker } from '../steps/registrations.ts';
import { demandSameProcesses, processStartTimes } from '../steps/services.ts';
import { upload } from '../steps/steps.ts';
import { demand } from '../steps/violation.ts';

/** Uploads during an outage are answered in this time, not counting the machine's share. */
const UPLOAD_MS_MAX = 2000;
const DETECT_TIMEOUT_MS = 10_000;
/** Enough to tell, and little enough for several outages to run side by side on two cores. */
const UPLOADS_PER_SECOND = 4;

/** RES-01: uploads, searches and readiness during a Redis outage, and the same processes throughout. */
export async function serviceGoesOn(t: CaseContext, kind: RedisAway): Promise<void> {
  const before = await processStartTimes(t);
  await using machine = watchMachine(t, t.env.services);
  const result = await outage(t, {
    provoke: REDIS_AWAY[kind],
    uploadsPerSecond: UPLOADS_PER_SECOND,
    faultMs: 5000,
    during: async () => {
      const what = 'Readiness of query saying 200 with cache degraded';
      const degraded = awaitReadiness(
        t.pipeline,
        'query',
        what,
        (answer) => answer.status === 200 && cacheOf(answer) === 'degraded',
        { timeoutMs: DETECT_TIMEOUT_MS, signal: t.signal },
      );
      await eventually(what, degraded);
    },
  });
  demandAllAnswered(result, ['outage']);
  demandAllFound(result);
  for (const { dueAt, answeredAt } of uploadsDueIn(t.records, result.effectiveAt, result.healedAt)) {
    const [tookMs, machineMs] = [answeredAt - dueAt, machine.shareMs(dueAt, answeredAt)];
    demand(
      tookMs - machineMs <= UPLOAD_MS_MAX,
      `An upload took ${tookMs.toFixed(0)} ms during the Redis outage, more than ${UPLOAD_MS_MAX} ms beyond the ${machineMs.toFixed(0)} ms of calls that need no server`,
    );
  }
  await demandSameProcesses(t, before);
}

/** Of uploads, or what stands for them on a target without an ingester, that were due between two moments. */
function uploadsDueIn(
  records: readonly HistoryRecord[],
  fromMs: number,
  untilMs: number,
): { dueAt: number; answeredAt: number }[] {
  const due = new Map<string, number>();
  for (const record of records) {
    if (record.type !== 'invoke' || (record.kind !== 'upload' && record.kind !== 'register')) continue;
    if (record.intendedAt >= fromMs && record.intendedAt < untilMs) due.set(record.op, record.intendedAt);
  }
  return records.flatMap((record) => {
    const dueAt =
      'op' in record && record.type !== 'invoke' && record.type !== 'visibility' ? due.get(record.op) : undefined;
    return dueAt === undefined ? [] : [{ dueAt, answeredAt: record.at }];
  });
}

/** RES-02: what was written before, during and after an outage of `seconds` is searchable in time after it. */
export async function everythingArrives(t: CaseContext, kind: RedisAway, seconds: number): Promise<void> {
  const before = await processStartTimes(t);
  const result = await outage(t, {
    provoke: REDIS_AWAY[kind],
    uploadsPerSecond: UPLOADS_PER_SECOND,
    faultMs: seconds * 1000,
  });
  demandAllAnswered(result, ['baseline', 'outage', 'recovery']);
  demandAllFound(result);
  demandAllVisible(result, CONVERGE_MS);
  await demandSameProcesses(t, before);
  // What repairs the past may hide that nothing arrives any more.
  await awaitMarker(t, 'after it was over');
}

const SUSPENDED_MS = 30_000;
/** Everything is applied this long after the component resumes. */
const APPLIED_MS = 5000;
const SUSPENDED_UPLOADS_PER_SECOND = 3;
/** Longer than the standstill: a write that meets it may be answered after it. */
const PATIENCE_MS = SUSPENDED_MS + 15_000;

type Part = 'redis' | 'query' | 'admin';

/** RES-05: a component that is suspended (SIGSTOP) for 30 s under steady uploads loses nothing that was accepted. */
export async function survivesSuspension(t: CaseContext, part: Part): Promise<void> {
  const before = await processStartTimes(t);
  await using patient = clientOf(t.env, { recorder: t.recorder, timeoutMs: PATIENCE_MS });
  const result = await outage(
    { ...t, pipeline: patient },
    {
      provoke: ({ faults }) => faults[part].pause(),
      uploadsPerSecond: SUSPENDED_UPLOADS_PER_SECOND,
      faultMs: SUSPENDED_MS,
      convergeMs: APPLIED_MS,
    },
  );
  if (part !== 'admin') {
    const { fail, unknown, firstError } = result.uploads.outage;
    demand(fail + unknown === 0, () => `${fail + unknown} uploads failed while ${part} was suspended: ${firstError}`);
  }
  demandAllVisible(result, APPLIED_MS);
  await demandSameProcesses(t, before);
  await awaitMarker(t, 'after it was over');
}

const WIRE = { client: 'query', server: 'redis' } as const;

/** After the connections became half-open; over a while, so that one chance success does not stand for all. */
const LATER_UPLOADS = 8;
const LATER_UPLOADS_PER_SECOND = 3;
const DETECTED_MS = 10_000;
const RESUMES_MS = 10_000;
/** Longer than any sensible blocking read: one that began before the fault must not outlast it. */
const BLACKHOLED_MS = 6000;

/** RES-06: query is silently cut off, reports it, and resumes. */
export async function noticesAndResumes(t: CaseContext, only?: 'requests' | 'replies'): Promise<void> {
  const before = await processStartTimes(t);
  const result = await outage(t, {
    provoke: ({ faults }) => faults.network.blackhole({ ...WIRE, only }),
    uploadsPerSecond: 4,
    faultMs: BLACKHOLED_MS,
    convergeMs: RESUMES_MS,
    during: async () => {
      const what = 'Readiness of query not saying that all is well';
      const noticed = awaitReadiness(
        t.pipeline,
        'query',
        what,
        (answer) => answer.status !== undefined && (answer.status !== 200 || cacheOf(answer) === 'degraded'),
        { timeoutMs: DETECTED_MS, signal: t.signal },
      );
      await eventually(what, noticed);
    },
  });
  demandAllVisible(result, RESUMES_MS);
  await demandSameProcesses(t, before);
  await awaitMarker(t, 'after it was over');
}

/**
 * RES-06: nothing ends a connection that was silently dropped: a read that waits on it waits for ever, unless something else
 * gives it up.
 */
export async function goesOnWithNewConnections(t: CaseContext): Promise<void> {
  const { pipeline, recorder, faults, evidence, unique, signal } = t;
  const before = await processStartTimes(t);
  const created = await uploadSynced(t, 3, 'before');
  await using forgotten = await faults.network.forget(WIRE);
  evidence.witness = forgotten.witness;
  const uploading = startOpenLoop({
    recorder,
    ratePerSecond: LATER_UPLOADS_PER_SECOND,
    count: LATER_UPLOADS,
    signal,
    act: async (index) => {
      const filename = `${unique}-after-${index}.txt`;
      created.push((await upload(pipeline, { filename, content: Buffer.from(filename) })).file_id);
    },
  });
  await uploading.done;
  evidence.uploadsAfter = LATER_UPLOADS;
  const what = 'What was uploaded after the connections became half-open, searchable';
  await demandInSync(t, { created, updated: [], deleted: [] }, { timeoutMs: RESUMES_MS, what });
  await demandSameProcesses(t, before);
}
