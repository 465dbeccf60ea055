import { ORIGINAL, type Requirement } from '../ledger/requirement.ts';

export const LATENCY = [
  {
    id: 'LAT-01',
    level: 'MUST',
    tier: 'core',
    text: 'Sync latency, upload time and search time are measured under open-loop load and stay within the declared thresholds.',
    allowed: ['Every declared threshold is met on at least its minimum number of samples.'],
    why: 'A file that is found only after a minute is missing for a user who looks for it now.',
    provoked:
      'Uploads and searches at a steady rate whether or not earlier ones were answered, each file followed until it is seen.',
    troubleshooting:
      'The hops in the report: accepted → XADD → row committed → seen. A poll interval shows as a floor, a lock as a tail.',
    since: '0.1.0',
    source: ORIGINAL,
    cases: [
      {
        file: 'latency/latency.test.ts',
        lane: 'alone',
        title: 'Sync latency at 100 uploads/s, upload time and search time stay within their thresholds.',
        needs: [],
        floor: { samples: 300, searches: 80 },
        seconds: 14,
      },
    ],
  },
  {
    id: 'LAT-02',
    level: 'MUST',
    tier: 'core',
    text: 'A write after a pause of some seconds is searchable as soon as one under load.',
    allowed: [
      'Of ten writes half are searchable within 500 ms, and each within 2 s (beyond what liveness, which needs no server, takes meanwhile).',
    ],
    why: 'Most pipelines are idle most of the time: a wait that load hides is what their users experience with every file.',
    provoked: 'Ten registrations, each one to seven seconds after the one before.',
    troubleshooting:
      'Whether anything waits on a connection that another command blocks (XREAD BLOCK), or for the next poll.',
    since: '0.1.0',
    source: 'Redis documentation, XREAD: BLOCK holds the connection',
    cases: [
      {
        file: 'latency/latency.test.ts',
        lane: 'idle',
        needs: [],
        floor: { samples: 10 },
        seconds: 45,
        timeoutMs: 120_000,
      },
    ],
  },
] as const satisfies readonly Requirement[];
