import type { SearchRequest, SortKey } from './search-request.ts';

export interface Statement {
  text: string;
  values: unknown[];
}

/** A text as a LIKE pattern that matches just this text; the escape character is LIKE's default, the backslash. */
export function escapeLike(literal: string): string {
  return literal.replace(/[\\%_]/g, '\\$&');
}

/** Only these reach an ORDER BY. Names in code-point order, which does not depend on how the database was made. */
const SORT_EXPRESSIONS: Readonly<Record<SortKey, string>> = {
  created_at: 'created_at',
  updated_at: 'updated_at',
  filename: 'filename COLLATE "C"',
  file_size: 'file_size',
  relevance: 'relevance',
};

/** With microseconds: a Date would cut them. */
const isoUtc = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const FILE_COLUMNS = `id, filename, storage_filename, file_size, mime_type, sha256_hash, username, tags, description,
  ${isoUtc('created_at')} AS created_at_iso, ${isoUtc('updated_at')} AS updated_at_iso, storage_element_id`;

export const FIND_FILE = `SELECT ${FILE_COLUMNS} FROM file_metadata_cache WHERE id = $1`;

/**
 * The statement of a search: one, so that the page and `total_count` come from one snapshot. It gives the page's rows, each
 * with `total_count`, or a single row with nothing but `total_count` when the page is empty.
 *
 * A search for a text first collects what matches (MATERIALIZED): else the planner, hoping for an early hit, may walk the
 * whole index of the sort order to find a rare word. Filters alone are left to the planner; they may match everything, and
 * then the sort order's index gives the page at once.
 */
export function searchStatement(request: SearchRequest): Statement {
  const values: unknown[] = [];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const text = textCondition(request, bind);
  const conditions = [...(text === undefined ? [] : [text.condition]), ...filterConditions(request, bind)];
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const relevance = text?.relevance ?? 'NULL::real';
  const direction = request.sort_order === 'asc' ? 'ASC' : 'DESC';
  const order = `ORDER BY ${SORT_EXPRESSIONS[request.sort_by]} ${direction}, id ${direction}`;
  const slice = `LIMIT ${bind(request.limit)} OFFSET ${bind(request.offset)}`;
  const selective = text !== undefined || request.filename !== undefined || request.tags !== undefined;
  const matches = selective
    ? `MATERIALIZED (SELECT id, created_at, updated_at, filename, file_size, ${relevance} AS relevance
         FROM file_metadata_cache ${where})`
    : `NOT MATERIALIZED (SELECT id, created_at, updated_at, filename, file_size, NULL::real AS relevance
         FROM file_metadata_cache ${where})`;
  return {
    text: `WITH matches AS ${matches},
      page AS MATERIALIZED (SELECT id, relevance, row_number() OVER (${order}) AS place FROM matches ${order} ${slice}),
      total AS (SELECT count(*) AS total_count FROM matches)
      SELECT total.total_count, page.relevance, file.*
      FROM total LEFT JOIN (page JOIN (SELECT ${FILE_COLUMNS} FROM file_metadata_cache) AS file USING (id)) ON true
      ORDER BY page.place`,
    values,
  };
}

interface TextCondition {
  condition: string;
  relevance: string;
}

function textCondition(request: SearchRequest, bind: (value: unknown) => string): TextCondition | undefined {
  const { query, mode } = request;
  if (query === undefined) return undefined;
  if (mode === 'exact') return { condition: `filename = ${bind(query)}`, relevance: '1::real' };
  if (mode === 'partial') {
    return {
      condition: `filename ILIKE ${bind(`%${escapeLike(query)}%`)}`,
      relevance: `similarity(filename, ${bind(query)}::text)`,
    };
  }
  const words = `plainto_tsquery('simple', file_search_words(${bind(query)}::text))`;
  return { condition: `search_vector @@ ${words}`, relevance: `ts_rank(search_vector, ${words})` };
}

function filterConditions(request: SearchRequest, bind: (value: unknown) => string): string[] {
  const conditions: string[] = [];
  const add = <T>(value: T | undefined, condition: (value: T) => string): void => {
    if (value !== undefined) conditions.push(condition(value));
  };
  add(request.filename, (name) => `filename ILIKE ${bind(`%${escapeLike(name)}%`)}`);
  add(request.file_extension, (name) => `filename ILIKE ${bind(`%.${escapeLike(name.replace(/^\./, ''))}`)}`);
  add(request.tags, (tags) => `tags @> ${bind(tags)}::text[]`);
  add(request.username, (name) => `username = ${bind(name)}`);
  add(request.min_size, (bytes) => `file_size >= ${bind(bytes)}`);
  add(request.max_size, (bytes) => `file_size <= ${bind(bytes)}`);
  add(request.created_after, (time) => `created_at >= ${bind(time)}::timestamptz`);
  add(request.created_before, (time) => `created_at <= ${bind(time)}::timestamptz`);
  return conditions;
}
