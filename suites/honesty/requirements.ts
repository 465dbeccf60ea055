import type { Requirement } from '../ledger/requirement.ts';

const file = 'honesty/honesty.test.ts';

export const HONESTY = [
  {
    id: 'HON-01',
    level: 'MUST',
    tier: 'core',
    text: 'The harness is honest: a stall of 2 s under open-loop load shows in its p99.',
    allowed: ['The lower bound of the p99 is at most 102 ms below the stall.'],
    why: 'A load that waits for each answer sends a stalled service nothing, and reports that all is well.',
    provoked:
      'A target in the harness’s own process that stalls once, under uploads at a steady rate, and under uploads one after the other.',
    troubleshooting:
      'From when latency counts: the moment at which a request was due, not the one at which it could be sent.',
    since: '0.1.0',
    source: 'coordinated omission',
    cases: [{ file, needs: [], floor: { samples: 200, stallMs: 2000 }, seconds: 7 }],
  },
  {
    id: 'HON-02',
    level: 'MUST',
    tier: 'core',
    text: 'The harness is honest: what it reports of a known delay is true within the resolution that it states.',
    allowed: ['Every interval, of samples and of percentiles, contains the true value.'],
    why: 'A figure without its error is an opinion.',
    provoked: 'A target in the harness’s own process that makes each file visible after a delay of its own.',
    troubleshooting: 'Which moments bound a sample: when the last miss was sent, and when the first hit was answered.',
    since: '0.1.0',
    source: 'docs: sync latency as an interval',
    cases: [{ file, needs: [], floor: { samples: 100, bounded: 30 }, seconds: 3 }],
  },
] as const satisfies readonly Requirement[];
