import { type Requirement, STREAMS } from '../ledger/requirement.ts';

const ended = { file: 'recovery/services.test.ts' } as const;
const lost = { file: 'recovery/redis-data.test.ts' } as const;
const old = { file: 'recovery/redis-data-old.test.ts' } as const;
/** What Redis holds is read and replaced as a whole. */
const OLD_DATA = ['redis', 'redis admin'] as const;
const RUNS_ON = 'a stream or a group that is removed under a consumer';

export const RECOVERY = [
  {
    id: 'RES-09',
    level: 'MUST',
    tier: 'resilient',
    text: 'A service that receives SIGTERM finishes the work in progress and exits within 10 s with code 0, even while a server hangs.',
    allowed: [
      'It exits within 10 s, its exit code, where known, is 0, and requests that were in progress while nothing else was wrong were answered.',
    ],
    why: 'Every deployment stops every service: one that does not exit by itself is killed, with the work it had in progress.',
    provoked:
      'SIGTERM while an upload is half sent and while a commit is held; and to all services while Redis, or PostgreSQL, is stopped (SIGSTOP).',
    troubleshooting:
      'What shutdown awaits without a timeout: QUIT on a hung Redis, a pool that drains, a request that is never answered.',
    since: '0.1.0',
    source: 'The Twelve-Factor App, IX. Disposability',
    cases: [
      {
        ...ended,
        variant: 'working',
        title: 'SIGTERM to one service after the other: requests in progress are answered, and each exits within 10 s.',
        needs: ['stop admin', 'stop query'],
        floor: { ended: 2 },
        seconds: 8,
      },
      {
        ...ended,
        variant: 'redis-hangs',
        title: 'SIGTERM to every service while Redis hangs: each exits within 10 s.',
        needs: ['stop admin', 'stop query', 'pause redis'],
        floor: { ended: 2, sent: 10 },
        seconds: 6,
      },
      {
        ...ended,
        variant: 'postgres-hangs',
        title: 'SIGTERM to every service while PostgreSQL hangs: each exits within 10 s.',
        needs: ['stop admin', 'stop query', 'pause postgres'],
        floor: { ended: 2, sent: 10 },
        seconds: 12,
      },
    ],
  },
  {
    id: 'RES-10',
    level: 'MUST',
    tier: 'resilient',
    text: 'Twenty restarts of a consumer leave a bounded number of consumers in the group.',
    allowed: ['At most five more than before, at the latest 60 s and the retry time after the last one.'],
    why: 'Every name that is never used again is queried and counted for ever, and may hold entries that are never taken over.',
    provoked: 'Twenty restarts, every other one by SIGKILL, with a file synced after each.',
    troubleshooting: 'Whether the consumer’s name outlives the process, and if not, who removes the old ones.',
    since: '0.1.0',
    source: STREAMS,
    cases: [
      {
        file: 'recovery/services.test.ts',
        needs: ['redis', 'stop query'],
        floor: { restarts: 20 },
        seconds: 25,
        timeoutMs: 180_000,
      },
    ],
  },
  {
    id: 'REC-01',
    level: 'MUST',
    tier: 'durable',
    text: 'When the stream is deleted, the group destroyed or Redis flushed under a blocked consumer, nothing written from then on is lost.',
    allowed: [
      'Everything accepted since, and an event that arrived at the same moment, is searchable within 10 s, without a restart.',
    ],
    why: 'An operator who clears up, or a failover to an empty node, must not silence the pipeline for good.',
    provoked:
      'DEL, XGROUP DESTROY and FLUSHALL, each in one transaction with the XADD of an event, then uploads at once.',
    troubleshooting: `What the consumer does after UNBLOCKED and NOGROUP: ${RUNS_ON} must be created again, from 0.`,
    since: '0.1.0',
    source: STREAMS,
    cases: [
      {
        ...lost,
        variant: 'stream-deleted',
        title: 'The stream is deleted under a blocked consumer: nothing written from then on is skipped.',
        needs: ['redis'],
        floor: { removed: 1, uploads: 10 },
        seconds: 3,
      },
      {
        ...lost,
        variant: 'group-destroyed',
        title: 'The consumer group is destroyed under a blocked consumer: nothing written from then on is skipped.',
        needs: ['redis'],
        floor: { removed: 1, uploads: 10 },
        seconds: 3,
      },
      {
        ...lost,
        variant: 'flushed',
        title: 'Redis is flushed under a blocked consumer: nothing written from then on is skipped.',
        needs: ['redis'],
        floor: { removed: 1, uploads: 10 },
        seconds: 3,
      },
    ],
  },
  {
    id: 'REC-02',
    level: 'MUST',
    tier: 'durable',
    text: 'When Redis restarts empty, and unread creations, updates and deletions are lost with its data, the read model still ends equal to the registry.',
    allowed: [
      'Every file is in the end as the registry has it, within 30 s after Redis and the consumer have recovered.',
    ],
    why: 'An accepted change is a commitment to its author; losing it in a cache in between is no excuse.',
    provoked:
      'Changes are published while the consumer is down, or cut off; then Redis is killed and restarts without data.',
    troubleshooting:
      'Whether anything compares the read model with the registry: after a changed run_id, a group that had to be created, a gap; how long that waits on a connection that is never answered, and whether a lock held by it is ever released.',
    since: '0.1.0',
    source: 'Redis documentation, Persistence: what a restart may lose',
    cases: [
      {
        ...lost,
        variant: 'consumer-down',
        title:
          'The consumer is down, Redis loses what was published meanwhile: the read model ends equal to the registry.',
        needs: ['redis', 'stop redis', 'wipe redis', 'stop query'],
        floor: { creations: 5, updates: 3, deletions: 3, lostEvents: 11 },
        seconds: 9,
      },
      {
        ...lost,
        variant: 'consumer-cut',
        title:
          'The consumer is cut off, Redis loses what was published meanwhile: the read model ends equal to the registry.',
        needs: ['redis', 'stop redis', 'wipe redis', 'network redis'],
        floor: { creations: 5, updates: 3, deletions: 3, lostEvents: 11 },
        seconds: 9,
      },
      {
        ...lost,
        variant: 'database-silent',
        title:
          'The same, and the connections of query to PostgreSQL are half-open: the read model ends equal to the registry.',
        needs: ['redis', 'stop redis', 'wipe redis', 'network redis', 'network postgres'],
        floor: { creations: 5, updates: 3, deletions: 3, lostEvents: 11 },
        seconds: 14,
      },
      {
        ...lost,
        variant: 'comparing-silent',
        title:
          'The same, and the connections of query to PostgreSQL become half-open while it repairs the loss: the read model ends equal to the registry.',
        needs: ['redis', 'stop redis', 'wipe redis', 'network redis', 'network postgres', 'postgres'],
        floor: { creations: 5, updates: 3, deletions: 3, lostEvents: 11 },
        seconds: 20,
      },
    ],
  },
  {
    id: 'REC-03',
    level: 'MUST',
    tier: 'durable',
    text: 'When Redis restarts with old data, nothing is lost: events that are delivered again change nothing, and missing ones are repaired.',
    allowed: [
      'Every file is in the end as the registry has it, within 30 s after Redis and the consumer have recovered; what was deleted stays deleted.',
    ],
    why: 'A snapshot is minutes old and a log loses its last second: both restore a past in which the group was at another position.',
    provoked:
      'Redis is killed and restarts with what it held before: the stream, the group, what was pending; no client reaches it in between.',
    troubleshooting:
      'Versions and tombstones against what is delivered again; a changed run_id against what is missing.',
    since: '0.1.0',
    source: 'Redis documentation, Persistence: RDB and AOF disadvantages',
    cases: [
      {
        ...old,
        variant: 'snapshot',
        title:
          'Redis restarts from an old snapshot, with events that were applied since: they change nothing, and missing ones are repaired.',
        needs: [...OLD_DATA, 'stop redis', 'wipe redis', 'network redis'],
        floor: { creations: 8, updates: 7, deletions: 6, deliveredAgain: 5, lostEvents: 16 },
        seconds: 12,
      },
      {
        ...old,
        variant: 'tail-cut',
        title: 'Redis restarts without the unread tail of its log: the read model ends equal to the registry.',
        needs: [...OLD_DATA, 'stop redis', 'wipe redis', 'network redis'],
        floor: { creations: 5, updates: 5, deletions: 5, lostEvents: 9 },
        seconds: 10,
      },
    ],
  },
  {
    id: 'REC-04',
    level: 'MUST',
    tier: 'durable',
    text: 'Stream ids that go backwards hide nothing.',
    allowed: ['Everything accepted after the ids went backwards is searchable within 10 s.'],
    why: 'Ids come from a clock: after a failover to a machine whose clock is behind, or a restart without data, they begin lower.',
    provoked:
      'An entry with an id of an hour ahead is consumed; then Redis restarts empty and assigns ids of the current time.',
    troubleshooting: 'A consumer that remembers the last id it saw and skips what is lower.',
    since: '0.1.0',
    source: STREAMS,
    cases: [
      {
        ...lost,
        needs: ['redis', 'stop redis', 'wipe redis'],
        floor: { uploads: 10, aheadMs: 3_000_000 },
        seconds: 5,
      },
    ],
  },
  {
    id: 'REC-05',
    level: 'MUST',
    tier: 'durable',
    text: 'A failover to a replica that missed the last events loses nothing, and READONLY and UNBLOCKED during it stop nothing.',
    allowed: [
      'Every write is accepted, every file is in the end as the registry has it, within 30 s after there is a primary again, by the same processes.',
    ],
    why: 'Replication is asynchronous: every failover may lose the last writes, without reporting it.',
    provoked:
      'Redis becomes a replica, which ends blocking reads and refuses writes; it loads data from before some changes; it becomes a primary again.',
    troubleshooting:
      'Whether the consumer checks the server’s identity (run_id and master_replid) after every restart, and whether READONLY ends a loop.',
    since: '0.1.0',
    source:
      'Redis documentation, Replication: how the replication id changes; safety of replication without persistence',
    cases: [
      {
        ...old,
        variant: 'tail-unseen',
        title: 'Failover to a replica that missed unread events: the read model ends equal to the registry.',
        needs: [...OLD_DATA, 'network redis'],
        floor: { creations: 5, updates: 3, deletions: 3, lostEvents: 11 },
        seconds: 10,
      },
      {
        ...old,
        variant: 'tail-seen',
        title:
          'Failover, under a blocked consumer, to a replica that missed events already read: the pipeline continues.',
        needs: [...OLD_DATA],
        floor: { creations: 5, updates: 3, deletions: 3, lostEvents: 11 },
        seconds: 10,
      },
    ],
  },
  {
    id: 'REC-06',
    level: 'MUST',
    tier: 'durable',
    text: 'Events that are trimmed away before they were delivered are noticed and repaired.',
    allowed: ['Every file is in the end as the registry has it, within 30 s after the consumer reads again.'],
    why: 'A stream has a limit, and a consumer that was disconnected for too long finds a gap; Redis itself then reports a lag of 0.',
    provoked: 'The consumer is cut off while files are changed; the stream is trimmed to nothing; then it reads on.',
    troubleshooting:
      'Whether events carry a sequence, and what the consumer does on a gap; the group’s own lag does not show it.',
    since: '0.1.0',
    source: 'Redis documentation, XINFO GROUPS: lag after trimming',
    cases: [
      {
        file: 'recovery/redis-data.test.ts',
        needs: ['redis', 'network redis'],
        floor: { creations: 5, updates: 3, deletions: 3, trimmed: 11 },
        seconds: 9,
      },
    ],
  },
  {
    id: 'REC-07',
    level: 'MUST',
    tier: 'durable',
    text: 'A read model that was emptied, or restored from an old backup, is rebuilt without stopping writes.',
    allowed: [
      'Every file is as the registry has it, within 30 s after query was started again, and no write fails meanwhile.',
    ],
    why: 'A read model is a copy: losing it must be an inconvenience, and rebuilding it no downtime.',
    provoked:
      'The table is truncated, or put back to how it was before some changes, under steady uploads; query is restarted.',
    troubleshooting: 'What happens at boot: is the read model compared with the registry, deletions included?',
    since: '0.1.0',
    source: 'docs/guarantees.md',
    cases: [
      {
        file: 'recovery/read-model.test.ts',
        variant: 'emptied',
        title: 'The read model is emptied: it is rebuilt without stopping writes.',
        needs: ['postgres', 'stop query'],
        floor: { files: 20, uploadsMeanwhile: 5 },
        seconds: 8,
      },
      {
        file: 'recovery/read-model.test.ts',
        variant: 'restored',
        title: 'The read model is restored from before updates and deletions: it catches up without stopping writes.',
        needs: ['postgres', 'stop query'],
        floor: { files: 20, uploadsMeanwhile: 5, updates: 3, deletions: 3 },
        seconds: 8,
      },
    ],
  },
  {
    id: 'REC-08',
    level: 'MUST',
    tier: 'durable',
    text: 'Whatever clocks say, the last commit wins: two updates in one millisecond, and a clock that was stepped back.',
    allowed: ['In the end the read model shows what the registry shows.'],
    why: 'Clocks of two machines disagree, and one of them jumps: an order that rests on them is sometimes wrong, silently.',
    provoked:
      'Pairs of updates at once; an event with a later version and an earlier updated_at than the one before it.',
    troubleshooting: 'The guard of the upsert: does it compare versions, or timestamps?',
    since: '0.1.0',
    source: 'PostgreSQL documentation, Date/Time Functions: now() is the start of the transaction, not its commit',
    cases: [
      {
        file: 'recovery/read-model.test.ts',
        variant: 'same-millisecond',
        title: 'Updates of one file at the same moment: the read model ends with the one that the registry ends with.',
        needs: [],
        floor: { files: 10, updates: 200 },
        seconds: 3,
      },
      {
        file: 'recovery/read-model.test.ts',
        variant: 'clock-back',
        title: 'An event with a later version and an earlier updated_at: the later version wins.',
        needs: ['redis'],
        floor: { files: 3 },
        seconds: 3,
      },
    ],
  },
  {
    id: 'REC-09',
    level: 'MUST',
    tier: 'durable',
    text: 'Removing dead consumers loses nothing that they held, and never removes an idle one that is alive.',
    allowed: [
      'What a dead consumer held is applied, whether or not the consumer is removed; a connected consumer that receives nothing stays.',
    ],
    why: 'XGROUP DELCONSUMER discards what the consumer held, and idle time alone is no sign of death.',
    provoked:
      'A dead consumer that holds an entry of a row that was lost; a second instance that receives nothing for 45 s.',
    troubleshooting:
      'What the reaper checks before it removes: what is pending, and whether there is a connection of that name.',
    since: '0.1.0',
    source: 'Redis documentation, XGROUP DELCONSUMER',
    cases: [
      {
        file: 'recovery/dead-consumers.test.ts',
        needs: ['redis', 'postgres', 'multiple-query-instances'],
        floor: { dead: 2, held: 1, quietObservations: 20 },
        seconds: 50,
        timeoutMs: 120_000,
      },
    ],
  },
] as const satisfies readonly Requirement[];
