import { matchesGlob } from 'node:path';

/**
 * What a soak breaks at random, by name: names in plans of soaks are permanent. `suites/support/disruptions.ts` says how
 * each is done; neither compiles without the other.
 */
export const DISRUPTION_TEXTS = {
  'redis-killed': 'Redis is killed (SIGKILL) and started again with the data that it wrote out.',
  'redis-emptied': 'Redis is killed and comes back without any data.',
  'redis-stopped': 'Redis is ended in order (SIGTERM) and started again.',
  'redis-restarted': 'Redis is ended in order and started at once.',
  'redis-tail-lost': 'Redis dies and comes back with what it held a moment ago; the events since are gone.',
  'redis-unread-tail-lost':
    'Redis dies and comes back with what it held a moment ago; nobody had read the events since.',
  'redis-failed-over':
    'A replica of Redis that missed the last events takes over; it answers READONLY until it is promoted.',
  'redis-paused': 'Redis stands still (SIGSTOP): connections come about, nothing is answered.',
  'redis-refused': 'Connections to Redis are reset, and new ones refused.',
  'redis-blackholed': 'Nothing passes between the services and Redis, and nothing is closed.',
  'redis-replies-blackholed': 'Redis gets what is sent to it; what it answers does not arrive.',
  'redis-requests-blackholed': 'What is sent to Redis does not arrive.',
  'redis-forgotten': 'Every open connection to Redis falls silent for good, and new ones come about.',
  'redis-delayed': 'What is sent to Redis, and what it answers, takes 50 ms each way.',
  'redis-jittery': 'The way to Redis takes between 10 and 110 ms, for each piece of data another time.',
  'redis-throttled': 'Only 4 kB a second pass each way on each connection to Redis.',
  'redis-loses-replies': 'Redis takes three events, and whoever published them is cut off before the answer.',
  'redis-oom': 'Redis answers writes with OOM: it is out of memory.',
  'redis-readonly': 'Redis answers writes with READONLY: it has become a replica.',
  'redis-misconf': 'Redis answers writes with MISCONF: it cannot save its data.',
  'redis-noperm': 'Redis answers commands for streams with NOPERM: the right to them was taken away.',
  'redis-busy': 'Redis answers everything with BUSY: a script runs and does not end.',
  'redis-loading': 'Redis answers everything with LOADING: it reads its data.',
  'query-cut': 'Nothing passes between query and Redis, and nothing is closed.',
  'admin-cut': 'Connections of admin to Redis are reset, and new ones refused.',
  'query-killed': 'query is killed (SIGKILL) and started again.',
  'query-stopped': 'query is ended in order (SIGTERM) and started again.',
  'query-restarted': 'query is ended in order and started at once.',
  'query-paused': 'query stands still (SIGSTOP).',
  'admin-killed': 'admin is killed (SIGKILL) and started again.',
  'admin-stopped': 'admin is ended in order (SIGTERM) and started again.',
  'admin-restarted': 'admin is ended in order and started at once.',
  'admin-paused': 'admin stands still (SIGSTOP).',
  'ingester-killed': 'The ingester is killed (SIGKILL) and started again.',
  'ingester-stopped': 'The ingester is ended in order (SIGTERM) and started again.',
  'ingester-paused': 'The ingester stands still (SIGSTOP).',
  'storage-killed': 'Storage is killed (SIGKILL) and started again.',
  'storage-stopped': 'Storage is ended in order (SIGTERM) and started again.',
  'storage-paused': 'Storage stands still (SIGSTOP).',
  'postgres-killed': 'PostgreSQL is killed (SIGKILL) and started again.',
  'postgres-stopped': 'PostgreSQL is shut down (fast shutdown) and started again.',
  'postgres-restarted': 'PostgreSQL is shut down and started at once.',
  'postgres-paused': 'PostgreSQL and all its backends stand still (SIGSTOP).',
  'postgres-refused': 'Connections to PostgreSQL are reset, and new ones refused.',
  'postgres-blackholed': 'Nothing passes between the services and PostgreSQL, and nothing is closed.',
  'postgres-forgotten': 'Every open connection to PostgreSQL falls silent for good, and new ones come about.',
  'postgres-delayed': 'What is sent to PostgreSQL, and what it answers, takes 20 ms each way.',
  'postgres-jittery': 'The way to PostgreSQL takes between 2 and 38 ms, for each piece of data another time.',
  'postgres-throttled': 'Only 8 kB a second pass each way on each connection to PostgreSQL.',
  'postgres-disk-full': 'The disk of PostgreSQL is full (53100); should it end by that, it is started again with room.',
  'admin-cut-from-postgres': 'Nothing passes between admin and PostgreSQL, and nothing is closed.',
  'query-cut-from-postgres': 'Connections of query to PostgreSQL are reset, and new ones refused.',
  'commits-held': 'Every change of a file waits at its COMMIT in the registry.',
  'commits-refused': 'Every change of a file is rolled back at its COMMIT in the registry.',
  'admin-backends-stopped': 'The backends behind the connections of admin stand still (SIGSTOP).',
  'query-backends-stopped': 'The backends behind the connections of query stand still (SIGSTOP).',
  'admin-backends-terminated': 'Every connection of admin to PostgreSQL is ended by the server (57P01).',
  'query-backends-terminated': 'Every connection of query to PostgreSQL is ended by the server (57P01).',
} as const;

