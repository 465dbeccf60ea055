import type { ServiceName } from '../../services/contract/names.ts';
import type { Capability } from '../config/capabilities.ts';
import type { PartName } from '../record/history.ts';
import type { Fault } from './fault.ts';
import type { Faults } from './faults.ts';

/** One thing that can be broken. */
export interface CataloguedFault {
  /** What happens, one sentence. */
  text: string;
  needs: readonly Capability[];
  /** What it breaks, and what has to stand while it is begun and healed: two at once share none of these. */
  touches: readonly PartName[];
  /** How long after its healing operations may still fail because of it, in ms; 2 s when absent. */
  lingersMs?: number;
  /** It is over at once, whatever time it is given. */
  momentary?: true;
  start: (faults: Faults) => Promise<Fault>;
}

/** What can become of any service. */
const OF_SERVICES = {
  killed: { text: 'is killed (SIGKILL) and started again.', needs: 'stop', verb: 'kill' },
  stopped: { text: 'is ended in order (SIGTERM) and started again.', needs: 'stop', verb: 'stop' },
  restarted: { text: 'is ended in order and started at once.', needs: 'stop', verb: 'restart', momentary: true },
  paused: { text: 'stands still (SIGSTOP).', needs: 'pause', verb: 'pause' },
} as const;

function ofService<S extends ServiceName, K extends keyof typeof OF_SERVICES>(
  service: S,
  label: string,
  ...kinds: K[]
) {
  const entries = kinds.map((kind): [string, CataloguedFault] => {
    const { text, needs, verb, ...rest } = OF_SERVICES[kind];
    const start: CataloguedFault['start'] = (f) => f[service][verb]();
    const fault = { text: `${label} ${text}`, needs: [`${needs} ${service}`] as const, touches: [service], start };
    return [`${service}-${kind}`, { ...fault, ...rest }];
  });
  return Object.fromEntries(entries) as Record<`${S}-${K}`, CataloguedFault>;
}

/** Changes of any file: the load causes some. */
const OF_THE_LOAD = { filenamePrefix: '', cause: async () => {} };

