import type { Mutant } from '../mutants/mutant.ts';

/** What can be wrong with the harness itself. */
export const HONESTY_MUTANTS: readonly Mutant[] = [
  {
    id: 'load-waits-for-answers',
    defect: 'the load sends a request when the one before was answered, and counts from then',
    services: ['harness'],
    caughtBy: ['HON-01'],
    edits: [
      { file: 'harness/workload/load.ts', find: 'inFlightMax = 2000', replace: 'inFlightMax = 1' },
      {
        file: 'harness/workload/load.ts',
        find: 'phase, intendedAt, acceptedAt: answer.endedAt',
        replace: 'phase, intendedAt: answer.startedAt, acceptedAt: answer.endedAt',
      },
    ],
  },
  {
    id: 'latency-counts-from-the-answer',
    defect: 'latency counts from the answer to the upload, however late that came',
    services: ['harness'],
    caughtBy: ['HON-01', 'HON-02'],
    edits: [
      {
        file: 'harness/check/latency.ts',
        find: "basis === 'intended' ? sample.intendedAt : sample.acceptedAt",
        replace: 'sample.acceptedAt',
      },
    ],
  },
  {
    id: 'percentiles-of-upper-bounds',
    defect: 'percentiles are given as if the first hit were the moment itself',
    services: ['harness'],
    caughtBy: ['HON-02'],
    edits: [
      {
        file: 'harness/check/latency.ts',
        find: 'lows: Float64Array.from(intervals, ({ lowMs }) => lowMs ?? 0).sort(),',
        replace: 'lows: Float64Array.from(intervals, ({ highMs }) => highMs ?? 0).sort(),',
      },
    ],
  },
  {
    id: 'miss-said-to-be-the-moment',
    defect: 'a sample ends with the last read that missed',
    services: ['harness'],
    caughtBy: ['HON-02'],
    edits: [
      {
        file: 'harness/workload/visibility.ts',
        find: 'return { ...base, missAt, hitAt: answer.endedAt };',
        replace: 'return { ...base, missAt, hitAt: missAt ?? answer.endedAt };',
      },
    ],
  },
];
