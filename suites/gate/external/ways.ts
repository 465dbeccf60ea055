import { REQUIREMENTS } from '../../requirements.ts';
import { REFERENCE } from './reference.ts';
import type { Stack, StackPlan } from './stack.ts';
import { TARGET_WITHOUT_OUTBOX } from './target-without-outbox.ts';

/** One way to judge a pipeline that is not the harness's own, and what must come of it. */
export interface Way {
  name: string;
  what: string;
  stack: StackPlan;
  /** What its target file says. */
  target(stack: Stack): Stack['target'] | Omit<Stack['target'], 'control'>;
  /** Requirements and cases that are run. */
  select: readonly string[];
  exitCode: 1 | 2;
  tiers: Readonly<Record<'core' | 'resilient' | 'durable', 'partial' | 'violated'>>;
  /** Cases that fail, and what each must say; every other one passes or is skipped. */
  fails: Readonly<Record<string, RegExp>>;
  /** Cases that must pass: without them the way has shown nothing. */
  passes: readonly string[];
}

/** Takes long by what it is, or is about the harness alone, whatever is judged. */
const LEFT_OUT = ['LAT-02', 'HON-01', 'HON-02'];
const CORE = REQUIREMENTS.filter(({ id, tier }) => tier === 'core' && !LEFT_OUT.includes(id)).map(({ id }) => id);

const PARTIAL = { core: 'partial', resilient: 'partial', durable: 'partial' } as const;
const REFERENCE_LIMITS = { pending_retry_ms: 10_000, upload_bytes_max: 2 ** 30 };

export const WAYS: readonly Way[] = [
  {
    name: 'http',
    what: 'the reference, of which only the services are known',
    stack: REFERENCE,
    target: ({ target: { services, credentials } }) => ({
      name: 'reference, HTTP only',
      services: { ...services, query: { url: services.query.url } },
      credentials,
    }),
    select: CORE,
    exitCode: 2,
    tiers: PARTIAL,
    fails: {},
    passes: ['AUTH-01', 'AUTH-03', 'UP-01', 'UP-04/vanished', 'UP-05', 'SYNC-01', 'SYNC-05/200', 'SRCH-01', 'LAT-01'],
  },
  {
    name: 'servers',
    what: 'the reference, with access to Redis and PostgreSQL',
    stack: REFERENCE,
    target: ({ target: { control: _control, services, ...target } }) => ({
      ...target,
      services: { ...services, query: { url: services.query.url } },
      name: 'reference, with its servers',
      limits: REFERENCE_LIMITS,
    }),
    select: [
      ...['AUTH-02/times', 'UP-02', 'UP-04/declared-limit', 'SYNC-02', 'HLTH-02/dead-letters', 'RES-07/oom'],
      ...['PUB-02', 'PUB-04', 'PUB-05/relayed', 'CON-02', 'CON-05', 'CON-07/single', 'REC-01/group-destroyed'],
      // Skips: they need hooks.
      ...['RES-01/killed', 'PUB-01/killed', 'CON-01'],
    ],
    exitCode: 2,
    tiers: PARTIAL,
    fails: {},
    passes: ['AUTH-02/times', 'UP-02', 'SYNC-02', 'RES-07/oom', 'PUB-02', 'CON-02/abandoned', 'CON-07/single'],
  },
  {
    name: 'commands',
    what: 'the reference, started by plain commands, which are its hooks',
    stack: REFERENCE,
    target: ({ target }) => ({ ...target, name: 'reference, with hooks', limits: REFERENCE_LIMITS }),
    select: [
      ...['HLTH-01/redis-paused', 'HLTH-01/postgres-stopped', 'UP-03/storage-killed', 'UP-03/admin-stopped'],
      ...['RES-01/killed', 'RES-02/killed-1s', 'RES-03', 'RES-04', 'RES-08/killed', 'RES-09/working'],
      ...['PUB-01', 'CON-01', 'REC-02/consumer-down', 'REC-07/emptied', 'SYNC-08'],
      // Skips: they need the wire between the services and Redis, and a pipeline of their own.
      ...['RES-01/refused', 'SYNC-09/before-redis'],
    ],
    exitCode: 2,
    tiers: PARTIAL,
    fails: {},
    passes: [
      ...['HLTH-01/redis-paused', 'HLTH-01/postgres-stopped', 'UP-03/storage-killed', 'UP-03/admin-stopped'],
      ...['RES-01/killed', 'RES-02/killed-1s', 'RES-03', 'RES-08/killed', 'RES-09/working'],
      ...['PUB-01/killed', 'PUB-01/paused', 'CON-01', 'REC-02/consumer-down', 'REC-07/emptied'],
    ],
  },
  {
    name: 'target-without-outbox',
    what: 'an implementation without outbox: core and resilient, and where it must fail',
    stack: TARGET_WITHOUT_OUTBOX,
    target: ({ target }) => ({
      ...target,
      name: 'publish after commit, no outbox',
      limits: { pending_retry_ms: 10_000 },
      metrics: {
        published: 'events_published_total',
        failed: 'events_publish_failed_total',
        processed: 'events_processed_total',
        deadLettered: 'events_dead_lettered_total',
        pending: 'events_pending',
        lag: 'events_lag',
      },
    }),
    select: [
      ...CORE,
      ...['RES-01', 'RES-02/killed-1s', 'RES-03', 'RES-04', 'RES-07/oom', 'RES-08/killed', 'RES-09', 'RES-11/killed'],
      'PUB-01',
    ],
    exitCode: 1,
    tiers: { core: 'partial', resilient: 'partial', durable: 'violated' },
    // What waited in admin's memory went with it.
    fails: {
      'PUB-01/killed': /event of update \d+ of .* on the stream/,
      'PUB-01/paused': /event of update \d+ of .* on the stream/,
    },
    passes: ['UP-02', 'SYNC-02', 'SYNC-07', 'SRCH-03', 'LAT-01', 'RES-01/killed', 'RES-02/killed-1s', 'RES-03'],
  },
];
