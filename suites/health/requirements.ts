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
      'ready of query: 200 with cache degraded during a Redis outage; 503 during a PostgreSQL outage; 200 otherwise.',
      'ready of the others: 200 or 503 during a PostgreSQL outage; 200 otherwise, in all answers but two of twelve.',
    ],
    why: 'Orchestrators kill what is not live and starve what is not ready: a wrong answer turns an outage of Redis into one of the whole pipeline.',
    provoked:
      'Both health calls of every service, in normal operation, with Redis killed, with Redis silent, without PostgreSQL.',
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
        title: 'With PostgreSQL stopped, live answers 200 and ready of query 503, within 1 s.',
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
    text: 'Metrics count events that are published, failed, processed, dead-lettered, pending and undelivered, and change when they should.',
    allowed: ['Each follows what happened within 15 s; where the service cannot know, NaN.'],
    why: 'Silent loss of events is discovered by users; a counter would have shown it on the first day.',
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
        title: 'Pending and undelivered events are counted, and no longer once they are processed.',
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
    text: 'Every service reports its build, and it is the expected one.',
    allowed: ['version, and git_sha where it is known, are the expected ones.'],
    why: 'A fix that is tested but not deployed is the bug that lives longest.',
    provoked: '/version of every service, as found and after a restart.',
    troubleshooting: 'Image tags that are reused, deployments that did not roll, a process that was left on the port.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        file: build,
        variant: 'running',
        title: 'The running build is the expected one.',
        needs: ['build'],
        floor: { compared: 2 },
        seconds: 1,
      },
      {
        file: build,
        variant: 'restarted',
        title: 'The build that runs after a restart is the expected one.',
        needs: ['build', 'stop admin', 'stop query'],
        floor: { compared: 2, restarted: 2 },
        seconds: 5,
      },
    ],
  },
] as const satisfies readonly Requirement[];
