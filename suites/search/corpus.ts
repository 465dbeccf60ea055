import fc from 'fast-check';
import type { PipelineClient } from '../../harness/index.ts';
import { type RegistryFile, registryFileSchema } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { registerAll, registration } from '../steps/registrations.ts';
import { conforms, demandEqual } from '../steps/violation.ts';
import { type SearchRequest, SORT_KEYS } from './steps.ts';

const FILES = 48;
const UPDATED = 8;
const DELETED = 4;
/** No two have a stem in common, so that it makes no difference whether a target reduces words to stems. */
const WORDS = ['Kavum', 'belor', 'TIZOG', 'wopan', 'rujik', 'žemlu'] as const;
/** The last is no extension: it has no dot. */
const ENDINGS = ['.pdf', '.PDF', '.txt', '.tar.gz', 'pdf'] as const;
const TAGS = ['red', 'green', 'blue', 'with space'] as const;
const OWNERS = ['alice', 'bob'] as const;
/** Bytes. Few, so that there are ties; as texts they would be in another order. */
const SIZES = [0, 1, 20, 1000, 1000, 3_000_000_000] as const;

/**
 * Files with names, sizes, tags and words in common, some of them updated, some deleted. The number in a name decides
 * its place wherever names are sorted, whatever the rules for letters.
 * @returns the files that are left, as the registry has them, and the names of all, deleted ones included
 */
export async function corpus(t: CaseContext): Promise<{ files: RegistryFile[]; names: string[] }> {
  const { pipeline, random, unique } = t;
  const some = <T>(items: readonly T[]): T[] => items.filter(() => random.next() < 0.4);
  const words = (): string | undefined => (random.next() < 0.2 ? undefined : some(WORDS).join(' '));
  const bodies = Array.from({ length: FILES }, (_, index) => {
    // Two out of three share their name with another.
    const number = String(index - (index % 3 === 2 ? 1 : 0)).padStart(3, '0');
    const named = WORDS.filter((_word, place) => (Number(number) * 7) % (place + 3) < 2);
    const ending = ENDINGS[Number(number) % ENDINGS.length] ?? '';
    return registration(random, {
      original_filename: `${unique} ${number} ${named.join(' ')} 1${ending}`,
      file_size: random.pick<number>(SIZES),
      uploaded_by: random.pick(OWNERS),
      tags: random.next() < 0.2 ? undefined : some(TAGS),
      description: words(),
    });
  });
  const files = await registerAll(pipeline, bodies);
  const names = files.map(({ original_filename }) => original_filename);
  for (let i = 0; i < UPDATED; i++) {
    const index = random.integer(DELETED, FILES - 1);
    const changes = { description: words() ?? null, tags: some(TAGS) };
    const { status, body } = await pipeline.update(files[index]?.file_id ?? '', changes);
    demandEqual(status, 200, 'The answer to an update');
    files[index] = conforms(registryFileSchema, body, 'The answer to an update');
  }
  for (const { file_id } of files.splice(0, DELETED)) await remove(pipeline, file_id);
  return { files, names };
}

async function remove(pipeline: PipelineClient, fileId: string): Promise<void> {
  demandEqual((await pipeline.remove(fileId)).status, 200, 'The answer to a deletion');
}

interface Corpus {
  unique: string;
  files: readonly RegistryFile[];
  names: readonly string[];
}

/** Searches that no file outside of the corpus can match: each asks for a part of the name that only these files have. */
export function requests({ unique, files, names }: Corpus): fc.Arbitrary<SearchRequest> {
  const name = fc.constantFrom(...names);
  const words = fc.subarray([...WORDS], { minLength: 1, maxLength: 3 }).map((some) => some.join(' '));
  // A query that begins or ends with a space may well be trimmed.
  const part = fc
    .tuple(name, fc.nat({ max: 60 }), fc.integer({ min: 1, max: 12 }))
    .map(([text, from, length]) => text.slice(from, from + length).trim())
    .filter((text) => text !== '');
  const own = fc.constantFrom(unique, ...names.map((text) => text.slice(0, unique.length + 2)));
  const text = fc.oneof(
    fc.record({ filename: anyCase(own) }),
    fc.record({ mode: fc.constant('exact' as const), query: fc.oneof(name, anyCase(name)) }),
    fc.record({ mode: fc.constant('partial' as const), query: anyCase(fc.oneof(own, name)) }),
    fc.record({ mode: fc.constant('partial' as const), query: anyCase(part), filename: anyCase(own) }),
    fc.record({ mode: fc.constant('fulltext' as const), query: anyCase(words), filename: anyCase(own) }),
  );
  const size = fc.constantFrom(...SIZES).chain((bytes) => fc.constantFrom(bytes, bytes + 1, Math.max(0, bytes - 1)));
  const moment = fc.constantFrom(...files.map(({ created_at }) => created_at)).chain(inSomeNotation);
  const filter = fc.oneof(
    fc.record({ file_extension: fc.constantFrom('pdf', 'PDF', 'txt', 'gz', 'doc') }),
    fc.record({ tags: fc.subarray([...TAGS], { minLength: 1, maxLength: 2 }) }),
    fc.record({ username: fc.constantFrom(...OWNERS, 'nobody') }),
    fc.record({ min_size: size }),
    fc.record({ max_size: size }),
    fc.record({ created_after: moment }),
    fc.record({ created_before: moment }),
  );
  const filters = fc.array(filter, { maxLength: 3 }).map((some): Partial<SearchRequest> => Object.assign({}, ...some));
  const page = fc.record({
    limit: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(FILES, 1000)),
    offset: fc.oneof(fc.constant(0), fc.nat({ max: 9 }), fc.nat({ max: FILES + 2 })),
  });
  const order = fc.record({
    sort_by: fc.constantFrom(...SORT_KEYS),
    sort_order: fc.constantFrom('asc' as const, 'desc' as const),
  });
  return fc
    .record({ text, filters, page, order: fc.option(order, { nil: {} }) })
    .map(({ text, filters, page, order }): SearchRequest => ({ ...text, ...filters, ...page, ...order }))
    .filter(isSensible);
}

/** What a target may refuse: an order by relevance to nothing, and ranges that end before they begin. */
function isSensible({ query, sort_by, min_size, max_size, created_after, created_before }: SearchRequest): boolean {
  if (sort_by === 'relevance' && query === undefined) return false;
  if (min_size !== undefined && max_size !== undefined && min_size > max_size) return false;
  if (created_after === undefined || created_before === undefined) return true;
  return Date.parse(created_after) <= Date.parse(created_before);
}

/** Letters of ASCII alone: how others are folded depends on the language. */
function anyCase(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(texts, fc.constantFrom('as it is', 'lower', 'upper')).map(([text, how]) => {
    if (how === 'lower') return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
    return how === 'upper' ? text.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase()) : text;
  });
}

/** One instant, as the registry writes it or with an offset for the zone. */
function inSomeNotation(moment: string): fc.Arbitrary<string> {
  return fc.constantFrom(moment, moment.replace(/Z$/, '+00:00'));
}
