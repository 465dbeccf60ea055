import type pg from 'pg';
import { integer, list, moment, object, text } from './service.ts';

export const TABLES = `
  CREATE TABLE IF NOT EXISTS file_metadata_cache (
    id uuid PRIMARY KEY, version bigint, filename text NOT NULL, storage_filename text NOT NULL, file_size bigint NOT NULL,
    mime_type text, sha256_hash text NOT NULL, username text, tags text[], description text,
    storage_element_id text NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    cache_updated_at timestamptz NOT NULL DEFAULT clock_timestamp(), words text[] NOT NULL DEFAULT '{}');
  CREATE INDEX IF NOT EXISTS file_names ON file_metadata_cache (filename);
  CREATE INDEX IF NOT EXISTS file_words ON file_metadata_cache USING gin (words);
  CREATE TABLE IF NOT EXISTS deleted_files (id uuid PRIMARY KEY, deleted_at timestamptz NOT NULL)`;

/** Anything but letters and digits separates words. */
function wordsOf(...texts: readonly string[]): string[] {
  return [...new Set(texts.flatMap((text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []))];
}

/** An id that was deleted is never given again, so its creation may come late and means nothing. */
const UPSERT = `INSERT INTO file_metadata_cache AS old (id, version, filename, storage_filename, file_size, mime_type,
    sha256_hash, username, tags, description, storage_element_id, created_at, updated_at, words)
  SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
  WHERE NOT EXISTS (SELECT FROM deleted_files WHERE id = $1)
  ON CONFLICT (id) DO UPDATE SET version = excluded.version, filename = excluded.filename,
    storage_filename = excluded.storage_filename, file_size = excluded.file_size, mime_type = excluded.mime_type,
    sha256_hash = excluded.sha256_hash, username = excluded.username, tags = excluded.tags,
    description = excluded.description, storage_element_id = excluded.storage_element_id,
    created_at = excluded.created_at, updated_at = excluded.updated_at, cache_updated_at = clock_timestamp(),
    words = excluded.words
  WHERE CASE WHEN old.version IS NULL OR excluded.version IS NULL THEN old.updated_at <= excluded.updated_at
    ELSE old.version < excluded.version END`;
const DELETE = `WITH gone AS (INSERT INTO deleted_files VALUES ($1, $2) ON CONFLICT DO NOTHING)
  DELETE FROM file_metadata_cache WHERE id = $1`;

/** Fields of one stream entry. */
export type Fields = Readonly<Record<string, string>>;

/** What can never be applied, however often it is tried. */
class BadEvent extends Error {}

/** Applies one event. @throws BadEvent, and whatever the database says */
export async function apply(pool: pg.Pool, fields: Fields): Promise<void> {
  if (fields.event_type === 'file:deleted') {
    await pool.query(DELETE, [fields.file_id, fields.deleted_at ?? fields.timestamp]);
  } else if (fields.event_type === 'file:created' || fields.event_type === 'file:updated') {
    await pool.query(UPSERT, rowOf(fields));
  } else {
    throw new BadEvent(`There is no event ${fields.event_type}`);
  }
}

function rowOf({ file_id, version, metadata = '' }: Fields): unknown[] {
  try {
    const file = JSON.parse(metadata);
    const { original_filename: name, description, tags } = file;
    return [
      ...[file_id, version, name, file.storage_filename, file.file_size, file.content_type, file.checksum_sha256],
      ...[file.uploaded_by, tags, description, file.storage_element_id, file.created_at, file.updated_at],
      wordsOf(name, description ?? '', ...(tags ?? [])),
    ];
  } catch (cause) {
    throw new BadEvent('The metadata cannot be read', { cause });
  }
}

/**
 * Whether trying again is of no use. Classes 22, 23 and 54 are bad data, broken constraints and limits that are exceeded
 * (PostgreSQL documentation, appendix A).
 */
export function isPoison(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return error instanceof BadEvent || (typeof code === 'string' && /^(22|23|54)/.test(code));
}

/** Body of a search. */
export const SEARCH = object({
  query: text(1000),
  mode: { enum: ['exact', 'partial', 'fulltext'], default: 'partial' },
  filename: text(1000),
  file_extension: text(1000),
  tags: list(text(1000), 200),
  username: text(1000),
  min_size: integer(0),
  max_size: integer(0),
  created_after: moment,
  created_before: moment,
  limit: { ...integer(1, 1000), default: 50 },
  offset: { ...integer(0), default: 0 },
  sort_by: { enum: ['created_at', 'updated_at', 'filename', 'file_size', 'relevance'], default: 'created_at' },
  sort_order: { enum: ['asc', 'desc'], default: 'desc' },
});

const COLUMNS = `id, filename, storage_filename, file_size::text, mime_type, sha256_hash, username, tags, description,
  created_at, updated_at, storage_element_id, 1 AS relevance`;

const escaped = (literal: unknown): string => String(literal).replace(/[\\%_]/g, '\\$&');

/** @param wanted a body as SEARCH has it, with its defaults */
export async function search(pool: pg.Pool, wanted: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { mode, query, limit, offset, sort_by, sort_order } = wanted;
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
