import type { Requirement } from './requirement.ts';
import { CONTRACT } from './sources.ts';

const file = 'conformance/health.test.ts';
/** 12 rounds of two calls to each of two services, which every target has. */
const floor = { answers: 48 };

export const HEALTH = [
  {
    id: 'HLTH-01',
    level: 'MUST',
    tier: 'core',
    text: 'Liveness and readiness answer as the contract says, within 1 s, in every state of the servers.',
    allowed: [
      'live: 200 while the process runs.',
      'ready of query: 200 with cache degraded while Redis is away; 503 while PostgreSQL is away; 200 otherwise.',
      'ready of the others: 200 or 503 while PostgreSQL is away; 200 otherwise, in all answers but two of twelve.',
    ],
    why: 'Orchestrators kill what is not live and starve what is not ready: a wrong answer turns an outage of Redis into one of everything.',
    provoked:
      'Both health calls of every service, while all is well, with Redis killed, with Redis silent, without PostgreSQL.',
    look: 'Timeouts of the probes: a check that waits for a hung server answers late.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        file,
        variant: 'healthy',
        title: 'With everything up, live and ready answer 200 within 1 s.',
        needs: [],
        floor,
        seconds: 3,
      },
      {
        file,
        variant: 'redis-killed',
        title: 'With Redis killed, live and ready answer 200, that of query with cache degraded, within 1 s.',
        needs: ['stop redis'],
        floor,
        seconds: 4,
      },
      {
        file,
        variant: 'redis-paused',
        title:
          'With Redis connectable but silent, live and ready answer 200, that of query with cache degraded, within 1 s.',
        needs: ['pause redis'],
        floor,
        seconds: 5,
      },
      {
        file,
        variant: 'postgres-stopped',
        title: 'With PostgreSQL away, live answers 200 and ready of query 503, within 1 s.',
        needs: ['stop postgres'],
        floor,
        seconds: 4,
      },
    ],
  },
] as const satisfies readonly Requirement[];
