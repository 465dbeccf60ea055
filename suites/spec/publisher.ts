import type { Requirement } from './requirement.ts';

export const PUBLISHER = [
  {
    id: 'PUB-08',
    level: 'MUST',
    tier: 'durable',
    text: 'The stream stays within its length, approximately, and nothing that was trimmed is lost in the end.',
    allowed: [
      'Never longer than its limit and a tenth of it more, at least 200 entries more (Redis trims whole nodes); in the end search finds every file.',
    ],
    why: 'Without a limit a consumer that is away fills the memory of Redis; with one, it comes back to a hole.',
    provoked:
      'Two and a half times as many registrations as the stream may hold, with the consumer off; then it is started.',
    look: 'MAXLEN of the XADD; then whether the consumer notices what is missing when it starts.',
    since: '0.1.0',
    source: 'Redis documentation, XADD: MAXLEN with ~',
    cases: [
      {
        file: 'resilience/stream-limit.test.ts',
        needs: ['redis', 'stop query'],
        floor: { files: 500, trimmed: 100 },
        seconds: 20,
        timeoutMs: 180_000,
      },
    ],
  },
] as const satisfies readonly Requirement[];
