import { CONTRACT, ORIGINAL, type Requirement } from '../ledger/requirement.ts';

const file = 'sync/sync.test.ts';
const updates = 'sync/updates.test.ts';
const orders = { file: 'sync/instances.test.ts', seconds: 4 } as const;

export const SYNC = [
  {
    id: 'SYNC-01',
    level: 'MUST',
    tier: 'core',
    text: 'An uploaded file becomes searchable by name and by id, under the same id.',
    allowed: ['Found by name and by id within the sync budget (5 s) after the answer to the upload, with one id.'],
    why: 'This is what the pipeline is for.',
    provoked: 'Uploads, each looked for by id and by name.',
    troubleshooting:
      'XINFO STREAM and XINFO GROUPS: is there an event, is there a group, is something pending? Do publisher and consumer name the same stream?',
    since: '0.1.0',
    source: ORIGINAL,
    cases: [{ file, needs: [], floor: { files: 3, reads: 9 }, seconds: 2 }],
  },
  {
    id: 'SYNC-02',
    level: 'MUST',
    tier: 'core',
    text: 'An update becomes visible, and every metadata field arrives byte-exact: names, descriptions, tags, JSON metadata, timestamps.',
    allowed: [
      'Registry, search and event show what was sent, by the upload and by each update.',
      'Search and event show what the registry shows; timestamps are the same instant to the microsecond, in any notation.',
    ],
    why: 'A name that is not found as it was written, and a timestamp that moved, are wrong answers.',
    provoked:
      'Names, descriptions, tags and JSON that lose or gain bytes wherever a layer escapes, normalises or truncates.',
    troubleshooting:
      'Whether updates are published; then the encodings on the way: form, SQL, JSON in the event, SQL again.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: ['redis'], floor: { updates: 7, events: 7 }, seconds: 3 }],
  },
  {
    id: 'SYNC-03',
    level: 'MUST',
    tier: 'core',
    text: 'A deleted file disappears from search and by id, and stays away.',
    allowed: [
      'Gone by name and by id within the sync budget (5 s), and never seen again while later changes are applied.',
    ],
    why: 'Deleted files that can still be found breach the reason for which they were deleted.',
    provoked: 'Deletions and repeated deletions, with reads that go on while later files arrive.',
    troubleshooting: 'Whether deletions are published, and whether the consumer knows the event type.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: [], floor: { deleted: 3, observations: 30 }, seconds: 2 }],
  },
  {
    id: 'SYNC-04',
    level: 'MUST',
    tier: 'core',
    text: 'Files with identical content are all searchable, each under its own id.',
    allowed: [
      'Each is accepted with an id of its own, found by id and listed by search; deleting one takes none of the others with it.',
    ],
    why: 'Two people may well keep the same document, and each looks for their own.',
    provoked: 'Files with the same bytes at once, two of them with the same name, too; then the deletion of one.',
    troubleshooting:
      'A unique index on the checksum, or a batch or cache that goes by it, in the read model or in storage.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: [], floor: { files: 3, survivors: 2 }, seconds: 1 }],
  },
  {
    id: 'SYNC-05',
    level: 'MUST',
    tier: 'core',
    text: 'Of N concurrent uploads all N are found: none lost, none twice, and the count exact.',
    allowed: ['All N answer 201; search then shows each exactly once, and total_count is N.'],
    why: 'What is lost under load is lost when it matters.',
    provoked: 'N uploads at once, then every page of the search that finds them.',
    troubleshooting:
      'Batches: whether one bad row takes others with it, and whether entries are acknowledged only after the commit.',
    since: '0.1.0',
    source: ORIGINAL,
    cases: [
      {
        file,
        variant: '10',
        title: 'Of 10 concurrent uploads all are found: none lost, none twice, and the count exact.',
        needs: [],
        floor: { uploads: 10, found: 10 },
        seconds: 1,
      },
      {
        file,
        variant: '200',
        title: 'Of 200 concurrent uploads all are found: none lost, none twice, and the count exact.',
        needs: [],
        floor: { uploads: 200, found: 200 },
        seconds: 3,
      },
    ],
  },
  {
    id: 'SYNC-06',
    level: 'MUST',
    tier: 'core',
    text: 'After 50 parallel updates of one file the read model ends equal to the registry, field by field.',
    allowed: [
      'An update is accepted, refused for a conflict with another (409), or given up after waiting too long (503); within the sync budget search shows what the registry shows, and goes on doing so.',
      'Where the registry shows versions, every accepted update has one of its own.',
    ],
    why: 'A consumer that applies events of one file concurrently, or drops all but one of them, ends with an old state that nothing corrects.',
    provoked:
      'Bursts of 50 updates at once, of different fields, on two files; then a later change that is waited for.',
    troubleshooting:
      'Whether events of a batch are applied in order or by version, and whether an event carries the state of its own commit.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file: updates, needs: [], floor: { bursts: 4, updates: 100 }, seconds: 1 }],
  },
  {
    id: 'SYNC-07',
    level: 'MUST',
    tier: 'core',
    text: 'Reads of a file never go back in time: none shows an earlier version than one that had ended before it began, local caches included.',
    allowed: [
      'Reads by id, and answers to one search, show versions that never fall from one read to a later one, and nothing once they have shown the deletion.',
      'Reads that overlap may differ either way, and a search may lag behind a read by id.',
    ],
    why: 'A user who has seen a change and then sees it undone acts on wrong data.',
    provoked:
      'Files that count their updates in their description, read by id and by search 400 times a second, one of them deleted in the end.',
    troubleshooting:
      'Caches in front of the read model: what fills them, what empties them, and how many of them there are.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file: updates, needs: [], floor: { reads: 100, searches: 50, states: 60 }, seconds: 3 }],
  },
  {
    id: 'SYNC-08',
    level: 'MUST',
    tier: 'core',
    text: 'Several instances of query give the same answers once converged, and adding or removing one changes nothing.',
    allowed: [
      'Writes, and searches at an instance that stays, keep succeeding; then every instance shows by id and by name what the registry has, in the same order, with the same counts.',
      'What a killed instance held may show only after twice the takeover time that the target declares.',
    ],
    why: 'Instances come and go with every deployment, and two requests of one user may reach two of them.',
    provoked:
      'A second instance, killed under a load of registrations, updates, deletions and searches; a third one added under it; then the second again.',
    troubleshooting:
      'Caches that only the instance itself invalidates, consumer names, and who takes over what a dead consumer held.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        file: 'sync/instances.test.ts',
        needs: ['multiple-query-instances'],
        floor: { instances: 3, writes: 80, searches: 20, files: 50 },
        seconds: 8,
        timeoutMs: 240_000,
      },
    ],
  },
  {
    id: 'SYNC-09',
    level: 'MUST',
    tier: 'core',
    text: 'Whatever order the components start in, the pipeline ends in sync without a restart.',
    allowed: [
      'Everything accepted is searchable within 15 s after the last component started; no process was started twice.',
    ],
    why: 'Nothing orders the start of machines after a power cut, and a group created at the wrong moment loses what came before.',
    provoked:
      'Components held back and started one after the other; Redis last; the stream removed before its first event.',
    troubleshooting:
      'How the consumer creates its group (at 0, with MKSTREAM, again after NOGROUP), and whether services wait for Redis at boot.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        ...orders,
        variant: 'consumer-first',
        title: 'The consumer starts, alone with its servers, before the producer: the pipeline ends in sync.',
        needs: ['custom-environment'],
        floor: { files: 5 },
      },
      {
        ...orders,
        variant: 'producer-first',
        title: 'Files are uploaded before the consumer has ever started: the pipeline ends in sync.',
        needs: ['redis', 'custom-environment'],
        floor: { files: 10 },
      },
      {
        ...orders,
        variant: 'before-stream',
        title:
          'The consumer starts before there is a stream, and the stream is lost before its first event: it ends in sync.',
        needs: ['redis', 'custom-environment'],
        floor: { files: 5 },
      },
      {
        ...orders,
        variant: 'before-redis',
        title: 'Every service starts and files are uploaded before Redis runs: the pipeline ends in sync.',
        needs: ['redis', 'custom-environment'],
        floor: { files: 10 },
      },
    ],
  },
] as const satisfies readonly Requirement[];
