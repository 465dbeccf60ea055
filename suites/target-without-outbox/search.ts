import type pg from 'pg';
import { checked, integer, list, moment, oneOf, type Rules, text } from './checks.ts';
import { wordsOf } from './read-model.ts';

const PARAMETERS: Rules = {
  query: text(1000),
  mode: oneOf('exact', 'partial', 'fulltext'),
  filename: text(1000),
  file_extension: text(1000),
  tags: list(text(1000), 200),
  username: text(1000),
  min_size: integer(0),
  max_size: integer(0),
  created_after: moment,
  created_before: moment,
  limit: integer(1, 1000),
  offset: integer(0),
  sort_by: oneOf('created_at', 'updated_at', 'filename', 'file_size', 'relevance'),
  sort_order: oneOf('asc', 'desc'),
};

const COLUMNS = `id, filename, storage_filename, file_size::text, mime_type, sha256_hash, username, tags, description,
  created_at, updated_at, storage_element_id, 1 AS relevance`;

const escaped = (literal: unknown): string => String(literal).replace(/[\\%_]/g, '\\$&');

/** @throws Refusal (422) that names a bad parameter */
export async function search(pool: pg.Pool, body: unknown): Promise<Record<string, unknown>> {
  const wanted = checked(body, {}, PARAMETERS);
  const { mode = 'partial', query, limit = 50, offset = 0, sort_by = 'created_at', sort_order = 'desc' } = wanted;
  const values: unknown[] = [];
  const conditions = ['TRUE'];
  const demand = (value: unknown, condition: (bound: string) => string, given: unknown = value): void => {
    if (value !== undefined) conditions.push(condition(`$${values.push(given)}`));
  };
  const contains = (value: unknown): void => demand(value, (part) => `filename ILIKE ${part}`, `%${escaped(value)}%`);
  if (mode === 'exact') demand(query, (name) => `filename = ${name}`);
  else if (mode === 'partial') contains(query);
  else demand(query, (words) => `words @> ${words}::text[]`, wordsOf(String(query)));
  contains(wanted.filename);
  demand(wanted.file_extension, (end) => `filename ILIKE ${end}`, `%.${escaped(wanted.file_extension)}`);
  demand(wanted.tags, (tags) => `tags @> ${tags}::text[]`);
  demand(wanted.username, (name) => `username = ${name}`);
  demand(wanted.min_size, (bytes) => `file_size >= ${bytes}`);
  demand(wanted.max_size, (bytes) => `file_size <= ${bytes}`);
  demand(wanted.created_after, (at) => `created_at >= ${at}::timestamptz`);
  demand(wanted.created_before, (at) => `created_at <= ${at}::timestamptz`);
  const column = sort_by === 'filename' ? 'filename COLLATE "C"' : sort_by;
  // One statement, so that the page and the count are of one moment.
  const { rows } = await pool.query(
    `WITH found AS MATERIALIZED (SELECT *, 1 AS relevance FROM file_metadata_cache WHERE ${conditions.join(' AND ')}),
      page AS (SELECT ${COLUMNS.replace('1 AS ', '')}, row_number() OVER (ORDER BY ${column} ${sort_order}, id) AS place
        FROM found ORDER BY place LIMIT ${Number(limit)} OFFSET ${Number(offset)})
      SELECT total, page.* FROM (SELECT count(*)::int AS total FROM found) AS counted LEFT JOIN page ON TRUE ORDER BY place`,
    values,
  );
  const results = rows.filter(({ id }) => id !== null).map(hitOf);
  const total = rows[0]?.total ?? 0;
  return { results, total_count: total, limit, offset, has_more: Number(offset) + results.length < total };
}

/** Undefined when there is none. */
export async function find(pool: pg.Pool, id: string): Promise<Record<string, unknown> | undefined> {
  const { rows } = await pool.query(`SELECT ${COLUMNS} FROM file_metadata_cache WHERE id = $1`, [id]);
  return rows[0] === undefined ? undefined : hitOf(rows[0]);
}

function hitOf({ total: _total, place: _place, relevance, file_size, ...row }: Record<string, unknown>) {
  return { ...row, file_size: Number(file_size), relevance_score: relevance };
}
