import { CONTRACT, type Requirement, STREAMS } from '../ledger/requirement.ts';

const pending = { file: 'consumer/pending-entries.test.ts' } as const;
const poison = { file: 'consumer/poison.test.ts', timeoutMs: 240_000 } as const;
const together = {
  file: 'consumer/two-consumers.test.ts',
  needs: ['redis', 'multiple-query-instances'],
  seconds: 3,
} as const;
const redelivery = { file: 'consumer/redelivery.test.ts', needs: ['redis'] } as const;

const published = (text: string): string => `Events as the pipeline publishes them: ${text}`;
const plain = (text: string): string => `Events without versions, as a plain producer sends them: ${text}`;

export const CONSUMER = [
  {
    id: 'RES-03',
    level: 'MUST',
    tier: 'resilient',
    text: 'A consumer killed in the middle of a burst and started again resumes where it was; nothing is lost.',
    allowed: [
      'Everything accepted is searchable within 10 s after the restart, and the pending entries list is empty; where the retry time is configurable it is set too long for a takeover to help.',
    ],
    why: 'Deployments and crashes hit a consumer in the middle of a batch, every day.',
    provoked:
      'SIGKILL at the moment when the consumer holds entries that it cannot have committed: the table is locked.',
    troubleshooting: 'When it acknowledges, and whether it reads its own pending entries (id 0) when it starts.',
    since: '0.1.0',
    source: STREAMS,
    cases: [
      {
        file: 'consumer/killed.test.ts',
        needs: ['redis', 'postgres', 'stop query'],
        floor: { uploadsBefore: 30, uploadsDuring: 20, heldAtKill: 1 },
        seconds: 10,
      },
    ],
  },
  {
    id: 'RES-04',
    level: 'MUST',
    tier: 'resilient',
    text: 'When one of two consumers is killed, the other takes over what it held within the retry time.',
    allowed: [
      'Everything accepted is searchable within the retry time and the sync budget after the kill, and the pending entries list is empty.',
    ],
    why: 'An instance that never returns keeps its entries for ever: files that cannot be found, and no error anywhere.',
    provoked:
      'SIGKILL of one of two instances of query while both hold entries that they cannot have committed: the table is locked.',
    troubleshooting:
      'Whether anything calls XAUTOCLAIM or XCLAIM, with which idle time, and what happens to the entries that it returns.',
    since: '0.1.0',
    source: 'Redis documentation, XAUTOCLAIM',
    cases: [
      {
        file: 'consumer/killed.test.ts',
        needs: ['redis', 'postgres', 'multiple-query-instances'],
        floor: { uploads: 10, heldAtKill: 1 },
        seconds: 10,
        timeoutMs: 180_000,
      },
    ],
  },
  {
    id: 'CON-01',
    level: 'MUST',
    tier: 'durable',
    text: 'A delivered event is acknowledged only after its row is committed.',
    allowed: [
      'While the rows cannot be committed, every delivered entry stays in the pending entries list; after a SIGKILL and a restart all rows are there within the retry time and the sync budget.',
    ],
    why: 'An acknowledged entry is never delivered again: acknowledged too early, it is lost with the process that held it.',
    provoked:
      'The table is locked, events are added, the pending entries list is polled throughout, the consumer is killed (SIGKILL), then the lock is released.',
    troubleshooting: 'The order of COMMIT and XACK, and whether the stream is read with NOACK.',
    since: '0.1.0',
    source: STREAMS,
    cases: [
      {
        ...pending,
        needs: ['redis', 'postgres', 'stop query'],
        floor: { looks: 10, delivered: 1, applied: 10 },
        seconds: 4,
      },
    ],
  },
  {
    id: 'CON-02',
    level: 'MUST',
    tier: 'durable',
    text: "An abandoned delivery is taken over and applied, the consumer's own old ones included.",
    allowed: [
      'Entries held for longer than the retry time leave the pending entries list within the retry time and the sync budget, and their rows are there.',
    ],
    why: 'A delivery whose consumer died, or whose reply got lost, is held by no running consumer: without a takeover it is lost.',
    provoked:
      'Rows deleted from the read model and their entries put back into the pending entries list with a long idle time, under a dead consumer or under the running one.',
    troubleshooting: 'XPENDING; whether XAUTOCLAIM is called at all, how often, and for which consumers.',
    since: '0.1.0',
    source: STREAMS,
    cases: [
      {
        ...pending,
        variant: 'abandoned',
        title: 'A delivery left pending by a dead consumer is taken over and applied.',
        needs: ['redis', 'postgres'],
        floor: { takenOver: 10 },
        seconds: 2,
      },
      {
        ...pending,
        variant: 'own',
        title: 'An old delivery of the running consumer itself, whose reply it never saw, is applied.',
        needs: ['redis', 'postgres'],
        floor: { takenOver: 10 },
        seconds: 2,
      },
    ],
  },
  {
    id: 'CON-03',
    level: 'MUST',
    tier: 'durable',
    text: 'A stale redelivery never overwrites a newer row.',
    allowed: ['Every read shows the newest state, while the redelivered entries are taken over and after it.'],
    why: 'Takeovers deliver late by nature: a search that goes back to an old name or description is wrong until the next change.',
    provoked: 'Older events of an updated file put back into the pending entries list, single ones and all of them.',
    troubleshooting: 'What the upsert compares: versions as numbers; without versions updated_at.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        ...redelivery,
        variant: 'published',
        title: published('a stale redelivery never overwrites a newer row.'),
        floor: { redelivered: 12, looks: 6 },
        seconds: 4,
      },
      {
        ...redelivery,
        variant: 'plain',
        title: plain('a stale redelivery never overwrites a newer row.'),
        floor: { redelivered: 5, looks: 6 },
        seconds: 4,
      },
    ],
  },
  {
    id: 'CON-04',
    level: 'MUST',
    tier: 'durable',
    text: 'A redelivered creation or update never brings a deleted file back.',
    allowed: ['Once the deletion was seen, no read by id or by name finds the file, whatever is delivered again.'],
    why: 'A deleted file that can be found again breaches the reason for which it was deleted.',
    provoked: 'The events of a deleted file put back into the pending entries list, single ones and all of them.',
    troubleshooting: 'Whether a deletion leaves a tombstone, and whether every creation checks for it.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        ...redelivery,
        variant: 'published',
        title: published('a redelivered creation or update never brings a deleted file back.'),
        floor: { redelivered: 5, looks: 6 },
        seconds: 4,
      },
      {
        ...redelivery,
        variant: 'plain',
        title: plain('a redelivered creation or update never brings a deleted file back.'),
        floor: { redelivered: 5, looks: 6 },
        seconds: 4,
      },
    ],
  },
  {
    id: 'CON-05',
    level: 'MUST',
    tier: 'durable',
    text: "In whatever order a file's events arrive, the final state is right: update before creation, deletion before creation.",
    allowed: ['Updated files show the update, deleted ones are not found, and none of the events is dead-lettered.'],
    why: 'Two consumers, a retry or a takeover are enough to reorder events.',
    provoked:
      'Every order of creation, update and deletion, all at once and each after the one before it was applied, for files that exist as events only.',
    troubleshooting: 'An update without a row must insert it, a deletion without a row must leave a tombstone.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        ...redelivery,
        variant: 'versions',
        title: 'Events with versions: in whatever order they arrive, the final state is right.',
        floor: { orders: 16 },
        seconds: 1,
      },
      {
        ...redelivery,
        variant: 'plain',
        title: plain('in whatever order they arrive, the final state is right.'),
        floor: { orders: 16 },
        seconds: 1,
      },
    ],
  },
  {
    id: 'CON-06',
    level: 'MUST',
    tier: 'durable',
    text: 'The same event twice, or ten times, makes one row with the same content.',
    allowed: [
      'One result, with the fields of the event; nothing is dead-lettered, and the pending entries list drains.',
    ],
    why: 'Streams deliver at least once: receiving an event twice is normal.',
    provoked: 'Events added again after they were applied, and all copies at once before any of them was.',
    troubleshooting:
      'Batches: one statement may touch a row only once. Plain INSERTs that conflict with their own row.',
    since: '0.1.0',
    source: STREAMS,
    cases: [{ ...redelivery, floor: { copies: 54 }, seconds: 1 }],
  },
  {
    id: 'CON-07',
    level: 'MUST',
    tier: 'durable',
    text: 'An event that cannot be applied delays the next one by at most 2 s, and ends in the dead-letter stream with its error.',
    allowed: [
      'The next event is visible at most 2 s later than one with nothing ahead of it, or thirty times as late where that is more; <stream>:dead-letter then has the event once, with a field error, and nothing stays pending; a field attempts, where there is one, is a number from 1 up.',
      'A value that a read model need not be able to hold (a negative size, a year 0, a huge tag) is applied, or dead-lettered like the others.',
    ],
    why: 'One bad event at the head of the stream must not keep all later changes from search, nor vanish without a trace.',
    provoked:
      'Events with broken JSON, missing fields, unknown types, NUL, and values that columns and indexes refuse; each alone and thirty of them before a good one, all in one batch.',
    troubleshooting:
      'Which errors are tried again and how often, whether one bad row fails its whole batch, and what an exception does to the reading loop.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        ...poison,
        variant: 'single',
        title: 'Of every kind of event that cannot be applied, one delays the next event by at most 2 s.',
        needs: ['redis'],
        floor: { kinds: 11, poisons: 7 },
        seconds: 2,
      },
      {
        ...poison,
        variant: 'many',
        title: 'Thirty events that cannot be applied delay the next one by at most 2 s.',
        needs: ['redis'],
        floor: { poisons: 20 },
        seconds: 1,
      },
    ],
  },
  {
    id: 'CON-08',
    level: 'MUST',
    tier: 'durable',
    text: 'An outage of PostgreSQL is not poison: nothing is dead-lettered for it.',
    allowed: [
      'The dead-letter stream stays as it is; once PostgreSQL has recovered everything is applied within the retry time and the sync budget, however often it was delivered before.',
    ],
    why: 'An attempt limit that counts database failures discards every event of an outage that outlasts the attempts.',
    provoked: 'PostgreSQL stopped, then entries that were delivered a hundred times, aged, and new events behind them.',
    troubleshooting:
      'Which errors count as an attempt: those that the event itself causes, or all; and limits on the delivery count.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        ...poison,
        needs: ['redis', 'postgres', 'stop postgres'],
        floor: { looks: 20, applied: 10 },
        seconds: 8,
      },
    ],
  },
  {
    id: 'CON-09',
    level: 'MUST',
    tier: 'durable',
    text: 'However many busy pending entries there are, they do not hide an abandoned one behind them.',
    allowed: [
      'The abandoned entry is taken over within the retry time and the sync budget; the busy ones stay with their consumer.',
    ],
    why: 'A takeover that scans only the beginning of the list never reaches its end while other consumers are busy.',
    provoked: 'Thousands of young entries of another consumer, and an aged one with a higher id.',
    troubleshooting:
      'Whether XAUTOCLAIM continues from the cursor that it returned: it scans ten times COUNT entries at a time.',
    since: '0.1.0',
    source: 'Redis documentation, XAUTOCLAIM: the cursor, and how much one call scans',
    cases: [{ ...pending, needs: ['redis'], floor: { busy: 200 }, seconds: 3 }],
  },
  {
    id: 'CON-10',
    level: 'MUST',
    tier: 'durable',
    text: 'A row that is locked for longer than the retry time, with two consumers, ends in the right result and in no livelock.',
    allowed: [
      'Throughout, its event stays pending and gets at most four owners, and other files are searchable within the sync budget; once the lock is released the update is visible within the retry time and the sync budget.',
    ],
    why: 'A report, a migration or an idle session locks a row: it must cost that row’s freshness and nothing else.',
    provoked:
      'A row locked for one and a half times the retry time, and at least until a second consumer waits for it too, while its update is on the stream and other files are registered.',
    troubleshooting:
      'Lock timeouts, what happens to a batch with one locked row, and the idle time from which entries are claimed.',
    since: '0.1.0',
    source:
      'PostgreSQL documentation, Explicit Locking: row-level locks; Redis documentation, XAUTOCLAIM: min-idle-time',
    cases: [
      {
        file: 'consumer/slow-row-lock.test.ts',
        needs: ['redis', 'postgres', 'multiple-query-instances'],
        floor: { owners: 1, others: 10, lockedMs: 1 },
        seconds: 28,
        timeoutMs: 240_000,
      },
    ],
  },
  {
    id: 'CON-11',
    level: 'MUST',
    tier: 'durable',
    text: 'Pending entries that were trimmed away do not crash the consumer, and drain.',
    allowed: [
      'They leave the pending entries list within the retry time and the sync budget; later events are applied.',
    ],
    why: 'A capped stream trims entries that wait too long; a consumer that fails on the gap stops for good.',
    provoked: 'Pending entries of a dead consumer or of a restarted one, trimmed at the same moment.',
    troubleshooting:
      'XREADGROUP with an id gives such an entry without fields, XAUTOCLAIM lists it separately, XCLAIM leaves it out.',
    since: '0.1.0',
    source: 'Redis documentation, XREADGROUP and XAUTOCLAIM: entries that were deleted while pending',
    cases: [
      {
        ...pending,
        variant: 'abandoned',
        title: 'Pending entries of a dead consumer that were trimmed away do no harm, and drain.',
        needs: ['redis'],
        floor: { trimmed: 10, later: 10 },
        seconds: 2,
      },
      {
        ...pending,
        variant: 'own',
        title: 'A restarted consumer copes with its own pending entries that were trimmed away.',
        needs: ['redis', 'stop query'],
        floor: { trimmed: 10, later: 10 },
        seconds: 3,
      },
    ],
  },
  {
    id: 'CON-12',
    level: 'MUST',
    tier: 'durable',
    text: 'Two consumers lose nothing to each other in a burst on the same ids.',
    allowed: [
      'Registry and read model are equal in the end, and nothing is dead-lettered, for a unique violation or for any other reason.',
    ],
    why: 'Consumers are replicated for availability: two that insert the same row at the same moment must not lose one of two changes.',
    provoked:
      'Files that are registered and updated eight times at once, and creations and updates of the same ids that fall into batches of different consumers.',
    troubleshooting:
      'Whether the row is written by one atomic upsert, and what a unique violation (23505) or a deadlock (40P01) counts as.',
    since: '0.1.0',
    source: 'PostgreSQL documentation, INSERT: ON CONFLICT',
    cases: [
      {
        ...together,
        variant: 'registered',
        title: 'Two consumers and a burst of parallel updates of registered files: registry and read model end equal.',
        floor: { files: 12, updates: 48, consumers: 2 },
      },
      {
        ...together,
        variant: 'colliding',
        title: 'Two consumers that insert the same rows at the same moment: every file ends as its last event says.',
        floor: { files: 700, consumers: 2 },
      },
    ],
  },
] as const satisfies readonly Requirement[];
