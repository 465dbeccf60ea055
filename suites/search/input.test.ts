import fc from 'fast-check';
import { type RegistryFile, registryFileSchema } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { awaitListed } from '../steps/alike.ts';
import { generated, holdsForAll, inParallel } from '../steps/many.ts';
import { awaitMarker, registration } from '../steps/registrations.ts';
import { search } from '../steps/steps.ts';
import { conforms, demand, demandEqual } from '../steps/violation.ts';
import { SEARCH } from './requirements.ts';
import { demandRight, type SearchRequest } from './steps.ts';

const verify = suite(SEARCH);

verify(
  'SRCH-02',
  'Percent signs, underscores, backslashes, quotes and SQL fragments match literally in every parameter, and harm nothing.',
  matchesLiterally,
);
verify(
  'SRCH-04',
  'A bad search parameter is answered with 4xx, and the answer names the parameter.',
  refusesBadParameters,
);

/** What means something to LIKE, SQL, full-text queries, arrays, regular expressions or shells, and what it would match. */
const LITERALS = [
  ...['%', '_', '\\', '\\\\', '%%', 'a%b', 'aXXb', 'a_b', 'aXb', 'a\\b', 'ab', '\\%', '\\_', '100%', '100', '1000'],
  ...["'", '"', "''", "O'Brien", `'; DROP TABLE file_metadata_cache; --`, `' OR '1'='1`, `" OR ""="`, `%' OR 1=1 --`],
  ...["') OR TRUE --", '--', '/* a */', ';', "E'\\n'", 'NULL', 'true', '$1', '$$', '||', '{a,b}', '{"a"}', '`a`'],
  ...['a | b', 'a & b', 'a <-> b', '!a', ':*', '&', '|', '[a-c]', '(a|b)', 'a*', '^a$', 'a.b', '<b>', '&amp;', '%25'],
] as const;

const GENERATED_NAMES = 24;
const GENERATED_QUERIES = 120;
/** No space and no dot: both may be trimmed at an end. */
const SPECIAL = fc.string({ unit: fc.constantFrom(...`%_\\'"aB;-*?($[{,&|!:<`), minLength: 1, maxLength: 5 });
const AT_ONCE = 8;
/** One page holds all files. */
const PAGE = { limit: 1000, offset: 0 } as const;

async function matchesLiterally(t: CaseContext): Promise<void> {
  const { pipeline, evidence, unique } = t;
  const files = await literalFiles(t);
  await awaitListed(t, unique, files);
  evidence.files = files.length;
  evidence.searches = 0;

  const look = async (request: SearchRequest): Promise<void> => {
    demandRight(await search(pipeline, { ...request }), request, files);
    evidence.searches = Number(evidence.searches) + 1;
  };
  const searches = [...files.flatMap((file) => literalSearches(t, file)), ...operatorSearches(t, files)];
  await inParallel(searches, AT_ONCE, look);
  const literals = fc.oneof(SPECIAL, fc.constantFrom(...LITERALS));
  const values = literals.chain((text) => fc.constantFrom(...searchesFor(unique, text)));
  await holdsForAll(t, { values, count: GENERATED_QUERIES }, look);

  // Nothing was harmed: all of it is there, and what comes next arrives.
  await awaitListed(t, unique, files);
  await awaitMarker(t, 'after the searches');
}

/** Files with such texts in every field that a search may ask for. Those that the registry refuses (4xx) are left out. */
async function literalFiles(t: CaseContext): Promise<RegistryFile[]> {
  const { pipeline, random, unique } = t;
  const texts = [...LITERALS, ...generated(t, SPECIAL, GENERATED_NAMES)];
  const files = await inParallel(texts, AT_ONCE, async (text, index) => {
    const body = registration(random.fork(`file ${index}`), {
      original_filename: `${unique} ${text} x.${text}`,
      description: `${wordOf(index)} ${text}`,
      uploaded_by: text,
      tags: [text],
    });
    const { status, outcome, body: answer } = await pipeline.register({ ...body });
    if (status !== undefined && status >= 400 && status < 500) return [];
    demandEqual(status ?? outcome, 201, `The answer to the registration of ${body.original_filename}`);
    return [conforms(registryFileSchema, answer, 'The answer to a registration')];
  });
  return files.flat();
}

/** A word that only one file has. */
function wordOf(index: number): string {
  const letters = 'bcdfghjklm';
  return `q${[...String(index)].map((digit) => letters[Number(digit)]).join('o')}z`;
}

