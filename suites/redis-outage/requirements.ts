import { type Case, CONTRACT, ORIGINAL, type Requirement } from '../ledger/requirement.ts';

/** In an outage that is long enough, files that were seen before it are updated and deleted. */
const CHANGES = { updatesDuring: 1, deletionsDuring: 1 };

/** Without a backlog at healing, the fault reached no service. */
const GOES_ON_FLOOR = {
  uploadsBefore: 5,
  uploadsDuring: 16,
  searchesDuring: 20,
  shownDuring: 8,
  seenBefore: 1,
  ...CHANGES,
  backlog: 1,
};

function arrivesFloor(seconds: number): Case['floor'] {
  const [changes, shownDuring] = seconds < 5 ? [{}, 1] : [CHANGES, 2 * seconds];
  return {
    uploadsBefore: 5,
    uploadsDuring: 3 * seconds,
    uploadsAfter: 4,
    shownDuring,
    seenBefore: 1,
    ...changes,
    backlog: 1,
  };
}

const goesOn = (way: string): string =>
  `${way}: uploads answer 2xx within 2 s, search answers, readiness says degraded, nothing crashes.`;
const arrives = (way: string, seconds: number): string =>
  `${way}, for ${seconds} s: no upload fails, and all are searchable within 10 s of its recovery.`;

const KILLED = 'Redis killed';
const PAUSED = 'Redis stopped (SIGSTOP): it accepts connections and answers nothing';
const REFUSED = 'Redis unreachable, connections refused';
const BLACKHOLED = 'Redis unreachable, bytes silently dropped';

const killed = {
  file: 'redis-outage/redis-outage.test.ts',
  lane: 'killed',
  needs: ['redis', 'stop redis', 'metrics'],
} as const;
const paused = {
  file: 'redis-outage/redis-outage.test.ts',
  lane: 'paused',
  needs: ['redis', 'pause redis', 'metrics'],
} as const;
const refused = {
  file: 'redis-outage/redis-outage.test.ts',
  lane: 'refused',
  needs: ['redis', 'network redis', 'metrics'],
} as const;
const blackholed = {
  file: 'redis-outage/redis-outage.test.ts',
  lane: 'blackholed',
  needs: ['redis', 'network redis', 'metrics'],
} as const;

/**
 * Writes are accepted throughout and queue up, except while admin itself is suspended. Without that
 * backlog, the suspended component was not the one in use.
 */
const SUSPENDED = { floor: { uploadsBefore: 4, uploadsAfter: 3 }, seconds: 38, timeoutMs: 90_000 } as const;
const SUSPENDED_PILING_UP = {
  ...SUSPENDED,
  floor: { ...SUSPENDED.floor, uploadsDuring: 80, backlog: 1 },
} as const;

const cutOff = { file: 'redis-outage/redis-outage.test.ts', lane: 'cut-off' } as const;
const CUT_OFF_FLOOR = { uploadsBefore: 5, uploadsDuring: 16, uploadsAfter: 3, backlog: 1 } as const;

const refuses = (error: string, why: string): string =>
  `Redis answers ${error}, since ${why}: changes go on, the error is reported, nothing spins, all arrives once it is over.`;
const refusing = {
  needs: ['redis', 'redis admin', 'metrics'],
  floor: { uploadsBefore: 5, uploadsDuring: 14, uploadsAfter: 3, seenBefore: 1, backlog: 1 },
  seconds: 10,
} as const;
const refusesWrites = { ...refusing, file: 'redis-outage/redis-outage.test.ts', lane: 'refuses-writes' } as const;
const refusesMore = { ...refusing, file: 'redis-outage/redis-outage.test.ts', lane: 'refuses-more' } as const;

