import type { Requirement } from '../ledger/requirement.ts';

const backends = {
  needs: ['redis', 'backends', 'metrics'],
  floor: { uploadsBefore: 5, uploadsAfter: 3, seenBefore: 1 },
} as const;

/** Outages of PostgreSQL, of the whole server or of single connections. */
export const POSTGRES_OUTAGE = [
  {
    id: 'RES-08',
    level: 'MUST',
    tier: 'resilient',
    text: 'While PostgreSQL or single connections to it are unavailable, errors are bounded, nothing crashes, no event is given up, and all recovers without a restart.',
    allowed: [
      'Every request is answered within 12 s: as usual, or 5xx when it needs the unavailable database; the others never fail.',
      'No event is dead-lettered, every process is still the same one, and everything accepted is searchable within 10 s of the end.',
    ],
    why: 'Databases restart, fail over and drop connections every week: that must cost some requests, and neither processes nor events.',
    provoked:
      'PostgreSQL killed and stopped (SIGSTOP), and its disk filled up; the backends of admin, and of query, terminated (57P01) and stopped, in the middle of a write; half-open connections, silently dropped as by a firewall that lost its state table.',
    troubleshooting:
      'Error listeners of idle and of checked-out connections, what happens to the idle ones when one is lost, timeouts of statements and of waiting for a connection, and what counts as poison.',
    since: '0.1.0',
    source: 'PostgreSQL documentation, Error Codes (classes 53 and 57), and Shutting Down the Server',
    cases: [
      {
        file: 'postgres-outage/postgres-outage.test.ts',
        lane: 'server',
        variant: 'killed',
        title: 'PostgreSQL is killed: requests are answered, nothing crashes, no event is given up, all recovers.',
        needs: ['redis', 'stop postgres', 'metrics'],
        floor: { uploadsBefore: 5, uploadsAfter: 1, seenBefore: 1, refused: 10 },
        seconds: 12,
      },
      {
        file: 'postgres-outage/postgres-outage.test.ts',
        lane: 'server',
        variant: 'disk-full',
        title:
          'PostgreSQL’s disk is full: writes are answered, searches are unaffected, no event is given up, all recovers.',
        needs: ['redis', 'postgres', 'network redis', 'fill postgres', 'metrics'],
        floor: { uploadsBefore: 5, uploadsAfter: 1, seenBefore: 1, refused: 3, searchesDuring: 5, waiting: 50 },
        seconds: 11,
      },
      {
        file: 'postgres-outage/postgres-outage.test.ts',
        lane: 'server',
        variant: 'paused',
        title:
          'PostgreSQL is suspended (SIGSTOP): requests are answered, nothing crashes, no event is given up, all recovers.',
        needs: ['redis', 'pause postgres', 'metrics'],
        floor: { uploadsBefore: 5, uploadsAfter: 1, seenBefore: 1, refused: 10 },
        seconds: 22,
        timeoutMs: 90_000,
      },
      {
        ...backends,
        file: 'postgres-outage/postgres-outage.test.ts',
        lane: 'connections',
        variant: 'admin-terminated',
        title: 'Every connection of admin to PostgreSQL is terminated: searches are unaffected, all recovers.',
        seconds: 9,
      },
      {
        ...backends,
        file: 'postgres-outage/postgres-outage.test.ts',
        lane: 'connections',
        variant: 'query-terminated',
        title:
          'Every connection of query to PostgreSQL is terminated in the middle of a write: uploads are unaffected, all recovers.',
        needs: [...backends.needs, 'postgres'],
        seconds: 9,
      },
      {
        ...backends,
        file: 'postgres-outage/postgres-outage.test.ts',
        lane: 'connections',
        variant: 'query-refused',
        title:
          'Connections of query to PostgreSQL are reset in the middle of a write, and refused: uploads are unaffected, all recovers.',
        needs: ['redis', 'postgres', 'network postgres', 'metrics'],
        floor: { ...backends.floor, backlog: 1, refused: 3 },
        seconds: 10,
      },
      {
        file: 'postgres-outage/postgres-outage.test.ts',
        lane: 'connections',
        variant: 'admin-forgotten',
        title:
          'Every connection of admin to PostgreSQL is half-open, and new ones are established: one request pays for it, not each.',
        needs: ['network postgres'],
        floor: { failed: 1 },
        seconds: 7,
      },
      {
        file: 'postgres-outage/postgres-outage.test.ts',
        lane: 'connections',
        variant: 'query-forgotten',
        title:
          'Every connection of query to PostgreSQL is half-open, and new ones are established: one request pays for it, not each.',
        needs: ['network postgres'],
        floor: { failed: 1 },
        seconds: 7,
      },
      {
        ...backends,
        file: 'postgres-outage/postgres-outage.test.ts',
        lane: 'backends',
        variant: 'admin-stopped',
        floor: { ...backends.floor, refused: 3 },
        title:
          'The backends of admin are suspended (SIGSTOP): writes are answered, searches are unaffected, all recovers.',
        seconds: 20,
        timeoutMs: 90_000,
      },
      {
        ...backends,
        file: 'postgres-outage/postgres-outage.test.ts',
        lane: 'backends',
        variant: 'query-stopped',
        floor: { ...backends.floor, refused: 3 },
        title:
          'The backends of query are suspended (SIGSTOP): searches are answered, uploads are unaffected, all recovers.',
        seconds: 20,
        timeoutMs: 90_000,
      },
    ],
  },
] as const satisfies readonly Requirement[];
