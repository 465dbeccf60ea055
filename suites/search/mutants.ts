import type { Mutant } from '../mutants/mutant.ts';

const SQL = 'services/query/search.ts';
const STORE = 'services/query/search.ts';
const REQUEST = 'services/query/search.ts';

/** A query that differs in one place. */
function wrongSearch(
  id: string,
  defect: string,
  caughtBy: Mutant['caughtBy'],
  [find, replace]: readonly [find: string, replace: string],
  file = SQL,
): Mutant {
  return { id, defect, services: ['query'], caughtBy, edits: [{ file, find, replace }] };
}

/** What can be wrong with searches. */
export const SEARCH_MUTANTS: readonly Mutant[] = [
  wrongSearch(
    'total-count-of-the-page',
    'total_count counts the page',
    ['SRCH-01'],
    ['const total = Number(rows[0]?.total_count ?? 0);', 'const total = request.offset + results.length;'],
    STORE,
  ),
  wrongSearch(
    'has-more-off-by-one',
    'has_more is true on a last page that is full',
    ['SRCH-01'],
    [
      'has_more: offset + results.length < total',
      'has_more: results.length === limit || offset + results.length < total',
    ],
    STORE,
  ),
  wrongSearch('max-size-excluded', 'max_size is exclusive', ['SRCH-01'], ['file_size <= $', 'file_size < $']),
  wrongSearch(
    'created-after-excluded',
    'created_after is exclusive',
    ['SRCH-01'],
    ['created_at >= $', 'created_at > $'],
  ),
  wrongSearch(
    'created-before-to-the-second',
    'created_before counts whole seconds',
    ['SRCH-01'],
    ['created_at <= $', `date_trunc('second', created_at) <= $`],
  ),
  wrongSearch(
    'sort-ignores-order',
    'sort_order asc is ignored',
    ['SRCH-01'],
    [`=== 'asc' ? 'ASC' : 'DESC'`, `=== 'asc' ? 'DESC' : 'DESC'`],
  ),
  wrongSearch(
    'sizes-sorted-as-text',
    'sizes are sorted as text',
    ['SRCH-01'],
    [`file_size: 'file_size'`, `file_size: 'file_size::text'`],
  ),
  wrongSearch(
    'updates-sorted-by-creation',
    'updated_at sorts by creation',
    ['SRCH-01'],
    [`updated_at: 'updated_at'`, `updated_at: 'created_at'`],
  ),
  wrongSearch(
    'relevance-upside-down',
    'relevance sorts in reverse',
    ['SRCH-01'],
    [`relevance: 'relevance'`, `relevance: '-relevance'`],
  ),
  wrongSearch(
    'partial-minds-case',
    'partial searches are case-sensitive',
    ['SRCH-01'],
    ['condition: `filename ILIKE', 'condition: `filename LIKE'],
  ),
  wrongSearch(
    'exact-in-any-case',
    'exact searches ignore case',
    ['SRCH-01'],
    ['condition: `filename = $', 'condition: `filename ILIKE $'],
  ),
  wrongSearch('any-tag-will-do', 'one of several tags suffices', ['SRCH-01'], ['tags @> $', 'tags && $']),
  wrongSearch(
    'extension-without-its-dot',
    'any ending of the name is an extension',
    ['SRCH-01'],
    ['`%.${escapeLike(name', '`%${escapeLike(name'],
  ),
  wrongSearch(
    'any-word-will-do',
    'one of several words suffices in full-text searches',
    ['SRCH-01'],
    [
      'return { condition: `search_vector',
      `const anyWord = \`replace(\${words}::text, '&', '|')::tsquery\`;
  return { condition: \`search_vector @@ \${anyWord} OR search_vector`,
    ],
  ),
  wrongSearch(
    'words-of-names-only',
    'full-text searches cover names only',
    ['SRCH-01'],
    ['condition: `search_vector @@', "condition: `to_tsvector('simple', file_search_words(filename)) @@"],
  ),
  wrongSearch(
    'like-not-escaped',
    'percent signs, underscores and backslashes of a search are wildcards',
    ['SRCH-02'],
    [String.raw`return literal.replace(/[\\%_]/g, '\\$&');`, 'return literal;'],
  ),
  wrongSearch(
    'underscore-not-escaped',
    'an underscore stands for any character',
    ['SRCH-02'],
    [String.raw`/[\\%_]/g`, String.raw`/[\\%]/g`],
  ),
  wrongSearch(
    'backslash-not-escaped',
    'a backslash escapes the next character, or nothing',
    ['SRCH-02'],
    [String.raw`/[\\%_]/g`, '/[%_]/g'],
  ),
  wrongSearch(
    'quotes-doubled-by-hand',
    'the owner is put into the statement with its quotes doubled, in a string literal with backslash escapes',
    ['SRCH-02'],
    [`\`username = \${bind(name)}\``, `\`username = E'\${name.replaceAll("'", "''")}'\``],
  ),
  wrongSearch(
    'tags-as-array-text',
    'tags are concatenated into an array literal',
    ['SRCH-02'],
    ['bind(tags)', `bind(\`{\${tags.join(',')}}\`)`],
  ),
  wrongSearch(
    'query-taken-for-an-expression',
    'a full-text query is parsed as an expression',
    ['SRCH-02'],
    ["`plainto_tsquery('simple', file_search_words($", "`to_tsquery('simple', ($"],
  ),
  wrongSearch(
    'query-with-search-operators',
    'a full-text query supports operators',
    ['SRCH-02'],
    ["`plainto_tsquery('simple', file_search_words($", "`websearch_to_tsquery('simple', ($"],
  ),
  wrongSearch('ties-not-broken', 'nothing decides between equals', ['SRCH-03'], [`, id \${direction}\`;`, '`;']),
  wrongSearch(
    'ties-broken-by-what-changes',
    'the time of the last update breaks ties',
    ['SRCH-03'],
    [', id $', ', updated_at $'],
  ),
  wrongSearch(
    'parameter-not-named',
    'a bad parameter is refused without being named',
    ['SRCH-04'],
    [
      'return sendProblem(reply, 400, detail, request, errors);',
      "return sendProblem(reply, 400, 'The request is not valid.', request);",
    ],
    'services/common/http.ts',
  ),
  wrongSearch(
    'limit-out-of-range-cut',
    'a limit out of range is clamped',
    ['SRCH-04'],
    [
      'limit: z.number().int().min(1).max(LIMIT_MAX).default(100),',
      'limit: z.number().int().transform((n) => Math.min(Math.max(n, 1), LIMIT_MAX)).default(100),',
    ],
    REQUEST,
  ),
  wrongSearch(
    'unknown-sort-ignored',
    'an unknown sort_by is treated as created_at',
    ['SRCH-04'],
    ['      .enum(SORT_KEYS)\n', "      .enum(SORT_KEYS)\n      .catch('created_at')\n"],
    REQUEST,
  ),
  wrongSearch(
    'dates-left-to-the-database',
    'a date is validated by the database only',
    ['SRCH-04'],
    ['const timestamp = z.iso.datetime({ offset: true });', 'const timestamp = z.string();'],
    REQUEST,
  ),
  wrongSearch(
    'bad-offset-taken-for-none',
    'a bad offset is treated as 0',
    ['SRCH-04'],
    ['.max(OFFSET_MAX).default(0)', '.max(OFFSET_MAX).catch(0).default(0)'],
    REQUEST,
  ),
];