export const REDIS_OUTAGE = [
  {
    id: 'RES-01',
    level: 'MUST',
    tier: 'resilient',
    text: 'During a Redis outage uploads answer 2xx within 2 s, search answers, readiness says degraded, and nothing crashes.',
    allowed: [
      'Every upload 2xx within 2 s (beyond what liveness, which needs no server, takes meanwhile), every search 200, degraded within 10 s, every process still the same one.',
      'A file that was found before, and not deleted since, is found by search, by id and by its exact name.',
    ],
    why: 'Redis carries news of writes, not the writes: losing it must cost freshness, not service.',
    provoked:
      'Redis killed, stopped (SIGSTOP), refused and blackholed, each under steady uploads, changes, searches and reads of single files.',
    troubleshooting:
      'Whether the write path waits for Redis anywhere, and the options of its client: retries per command, offline queue, timeouts.',
    since: '0.1.0',
    source: ORIGINAL,
    cases: [
      { ...killed, variant: 'killed', title: goesOn(KILLED), floor: GOES_ON_FLOOR, seconds: 9 },
      { ...paused, variant: 'paused', title: goesOn(PAUSED), floor: GOES_ON_FLOOR, seconds: 9 },
      { ...refused, variant: 'refused', title: goesOn(REFUSED), floor: GOES_ON_FLOOR, seconds: 9 },
      { ...blackholed, variant: 'blackholed', title: goesOn(BLACKHOLED), floor: GOES_ON_FLOOR, seconds: 9 },
    ],
  },
  {
    id: 'RES-02',
    level: 'MUST',
    tier: 'resilient',
    text: 'Once Redis has recovered, everything written before, during and after its outage becomes searchable within 10 s, without a restart.',
    allowed: [
      'No upload fails; all are searchable at most 10 s after Redis answered again; every process still the same one.',
      'Meanwhile a file that was found before, and not deleted since, is found by search, by id and by its exact name.',
    ],
    why: 'An outage that ends must be over: what was written meanwhile must not wait for a manual restart or repair.',
    provoked:
      'Outages of Redis of all four kinds, of 1 s, 10 s and 60 s, with uploads, updates and deletions throughout.',
    troubleshooting:
      'An outbox that is read again after a failure; a consumer that reconnects, creates its group and drains what it held.',
    since: '0.1.0',
    source: ORIGINAL,
    cases: [
      { ...killed, variant: 'killed-1s', title: arrives(KILLED, 1), floor: arrivesFloor(1), seconds: 5 },
      { ...killed, variant: 'killed-10s', title: arrives(KILLED, 10), floor: arrivesFloor(10), seconds: 14 },
      {
        ...killed,
        file: 'redis-outage/redis-outage.test.ts',
        lane: 'killed-60s',
        variant: 'killed-60s',
        title: arrives(KILLED, 60),
        floor: arrivesFloor(60),
        seconds: 66,
        timeoutMs: 120_000,
      },
      { ...paused, variant: 'paused-10s', title: arrives(PAUSED, 10), floor: arrivesFloor(10), seconds: 14 },
      { ...refused, variant: 'refused-10s', title: arrives(REFUSED, 10), floor: arrivesFloor(10), seconds: 14 },
      {
        ...blackholed,
        variant: 'blackholed-10s',
        title: arrives(BLACKHOLED, 10),
        floor: arrivesFloor(10),
        seconds: 14,
      },
    ],
  },
  {
    id: 'RES-05',
    level: 'MUST',
    tier: 'resilient',
    text: 'A component that is suspended for 30 s (SIGSTOP) while writes go on loses nothing: all is applied at most 5 s after it resumes.',
    allowed: ['Everything accepted before or during the suspension is searchable at most 5 s after SIGCONT.'],
    why: 'Paused virtual machines, full disks and long garbage collections look like this: connected, and silent.',
    provoked: 'SIGSTOP of Redis, of the consumer and of admin for 30 s under steady uploads.',
    troubleshooting: 'Blocking reads without a watchdog of their own; a connection that is "ready" and never answers.',
    since: '0.1.0',
    source: 'POSIX signals: a stopped process keeps its sockets open and answers nothing',
    cases: [
      {
        ...SUSPENDED_PILING_UP,
        file: 'redis-outage/redis-outage.test.ts',
        lane: 'redis-suspended',
        variant: 'redis',
        title: 'Redis is suspended for 30 s (SIGSTOP) while writes go on: all is applied at most 5 s after it resumes.',
        needs: ['redis', 'pause redis', 'metrics'],
      },
      {
        ...SUSPENDED_PILING_UP,
        file: 'redis-outage/redis-outage.test.ts',
        lane: 'query-suspended',
        variant: 'query',
        title:
          'The consumer is suspended for 30 s (SIGSTOP) while writes go on: all is applied at most 5 s after it resumes.',
        needs: ['redis', 'pause query', 'metrics'],
      },
      {
        ...SUSPENDED,
        file: 'redis-outage/redis-outage.test.ts',
        lane: 'admin-suspended',
        variant: 'admin',
        title:
          'The producer (admin) is suspended for 30 s (SIGSTOP) while writes go on: all is applied at most 5 s after it resumes.',
        needs: ['redis', 'pause admin', 'metrics'],
      },
    ],
  },
  {
    id: 'RES-06',
    level: 'MUST',
    tier: 'resilient',
    text: 'A consumer that is silently cut off reports it within 10 s, and resumes within 10 s after the network heals, without a restart.',
    allowed: [
      'Readiness of query is 200 with cache degraded, or not 200, within 10 s; everything accepted is searchable within 10 s after healing.',
      'Where only the open connections are lost and new ones are established, it need not report it: everything accepted is searchable within 10 s.',
    ],
    why: 'Lost routes and firewalls that lost their state close no connection: a client that waits for an answer waits for ever, and looks alive.',
    provoked:
      'Bytes between query and Redis are silently dropped: in both directions, in one, and for good on the connections that are open.',
    troubleshooting:
      'Whether the blocking read has a deadline of its own, and whether readiness asks Redis or only its client.',
    since: '0.1.0',
    source: 'RFC 1122, 4.2.3.6: a connection that is idle is not probed for two hours by default',
    cases: [
      {
        ...cutOff,
        variant: 'both',
        title:
          'Bytes between query and Redis are dropped in both directions: query reports it, and resumes afterwards.',
        needs: ['redis', 'network redis', 'metrics'],
        floor: CUT_OFF_FLOOR,
        seconds: 11,
      },
      {
        ...cutOff,
        variant: 'requests',
        title: 'Requests of query to Redis are dropped, replies pass: query reports it, and resumes afterwards.',
        needs: ['redis', 'network redis', 'metrics'],
        floor: CUT_OFF_FLOOR,
        seconds: 11,
      },
      {
        ...cutOff,
        variant: 'replies',
        title: 'Replies of Redis to query are dropped, requests pass: query reports it, and resumes afterwards.',
        needs: ['redis', 'network redis', 'metrics'],
        floor: CUT_OFF_FLOOR,
        seconds: 11,
      },
      {
        ...cutOff,
        variant: 'forgotten',
        title: 'The open connections of query to Redis become half-open, new ones are established: query resumes.',
        needs: ['network redis', 'metrics'],
        floor: { uploadsAfter: 8 },
        seconds: 5,
      },
    ],
  },
  {
    id: 'RES-07',
    level: 'MUST',
    tier: 'resilient',
    text: 'While Redis answers with errors the pipeline backs off, reports the errors in health or metrics, and recovers without a restart.',
    allowed: [
      'Every upload 2xx and every search 200; readiness of admin or query says degraded, or failed attempts to publish are counted, within 10 s.',
      'On average at most 100 error replies, 50 connections and 200 log lines per second; every process still the same one.',
      'Everything accepted is searchable at most 10 s after Redis takes writes again.',
    ],
    why: 'A full Redis, a full disk or a failover answers at once: a client that takes any answer for a success loses events, and one that retries at once never stops.',
    provoked: 'OOM, MISCONF, READONLY, LOADING, NOPERM and BUSY, each provoked on a real Redis, under steady changes.',
    troubleshooting:
      'Whether the replies inside a transaction or a pipeline are checked one by one, and what pauses between two attempts.',
    since: '0.1.0',
    source: 'Redis documentation, Redis serialization protocol: simple errors, and their prefixes',
    cases: [
      { ...refusesWrites, variant: 'oom', title: refuses('OOM', 'it is out of memory') },
      { ...refusesWrites, variant: 'misconf', title: refuses('MISCONF', 'it cannot save its data') },
      { ...refusesWrites, variant: 'readonly', title: refuses('READONLY', 'it has become a replica') },
      { ...refusesMore, variant: 'loading', title: refuses('LOADING', 'it is loading its data') },
      { ...refusesMore, variant: 'noperm', title: refuses('NOPERM', 'access to streams was revoked') },
      { ...refusesMore, variant: 'busy', title: refuses('BUSY', 'a script never ends') },
    ],
  },
  {
    id: 'RES-11',
    level: 'MUST',
    tier: 'resilient',
    text: 'An outage of Redis alone is invisible to searches: none fails, none is late.',
    allowed: [
      'Every search and every read by id is answered 200, with what is there, at most 2 s later than a call that needs no server.',
    ],
    why: 'Searches need the read model and nothing else: a cache in between that dies must not take them with it.',
    provoked: 'Searches and reads by id at a steady rate while Redis is killed, and while it is stopped (SIGSTOP).',
    troubleshooting: 'Whether the search path waits for Redis anywhere: caches, rate limits, sessions, health checks.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        file: 'redis-outage/redis-outage.test.ts',
        lane: 'searches',
        variant: 'killed',
        title: 'Redis is killed under searches: none fails, none is late.',
        needs: ['stop redis'],
        floor: { answersBefore: 5, answersAway: 40, answersAfter: 8 },
        seconds: 9,
      },
      {
        file: 'redis-outage/redis-outage.test.ts',
        lane: 'searches',
        variant: 'paused',
        title: 'Redis is stopped (SIGSTOP) under searches: none fails, none is late.',
        needs: ['pause redis'],
        floor: { answersBefore: 5, answersAway: 40, answersAfter: 8 },
        seconds: 9,
      },
    ],
  },
] as const satisfies readonly Requirement[];
