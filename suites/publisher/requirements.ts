import type { Requirement } from '../ledger/requirement.ts';

const alone = { file: 'publisher/publisher.test.ts' } as const;
const killed = { file: 'publisher/killed.test.ts' } as const;
const two = { file: 'publisher/two-publishers.test.ts' } as const;

const OUTBOX = 'the transactional outbox: at least once, in the order of commits';

export const PUBLISHER = [
  {
    id: 'PUB-01',
    level: 'MUST',
    tier: 'durable',
    text: 'There is no gap between commit and publish: killed in between, the publisher sends the event after its restart.',
    allowed: [
      'Each change committed during the Redis outage is on the stream within 10 s after the restart, in the order of the commits, and search ends as the registry says.',
    ],
    why: 'A change that is committed and not published is in the registry and never in search, and nothing reports it.',
    provoked:
      'Redis killed, or stopped (SIGSTOP); registrations, updates and deletions; SIGKILL of admin; then both are restored.',
    troubleshooting:
      'Whether the event is stored in the transaction of the change, and what happens to it when sending fails.',
    since: '0.1.0',
    source: OUTBOX,
    cases: [
      {
        ...killed,
        variant: 'killed',
        title:
          'Changes committed while Redis was down, and admin killed before it recovered: each of their events is published.',
        needs: ['redis', 'stop redis', 'stop admin'],
        floor: { changes: 6 },
        seconds: 4,
      },
      {
        ...killed,
        variant: 'paused',
        title:
          'Changes committed while Redis was suspended, and admin killed while it waited: each of their events is published.',
        needs: ['redis', 'pause redis', 'stop admin'],
        floor: { changes: 6 },
        seconds: 9,
      },
    ],
  },
  {
    id: 'PUB-02',
    level: 'MUST',
    tier: 'durable',
    text: 'A change that is rolled back publishes nothing.',
    allowed: [
      'It is not answered 2xx; no event of it is on the stream, and registry and search show the previous state.',
    ],
    why: 'An event of a change that never happened adds files to search that do not exist, or removes some that do.',
    provoked: 'Registrations, an update and a deletion whose transactions fail at their COMMIT.',
    troubleshooting: 'Whether anything is sent before the COMMIT has succeeded.',
    since: '0.1.0',
    source: OUTBOX,
    cases: [{ ...alone, needs: ['redis', 'registry'], floor: { rolledBack: 4 }, seconds: 1 }],
  },
  {
    id: 'PUB-03',
    level: 'MUST',
    tier: 'durable',
    text: 'Lost replies to XADD do not change the final state.',
    allowed: [
      'Each change is on the stream at least once, and with three replies lost at most four times; first and last copies are in the order of the commits, and search ends as the registry says without going back.',
    ],
    why: 'A publisher that does not know whether Redis took an event must neither drop it, nor send it for ever, nor send it after later ones.',
    provoked: 'Three replies to XADD are lost while a file is updated continuously.',
    troubleshooting: 'What a failed publish means for the rows of its batch, and for those behind them.',
    since: '0.1.0',
    source: OUTBOX,
    cases: [{ ...alone, needs: ['redis', 'network redis'], floor: { repliesLost: 3 }, seconds: 2 }],
  },
  {
    id: 'PUB-04',
    level: 'MUST',
    tier: 'durable',
    text: 'An open transaction with a lower outbox number does not hide later ones, nor is it lost itself.',
    allowed: [
      'While it is open, others become visible within the sync budget and its own changes do not; once it is committed its events are on the stream, and visible within the sync budget.',
    ],
    why: 'Numbers are taken in one order and committed in another: a cursor over them skips what commits late, for ever.',
    provoked:
      'An update and a registration held at their COMMIT while others are registered, then released, then updated again.',
    troubleshooting: 'What the publisher selects: rows above a number, or rows not published yet.',
    since: '0.1.0',
    source: 'PostgreSQL documentation, Sequence Manipulation Functions: numbers are taken before the commit',
    cases: [{ ...alone, needs: ['redis', 'registry'], floor: { held: 2, others: 5 }, seconds: 2 }],
  },
  {
    id: 'PUB-05',
    level: 'MUST',
    tier: 'durable',
    text: 'The events of one file are published in the order of its commits.',
    allowed: [
      'Every change is on the stream, and versions rise; where there are none, the last event is the registry’s last state. Updates that are refused under so much load are not judged.',
      'After a crash of the database, first and last copies are in the order of the commits.',
    ],
    why: 'A consumer without versions takes the last event for the last state: in the wrong order it ends in an old one.',
    provoked:
      'Three times fifty parallel updates of one file, relayed at once, or queued behind a suspended Redis; a thousand updates of twenty files, and PostgreSQL killed (SIGKILL) while they are being published.',
    troubleshooting:
      'Whether the row of the file is locked before the outbox number is taken, and the order in which rows are read; whether the publisher trusts its own memory or the database about what it has sent.',
    since: '0.1.0',
    source: OUTBOX,
    cases: [
      {
        ...alone,
        variant: 'relayed',
        title: 'Fifty parallel updates of one file are published in the order of their commits.',
        needs: ['redis'],
        floor: { updates: 75 },
        seconds: 2,
      },
      {
        ...alone,
        variant: 'piled-up',
        title:
          'Fifty parallel updates of one file that had to wait for Redis are published in the order of their commits.',
        needs: ['redis', 'pause redis'],
        floor: { updates: 75 },
        seconds: 4,
      },
      {
        ...killed,
        variant: 'crashed',
        title:
          'PostgreSQL is killed while a backlog of changes is being published: each of them arrives, in the order of the commits.',
        needs: ['redis', 'network redis', 'stop postgres'],
        floor: { changes: 1000, sentBefore: 100, waiting: 1 },
        seconds: 12,
      },
    ],
  },
  {
    id: 'PUB-06',
    level: 'MUST',
    tier: 'durable',
    text: 'Two publishers neither lose nor reorder events, and when one fails the other takes over.',
    allowed: [
      'Without a fault, one event per change; an instance that is killed or suspended is replaced within 15 s; every change is on the stream, first and last copies in the order of the commits.',
    ],
    why: 'Publishers are replicated for availability: they must not duplicate or reorder events, and must not wait for each other for ever.',
    provoked:
      'Writes through two instances, each killed in turn; and one stopped (SIGSTOP) with events in hand, replaced, and continued.',
    troubleshooting:
      'Who publishes, how the others notice its failure, and whether one that was suspended knows that it was replaced.',
    since: '0.1.0',
    source: OUTBOX,
    cases: [
      {
        ...two,
        variant: 'killed',
        title: 'Of two publishers each is killed in turn: the other takes over, nothing is lost or out of order.',
        needs: ['redis', 'multiple-admin-instances', 'stop admin'],
        floor: { changes: 41 },
        seconds: 6,
      },
      {
        ...two,
        variant: 'paused',
        title: 'A publisher stops with events in hand, is replaced, and continues: nothing is lost or out of order.',
        needs: ['redis', 'multiple-admin-instances', 'pause admin', 'network postgres'],
        floor: { changes: 60 },
        seconds: 12,
      },
    ],
  },
  {
    id: 'PUB-07',
    level: 'MUST',
    tier: 'durable',
    text: 'A notification is only a hint: without one, an event waits for the next poll and no longer.',
    allowed: ['Everything written through either instance is visible within the sync budget.'],
    why: 'Notifications are lost with the connection that listens: a publisher that only waits for them waits for ever.',
    provoked:
      'Every connection to the registry’s database terminated, then writes through the one instance and through the other.',
    troubleshooting: 'Whether the publisher also polls, and whether it polls on behalf of every instance.',
    since: '0.1.0',
    source: 'PostgreSQL documentation, LISTEN: a session’s registrations end with it',
    cases: [{ ...two, needs: ['multiple-admin-instances', 'backends'], floor: { files: 6 }, seconds: 4 }],
  },
  {
    id: 'PUB-08',
    level: 'MUST',
    tier: 'durable',
    text: 'The stream stays within its length, approximately, and nothing that was trimmed is lost in the end.',
    allowed: [
      'Never longer than its limit plus a tenth of it, or plus 200 entries where that is more (Redis trims whole nodes); in the end search finds every file.',
    ],
    why: 'Without a limit an absent consumer fills the memory of Redis; with one, it returns to a gap.',
    provoked:
      'Two and a half times as many registrations as the stream may hold, with the consumer off; then it is started.',
    troubleshooting: 'MAXLEN of the XADD; then whether the consumer notices what is missing when it starts.',
    since: '0.1.0',
    source: 'Redis documentation, XADD: MAXLEN with ~',
    cases: [
      {
        file: 'publisher/stream-limit.test.ts',
        needs: ['redis', 'stop query'],
        floor: { files: 500, trimmed: 100 },
        seconds: 20,
        timeoutMs: 180_000,
      },
    ],
  },
] as const satisfies readonly Requirement[];
