import type pg from 'pg';
import { checked, integer, list, moment, nullable, object, oneOf, type Rules, text, uuid } from './checks.ts';
import { Refusal } from './http.ts';

export const TABLES = `CREATE TABLE IF NOT EXISTS files (
  file_id uuid PRIMARY KEY, original_filename text NOT NULL, version bigint NOT NULL, deleted_at timestamptz,
  file text NOT NULL)`;

/** A file as the registry shows it; kept as one JSON text, so that what was sent is what is shown. */
export type File = Record<string, unknown> & { file_id: string; version: number; updated_at: string };

const DAY_MS = 86_400_000;

const CHANGEABLE: Rules = {
  original_filename: text(255, 1),
  content_type: nullable(text(255)),
  description: nullable(text(10_000)),
  retention_policy: oneOf('temporary', 'permanent'),
  ttl_days: nullable(integer(1, 36_500)),
  ttl_expires_at: nullable(moment),
  user_metadata: nullable(object),
  tags: nullable(list(text(200), 200)),
};
const REQUIRED: Rules = {
  file_id: uuid,
  original_filename: text(255, 1),
  storage_filename: text(1000, 1),
  file_size: integer(0),
  checksum_sha256: text(64, 64),
  storage_element_id: text(255, 1),
  storage_path: text(1000, 1),
  retention_policy: oneOf('temporary', 'permanent'),
};
const EMPTY = {
  ...{ content_type: null, description: null, ttl_days: null, ttl_expires_at: null, user_metadata: null, tags: null },
  ...{ uploaded_by: null, compressed: false, compression_algorithm: null, original_size: null, upload_source_ip: null },
};

/** @throws Refusal (422) for a bad body, (409) for an id that is taken */
export async function create(pool: pg.Pool, body: unknown): Promise<File> {
  const given = checked(body, REQUIRED, { ...CHANGEABLE, uploaded_by: nullable(text(255)) });
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
  const { rows } = await pool.query('SELECT file FROM files WHERE file_id = $1 AND deleted_at IS NULL', [known(id)]);
  if (rows[0] === undefined) throw new Refusal(404, `There is no file ${id}`);
  return JSON.parse(rows[0].file);
}

export async function page(pool: pg.Pool, query: URLSearchParams): Promise<Record<string, unknown>> {
  const number = (name: string, standard: number, max: number): number => {
    const value = Number(query.get(name) ?? standard);
    if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
    throw new Refusal(422, `${name} must be an integer from 1 to ${max}`);
  };
  const [at, size] = [number('page', 1, 1_000_000), number('page_size', 50, 1000)];
  const { rows } = await pool.query(
    'SELECT file FROM files WHERE deleted_at IS NULL ORDER BY file_id LIMIT $1 OFFSET $2',
    [size, (at - 1) * size],
  );
  return { items: rows.map(({ file }) => JSON.parse(file)), page: at, page_size: size };
}

/** @throws Refusal */
export async function update(pool: pg.Pool, id: string, body: unknown): Promise<File> {
  const changes = checked(body, {}, CHANGEABLE);
  return changed(pool, id, async (client, { file, deleted }) => {
    if (deleted) throw new Refusal(404, `There is no file ${id}`);
    if (file.retention_policy === 'permanent' && changes.retention_policy === 'temporary')
      throw new Refusal(400, 'A permanent file stays permanent');
    const next = expiring({ ...file, ...changes, version: file.version + 1, updated_at: new Date().toISOString() });
    await client.query('UPDATE files SET original_filename = $2, version = $3, file = $4 WHERE file_id = $1', [
      ...[id, next.original_filename, next.version, JSON.stringify(next)],
    ]);
    return next;
  });
}

/** Marks a file as deleted; undefined when it was already. @throws Refusal (404) */
export async function remove(pool: pg.Pool, id: string): Promise<{ file: File; deletedAt: string } | undefined> {
  return changed(pool, id, async (client, { file, deleted }) => {
    if (deleted) return undefined;
    const deletedAt = new Date().toISOString();
    const next = { ...file, version: file.version + 1 };
    await client.query('UPDATE files SET deleted_at = $2, version = $3, file = $4 WHERE file_id = $1', [
      ...[id, deletedAt, next.version, JSON.stringify(next)],
    ]);
    return { file: next, deletedAt };
  });
}

interface Row {
  file: File;
  deleted: boolean;
}

/** Runs a change of one file in a transaction that holds its row. */
async function changed<T>(
  pool: pg.Pool,
  id: string,
  change: (client: pg.PoolClient, row: Row) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // A connection that breaks while it is out of the pool tells its own client alone.
  client.on('error', () => {});
  try {
    await client.query('BEGIN');
    const { rows } = await client.query('SELECT file, deleted_at FROM files WHERE file_id = $1 FOR UPDATE', [
      known(id),
    ]);
    if (rows[0] === undefined) throw new Refusal(404, `There is no file ${id}`);
    const result = await change(client, { file: JSON.parse(rows[0].file), deleted: rows[0].deleted_at !== null });
    await client.query('COMMIT');
    return result;
  } catch (error) {
    if (error instanceof Refusal) await client.query('ROLLBACK');
    else broken = error as Error;
    throw error;
  } finally {
    client.removeAllListeners('error');
    client.release(broken);
  }
}

function known(id: string): string {
  if (uuid(id) !== undefined) throw new Refusal(404, `There is no file ${id}`);
  return id;
}

function expiring(file: Record<string, unknown>): File {
  const { retention_policy, ttl_days, created_at } = file;
  if (retention_policy === 'permanent') return { ...file, ttl_days: null, ttl_expires_at: null } as unknown as File;
  if (typeof ttl_days !== 'number') return file as File;
  const expiresAt = new Date(Date.parse(String(created_at)) + ttl_days * DAY_MS).toISOString();
  return { ...file, ttl_expires_at: expiresAt } as unknown as File;
}
