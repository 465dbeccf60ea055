import { CONTRACT, type Requirement } from '../ledger/requirement.ts';

const file = 'data/data.test.ts';

export const DATA = [
  {
    id: 'DATA-01',
    level: 'MUST',
    tier: 'core',
    text: 'A hostile file name is refused with 4xx, or kept exactly: it is never accepted and then changed, or impossible to sync.',
    allowed: [
      '4xx at the upload or the registration.',
      'Accepted: registry, read by id and exact search show the name code point for code point, and the search finds no other name.',
    ],
    why: 'A name that one side accepts and another rejects stops the stream, or makes a file that cannot be found again.',
    provoked:
      'Names with NUL, lone surrogates, composed and decomposed letters, hundreds of emoji, right-to-left marks, path separators, control characters, of 1 to 100 000 characters, and generated ones, by upload and by registration; then one more file.',
    troubleshooting:
      'Lengths and character rules that differ between registry and read model; anything that normalises, trims, truncates or takes the last segment of a path.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file: 'data/names.test.ts', needs: [], floor: { tried: 80 }, seconds: 5, timeoutMs: 180_000 }],
  },
  {
    id: 'DATA-02',
    level: 'MUST',
    tier: 'core',
    text: 'A file size is kept to the last digit, from 0 to beyond 2^53, or refused with 4xx.',
    allowed: [
      'Whole numbers from 0 to 2^53 - 1: registry, read by id and search by size show the same digits, and sizes sort as numbers.',
      'Larger ones: the same, or 4xx. Anything that is not a size: 4xx.',
    ],
    why: 'Sizes beyond 2^31 and 2^53 pass through more than one number type, and each can round, overflow or treat 0 as absent.',
    provoked:
      'Registrations with sizes as raw JSON: 0, 1, 3 000 000 000, 2^53 - 1, 2^53 + 1, around 2^63, an exponent, fractions, negative ones; answers are read as text.',
    troubleshooting: 'Column types, and every JSON parser on the way: admin, the event, the consumer, search.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: [], floor: { accepted: 5, refused: 1 }, seconds: 1 }],
  },
  {
    id: 'DATA-03',
    level: 'MUST',
    tier: 'core',
    text: 'A megabyte of user metadata, and other large fields, are accepted and searchable or refused with 4xx, and the pipeline keeps working.',
    allowed: [
      'Accepted: the registry has the metadata as it was sent, and search finds the file within the sync budget.',
      'Refused: 413 or another 4xx, or the connection closed before the body was read, and no incomplete file exists.',
      'Either way a small file after it is searchable within the sync budget.',
    ],
    why: 'One entry that is too large for a message, a row or an index stops everything behind it.',
    provoked:
      'Metadata of 1 MB in one text, in many keys, in emoji and in control characters, deeply nested; long descriptions, tags and types; by registration and by upload.',
    troubleshooting:
      'Body limits, the size of stream entries, and the limits of indexes: a tsvector ends at 1 MB, a GIN entry at 2.7 kB.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: [], floor: { tried: 15 }, seconds: 6, timeoutMs: 180_000 }],
  },
  {
    id: 'DATA-04',
    level: 'MUST',
    tier: 'core',
    text: 'A file without its optional fields syncs like any other.',
    allowed: [
      'Accepted without them; search shows the file as the registry has it, found by name as well as by id.',
      'A field that is null or empty may be refused with 4xx at the registration.',
      'An update that clears fields, and one that sets them again, show as the registry has them.',
    ],
    why: 'Most files have no description, and the one test file has.',
    provoked:
      'Registrations without each optional field and without all, with null, with empty values; a bare upload; updates that clear and set.',
    troubleshooting: 'Columns that must not be null, schemas of the event, and updates that keep what was cleared.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: [], floor: { files: 7, updates: 2 }, seconds: 2 }],
  },
] as const satisfies readonly Requirement[];
