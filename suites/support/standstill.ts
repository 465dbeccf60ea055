import type { CaseContext } from './case.ts';
import { clientOf } from './client.ts';
import { awaitMarker } from './marker.ts';
import { births, demandSameProcesses } from './processes.ts';
import { demandAllVisible, outage } from './redis-outage.ts';
import { demand } from './violation.ts';

const STANDSTILL_MS = 30_000;
/** Everything is applied this long after the part continues. */
const APPLIED_MS = 5000;
const UPLOADS_PER_SECOND = 3;
/** Longer than the standstill: a write that meets it may be answered after it. */
const PATIENCE_MS = STANDSTILL_MS + 15_000;

type Part = 'redis' | 'query' | 'admin';

/** RES-05: a part that is stopped (SIGSTOP) for 30 s under steady uploads costs nothing that was accepted. */
export async function standsStill(t: CaseContext, part: Part): Promise<void> {
  const before = await births(t);
  await using patient = clientOf(t.env, { recorder: t.recorder, timeoutMs: PATIENCE_MS });
  const result = await outage(
    { ...t, pipeline: patient },
    {
      provoke: ({ faults }) => faults[part].pause(),
      uploadsPerSecond: UPLOADS_PER_SECOND,
      faultMs: STANDSTILL_MS,
      convergeMs: APPLIED_MS,
    },
  );
  if (part !== 'admin') {
    const { fail, unknown, firstError } = result.uploads.outage;
    demand(fail + unknown === 0, () => `${fail + unknown} uploads failed while ${part} stood still: ${firstError}`);
  }
  demandAllVisible(result, APPLIED_MS);
  await demandSameProcesses(t, before);
  await awaitMarker(t, 'after it was over');
}
