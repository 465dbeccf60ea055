import type { Requirement } from './requirement.ts';
import { ORIGINAL } from './sources.ts';

export const LATENCY = [
  {
    id: 'LAT-01',
    level: 'MUST',
    tier: 'core',
    text: 'Sync latency, upload time and search time are measured under open-loop load and stay within the declared thresholds.',
    allowed: ['Every declared threshold holds on at least its minimum of samples.'],
    why: 'A file that is found after a minute is, to whoever looks for it now, not found.',
    provoked:
      'Uploads and searches at a steady rate whether or not earlier ones were answered, each file followed until it is seen.',
    look: 'The hops in the report: accepted → XADD → row committed → seen. A poll interval shows as a floor, a lock as a tail.',
    since: '0.1.0',
    source: ORIGINAL,
    cases: [
      {
        file: 'conformance/latency.test.ts',
        title: 'Sync latency at 100 uploads/s, upload time and search time stay within their thresholds.',
        needs: [],
        floor: { samples: 300, searches: 80 },
        seconds: 14,
      },
    ],
  },
] as const satisfies readonly Requirement[];
