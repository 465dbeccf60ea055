import { CONTRACT, type Requirement } from '../ledger/requirement.ts';

const file = 'upload/upload.test.ts';
const limits = 'upload/refused.test.ts';
const refused = { file: limits, floor: { refused: 3, accepted: 1 } } as const;

export const UPLOAD = [
  {
    id: 'UP-01',
    level: 'MUST',
    tier: 'core',
    text: 'An upload answers 201 with an id, the exact size and the SHA-256 of the bytes; the registry then holds exactly that, and a download gives the same bytes.',
    allowed: [
      '201, the registry answers 200 for the id with the same size, checksum and names, and once the file is searchable its download answers 200 with every byte that was sent.',
      'Description, tags, JSON metadata and media type are in registry and search as they were sent; parameters of the media type may be missing.',
      'uploaded_by is one of the names (client_id, name, sub) that the token of the account carries, always the same one.',
    ],
    why: 'An accepted file that cannot be retrieved unchanged is lost.',
    provoked:
      'Uploads of 1 byte to 300 kB, around the sizes at which streams cut their chunks, each with all metadata, each read back.',
    troubleshooting: 'How the ingester hashes and counts while it streams, and what it registers.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: ['upload', 'download'], floor: { uploads: 6, downloads: 6 }, seconds: 3 }],
  },
  {
    id: 'UP-02',
    level: 'MUST',
    tier: 'core',
    text: 'One committed change puts exactly one event on the stream, with every field of the event contract.',
    allowed: [
      'Without a fault one event per change, and no further one in the 2 s after.',
      'The metadata is what was sent, and every field of it is what the registry shows, where it shows the field.',
      'A file that is not compressed names no algorithm; one that is names it, and the size that was sent.',
      'timestamp is the moment of the change or up to 1 s later; deleted_at is what the answer to the deletion shows, or the moment of the deletion where it shows none.',
      'One more, identical in event type and version, where the reply to the first was lost and the publisher tried again.',
    ],
    why: 'Consumers build on these fields alone: what is not in the event does not exist for them.',
    provoked:
      'An upload, an update, a deletion and the upload of a temporary file; then their entries on the stream, against what was sent and against the registry.',
    troubleshooting:
      'The publisher: whether it is called at all, for every kind of change, and what it puts into the entry.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: ['redis'], floor: { events: 4 }, seconds: 4 }],
  },
  {
    id: 'UP-03',
    level: 'MUST',
    tier: 'core',
    text: 'While storage or admin is unavailable an upload is answered 503, and neither a searchable ghost nor a registered file without bytes remains.',
    allowed: [
      '503 within 20 s, also for an upload that was in progress.',
      'An upload that was answered 503 has had no effect, or has completed: registered, with every byte stored.',
      'Uploads are accepted again within 10 s after healing.',
    ],
    why: 'A file that is found and cannot be downloaded is worse than one that was refused: its sender has discarded the original.',
    provoked:
      'Storage killed, admin stopped and admin suspended (SIGSTOP), each with an upload in progress and others after it.',
    troubleshooting:
      'What the ingester does with bytes whose registration failed, or was not answered, and with registrations whose bytes did not arrive.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        ...refused,
        variant: 'storage-killed',
        title:
          'Storage killed, an upload in progress: 503, nothing partial remains, and uploads succeed again once it recovers.',
        needs: ['upload', 'download', 'stop storage'],
        seconds: 4,
      },
      {
        ...refused,
        variant: 'admin-stopped',
        title:
          'Admin stopped, an upload in progress: 503, nothing partial remains, and uploads succeed again once it recovers.',
        needs: ['upload', 'download', 'stop admin'],
        seconds: 4,
      },
      {
        ...refused,
        variant: 'admin-paused',
        title:
          'Admin suspended (SIGSTOP), an upload in progress: 503, and what it registers afterwards has all its bytes.',
        needs: ['upload', 'download', 'pause admin'],
        seconds: 14,
      },
    ],
  },
  {
    id: 'UP-04',
    level: 'MUST',
    tier: 'core',
    text: 'An upload over the size limit is answered 413, a client that disconnects midway leaves nothing, and a file of 0 bytes is stored or refused, never partly.',
    allowed: [
      'Up to the limit 201, from one byte more 413, and nothing of it remains.',
      'Nothing remains of an upload whose connection, or form, ended early; where an answer is possible it is 4xx.',
      'A file of 0 bytes: 4xx and nothing remains, or 201 and registry, search and download agree.',
    ],
    why: 'A truncated file looks complete to every reader but its sender.',
    provoked:
      'Uploads of the limit and of more, connections broken off after 0 bytes to all of them, a form without its end, an empty file.',
    troubleshooting:
      'Whether the form parser truncates a file at its limit silently, and what is done when the request ends early.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        file: limits,
        variant: 'too-large',
        title: 'With a limit of 100 kB: a file of that size is accepted, one byte more is answered 413.',
        needs: ['upload', 'custom-environment'],
        floor: { accepted: 1, refused: 3 },
        seconds: 3,
      },
      {
        file: limits,
        variant: 'declared-limit',
        title: 'An upload of 16 MiB more than the declared limit is answered 413.',
        needs: ['upload', 'upload limit'],
        floor: { refused: 1 },
        seconds: 2,
        timeoutMs: 120_000,
      },
      {
        file: limits,
        variant: 'vanished',
        title: 'Clients that disconnect in the middle of an upload, and forms that end early, leave nothing.',
        needs: ['upload'],
        floor: { vanished: 4 },
        seconds: 2,
      },
      {
        file: limits,
        variant: 'empty',
        title: 'A file of 0 bytes is stored or refused, never partly.',
        needs: ['upload', 'download'],
        floor: { settled: 1 },
        seconds: 1,
      },
    ],
  },
  {
    id: 'UP-05',
    level: 'MUST',
    tier: 'core',
    text: 'A download returns the same bytes; a Range gives 206 with the right slice, an unsatisfiable one 416.',
    allowed: [
      '200 with all bytes; 206 with exactly the bytes of the range, and a Content-Range that names them.',
      '416 where the range begins past the end or is empty.',
      'The whole (200) where If-Range names another version.',
    ],
    why: 'Interrupted downloads are resumed with ranges: one byte off, and the file is silently corrupted.',
    provoked:
      'Ranges at the beginning, in the middle, to the end, of one byte, of the last bytes and beyond the end; If-Range with another version.',
    troubleshooting: 'Whether the last byte of a range is included, and whether query forwards Range and If-Range.',
    since: '0.1.0',
    source: 'RFC 9110, sections 13.1.5 and 14',
    cases: [{ file, needs: ['upload', 'download'], floor: { slices: 8, impossible: 3 }, seconds: 2 }],
  },
  {
    id: 'UP-06',
    level: 'MUST',
    tier: 'resilient',
    text: 'An upload whose ingester is killed happens completely or not at all.',
    allowed: [
      'Of a body that was half sent nothing remains.',
      'Of an upload whose registration was in progress: the registry has the file, search finds it once and its download gives every byte; or neither has it.',
      'Uploads are accepted again within 10 s after the ingester has restarted.',
    ],
    why: 'UP-03 is about what an ingester cleans up. A killed one cleans up nothing: what it leaves depends only on the order of its steps.',
    provoked:
      'The ingester killed (SIGKILL) while the registration of an upload hangs at its COMMIT, which then goes on; and with half of a body sent.',
    troubleshooting: 'Whether anything is registered before all of its bytes are stored.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        file: limits,
        needs: ['upload', 'download', 'registry', 'stop ingester'],
        floor: { killed: 1 },
        seconds: 6,
      },
    ],
  },
] as const satisfies readonly Requirement[];