export type DisruptionName = keyof typeof DISRUPTION_TEXTS;

/** The steps of the write path that a soak aims at, by name; `suites/support/aimed.ts` says how. */
export const AIM_TEXTS = {
  'killed-before-published':
    'Changes are accepted while Redis is away, and whoever accepted them dies before it is back.',
  'delivered-again': 'Creations are delivered once more, after an update of one file and the deletion of another.',
  'killed-while-holding': 'A consumer dies with entries in hand that it cannot have committed.',
  'emptied-unread': 'Redis loses its data with creations, updates and deletions that nobody had read.',
  'commit-held': 'A transaction commits after others that began later.',
  'clock-stepped-back': 'A file is written by a clock that is ahead, and changed once it is right.',
  'two-publishers': 'Two instances write in turns while nothing is broken.',
  'ingester-killed-uploading': 'The ingester is killed with half of an upload’s body sent.',
  'ingester-stopped-uploading': 'The ingester is asked to end with half of an upload’s body sent.',
  'storage-killed-storing': 'Storage is killed while the bytes of an upload flow to it.',
  'ingester-killed-registering':
    'The ingester is killed when the bytes are stored and their registration hangs at its COMMIT.',
  'ingester-stopped-registering':
    'The ingester is asked to end when the bytes are stored and their registration hangs at its COMMIT.',
  'admin-killed-committing': 'admin is killed while a change of a file hangs at its COMMIT.',
  'admin-stopped-committing': 'admin is asked to end while a change of a file hangs at its COMMIT.',
  'admin-killed-publishing':
    'Events are on the stream, the answer that says so is lost, and every publisher dies: nothing is marked.',
  'query-killed-reading': 'Redis has delivered entries, the answer is lost, and every consumer dies.',
  'query-stopped-while-holding': 'A consumer is asked to end with entries in hand that it cannot have committed.',
  'query-killed-before-acknowledging':
    'Rows are committed, the acknowledgement does not arrive, and every consumer dies.',
} as const;

/** What one round of a soak may hold. */
export interface SoakFault {
  name: string;
  sort: 'at random' | 'aimed';
  text: string;
}

/** @param ids names or globs of them; all when there are none */
export function soakFaults(ids: readonly string[] = []): SoakFault[] {
  const all = [
    ...Object.entries(DISRUPTION_TEXTS).map(([name, text]) => ({ name, sort: 'at random' as const, text })),
    ...Object.entries(AIM_TEXTS).map(([name, text]) => ({ name, sort: 'aimed' as const, text })),
  ];
  return all.filter(({ name }) => ids.length === 0 || ids.some((id) => matchesGlob(name, id)));
}
