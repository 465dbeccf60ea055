import type pg from 'pg';
import { integer, list, moment, object, Refusal, text, uuid } from './service.ts';

export const TABLES = `CREATE TABLE IF NOT EXISTS files (
  file_id uuid PRIMARY KEY, original_filename text NOT NULL, version bigint NOT NULL, deleted_at timestamptz,
  file text NOT NULL)`;

/** A file as the registry shows it; kept as one JSON text, so that what was sent is what is shown. */
export type File = Record<string, unknown> & {
  file_id: string;
  version: number;
  updated_at: string;
  deleted_at?: string;
};

const DAY_MS = 86_400_000;

const nullable = (schema: object) => ({ ...schema, nullable: true });

const REQUIRED = {
  file_id: uuid,
  original_filename: text(255, 1),
  storage_filename: text(1000, 1),
  file_size: integer(0),
  checksum_sha256: text(64, 64),
  storage_element_id: text(255, 1),
  storage_path: text(1000, 1),
  retention_policy: { enum: ['temporary', 'permanent'] },
};
const CHANGEABLE = {
  original_filename: REQUIRED.original_filename,
  content_type: nullable(text(255)),
  description: nullable(text(10_000)),
  retention_policy: REQUIRED.retention_policy,
  ttl_days: nullable(integer(1, 36_500)),
  ttl_expires_at: nullable(moment),
  user_metadata: { type: 'object', nullable: true },
  tags: nullable(list(text(200), 200)),
};
export const CHANGES = object(CHANGEABLE);
export const NEW_FILE = object({ ...CHANGEABLE, ...REQUIRED, uploaded_by: nullable(text(255)) }, Object.keys(REQUIRED));
/** Of a URL, where all is text. */
export const PAGE = object({
  page: { type: 'string', pattern: '^[1-9]\\d{0,5}$', default: '1' },
  page_size: { type: 'string', pattern: '^([1-9]\\d{0,2}|1000)$', default: '50' },
});
const EMPTY = {
  ...{ content_type: null, description: null, ttl_days: null, ttl_expires_at: null, user_metadata: null, tags: null },
  ...{ uploaded_by: null, compressed: false, compression_algorithm: null, original_size: null, upload_source_ip: null },
};

/** @throws Refusal (409) for an id that is taken */
export async function create(pool: pg.Pool, given: Partial<File>): Promise<File> {
  const now = new Date().toISOString();
  const id = String(given.file_id).toLowerCase();
  const file = expiring({ ...EMPTY, ...given, file_id: id, version: 1, created_at: now, updated_at: now });
  const { rowCount } = await pool.query(
    'INSERT INTO files (file_id, original_filename, version, file) VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING',
    [id, file.original_filename, JSON.stringify(file)],
  );
  if (rowCount === 0) throw new Refusal(409, `The file ${id} exists`);
  return file;
}

/** @throws Refusal (404) for one that is not there, or not any more */
export async function read(pool: pg.Pool, id: string): Promise<File> {
  const { rows } = await pool.query('SELECT file FROM files WHERE file_id = $1 AND deleted_at IS NULL', [id]);
  return rows[0] === undefined ? absent(id) : JSON.parse(rows[0].file);
}

export async function page(pool: pg.Pool, at: number, size: number): Promise<Record<string, unknown>> {
  const { rows } = await pool.query(
    'SELECT file FROM files WHERE deleted_at IS NULL ORDER BY file_id LIMIT $1 OFFSET $2',
    [size, (at - 1) * size],
  );
  return { items: rows.map(({ file }) => JSON.parse(file)), page: at, page_size: size };
}

/** @throws Refusal (404) for one that is not there, or not any more, (400) for what its retention does not allow */
export async function update(pool: pg.Pool, id: string, changes: Partial<File>): Promise<File> {
  const changed = await change(pool, id, (file) => {
    if (file.deleted_at !== undefined) return undefined;
    if (file.retention_policy === 'permanent' && changes.retention_policy === 'temporary')
      throw new Refusal(400, 'A permanent file stays permanent');
    return expiring({ ...file, ...changes, version: file.version + 1, updated_at: new Date().toISOString() });
  });
  return changed ?? absent(id);
}

/** Marks a file as deleted; undefined when it was already. @throws Refusal (404) */
export function remove(pool: pg.Pool, id: string): Promise<(File & { deleted_at: string }) | undefined> {
  return change(pool, id, (file) => {
    if (file.deleted_at !== undefined) return undefined;
    return { ...file, version: file.version + 1, deleted_at: new Date().toISOString() };
  });
}

/**
 * Writes a file's next state, and nothing when that is undefined. A writer that was overtaken meanwhile reads again.
 */
async function change<T extends File>(
  pool: pg.Pool,
  id: string,
  next: (file: File) => T | undefined,
): Promise<T | undefined> {
  for (;;) {
    const { rows } = await pool.query('SELECT file FROM files WHERE file_id = $1', [id]);
    const file = next(rows[0] === undefined ? absent(id) : JSON.parse(rows[0].file));
    if (file === undefined) return undefined;
    const { rowCount } = await pool.query(
      `UPDATE files SET original_filename = $2, version = $3, deleted_at = $4, file = $5
        WHERE file_id = $1 AND version = $3::bigint - 1`,
      [id, file.original_filename, file.version, file.deleted_at, JSON.stringify(file)],
    );
    if (rowCount === 1) return file;
  }
}

function absent(id: string): never {
  throw new Refusal(404, `There is no file ${id}`);
}

function expiring(file: Record<string, unknown>): File {
  const { retention_policy, ttl_days, created_at } = file;
  if (retention_policy === 'permanent') return { ...file, ttl_days: null, ttl_expires_at: null } as unknown as File;
  if (typeof ttl_days !== 'number') return file as File;
  const expiresAt = new Date(Date.parse(String(created_at)) + ttl_days * DAY_MS).toISOString();
  return { ...file, ttl_expires_at: expiresAt } as unknown as File;
}