/** Its own texts, each where it belongs. */
function literalSearches({ unique }: CaseContext, file: RegistryFile): SearchRequest[] {
  const { original_filename, description, tags } = file;
  return [
    { query: original_filename, mode: 'exact', ...PAGE },
    { query: description ?? '', mode: 'fulltext', filename: unique, ...PAGE },
    ...searchesFor(unique, tags?.[0] ?? ''),
  ];
}

/** No file has both words; a query that is taken for an expression finds those that have one. */
function operatorSearches({ unique }: CaseContext, files: readonly RegistryFile[]): SearchRequest[] {
  const [one, other] = files.map(({ description }) => description?.split(' ', 1)[0] ?? '');
  const queries = [`${one} | ${other}`, `${one} & !${other}`, `(${one} || ${other}):*`, `${one} <-> ${other} | ${one}`];
  return queries.map((query) => ({ query, mode: 'fulltext', filename: unique, ...PAGE }));
}

/** A text in every parameter that takes one; another condition keeps to the files of this case. */
function searchesFor(unique: string, text: string): SearchRequest[] {
  const own = { query: unique, mode: 'partial', ...PAGE } as const;
  return [
    { query: text, mode: 'partial', filename: unique, ...PAGE },
    { ...own, filename: text },
    { ...own, file_extension: text },
    { ...own, username: text },
    { ...own, tags: [text] },
  ];
}

/** Values that no target can take, by parameter. Left out is what some targets may well read as a value: "7" for 7. */
const BAD_VALUES: Readonly<Record<string, readonly unknown[]>> = {
  mode: ['fuzzy', '', 7, ['exact']],
  query: [7, true, {}, ['x']],
  filename: [7, {}],
  file_extension: [7, []],
  username: [7, {}],
  tags: [7, {}, [7], [{}]],
  min_size: ['big', {}, [1]],
  max_size: ['big', {}, []],
  created_after: [
    'yesterday',
    '2024-13-01T00:00:00Z',
    '2024-02-30T00:00:00Z',
    {},
    '2024-01-01T00:00:00Z; DROP TABLE x',
  ],
  created_before: ['tomorrow', '2024-01-32T00:00:00Z', []],
  limit: [0, -1, 1001, 1_000_000_000, 1.5, 'ten', {}, []],
  offset: [-1, 0.5, 'ten', {}],
  sort_by: ['nothing', '', 7, 'created_at; DROP TABLE file_metadata_cache', 'created_at DESC', '1'],
  sort_order: ['up', '', 7, 'asc, id', 'DESC; --'],
};

/** What is no request at all. */
const BAD_BODIES = ['', '{', 'null', '[]', '"text"', '{"limit": 1,}', '{"limit": 1e999}', "{'limit': 1}"] as const;

async function refusesBadParameters(t: CaseContext): Promise<void> {
  const { pipeline, evidence, unique } = t;
  const good = { query: unique, mode: 'partial', limit: 10, offset: 0, sort_by: 'filename', sort_order: 'asc' };
  const refusals = Object.entries(BAD_VALUES).flatMap(([name, values]) => values.map((value) => ({ name, value })));
  evidence.named = 0;
  await inParallel(refusals, AT_ONCE, async ({ name, value }) => {
    const { status, outcome, error, body } = await pipeline.search({ ...good, [name]: value });
    const what = `A search with ${name} ${JSON.stringify(value)}`;
    demand(isRefusal(status), () => `${what} was answered ${status ?? error ?? outcome}, not 4xx`);
    demand(
      namesParameter(body, name),
      () => `${what} was answered ${status} without naming it: ${JSON.stringify(body)}`,
    );
    evidence.named = Number(evidence.named) + 1;
  });
  evidence.refused = 0;
  for (const body of BAD_BODIES) {
    const headers = { 'content-type': 'application/json' };
    const { status, outcome, error } = await pipeline.request('query', 'POST', '/api/search', { headers, body });
    demand(
      isRefusal(status),
      () => `A search with the body ${body} was answered ${status ?? error ?? outcome}, not 4xx`,
    );
    evidence.refused++;
  }
  for (const id of ['no-uuid', '%00', "' OR '1'='1", '../metrics', '0'.repeat(200)]) {
    const { status, outcome, error } = await pipeline.searchById(id);
    demand(
      isRefusal(status),
      () => `GET /api/search/ of the id ${id} was answered ${status ?? error ?? outcome}, not 4xx`,
    );
    evidence.refused++;
  }
  // It was the parameter that was refused: without it all is well, then as before.
  await search(pipeline, good);
}

function isRefusal(status: number | undefined): boolean {
  return status !== undefined && status >= 400 && status < 500;
}

/** As a word of its own, in any text of the answer. */
function namesParameter(body: unknown, name: string): boolean {
  return new RegExp(`(?<![a-z_])${name}(?![a-z_])`).test(JSON.stringify(body));
}
