import type { Requirement } from './requirement.ts';
import { CONTRACT } from './sources.ts';

const file = 'conformance/upload.test.ts';

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
    why: 'A file that was accepted and cannot be had back, or not as it was, is lost.',
    provoked:
      'Uploads of 1 byte to 300 kB, around the sizes at which streams cut their chunks, each with all metadata, each read back.',
    look: 'How the ingester hashes and counts while it streams, and what it registers.',
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
      'One event per change while nothing is broken, and no further one in the 2 s after.',
      'The metadata is what was sent, and every field of it is what the registry shows, where it shows the field.',
      'A file that is not compressed names no algorithm; one that is names it, and the size that was sent.',
      'timestamp is the moment of the change or up to 1 s later; deleted_at is what the answer to the deletion shows, or the moment of the deletion where it shows none.',
      'One more, identical in event type and version, where the reply to the first was lost and the publisher tried again.',
    ],
    why: 'Consumers build on these fields alone: what is not in the event does not exist for them.',
    provoked:
      'An upload, an update, a deletion and the upload of a temporary file; then their entries on the stream, against what was sent and against the registry.',
    look: 'The publisher: whether it is called at all, for every kind of change, and what it puts into the entry.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: ['redis'], floor: { events: 4 }, seconds: 4 }],
  },
] as const satisfies readonly Requirement[];