/** Every fault that plans, lists and reports name; names are permanent. */
export const FAULTS = {
  'redis-killed': {
    text: 'Redis is killed (SIGKILL) and started again with the data that it wrote out.',
    needs: ['stop redis'],
    touches: ['redis'],
    start: (f) => f.redis.kill(),
  },
  'redis-emptied': {
    text: 'Redis is killed and comes back without any data.',
    needs: ['stop redis', 'wipe redis'],
    touches: ['redis'],
    start: (f) => f.redis.kill({ data: 'lose' }),
  },
  'redis-stopped': {
    text: 'Redis is ended in order (SIGTERM) and started again.',
    needs: ['stop redis'],
    touches: ['redis'],
    start: (f) => f.redis.stop(),
  },
  'redis-tail-lost': {
    text: 'Redis dies and comes back with what it held a moment ago; the events since are gone.',
    needs: ['stop redis', 'wipe redis', 'network redis', 'redis'],
    touches: ['redis', 'admin', 'query'],
    start: (f) => f.redis.loseTail({ unread: false }),
  },
  'redis-unread-tail-lost': {
    text: 'Redis dies and comes back with what it held a moment ago; nobody had read the events since.',
    needs: ['stop redis', 'wipe redis', 'network redis', 'redis'],
    touches: ['redis', 'admin', 'query'],
    start: (f) => f.redis.loseTail({ unread: true }),
  },
  'redis-failed-over': {
    text: 'A replica of Redis that missed the last events takes over; it answers READONLY until it is promoted.',
    // It loses data, too.
    needs: ['redis', 'redis admin', 'wipe redis'],
    touches: ['redis', 'admin', 'query'],
    start: (f) => f.redis.failOver(),
  },
  'redis-restarted': {
    text: 'Redis is ended in order and started at once.',
    needs: ['stop redis'],
    touches: ['redis'],
    momentary: true,
    start: (f) => f.redis.restart(),
  },
  'redis-paused': {
    text: 'Redis stands still (SIGSTOP): connections come about, nothing is answered.',
    needs: ['pause redis'],
    touches: ['redis'],
    start: (f) => f.redis.pause(),
  },
  'redis-refused': {
    text: 'Connections to Redis are reset, and new ones refused.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.refuse({ server: 'redis' }),
  },
  'redis-blackholed': {
    text: 'Nothing passes between the services and Redis, and nothing is closed.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.blackhole({ server: 'redis' }),
  },
  'redis-replies-blackholed': {
    text: 'Redis gets what is sent to it; what it answers does not arrive.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.blackhole({ server: 'redis', only: 'replies' }),
  },
  'redis-requests-blackholed': {
    text: 'What is sent to Redis does not arrive.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.blackhole({ server: 'redis', only: 'requests' }),
  },
  'redis-forgotten': {
    text: 'Every open connection to Redis falls silent for good, and new ones come about.',
    needs: ['network redis'],
    touches: ['redis', 'admin', 'query'],
    momentary: true,
    start: (f) => f.network.forget({ server: 'redis' }),
  },
  'redis-delayed': {
    text: 'What is sent to Redis, and what it answers, takes 50 ms each way.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.delay({ server: 'redis', ms: 50 }),
  },
  'redis-jittery': {
    text: 'The way to Redis takes between 10 and 110 ms, for each piece of data another time.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.delay({ server: 'redis', ms: 60, jitterMs: 50 }),
  },
  'redis-throttled': {
    text: 'Only 4 kB a second pass each way on each connection to Redis.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.throttle({ server: 'redis', bytesPerSecond: 4_000 }),
  },
  'redis-loses-replies': {
    text: 'Redis takes three events, and whoever published them is cut off before the answer.',
    needs: ['network redis'],
    touches: ['redis', 'admin'],
    start: (f) => f.network.loseReplies({ client: 'admin', server: 'redis', count: 3, command: 'XADD' }),
  },
  'redis-busy': {
    text: 'Redis answers everything with BUSY: a script runs and does not end.',
    needs: ['redis admin'],
    touches: ['redis'],
    start: (f) => f.redisAnswers('BUSY'),
  },
  'redis-loading': {
    text: 'Redis answers everything with LOADING: it reads its data.',
    needs: ['redis admin'],
    touches: ['redis'],
    start: (f) => f.redisAnswers('LOADING'),
  },
  'redis-oom': {
    text: 'Redis answers writes with OOM: it is out of memory.',
    needs: ['redis admin'],
    touches: ['redis'],
    start: (f) => f.redisAnswers('OOM'),
  },
  'redis-readonly': {
    text: 'Redis answers writes with READONLY: it has become a replica.',
    needs: ['redis admin'],
    touches: ['redis'],
    start: (f) => f.redisAnswers('READONLY'),
  },
  'redis-misconf': {
    text: 'Redis answers writes with MISCONF: it cannot save its data.',
    needs: ['redis admin'],
    touches: ['redis'],
    start: (f) => f.redisAnswers('MISCONF'),
  },
  'redis-noperm': {
    text: 'Redis answers commands for streams with NOPERM: the right to them was taken away.',
    needs: ['redis admin'],
    touches: ['redis'],
    start: (f) => f.redisAnswers('NOPERM'),
  },
  'query-cut': {
    text: 'Nothing passes between query and Redis, and nothing is closed.',
    needs: ['network redis'],
    touches: ['redis', 'query'],
    start: (f) => f.network.blackhole({ client: 'query', server: 'redis' }),
  },
  'admin-cut': {
    text: 'Connections of admin to Redis are reset, and new ones refused.',
    needs: ['network redis'],
    touches: ['redis', 'admin'],
    start: (f) => f.network.refuse({ client: 'admin', server: 'redis' }),
  },
  ...ofService('query', 'query', 'killed', 'stopped', 'restarted', 'paused'),
  ...ofService('admin', 'admin', 'killed', 'stopped', 'restarted', 'paused'),
  ...ofService('ingester', 'The ingester', 'killed', 'stopped', 'paused'),
  ...ofService('storage', 'Storage', 'killed', 'stopped', 'paused'),
  'postgres-killed': {
    text: 'PostgreSQL is killed (SIGKILL) and started again.',
    needs: ['stop postgres'],
    touches: ['postgres'],
    start: (f) => f.postgres.kill(),
  },
  'postgres-stopped': {
    text: 'PostgreSQL is shut down (fast shutdown) and started again.',
    needs: ['stop postgres'],
    touches: ['postgres'],
    start: (f) => f.postgres.stop(),
  },
  'postgres-restarted': {
    text: 'PostgreSQL is shut down and started at once.',
    needs: ['stop postgres'],
    touches: ['postgres'],
    momentary: true,
    start: (f) => f.postgres.restart(),
  },
  'postgres-paused': {
    text: 'PostgreSQL and all its backends stand still (SIGSTOP).',
    needs: ['pause postgres'],
    touches: ['postgres'],
    start: (f) => f.postgres.pause(),
  },
  'postgres-refused': {
    text: 'Connections to PostgreSQL are reset, and new ones refused.',
    needs: ['network postgres'],
    touches: ['postgres'],
    start: (f) => f.network.refuse({ server: 'postgres' }),
  },
  'postgres-blackholed': {
    text: 'Nothing passes between the services and PostgreSQL, and nothing is closed.',
    needs: ['network postgres'],
    touches: ['postgres'],
    start: (f) => f.network.blackhole({ server: 'postgres' }),
  },
  'postgres-forgotten': {
    text: 'Every open connection to PostgreSQL falls silent for good, and new ones come about.',
    needs: ['network postgres'],
    touches: ['postgres', 'admin', 'query'],
    momentary: true,
    // Each client finds out when a request on a silent connection runs out of time, one connection after the other.
    lingersMs: 12_000,
    start: (f) => f.network.forget({ server: 'postgres' }),
  },
  'postgres-delayed': {
    text: 'What is sent to PostgreSQL, and what it answers, takes 20 ms each way.',
    needs: ['network postgres'],
    touches: ['postgres'],
    start: (f) => f.network.delay({ server: 'postgres', ms: 20 }),
  },
  'postgres-jittery': {
    text: 'The way to PostgreSQL takes between 2 and 38 ms, for each piece of data another time.',
    needs: ['network postgres'],
    touches: ['postgres'],
    start: (f) => f.network.delay({ server: 'postgres', ms: 20, jitterMs: 18 }),
  },
  'postgres-throttled': {
    text: 'Only 8 kB a second pass each way on each connection to PostgreSQL.',
    needs: ['network postgres'],
    touches: ['postgres'],
    start: (f) => f.network.throttle({ server: 'postgres', bytesPerSecond: 8_000 }),
  },
  'postgres-disk-full': {
    text: 'The disk of PostgreSQL is full (53100); should it end by that, it is started again with room.',
    needs: ['fill postgres'],
    touches: ['postgres'],
    start: (f) => f.postgres.fillDisk(),
  },
  'admin-cut-from-postgres': {
    text: 'Nothing passes between admin and PostgreSQL, and nothing is closed.',
    needs: ['network postgres'],
    touches: ['postgres', 'admin'],
    start: (f) => f.network.blackhole({ client: 'admin', server: 'postgres' }),
  },
  'query-cut-from-postgres': {
    text: 'Connections of query to PostgreSQL are reset, and new ones refused.',
    needs: ['network postgres'],
    touches: ['postgres', 'query'],
    start: (f) => f.network.refuse({ client: 'query', server: 'postgres' }),
  },
  'commits-held': {
    text: 'Every change of a file waits at its COMMIT in the registry.',
    needs: ['registry'],
    touches: ['postgres', 'admin'],
    start: (f) => f.registry.holdCommits(OF_THE_LOAD),
  },
  'commits-refused': {
    text: 'Every change of a file is rolled back at its COMMIT in the registry.',
    needs: ['registry'],
    touches: ['postgres', 'admin'],
    start: (f) => f.registry.failCommits(OF_THE_LOAD),
  },
  'admin-backends-stopped': {
    text: 'The backends behind the connections of admin stand still (SIGSTOP).',
    needs: ['backends'],
    touches: ['postgres', 'admin'],
    start: (f) => f.backends.stop('admin'),
  },
  'query-backends-stopped': {
    text: 'The backends behind the connections of query stand still (SIGSTOP).',
    needs: ['backends'],
    touches: ['postgres', 'query'],
    start: (f) => f.backends.stop('query'),
  },
  'admin-backends-terminated': {
    text: 'Every connection of admin to PostgreSQL is ended by the server (57P01).',
    needs: ['backends'],
    touches: ['postgres', 'admin'],
    momentary: true,
    start: (f) => f.backends.terminate('admin'),
  },
  'query-backends-terminated': {
    text: 'Every connection of query to PostgreSQL is ended by the server (57P01).',
    needs: ['backends'],
    touches: ['postgres', 'query'],
    momentary: true,
    start: (f) => f.backends.terminate('query'),
  },
} as const satisfies Record<string, CataloguedFault>;

export type FaultName = keyof typeof FAULTS;
