import fc from 'fast-check';
import { type PipelineClient, startOpenLoop } from '../../harness/index.ts';
import { type RegistryFile, registryFileSchema, type SearchHit } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { awaitListed } from '../steps/alike.ts';
import { holdsForAll } from '../steps/many.ts';
import { registerAll, registration, updateDescription } from '../steps/registrations.ts';
import { awaitById, search, searchAll } from '../steps/steps.ts';
import { conforms, demand, demandEqual } from '../steps/violation.ts';
import { SEARCH } from './requirements.ts';
import { demandRight, type SearchRequest, SORT_KEYS } from './steps.ts';

const verify = suite(SEARCH);

verify(
  'SRCH-01',
  'Exact, partial and full-text modes, every filter, every sort, total_count and has_more are right against a model computed in memory.',
  searchesLikeTheModel,
);
verify(
  'SRCH-03',
  'Paging through ties while rows change leaves no row out and shows none twice, of those that did not change.',
  pagesThroughTies,
);

const FILES = 48;
const UPDATED = 8;
const DELETED = 4;
const QUERIES = 300;
/** No two have a stem in common, so that it makes no difference whether a target reduces words to stems. */
const WORDS = ['Kavum', 'belor', 'TIZOG', 'wopan', 'rujik', 'žemlu'] as const;
/** The last is no extension: it has no dot. */
const ENDINGS = ['.pdf', '.PDF', '.txt', '.tar.gz', 'pdf'] as const;
const TAGS = ['red', 'green', 'blue', 'with space'] as const;
const OWNERS = ['alice', 'bob'] as const;
/** Bytes. Few, so that there are ties; as texts they would be in another order. */
const SIZES = [0, 1, 20, 1000, 1000, 3_000_000_000] as const;

async function searchesLikeTheModel(t: CaseContext): Promise<void> {
  const { pipeline, evidence, unique } = t;
  const { files, names } = await corpus(t);
  await awaitListed(t, unique, files);

  const counts = { queries: 0, matching: 0, pages: 0, exact: 0, partial: 0, fulltext: 0 };
  await holdsForAll(t, { values: requests({ unique, files, names }), count: QUERIES }, async (request) => {
    const answer = await search(pipeline, { ...request });
    demandRight(answer, request, files);
    counts.queries++;
    if (answer.has_more) counts.pages++;
    if (answer.total_count === 0) return;
    counts.matching++;
    if (request.query !== undefined && request.mode !== undefined) counts[request.mode]++;
  });
  Object.assign(evidence, counts);
}

/**
 * Files with names, sizes, tags and words in common, some of them updated, some deleted. The number in a name decides
 * its place wherever names are sorted, whatever the rules for letters.
 * @returns the files that are left, as the registry has them, and the names of all, deleted ones included
 */
async function corpus(t: CaseContext): Promise<{ files: RegistryFile[]; names: string[] }> {
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
function requests({ unique, files, names }: Corpus): fc.Arbitrary<SearchRequest> {
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

const TIED = 60;
/** Every second one is changed while the others are paged through. */
const CHANGED_EVERY = 2;
const PAGE_SIZES = [7, 13] as const;
const CHANGES_PER_SECOND = 150;
const CHANGES_AT_ONCE = 4;
/** Rows that moved while pages were read. */
const CHANGES_MIN = 40;
const WALKS_MAX = 400;

async function pagesThroughTies(t: CaseContext): Promise<void> {
  const { env, pipeline, evidence, random, unique, signal } = t;
  const waiting = { timeoutMs: env.promises.syncMs, signal };
  const moved = new Set<string>();
  const bodies = Array.from({ length: TIED }, () =>
    registration(random, { original_filename: `${unique} tied.txt`, file_size: 1000 }),
  );
  const files = await registerAll(pipeline, bodies);
  await awaitListed(t, unique, files);
  const still = files.filter((_file, index) => index % CHANGED_EVERY !== 0).map(({ file_id }) => file_id);

  Object.assign(evidence, { walks: 0, pages: 0, changes: 0, moves: 0 });
  type Between = NonNullable<Parameters<typeof searchAll>[3]>;
  const walk = async (pageSizes: readonly number[], between?: Between): Promise<void> => {
    for (const sort_by of ['file_size', 'filename'] as const) {
      for (const sort_order of ['asc', 'desc'] as const) {
        for (const pageSize of pageSizes) {
          const wanted = { query: unique, mode: 'partial', sort_by, sort_order };
          const { hits, totals } = await searchAll(pipeline, wanted, pageSize, between);
          const what = `Pages of ${pageSize} by ${sort_by} ${sort_order}, all tied`;
          const listed = hits.map(({ id }) => id).filter((id) => still.includes(id));
          const twice = listed.find((id, index) => listed.indexOf(id) !== index);
          demand(twice === undefined, `${what}: ${twice}, which did not change, is on two pages`);
          const missing = still.filter((id) => !listed.includes(id));
          demandEqual(missing, [], `${what}: files that did not change and are on no page`);
          demandEqual([...new Set(totals)], [TIED], `${what}: total_count`);
          evidence.walks = Number(evidence.walks) + 1;
          evidence.pages = Number(evidence.pages) + totals.length;
        }
      }
    }
  };
  // Between two pages a row of a page before is changed, and the change is there before the next page is read: whatever
  // moves by that, moves in this very moment.
  await walk(PAGE_SIZES.slice(1), async (listed) => {
    const mover =
      listed.find(({ id }) => !still.includes(id) && !moved.has(id)) ?? listed.find(({ id }) => moved.has(id));
    if (mover === undefined) return;
    moved.add(mover.id);
    await updateDescription(pipeline, mover.id, `move ${evidence.moves}`);
    const isThere = (hit: SearchHit | undefined): boolean => hit?.description === `move ${evidence.moves}`;
    await awaitById(pipeline, mover.id, 'the change between two pages', isThere, waiting);
    evidence.moves = Number(evidence.moves) + 1;
  });
  await using cleanup = new AsyncDisposableStack();
  const changes = startChanges(
    t,
    files.filter(({ file_id }) => !still.includes(file_id)),
  );
  cleanup.defer(() => changes.stop());
  // Where searches are answered quickly, one walk is over before much has changed.
  while (changes.accepted() < CHANGES_MIN && Number(evidence.walks) < WALKS_MAX) await walk(PAGE_SIZES);
  await changes.stop();
  evidence.changes = changes.accepted();
}

/** Changes files again and again, but neither their size nor their name: they stay tied, and their rows move. */
function startChanges({ pipeline, recorder, signal }: CaseContext, files: readonly RegistryFile[]) {
  let accepted = 0;
  const loop = startOpenLoop({
    recorder,
    ratePerSecond: CHANGES_PER_SECOND,
    inFlightMax: CHANGES_AT_ONCE,
    signal,
    act: async (index) => {
      const file = files[index % files.length];
      const { status } = await pipeline.update(file?.file_id ?? '', { description: `change ${index}` });
      if (status === 200) accepted++;
    },
  });
  return { accepted: () => accepted, stop: loop.stop };
}
