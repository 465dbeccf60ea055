import type { Capability } from '../../harness/contract/capabilities.ts';
import type { Fault, Faults, PartName } from '../../harness/index.ts';
import type { DisruptionName } from '../spec/disruptions.ts';

export interface Disruption {
  needs: readonly Capability[];
  /** What it breaks, and what has to stand while it is begun and healed: two at once share none of these. */
  touches: readonly PartName[];
  /** How long after its healing operations may still fail because of it, in ms; 2 s when absent. */
  lingersMs?: number;
  /** It is over at once, whatever time it is given. */
  momentary?: true;
  begin: (faults: Faults) => Promise<Fault>;
}

/** Changes of any file: the load causes some. */
const OF_THE_LOAD = { filenamePrefix: '', cause: async () => {} };

/** Everything the nemesis can do, by name. */
export const DISRUPTIONS = {
  'redis-killed': { needs: ['stop redis'], touches: ['redis'], begin: (f) => f.redis.kill() },
  'redis-emptied': {
    needs: ['stop redis', 'wipe redis'],
    touches: ['redis'],
    begin: (f) => f.redis.kill({ data: 'lose' }),
  },
  'redis-stopped': { needs: ['stop redis'], touches: ['redis'], begin: (f) => f.redis.stop() },
  'redis-tail-lost': {
    needs: ['stop redis', 'wipe redis', 'network redis', 'redis'],
    touches: ['redis', 'admin', 'query'],
    begin: (f) => f.redis.loseTail({ unread: false }),
  },
  'redis-unread-tail-lost': {
    needs: ['stop redis', 'wipe redis', 'network redis', 'redis'],
    touches: ['redis', 'admin', 'query'],
    begin: (f) => f.redis.loseTail({ unread: true }),
  },
  'redis-failed-over': {
    // It loses data, too.
    needs: ['redis', 'redis admin', 'wipe redis'],
    touches: ['redis', 'admin', 'query'],
    begin: (f) => f.redis.failOver(),
  },
  'redis-restarted': { needs: ['stop redis'], touches: ['redis'], momentary: true, begin: (f) => f.redis.restart() },
  'redis-paused': { needs: ['pause redis'], touches: ['redis'], begin: (f) => f.redis.pause() },
  'redis-refused': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.refuse({ server: 'redis' }),
  },
  'redis-blackholed': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.blackhole({ server: 'redis' }),
  },
  'redis-replies-blackholed': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.blackhole({ server: 'redis', only: 'replies' }),
  },
  'redis-requests-blackholed': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.blackhole({ server: 'redis', only: 'requests' }),
  },
  'redis-forgotten': {
    needs: ['network redis'],
    touches: ['redis', 'admin', 'query'],
    momentary: true,
    begin: (f) => f.network.forget({ server: 'redis' }),
  },
  'redis-delayed': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.delay({ server: 'redis', ms: 50 }),
  },
  'redis-jittery': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.delay({ server: 'redis', ms: 60, jitterMs: 50 }),
  },
  'redis-throttled': {
    needs: ['network redis'],
    touches: ['redis'],
    begin: (f) => f.network.throttle({ server: 'redis', bytesPerSecond: 4_000 }),
  },
  'redis-loses-replies': {
    needs: ['network redis'],
    touches: ['redis', 'admin'],
    begin: (f) => f.network.loseReplies({ client: 'admin', server: 'redis', count: 3, command: 'XADD' }),
  },
  'redis-busy': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('BUSY') },
  'redis-loading': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('LOADING') },
  'redis-oom': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('OOM') },
  'redis-readonly': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('READONLY') },
  'redis-misconf': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('MISCONF') },
  'redis-noperm': { needs: ['redis admin'], touches: ['redis'], begin: (f) => f.redisAnswers('NOPERM') },
  'query-cut': {
    needs: ['network redis'],
    touches: ['redis', 'query'],
    begin: (f) => f.network.blackhole({ client: 'query', server: 'redis' }),
  },
  'admin-cut': {
    needs: ['network redis'],
    touches: ['redis', 'admin'],
    begin: (f) => f.network.refuse({ client: 'admin', server: 'redis' }),
  },
  'query-killed': { needs: ['stop query'], touches: ['query'], begin: (f) => f.query.kill() },
  'query-stopped': { needs: ['stop query'], touches: ['query'], begin: (f) => f.query.stop() },
  'query-restarted': { needs: ['stop query'], touches: ['query'], momentary: true, begin: (f) => f.query.restart() },
  'query-paused': { needs: ['pause query'], touches: ['query'], begin: (f) => f.query.pause() },
  'admin-killed': { needs: ['stop admin'], touches: ['admin'], begin: (f) => f.admin.kill() },
  'admin-stopped': { needs: ['stop admin'], touches: ['admin'], begin: (f) => f.admin.stop() },
  'admin-restarted': { needs: ['stop admin'], touches: ['admin'], momentary: true, begin: (f) => f.admin.restart() },
  'admin-paused': { needs: ['pause admin'], touches: ['admin'], begin: (f) => f.admin.pause() },
  'ingester-killed': { needs: ['stop ingester'], touches: ['ingester'], begin: (f) => f.ingester.kill() },
  'ingester-stopped': { needs: ['stop ingester'], touches: ['ingester'], begin: (f) => f.ingester.stop() },
  'ingester-paused': { needs: ['pause ingester'], touches: ['ingester'], begin: (f) => f.ingester.pause() },
  'storage-killed': { needs: ['stop storage'], touches: ['storage'], begin: (f) => f.storage.kill() },
  'storage-stopped': { needs: ['stop storage'], touches: ['storage'], begin: (f) => f.storage.stop() },
  'storage-paused': { needs: ['pause storage'], touches: ['storage'], begin: (f) => f.storage.pause() },
  'postgres-killed': { needs: ['stop postgres'], touches: ['postgres'], begin: (f) => f.postgres.kill() },
  'postgres-stopped': { needs: ['stop postgres'], touches: ['postgres'], begin: (f) => f.postgres.stop() },
  'postgres-restarted': {
    needs: ['stop postgres'],
    touches: ['postgres'],
    momentary: true,
    begin: (f) => f.postgres.restart(),
  },
  'postgres-paused': { needs: ['pause postgres'], touches: ['postgres'], begin: (f) => f.postgres.pause() },
  'postgres-refused': {
    needs: ['network postgres'],
    touches: ['postgres'],
    begin: (f) => f.network.refuse({ server: 'postgres' }),
  },
  'postgres-blackholed': {
    needs: ['network postgres'],
    touches: ['postgres'],
    begin: (f) => f.network.blackhole({ server: 'postgres' }),
  },
  'postgres-forgotten': {
    needs: ['network postgres'],
    touches: ['postgres', 'admin', 'query'],
    momentary: true,
    // Each client finds out when a request on a silent connection runs out of time, one connection after the other.
    lingersMs: 12_000,
    begin: (f) => f.network.forget({ server: 'postgres' }),
  },
  'postgres-delayed': {
    needs: ['network postgres'],
    touches: ['postgres'],
    begin: (f) => f.network.delay({ server: 'postgres', ms: 20 }),
  },
  'postgres-jittery': {
    needs: ['network postgres'],
    touches: ['postgres'],
    begin: (f) => f.network.delay({ server: 'postgres', ms: 20, jitterMs: 18 }),
  },
  'postgres-throttled': {
    needs: ['network postgres'],
    touches: ['postgres'],
    begin: (f) => f.network.throttle({ server: 'postgres', bytesPerSecond: 8_000 }),
  },
  'postgres-disk-full': {
    needs: ['fill postgres'],
    touches: ['postgres'],
    begin: (f) => f.postgres.fillDisk(),
  },
  'admin-cut-from-postgres': {
    needs: ['network postgres'],
    touches: ['postgres', 'admin'],
    begin: (f) => f.network.blackhole({ client: 'admin', server: 'postgres' }),
  },
  'query-cut-from-postgres': {
    needs: ['network postgres'],
    touches: ['postgres', 'query'],
    begin: (f) => f.network.refuse({ client: 'query', server: 'postgres' }),
  },
  'commits-held': {
    needs: ['registry'],
    touches: ['postgres', 'admin'],
    begin: (f) => f.registry.holdCommits(OF_THE_LOAD),
  },
  'commits-refused': {
    needs: ['registry'],
    touches: ['postgres', 'admin'],
    begin: (f) => f.registry.failCommits(OF_THE_LOAD),
  },
  'admin-backends-stopped': {
    needs: ['backends'],
    touches: ['postgres', 'admin'],
    begin: (f) => f.backends.stop('admin'),
  },
  'query-backends-stopped': {
    needs: ['backends'],
    touches: ['postgres', 'query'],
    begin: (f) => f.backends.stop('query'),
  },
  'admin-backends-terminated': {
    needs: ['backends'],
    touches: ['postgres', 'admin'],
    momentary: true,
    begin: (f) => f.backends.terminate('admin'),
  },
  'query-backends-terminated': {
    needs: ['backends'],
    touches: ['postgres', 'query'],
    momentary: true,
    begin: (f) => f.backends.terminate('query'),
  },
} as const satisfies Record<DisruptionName, Disruption>;
