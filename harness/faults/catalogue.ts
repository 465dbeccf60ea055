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
  /** What it breaks, and what must be up while it is started and healed: two at once share none of these. */
  touches: readonly PartName[];
  /** How long after its healing operations may still fail because of it, in ms; 2 s when absent. */
  lingersMs?: number;
  /** It is over at once, whatever its planned duration. */
  momentary?: true;
  start: (faults: Faults) => Promise<Fault>;
}

/** Faults of any service. */
const OF_SERVICES = {
  killed: { text: 'is killed (SIGKILL) and restarted.', needs: 'stop', verb: 'kill' },
  stopped: { text: 'is stopped gracefully (SIGTERM) and started again.', needs: 'stop', verb: 'stop' },
  restarted: { text: 'is stopped gracefully and restarted at once.', needs: 'stop', verb: 'restart', momentary: true },
  paused: { text: 'is suspended (SIGSTOP).', needs: 'pause', verb: 'pause' },
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
    text: 'Redis is killed (SIGKILL) and restarted with the data that it persisted.',
    needs: ['stop redis'],
    touches: ['redis'],
    start: (f) => f.redis.kill(),
  },
  'redis-emptied': {
    text: 'Redis is killed and restarted without any data.',
    needs: ['stop redis', 'wipe redis'],
    touches: ['redis'],
    start: (f) => f.redis.kill({ data: 'lose' }),
  },
  'redis-stopped': {
    text: 'Redis is stopped gracefully (SIGTERM) and started again.',
    needs: ['stop redis'],
    touches: ['redis'],
    start: (f) => f.redis.stop(),
  },
  'redis-tail-lost': {
    text: 'Redis crashes and recovers with slightly older data; the most recent events are lost.',
    needs: ['stop redis', 'wipe redis', 'network redis', 'redis'],
    touches: ['redis', 'admin', 'query'],
    start: (f) => f.redis.loseTail({ unread: false }),
  },
  'redis-unread-tail-lost': {
    text: 'Redis crashes and recovers with slightly older data; the lost events were not yet read by any consumer.',
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
    text: 'Redis is stopped gracefully and restarted at once.',
    needs: ['stop redis'],
    touches: ['redis'],
    momentary: true,
    start: (f) => f.redis.restart(),
  },
  'redis-paused': {
    text: 'Redis is suspended (SIGSTOP): connections are established, requests get no answer.',
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
    text: 'The network between the services and Redis drops everything; no connection is closed.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.blackhole({ server: 'redis' }),
  },
  'redis-replies-blackholed': {
    text: 'Redis receives requests; its replies are dropped.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.blackhole({ server: 'redis', only: 'replies' }),
  },
  'redis-requests-blackholed': {
    text: 'Requests to Redis are dropped.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.blackhole({ server: 'redis', only: 'requests' }),
  },
  'redis-forgotten': {
    text: 'Every open connection to Redis becomes half-open (silently dropped); new ones are established.',
    needs: ['network redis'],
    touches: ['redis', 'admin', 'query'],
    momentary: true,
    start: (f) => f.network.forget({ server: 'redis' }),
  },
  'redis-delayed': {
    text: 'The network to Redis has a latency of 50 ms each way.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.delay({ server: 'redis', ms: 50 }),
  },
  'redis-jittery': {
    text: 'The network to Redis has a latency of 10 to 110 ms, drawn anew for each chunk of data.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.delay({ server: 'redis', ms: 60, jitterMs: 50 }),
  },
  'redis-throttled': {
    text: 'Each connection to Redis is limited to 4 kB/s each way.',
    needs: ['network redis'],
    touches: ['redis'],
    start: (f) => f.network.throttle({ server: 'redis', bytesPerSecond: 4_000 }),
  },
  'redis-loses-replies': {
    text: 'Redis accepts three events, and their publisher is cut off before the reply.',
    needs: ['network redis'],
    touches: ['redis', 'admin'],
    start: (f) => f.network.loseReplies({ client: 'admin', server: 'redis', count: 3, command: 'XADD' }),
  },
  'redis-busy': {
    text: 'Redis answers everything with BUSY: a script runs and does not finish.',
    needs: ['redis admin'],
    touches: ['redis'],
    start: (f) => f.redisAnswers('BUSY'),
  },
  'redis-loading': {
    text: 'Redis answers everything with LOADING: it is loading its data.',
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
    text: 'Redis answers commands for streams with NOPERM: the permission was revoked.',
    needs: ['redis admin'],
    touches: ['redis'],
    start: (f) => f.redisAnswers('NOPERM'),
  },
  'query-cut': {
    text: 'The network between query and Redis drops everything; no connection is closed.',
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
    text: 'PostgreSQL is killed (SIGKILL) and restarted.',
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
    text: 'PostgreSQL is shut down and restarted at once.',
    needs: ['stop postgres'],
    touches: ['postgres'],
    momentary: true,
    start: (f) => f.postgres.restart(),
  },
  'postgres-paused': {
    text: 'PostgreSQL and all its backends are suspended (SIGSTOP).',
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
    text: 'The network between the services and PostgreSQL drops everything; no connection is closed.',
    needs: ['network postgres'],
    touches: ['postgres'],
    start: (f) => f.network.blackhole({ server: 'postgres' }),
  },
  'postgres-forgotten': {
    text: 'Every open connection to PostgreSQL becomes half-open (silently dropped); new ones are established.',
    needs: ['network postgres'],
    touches: ['postgres', 'admin', 'query'],
    momentary: true,
    // Each client notices when a request on a half-open connection times out, one connection after the other.
    lingersMs: 12_000,
    start: (f) => f.network.forget({ server: 'postgres' }),
  },
  'postgres-delayed': {
    text: 'The network to PostgreSQL has a latency of 20 ms each way.',
    needs: ['network postgres'],
    touches: ['postgres'],
    start: (f) => f.network.delay({ server: 'postgres', ms: 20 }),
  },
  'postgres-jittery': {
    text: 'The network to PostgreSQL has a latency of 2 to 38 ms, drawn anew for each chunk of data.',
    needs: ['network postgres'],
    touches: ['postgres'],
    start: (f) => f.network.delay({ server: 'postgres', ms: 20, jitterMs: 18 }),
  },
  'postgres-throttled': {
    text: 'Each connection to PostgreSQL is limited to 8 kB/s each way.',
    needs: ['network postgres'],
    touches: ['postgres'],
    start: (f) => f.network.throttle({ server: 'postgres', bytesPerSecond: 8_000 }),
  },
  'postgres-disk-full': {
    text: 'The disk of PostgreSQL is full (53100); if PostgreSQL exits, it is restarted with free space.',
    needs: ['fill postgres'],
    touches: ['postgres'],
    start: (f) => f.postgres.fillDisk(),
  },
  'admin-cut-from-postgres': {
    text: 'The network between admin and PostgreSQL drops everything; no connection is closed.',
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
    text: 'Every change of a file blocks at its COMMIT in the registry.',
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
    text: 'The backends that serve the connections of admin are suspended (SIGSTOP).',
    needs: ['backends'],
    touches: ['postgres', 'admin'],
    start: (f) => f.backends.stop('admin'),
  },
  'query-backends-stopped': {
    text: 'The backends that serve the connections of query are suspended (SIGSTOP).',
    needs: ['backends'],
    touches: ['postgres', 'query'],
    start: (f) => f.backends.stop('query'),
  },
  'admin-backends-terminated': {
    text: 'Every connection of admin to PostgreSQL is terminated by the server (57P01).',
    needs: ['backends'],
    touches: ['postgres', 'admin'],
    momentary: true,
    start: (f) => f.backends.terminate('admin'),
  },
  'query-backends-terminated': {
    text: 'Every connection of query to PostgreSQL is terminated by the server (57P01).',
    needs: ['backends'],
    touches: ['postgres', 'query'],
    momentary: true,
    start: (f) => f.backends.terminate('query'),
  },
} as const satisfies Record<string, CataloguedFault>;

export type FaultName = keyof typeof FAULTS;
