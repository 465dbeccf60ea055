import type { ServiceName } from '../../services/contract/names.ts';
import type { Edit, Mutant } from '../mutants/mutant.ts';

const EVENTS = 'services/contract/events.ts';
const APPLY = 'services/query/apply.ts';
const STORE = 'services/admin/file-store.ts';

function variant(
  id: string,
  defect: string,
  [service, caughtBy]: readonly [ServiceName, Mutant['caughtBy'][number]],
  ...edits: readonly Edit[]
): Mutant {
  return { id, defect, services: [service], caughtBy: [caughtBy], edits: [...edits] };
}

/** What can be wrong with hostile and unusual data. */
export const DATA_MUTANTS: readonly Mutant[] = [
  variant(
    'name-limit-smaller-in-read-model',
    'the consumer accepts names of up to 255 characters only',
    ['query', 'DATA-01'],
    {
      file: EVENTS,
      find: 'original_filename: z.string(),',
      replace: 'original_filename: z.string().max(255),',
    },
  ),
  variant('names-cut-in-read-model', 'the read model truncates names at 255 characters', ['query', 'DATA-01'], {
    file: APPLY,
    find: 'metadata.original_filename)',
    replace: 'metadata.original_filename.slice(0, 255))',
  }),
  variant('names-composed', 'the registry composes letters and accents (NFC)', ['admin', 'DATA-01'], {
    file: STORE,
    find: '      file.original_filename,',
    replace: "      file.original_filename.normalize('NFC'),",
  }),
  variant('names-composed-in-read-model', 'the read model composes letters and accents (NFC)', ['query', 'DATA-01'], {
    file: APPLY,
    find: 'metadata.original_filename)',
    replace: "metadata.original_filename.normalize('NFC'))",
  }),
  variant(
    'names-without-their-path',
    'an upload takes the last segment of a path for the name',
    ['ingester', 'DATA-01'],
    {
      file: 'services/ingester/app.ts',
      find: 'preservePath: true',
      replace: 'preservePath: false',
    },
  ),
  variant('lone-surrogates-replaced', 'the registry replaces what cannot be encoded in UTF-8', ['admin', 'DATA-01'], {
    file: 'services/common/text.ts',
    find: 'return text.isWellFormed() ? undefined :',
    replace: 'return text.length > 0 ? undefined :',
  }),
  variant('names-trimmed', 'the registry trims names', ['admin', 'DATA-01'], {
    file: STORE,
    find: '      file.original_filename,',
    replace: '      file.original_filename.trim(),',
  }),
  variant('control-characters-dropped', 'the read model drops control characters from names', ['query', 'DATA-01'], {
    file: APPLY,
    find: 'metadata.original_filename)',
    replace: String.raw`metadata.original_filename.replaceAll(/\p{Cc}/gu, ''))`,
  }),
  variant('long-names-not-searchable', 'a search accepts texts of up to 255 characters only', ['query', 'DATA-01'], {
    file: 'services/query/search.ts',
    find: 'z.string().min(1).max(FILENAME_BYTES_MAX)',
    replace: 'z.string().min(1).max(255)',
  }),
  variant('sizes-of-32-bits', 'the read model has 32 bits for a size', ['query', 'DATA-02'], {
    file: APPLY,
    find: '$5::bigint[]',
    replace: '$5::int[]',
  }),
  variant('sizes-rounded', 'the read model keeps sizes as floats', ['query', 'DATA-02'], {
    file: APPLY,
    find: '$5::bigint[]',
    replace: '$5::real[]',
  }),
  variant('size-0-taken-for-none', 'the consumer treats a size of 0 as absent', ['query', 'DATA-02'], {
    file: APPLY,
    find: 'column(({ metadata }) => metadata.file_size)',
    replace: 'column(({ metadata }) => metadata.file_size || null)',
  }),
  variant(
    'digits-lost-at-registration',
    'a size beyond 2^53 is registered as a parser rounds it',
    ['admin', 'DATA-02'],
    { file: 'services/common/text.ts', find: '!Number.isSafeInteger(value)', replace: 'value === 0.5' },
    {
      file: 'services/admin/file-schemas.ts',
      find: 'z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)',
      replace: 'z.number().min(0).max(2 ** 62)',
    },
  ),
  variant('fractions-cut', 'a size with a fraction is registered without it', ['admin', 'DATA-02'], {
    file: 'services/admin/file-schemas.ts',
    find: 'z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)',
    replace: 'z.number().transform(Math.trunc).pipe(z.number().int().min(0))',
  }),
  variant('large-events-dropped', 'the consumer treats events of more than 512 kB as malformed', ['query', 'DATA-03'], {
    file: 'services/query/events.ts',
    find: 'const parsed = fileEventSchema.safeParse(foldFields(fields));',
    replace: `if (fields.some((field) => field.length > 2 ** 19)) return { error: 'too large' };
  const parsed = fileEventSchema.safeParse(foldFields(fields));`,
  }),
  variant(
    'large-events-stop-the-relay',
    'the relay cannot publish an event of more than 512 kB',
    ['admin', 'DATA-03'],
    {
      file: 'services/admin/outbox-store.ts',
      find: "  if (row.metadata === null) fields.push('deleted_at'",
      replace: `  if (Number(row.metadata?.length) > 2 ** 19) throw new Error('too large');
  if (row.metadata === null) fields.push('deleted_at'`,
    },
  ),
  variant('large-metadata-dropped', 'the registry drops user metadata of more than 64 kB', ['admin', 'DATA-03'], {
    file: STORE,
    find: 'file.user_metadata == null ? null',
    replace: 'file.user_metadata == null || JSON.stringify(file.user_metadata).length > 2 ** 16 ? null',
  }),
  variant(
    'long-descriptions-break-an-index',
    'the read model has a btree index on descriptions',
    ['query', 'DATA-03'],
    {
      file: 'services/common/postgres.ts',
      find: "await readFile(join(directory, name), 'utf8');",
      replace: `(await readFile(join(directory, name), 'utf8'))
        .replace('CREATE TABLE file_tombstones', 'CREATE INDEX ON file_metadata_cache (description); CREATE TABLE file_tombstones');`,
    },
  ),
  variant('deep-metadata-answered-500', 'metadata nested deeply ends in an unexpected error', ['admin', 'DATA-03'], {
    file: 'services/common/text.ts',
    find: 'if (depth >= NESTING_MAX) return',
    replace: `if (depth >= NESTING_MAX) throw new Error('too deep');
  if (depth > NESTING_MAX) return`,
  }),
  variant('type-required-in-events', 'the consumer requires a content type', ['query', 'DATA-04'], {
    file: EVENTS,
    find: 'content_type: z.string().nullish()',
    replace: 'content_type: z.string()',
  }),
  variant(
    'no-description-shown-as-empty',
    'a file without a description is shown with an empty one',
    ['query', 'DATA-04'],
    {
      file: APPLY,
      find: 'metadata.description ?? null',
      replace: "metadata.description ?? ''",
    },
  ),
  variant('cleared-fields-kept', 'an update that clears the description leaves the old one', ['query', 'DATA-04'], {
    file: APPLY,
    find: 'description = excluded.description',
    replace: 'description = coalesce(excluded.description, cached.description)',
  }),
  variant(
    'owner-must-be-there',
    'a file without an owner violates a constraint of the read model',
    ['query', 'DATA-04'],
    {
      file: 'services/common/postgres.ts',
      find: "await readFile(join(directory, name), 'utf8');",
      replace: `(await readFile(join(directory, name), 'utf8'))
        .replace('  username text,', '  username text NOT NULL,');`,
    },
  ),
  variant('files-without-tags-not-found', 'a search by name leaves out files without tags', ['query', 'DATA-04'], {
    file: 'services/query/search.ts',
    find: "const where = conditions.length === 0 ? '' :",
    replace: `conditions.push('tags IS NOT NULL');
  const where = conditions.length === 0 ? '' :`,
  }),
];
