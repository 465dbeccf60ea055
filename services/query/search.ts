import { z } from 'zod';
import type { Pool } from '../common/postgres.ts';
import { FILENAME_BYTES_MAX } from '../common/text.ts';
import type { SearchAnswer, SearchHit } from '../contract/http.ts';

const SEARCH_MODES = ['exact', 'partial', 'fulltext'] as const;
export const SORT_KEYS = ['created_at', 'updated_at', 'filename', 'file_size', 'relevance'] as const;
export type SortKey = (typeof SORT_KEYS)[number];

const LIMIT_MAX = 1000;
const OFFSET_MAX = 1_000_000_000;

/** In characters, of which no name has more than bytes. */
const text = z.string().min(1).max(FILENAME_BYTES_MAX);
const size = z.number().int().nonnegative();
const timestamp = z.iso.datetime({ offset: true });

/** Body of POST /api/search. All conditions that are given must hold. */
export const searchRequestSchema = z
  .strictObject({
    query: text.optional().describe('What to look for, in the way that `mode` says. Absent: the filters alone decide.'),
    mode: z
      .enum(SEARCH_MODES)
      .default('partial')
      .describe(
        '`exact`: the file name is the query, case and all. `partial`: the file name contains the query, in any case. ' +
          '`fulltext`: file name, tags and description together have every word of the query, in any case; punctuation separates words.',
      ),
    filename: text.optional().describe('The file name contains this, in any case.'),
    file_extension: text.optional().describe('The file name ends with a dot and this, in any case.'),
    tags: z.array(text).min(1).max(100).optional().describe('The file has all of these tags.'),
    username: text.optional().describe('Uploaded by this account.'),
    min_size: size.optional().describe('Bytes, inclusive.'),
    max_size: size.optional().describe('Bytes, inclusive.'),
    created_after: timestamp.optional().describe('Inclusive.'),
    created_before: timestamp.optional().describe('Inclusive.'),
    limit: z.number().int().min(1).max(LIMIT_MAX).default(100),
    offset: z.number().int().min(0).max(OFFSET_MAX).default(0),
    sort_by: z
      .enum(SORT_KEYS)
      .default('created_at')
      .describe(
        'File names are sorted by code points. Ties are broken by id, so that pages neither overlap nor leave gaps.',
      ),
    sort_order: z.enum(['asc', 'desc']).default('desc'),
  })
  .refine(({ sort_by, query }) => sort_by !== 'relevance' || query !== undefined, {
    path: ['sort_by'],
    message: 'relevance needs a query',
  })
  .refine(({ min_size, max_size }) => min_size === undefined || max_size === undefined || min_size <= max_size, {
    path: ['min_size'],
    message: 'must not be larger than max_size',
  })
  .refine(
    ({ created_after: after, created_before: before }) =>
      after === undefined || before === undefined || Date.parse(after) <= Date.parse(before),
    { path: ['created_after'], message: 'must not be later than created_before' },
  );
export type SearchRequest = z.output<typeof searchRequestSchema>;

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

const FIND_FILE = `SELECT ${FILE_COLUMNS} FROM file_metadata_cache WHERE id = $1`;

/**
 * The statement of a search: one, so that the page and `total_count` come from one snapshot. It gives the page's rows,
 * each with `total_count`, or a single row with nothing but `total_count` when the page is empty.
 *
 * A search for a text first collects what matches (MATERIALIZED): else the planner, hoping for an early hit, may walk
 * the whole index of the sort order to find a rare word. Filters alone are left to the planner; they may match
 * everything, and then the sort order's index gives the page at once.
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

/** bigint comes as text. */
interface FileRow {
  id: string;
  filename: string;
  storage_filename: string;
  file_size: string;
  mime_type: string | null;
  sha256_hash: string;
  username: string | null;
  tags: string[] | null;
  description: string | null;
  created_at_iso: string;
  updated_at_iso: string;
  storage_element_id: string;
}

type PageRow = { total_count: string; relevance: number | null } & (FileRow | { id: null });

function toHit(row: FileRow, relevance: number | null): SearchHit {
  return {
    id: row.id,
    filename: row.filename,
    storage_filename: row.storage_filename,
    file_size: Number(row.file_size),
    mime_type: row.mime_type,
    sha256_hash: row.sha256_hash,
    username: row.username,
    tags: row.tags,
    description: row.description,
    created_at: shortTimestamp(row.created_at_iso),
    updated_at: shortTimestamp(row.updated_at_iso),
    storage_element_id: row.storage_element_id,
    relevance_score: relevance,
  };
}

/** Microseconds only where there are some: `…:00.123456Z`, else `…:00.123Z`, as everywhere else. */
export function shortTimestamp(iso: string): string {
  return iso.replace(/(\.\d{3})000Z$/, '$1Z');
}

/** @throws the database's error when it is unavailable or the search takes too long */
export async function searchFiles(pool: Pool, request: SearchRequest): Promise<SearchAnswer> {
  const { rows } = await pool.query<PageRow>(searchStatement(request));
  const results = rows.flatMap((row) => (row.id === null ? [] : [toHit(row, row.relevance)]));
  const total = Number(rows[0]?.total_count ?? 0);
  const { limit, offset } = request;
  return { results, total_count: total, limit, offset, has_more: offset + results.length < total };
}

/** Straight from the database, never from an in-process cache: a read after a newer one cannot be older. */
export async function findFile(pool: Pool, id: string): Promise<SearchHit | undefined> {
  const { rows } = await pool.query<FileRow>({ name: 'find-file', text: FIND_FILE, values: [id] });
  return rows[0] === undefined ? undefined : toHit(rows[0], null);
}
