import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { cacheOf, fileIdIn, type PipelineClient } from '../clients/pipeline.ts';
import { DeadlineError, InconclusiveError } from '../core/errors.ts';
import { pollUntil } from '../core/time.ts';
import type { Fault } from '../faults/fault.ts';
import type { Visibility } from '../record/history.ts';
import type { Recorder } from '../record/writer.ts';
import { convergenceOf, finalReads, heldBack } from './convergence.ts';
import { startOpenLoop } from './load.ts';
import { OutageChanges, type OutagePhase, OutageSearches } from './outage-traffic.ts';
import { awaitDrained } from './stream.ts';
import { VisibilityTracker } from './visibility.ts';

export interface OutagePlan {
  pipeline: PipelineClient;
  recorder: Recorder;
  /** An observer's connection past the fault proxy, for the state of stream and group at the end. */
  redis: Redis;
  /** Begins every file name, so that one search finds them all. */
  prefix: string;
  uploadsPerSecond: number;
  /** With each goes one file's own: by its id and by its exact name. */
  searchesPerSecond?: number;
  /** Reads that look for all that was written, together; several times the uploads, or looking is what takes long. */
  readsPerSecond?: number;
  /** Load before the fault, in ms. */
  beforeMs: number;
  /** How long the fault stays on once it took effect, in ms. */
  faultMs: number;
  /** Load after healing, in ms. */
  afterMs: number;
  fault: () => Promise<Fault>;
  /** Everything accepted must be visible this long after healing (or after its acceptance, when that is later), in ms. */
  convergeMs: number;
  /** Something to look at while the fault is on, e.g. that processes still run. */
  during?: (fault: Fault) => Promise<void>;
  signal: AbortSignal;
}

export interface PhaseCounts {
  /** Accepted with 2xx. */
  ok: number;
  fail: number;
  unknown: number;
  /** From the due time to the answer. */
  slowestMs: number;
  firstError?: string;
}

export interface OutageResult {
  faultKind: string;
  witness: string;
  effectiveAt: number;
  healedAt: number;
  uploads: Record<OutagePhase, PhaseCounts>;
  /** Of files that were seen before, description and tags. */
  updates: Record<OutagePhase, PhaseCounts>;
  /** Of files that were seen before. */
  deletions: Record<OutagePhase, PhaseCounts>;
  /** Those for single files included. */
  searches: Record<OutagePhase, PhaseCounts>;
  /** Files that readers had seen when the fault took effect, the deleted ones included. */
  seenBefore: number;
  /** Answers during the fault that showed one of these, which was asked for by its id or by its exact name. */
  shownDuring: number;
  /** Searches that missed some of these although they were not deleted, or that counted and did not list them. */
  shortSearches: number;
  /** What the first such search said. */
  firstShortSearch?: string;
  /** Writes. */
  accepted: number;
  /** Accepted writes that were not visible in time. */
  invisible: number;
  /** What the first of them was, and when it was accepted. */
  firstInvisible?: string;
  /** From the fault's effect to the first readiness answer that said degraded (or none); null when none did. */
  detectedMs: number | null;
  /** From healing to the first write that became visible afterwards. */
  firstAppliedMs: number | null;
  /** From healing until all that was accepted before it was visible; null when something never was. */
  backlogDrainedMs: number | null;
  /** Everything is visible, yet the stream is not drained: what is left of it. */
  undrained?: string;
  /** How many were accepted while the fault was on and not visible when its healing began, the youngest left out. */
  backlog: number;
}

const newCounts = (): PhaseCounts => ({ ok: 0, fail: 0, unknown: 0, slowestMs: 0 });
const newPhases = (): Record<OutagePhase, PhaseCounts> => ({
  baseline: newCounts(),
  outage: newCounts(),
  recovery: newCounts(),
});
const READY_INTERVAL_MS = 100;
const SEEN_TIMEOUT_MS = 10_000;
/** During a long outage nothing becomes visible: looking for it often would be load, and outages are run side by side. */
const READS_PER_SECOND = 20;
const READS_PER_SECOND_HURRIED = 200;

/**
 * Steady uploads, updates, deletions and searches before, during and after a fault; every accepted write is followed
 * until it can be read.
 * Then final reads of registry and read model, on which checkers decide. Judges nothing itself.
 * @throws InconclusiveError when what was visible in time cannot be read at the end
 */
