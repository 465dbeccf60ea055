import type { SearchAnswer, SearchHit } from '../../harness/contract/http.ts';
import type { Pool } from '../common/postgres.ts';
import type { SearchRequest } from './search-request.ts';
import { FIND_FILE, searchStatement } from './search-sql.ts';

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

/** @throws the database's error when it is away or the search takes too long */
export async function searchFiles(pool: Pool, request: SearchRequest): Promise<SearchAnswer> {
  const { rows } = await pool.query<PageRow>(searchStatement(request));
  const results = rows.flatMap((row) => (row.id === null ? [] : [toHit(row, row.relevance)]));
  const total = Number(rows[0]?.total_count ?? 0);
  const { limit, offset } = request;
  return { results, total_count: total, limit, offset, has_more: offset + results.length < total };
}

/** Straight from the database, never from a copy in this process: a read after a newer one cannot be older. */
export async function findFile(pool: Pool, id: string): Promise<SearchHit | undefined> {
  const { rows } = await pool.query<FileRow>({ name: 'find-file', text: FIND_FILE, values: [id] });
  return rows[0] === undefined ? undefined : toHit(rows[0], null);
}
