import type { Answer, OperationOptions, PipelineClient } from '../clients/pipeline.ts';
import { DeadlineError, InconclusiveError } from '../core/errors.ts';
import { monotonicMs, pollUntil } from '../core/time.ts';

/** Each is read in two places at once. */
const FILES_AT_ONCE = 4;
const TIMEOUT_MS = 15_000;

export interface FinalReadsOptions {
  /** What is not answered after this time is missing, default 15 s for all files together. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/**
 * Reads every file from the registry and from the read model, marked as final: what checkers decide on. A read that
 * fails is repeated until it is answered, found or not.
 * @throws InconclusiveError saying how many files were not read in time, and how the last read of one failed
 */
export async function finalReads(
  pipeline: PipelineClient,
  fileIds: readonly string[],
  { timeoutMs = TIMEOUT_MS, signal }: FinalReadsOptions = {},
): Promise<void> {
  const deadlineAt = monotonicMs() + timeoutMs;
  const files = [...new Set(fileIds)];
  const rest = [...files];
  const missing: string[] = [];
  let cause: unknown;
  const reader = async (): Promise<void> => {
    for (let fileId = rest.pop(); fileId !== undefined; fileId = rest.pop()) {
      const options = { deadlineAt, signal };
      const id = fileId;
      const reads = await Promise.allSettled([
        untilAnswered(`the registry to answer for ${id}`, (read) => pipeline.registryFile(id, read), options),
        untilAnswered(`search to answer for ${id}`, (read) => pipeline.searchById(id, read), options),
      ]);
      const failures = reads.flatMap((read): unknown[] => (read.status === 'rejected' ? [read.reason] : []));
      const other = failures.find((error) => !(error instanceof DeadlineError));
      if (other !== undefined) {
        // The reason of the abort says more than what it interrupted.
        signal?.throwIfAborted();
        throw other;
      }
      if (failures.length === 0) continue;
      missing.push(id);
      cause ??= failures[0];
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, reader));
  if (missing.length === 0) return;
  throw new InconclusiveError(
    `${missing.length} of ${files.length} files were not read by both registry and search within ${timeoutMs} ms`,
    { cause, facts: { missing: missing.slice(0, 10) } },
  );
}

async function untilAnswered(
  what: string,
  read: (options: OperationOptions) => Promise<Answer>,
  { deadlineAt, signal }: { deadlineAt: number; signal?: AbortSignal },
): Promise<void> {
  const leftMs = Math.round(deadlineAt - monotonicMs());
  if (leftMs <= 0) throw new DeadlineError(`No time was left for ${what}`);
  await pollUntil(
    async (bounded) => {
      const answer = await read({ final: true, signal: bounded });
      if (answer.outcome === 'ok') return true;
      throw new Error(answer.error ?? `answered ${answer.status}`);
    },
    { what, timeoutMs: leftMs, intervalMs: 50, intervalMsMax: 1000, signal },
  );
}

/** When a write was accepted and when a reader first saw it, in run time; `hitAt` null when it never did in time. */
interface Seen {
  acceptedAt: number;
  hitAt: number | null;
}

/** How the read model caught up after a fault was healed. */
export interface Convergence {
  /** When the first write became visible after healing. */
  firstAppliedAt: number | undefined;
  /** When all that had been accepted before healing was visible; undefined when something never was. */
  drainedAt: number | undefined;
  /** Accepted, before or after healing, and never seen in time. */
  invisible: number;
}

export function convergenceOf(samples: readonly Seen[], healedAt: number): Convergence {
  const hits = samples.flatMap(({ hitAt }) => (hitAt !== null && hitAt > healedAt ? [hitAt] : []));
  const held = samples.filter(({ acceptedAt }) => acceptedAt < healedAt).map(({ hitAt }) => hitAt ?? Infinity);
  // One by one, not spread: a long outage has more samples than a call may have arguments.
  const drainedAt = held.reduce((last, hitAt) => Math.max(last, hitAt), healedAt);
  return {
    firstAppliedAt: hits.length === 0 ? undefined : hits.reduce((first, hitAt) => Math.min(first, hitAt)),
    drainedAt: drainedAt === Infinity ? undefined : drainedAt,
    invisible: samples.filter(({ hitAt }) => hitAt === null).length,
  };
}

/** A write younger than this may be unseen with nothing wrong: neither applied nor looked for yet, in ms. */
const ON_ITS_WAY_MS = 500;

/**
 * How many writes were accepted while the fault was on and kept from readers by it: none when it reached no service.
 * The youngest ones do not count, they would be missing without a fault, too.
 */
export function heldBack(
  samples: readonly Seen[],
  { effectiveAt, healingAt }: { effectiveAt: number; healingAt: number },
): number {
  return samples.filter(
    ({ acceptedAt, hitAt }) =>
      acceptedAt >= effectiveAt && acceptedAt <= healingAt - ON_ITS_WAY_MS && (hitAt === null || hitAt > healingAt),
  ).length;
}
