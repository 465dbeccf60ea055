import { CONTRACT, type Requirement } from '../ledger/requirement.ts';

const file = 'health/health.test.ts';
const metrics = 'health/metrics.test.ts';
const build = 'health/health.test.ts';
/** 12 rounds of two calls to each of two services, which every target has. */
const floor = { answers: 48 };

export const HEALTH = [
  {
    id: 'HLTH-01',
    level: 'MUST',
    tier: 'core',
    text: 'Liveness and readiness answer as the contract says, within 1 s, in every state of the servers.',
    allowed: [
      'live: 200 while the process runs. Within 1 s, beyond what another service takes for it at that moment.',
      'ready: within 1 s, beyond what live of the same service takes at that moment.',
      'ready of query: 200 with cache degraded while Redis is away; 503 while PostgreSQL is away; 200 otherwise.',
      'ready of the others: 200 or 503 while PostgreSQL is away; 200 otherwise, in all answers but two of twelve.',
    ],
    why: 'Orchestrators kill what is not live and starve what is not ready: a wrong answer turns an outage of Redis into one of everything.',
    provoked:
      'Both health calls of every service, while all is well, with Redis killed, with Redis silent, without PostgreSQL.',
    troubleshooting: 'Timeouts of the probes: a check that waits for a hung server answers late.',
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
  {
    id: 'HLTH-02',
    level: 'MUST',
    tier: 'core',
    text: 'Metrics name events that are published, failed, processed, dead-lettered, pending and behind, and move when they should.',
    allowed: ['Each follows what happened within 15 s; where the service cannot know, NaN.'],
    why: 'A pipeline that loses events in silence is found out by its users; a counter would have told on the first day.',
    provoked:
      'Registrations; an event that cannot be applied; a registration without Redis; events behind a locked table.',
    troubleshooting:
      'Whether the series is there from the start, and what its counter is tied to: the attempt, or the outcome.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        file: metrics,
        variant: 'flow',
        title: 'Events that are published and processed are counted.',
        needs: ['metrics'],
        floor: { published: 5, processed: 5 },
        seconds: 1,
      },
      {
        file: metrics,
        variant: 'dead-letters',
        title: 'An event that is moved to the dead-letter stream is counted.',
        needs: ['metrics', 'redis'],
        floor: { deadLettered: 1 },
        seconds: 1,
      },
      {
        file: metrics,
        variant: 'failures',
        title: 'Attempts to publish that fail are counted.',
        needs: ['metrics', 'stop redis'],
        floor: { failed: 1 },
        seconds: 3,
      },
      {
        file: metrics,
        variant: 'backlog',
        title: 'Events that are pending and events that are not delivered show, and are gone when they are done.',
        needs: ['metrics', 'redis', 'postgres'],
        floor: { pending: 1, lag: 1 },
        seconds: 3,
      },
    ],
  },
  {
    id: 'HLTH-03',
    level: 'MUST',
    tier: 'core',
    text: 'Every service says which build it is, and it is the one that was meant to run.',
    allowed: ['version, and git_sha where it is known, are those that were meant.'],
    why: 'The mended code that everybody tests and nobody runs is the longest bug of all.',
    provoked: '/version of every service, as it is found and after a restart.',
    troubleshooting: 'Image tags that are reused, deployments that did not roll, a process that was left on the port.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        file: build,
        variant: 'running',
        title: 'What runs is the build that was meant.',
        needs: ['build'],
        floor: { compared: 2 },
        seconds: 1,
      },
      {
        file: build,
        variant: 'restarted',
        title: 'What comes back after a restart is the build that was meant.',
        needs: ['build', 'stop admin', 'stop query'],
        floor: { compared: 2, restarted: 2 },
        seconds: 5,
      },
    ],
  },
] as const satisfies readonly Requirement[];
