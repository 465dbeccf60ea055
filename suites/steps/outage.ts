import { type Fault, type OutagePhase, type OutageResult, runOutage } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { demand } from './violation.ts';

export const CONVERGE_MS = 10_000;
const SEARCHES_PER_SECOND = 2;
const BEFORE_MS = 2000;
const AFTER_MS = 1500;

type Provoke = (t: CaseContext) => Promise<Fault>;

/** The four outages of Redis: killed, suspended, connections refused, bytes silently dropped. */
export const REDIS_AWAY = {
  killed: ({ faults }) => faults.redis.kill(),
  paused: ({ faults }) => faults.redis.pause(),
  refused: ({ faults }) => faults.network.refuse({ server: 'redis' }),
  blackholed: ({ faults }) => faults.network.blackhole({ server: 'redis' }),
} as const satisfies Record<string, Provoke>;

export type RedisAway = keyof typeof REDIS_AWAY;

interface OutageChoices {
  provoke: Provoke;
  uploadsPerSecond: number;
  readsPerSecond?: number;
  faultMs: number;
  afterMs?: number;
  convergeMs?: number;
  during?: () => Promise<void>;
}

/** Runs an outage under steady load and writes what was seen into the case's evidence. */
export async function outage(t: CaseContext, choices: OutageChoices): Promise<OutageResult> {
  const { provoke, ...chosen } = choices;
  const { pipeline, recorder, redis, signal } = t;
  const result = await runOutage({
    pipeline,
    recorder,
    redis,
    prefix: t.unique,
    searchesPerSecond: SEARCHES_PER_SECOND,
    beforeMs: BEFORE_MS,
    afterMs: AFTER_MS,
    convergeMs: CONVERGE_MS,
    ...chosen,
    fault: () => provoke(t),
    signal,
  });
  const known = {
    detectedMs: result.detectedMs,
    firstAppliedMs: result.firstAppliedMs,
    backlogDrainedMs: result.backlogDrainedMs,
  };
  Object.assign(t.evidence, {
    witness: result.witness,
    uploadsBefore: result.uploads.baseline.ok,
    uploadsDuring: result.uploads.outage.ok,
    uploadsAfter: result.uploads.recovery.ok,
    updatesDuring: result.updates.outage.ok,
    deletionsDuring: result.deletions.outage.ok,
    searchesDuring: result.searches.outage.ok,
    shownDuring: result.shownDuring,
    seenBefore: result.seenBefore,
    slowestUploadDuringMs: result.uploads.outage.slowestMs,
    backlog: result.backlog,
    invisible: result.invisible,
  });
  for (const [name, ms] of Object.entries(known)) if (ms !== null) t.evidence[name] = Math.round(ms);
  return result;
}

/** @throws Violation when a write or a search of these phases was not answered well */
export function demandAllAnswered(
  { uploads, updates, deletions, searches }: OutageResult,
  phases: readonly OutagePhase[],
): void {
  for (const phase of phases) {
    for (const [what, counts] of [
      ['uploads', uploads[phase]],
      ['updates', updates[phase]],
      ['deletions', deletions[phase]],
      ['searches', searches[phase]],
    ] as const) {
      const bad = counts.fail + counts.unknown;
      const all = bad + counts.ok;
      demand(bad === 0, () => `${bad} of ${all} ${what} failed in the phase ${phase}, the first: ${counts.firstError}`);
    }
  }
}

/** @throws Violation when a search from the fault on missed, or did not list, what was found before and not deleted */
export function demandAllFound({ shortSearches, firstShortSearch }: OutageResult): void {
  demand(
    shortSearches === 0,
    `${shortSearches} searches missed files that were found before the fault, the first: ${firstShortSearch}`,
  );
}

/** @throws Violation unless everything accepted was visible within `ms` of healing */
export function demandAllVisible(result: OutageResult, ms: number): void {
  const { accepted, invisible, firstInvisible, backlogDrainedMs, undrained } = result;
  demand(
    invisible === 0,
    `${invisible} of ${accepted} accepted writes are not searchable within ${ms} ms of healing, the first: ${firstInvisible}`,
  );
  demand(
    backlogDrainedMs !== null && backlogDrainedMs <= ms,
    `The backlog was searchable only ${backlogDrainedMs?.toFixed(0) ?? 'never'} ms after healing, not within ${ms} ms`,
  );
  demand(undrained === undefined, `Everything is searchable, but: ${undrained}`);
}