export async function runOutage(plan: OutagePlan): Promise<OutageResult> {
  const { pipeline, recorder, signal } = plan;
  const [uploads, updates, deletions, searches] = [newPhases(), newPhases(), newPhases(), newPhases()];
  const tracker = new VisibilityTracker({
    pipeline,
    recorder,
    timeoutMs: plan.convergeMs,
    readsPerSecond: plan.readsPerSecond ?? READS_PER_SECOND,
    readsPerSecondHurried: Math.max(READS_PER_SECOND_HURRIED, 4 * (plan.readsPerSecond ?? 0)),
    signal,
  });
  let phase: OutagePhase = 'baseline';
  const enter = (next: OutagePhase): void => {
    phase = next;
    recorder.record({ type: 'phase', phase: next });
  };
  // Until the fault is healed nothing is given up; the real deadline is set then.
  tracker.holdUntil(Number.POSITIVE_INFINITY);

  enter('baseline');
  await using cleanup = new AsyncDisposableStack();
  /** Of every accepted upload. */
  const names = new Map<string, string>();
  const uploading = startOpenLoop({
    recorder,
    ratePerSecond: plan.uploadsPerSecond,
    signal,
    act: async (index, intendedAt) => {
      const sentIn = phase;
      const filename = `${plan.prefix}-${String(index).padStart(5, '0')}.txt`;
      const answer = await pipeline.upload(
        { filename, content: Buffer.from(`content of ${filename}`) },
        { intendedAt },
      );
      count(uploads[sentIn], answer, intendedAt);
      const fileId = fileIdIn(answer.body);
      if (answer.outcome !== 'ok' || fileId === undefined) return;
      names.set(fileId, filename);
      tracker.watch({ op: answer.op, fileId, kind: 'created', phase: sentIn, intendedAt, acceptedAt: answer.endedAt });
    },
  });
  cleanup.defer(() => uploading.stop());
  const changes = new OutageChanges({
    pipeline,
    recorder,
    tracker,
    phase: () => phase,
    answered: (change, sentIn, answer, intendedAt) =>
      count((change === 'update' ? updates : deletions)[sentIn], answer, intendedAt),
    signal,
  });
  cleanup.defer(() => changes.stop());
  let seenBefore: ReadonlySet<string> = new Set();
  const searching = new OutageSearches({
    pipeline,
    recorder,
    prefix: plan.prefix,
    ratePerSecond: plan.searchesPerSecond ?? 4,
    phase: () => phase,
    mustFind: () => new Map([...names].filter(([id]) => seenBefore.has(id) && !changes.deleted.has(id))),
    answered: (sentIn, answer, intendedAt) => count(searches[sentIn], answer, intendedAt),
    signal,
  });
  cleanup.defer(() => searching.stop());

  await sleep(plan.beforeMs, undefined, { signal });
  await seenEnough(changes, signal);
  await using fault = await plan.fault();
  enter('outage');
  seenBefore = changes.seen();
  const { effectiveAt } = fault;
  const detection = watchDetection(plan, fault);
  cleanup.defer(() => detection.stop().then(() => {}));
  await Promise.all([
    sleep(Math.max(0, effectiveAt + plan.faultMs - recorder.now()), undefined, { signal }),
    plan.during?.(fault),
  ]);
  const detectedAt = await detection.stop();
  const healingAt = recorder.now();
  const healedAt = await fault.heal();
  tracker.hurry();
  tracker.holdUntil(healedAt + plan.convergeMs);
  enter('recovery');
  await sleep(plan.afterMs, undefined, { signal });
  await Promise.all([uploading.stop(), changes.stop(), searching.stop()]);
  const samples = await tracker.finish();

  const { firstAppliedAt, drainedAt, invisible } = convergenceOf(samples, healedAt);
  const marks = { 'first-applied': firstAppliedAt, 'backlog-drained': drainedAt } as const;
  for (const [name, at] of Object.entries(marks) as [keyof typeof marks, number | undefined][]) {
    if (at !== undefined) recorder.record({ type: 'mark', name, at, fault: fault.id });
  }
  // With writes missing, the stream's own state says more than another wait.
  const undrained = invisible === 0 ? await whyUndrained(plan) : undefined;
  await readInTheEnd(plan, samples, invisible);

  return {
    faultKind: fault.kind,
    witness: fault.witness,
    effectiveAt,
    healedAt,
    uploads,
    updates,
    deletions,
    searches,
    seenBefore: seenBefore.size,
    shownDuring: searching.shown.outage,
    shortSearches: searching.short.length,
    firstShortSearch: searching.short[0],
    undrained,
    accepted: samples.length,
    invisible,
    firstInvisible: firstInvisible(samples, healedAt),
    detectedMs: detectedAt === undefined ? null : detectedAt - effectiveAt,
    firstAppliedMs: firstAppliedAt === undefined ? null : firstAppliedAt - healedAt,
    backlogDrainedMs: drainedAt === undefined ? null : drainedAt - healedAt,
    backlog: heldBack(samples, { effectiveAt, healingAt }),
  };
}

