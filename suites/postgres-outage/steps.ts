import { randomUUID } from 'node:crypto';
import type { Fault, HistoryRecord, OutageResult } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { clientOf } from '../runner/client.ts';
import { watchDeadLetters } from '../steps/events.ts';
import { demandAllFound, demandAllVisible, outage } from '../steps/outage.ts';
import { awaitMarker } from '../steps/registrations.ts';
import { demandSameProcesses, processStartTimes } from '../steps/services.ts';
import { demand } from '../steps/violation.ts';

/** Every request is answered in this time, if only to say that it cannot be done. */
export const ANSWERED_MS = 12_000;
/** Longer than that: what waits for the end of the fault is found out. */
export const HANGS_FOR_MS = 14_000;
export const CONVERGE_MS = 10_000;
/** More than a pool holds. */
export const AT_ONCE = 30;

/** Requests by what they need: writes the registry's database, searches the read model's. */
const KINDS = { writes: ['uploads', 'updates', 'deletions'], searches: ['searches'] } as const;
type Kind = keyof typeof KINDS;

interface PostgresFault {
  provoke: (t: CaseContext) => Promise<Fault>;
  faultMs: number;
  /** Requests that may be answered 5xx while it is on. */
  mayFail: readonly Kind[];
}

/** RES-08: PostgreSQL, or one service's connections to it, is unavailable. */
export async function bearsDatabaseOutage(t: CaseContext, { provoke, faultMs, mayFail }: PostgresFault): Promise<void> {
  const before = await processStartTimes(t);
  const letters = await watchDeadLetters(t);
  await using pipeline = clientOf(t.env, { recorder: t.recorder, timeoutMs: ANSWERED_MS });
  const choices = { provoke, uploadsPerSecond: 4, faultMs, convergeMs: CONVERGE_MS };
  const result = await outage({ ...t, pipeline }, choices).catch(async (error: unknown) => {
    // What could not be read in the end, since a process has exited, is no lack of evidence.
    await demandSameProcesses(t, before);
    throw error;
  });
  await demandSameProcesses(t, before);
  t.evidence.refused = demandRefused(t.records);
  demandUntouched(result, mayFail);
  demandAllFound(result);
  await letters.demandNone('although only PostgreSQL was unavailable');
  demandAllVisible(result, CONVERGE_MS);
  await awaitMarker(t, 'after it was over');
}

/** A service opens connections when it needs them: several requests at once leave several, and so the fault meets them. */
export async function openConnections({ pipeline }: CaseContext, user: 'admin' | 'query'): Promise<void> {
  const ask = (): Promise<unknown> => {
    const path = user === 'admin' ? '/api/v1/files?page_size=1' : `/api/search/${randomUUID()}`;
    return pipeline.request(user, 'GET', path);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
}

/**
 * A request that was not done must have been answered so, with a 5xx: each was right, and could have been done later.
 * @returns how many were
 * @throws Violation naming the first that was answered otherwise, not in time, or before anything was broken
 */
function demandRefused(records: readonly HistoryRecord[]): number {
  const brokenAt = records.find((record) => record.type === 'fault')?.at ?? Number.POSITIVE_INFINITY;
  let refused = 0;
  for (const record of records) {
    if (record.type !== 'fail' && record.type !== 'unknown') continue;
    const { at, kind, status, error = 'without a reason' } = record;
    demand(at >= brokenAt, `An operation (${kind}) failed before anything was broken: ${error}`);
    demand(status !== undefined, `An operation (${kind}) got no answer within ${ANSWERED_MS} ms: ${error}`);
    demand(status >= 500, `An operation (${kind}) was answered ${status} while its database was unavailable: ${error}`);
    refused++;
  }
  return refused;
}

/** @throws Violation when a request failed that does not need what is unavailable */
function demandUntouched(result: OutageResult, mayFail: readonly Kind[]): void {
  for (const name of (Object.keys(KINDS) as Kind[])
    .filter((kind) => !mayFail.includes(kind))
    .flatMap((kind) => KINDS[kind])) {
    for (const phase of ['baseline', 'outage', 'recovery'] as const) {
      const { fail, unknown, ok, firstError } = result[name][phase];
      const bad = fail + unknown;
      demand(bad === 0, `${bad} of ${bad + ok} ${name} failed in the phase ${phase}, the first: ${firstError}`);
    }
  }
}