/**
 * The fault waits until there is something to update and to delete while it is on. On a slow machine that takes longer
 * than the time before the fault; when it takes too long, the case's floors say what is missing.
 */
async function seenEnough(changes: OutageChanges, signal: AbortSignal): Promise<void> {
  await pollUntil(() => (changes.ready ? true : undefined), {
    what: 'files to be seen that can be changed during the fault',
    timeoutMs: SEEN_TIMEOUT_MS,
    signal,
  }).catch((error: unknown) => {
    if (!(error instanceof DeadlineError)) throw error;
  });
}

function firstInvisible(
  samples: readonly Pick<Visibility, 'kind' | 'fileId' | 'acceptedAt' | 'hitAt'>[],
  healedAt: number,
): string | undefined {
  const [first] = samples.filter(({ hitAt }) => hitAt === null).sort((a, b) => a.acceptedAt - b.acceptedAt);
  if (first === undefined) return undefined;
  const { kind, fileId, acceptedAt } = first;
  const ms = Math.round(Math.abs(acceptedAt - healedAt));
  return `${fileId}, ${kind}, accepted ${ms} ms ${acceptedAt < healedAt ? 'before' : 'after'} healing`;
}

/** What keeps the stream from being drained in the time that everything has to converge; undefined when it is. */
async function whyUndrained({ redis, convergeMs, signal }: OutagePlan): Promise<string | undefined> {
  try {
    await awaitDrained(redis, { timeoutMs: convergeMs, signal });
    return undefined;
  } catch (error) {
    if (error instanceof DeadlineError) return error.message;
    throw error;
  }
}

/** @throws InconclusiveError when files were visible in time, and now registry or search do not answer for them */
async function readInTheEnd(
  { pipeline, signal }: OutagePlan,
  samples: readonly { fileId: string }[],
  invisible: number,
): Promise<void> {
  const fileIds = samples.map(({ fileId }) => fileId);
  await finalReads(pipeline, fileIds, { signal }).catch((error: unknown) => {
    // Writes that were not seen in time are what the case reports first; what was not read is in the history.
    if (invisible === 0 || !(error instanceof InconclusiveError)) throw error;
  });
}

/** Asks query's readiness until it no longer says that all is well; marks that moment. */
function watchDetection(plan: OutagePlan, fault: Fault): { stop(): Promise<number | undefined> } {
  const { pipeline, recorder } = plan;
  const stopping = new AbortController();
  const signal = AbortSignal.any([plan.signal, stopping.signal]);
  const watching = pollUntil(
    async () => {
      const answer = await pipeline.ready('query', { recorded: false, timeoutMs: 2000 });
      if (answer.status === 200 && cacheOf(answer) !== 'degraded') return undefined;
      recorder.record({ type: 'mark', name: 'fault-detected', at: answer.endedAt, fault: fault.id });
      return answer.endedAt;
    },
    {
      what: 'readiness to notice the fault',
      timeoutMs: plan.faultMs + plan.convergeMs,
      intervalMs: READY_INTERVAL_MS,
      growth: 1,
      signal,
    },
  ).catch((error: unknown) => {
    // Not noticed before it was over, or not in time: that is the finding, and the case's to judge.
    if (!signal.aborted && !(error instanceof DeadlineError)) throw error;
    return undefined;
  });
  return {
    stop() {
      stopping.abort();
      return watching;
    },
  };
}

function count(
  counts: PhaseCounts,
  answer: { outcome: 'ok' | 'fail' | 'unknown'; endedAt: number; status?: number; error?: string },
  dueAt: number,
): void {
  counts[answer.outcome]++;
  counts.slowestMs = Math.max(counts.slowestMs, Math.round(answer.endedAt - dueAt));
  if (answer.outcome !== 'ok') counts.firstError ??= answer.error ?? `answered ${answer.status}`;
}
