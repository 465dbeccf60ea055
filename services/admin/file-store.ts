import type { Pool } from '../common/postgres.ts';
import type { Changes, FileAnswer, Registration } from './file-schemas.ts';

/**
 * The registry's statements. Each change of a file and its outbox row are one statement (data-modifying CTEs,
 * PostgreSQL manual 7.8.4), so a commit is one round trip and there is no moment between the two.
 *
 * Order: an UPDATE locks the file's row before it gives a row to the INSERT, which only then takes the outbox number
 * and the time. So numbers, versions and times of one file rise in commit order.
 */

interface FileRow {
  metadata: Omit<FileAnswer, 'version' | 'deleted_at' | 'deletion_reason'>;
  version: number;
  deleted_at: string | null;
  deletion_reason: string | null;
}

const ANSWER = `file_metadata(file) AS metadata, (file).version AS version,
  utc_text((file).deleted_at) AS deleted_at, (file).deletion_reason AS deletion_reason`;

/** CTE that writes the event of each row of `changed`. */
function queued(eventType: string, traceparent: string, metadata = 'file_metadata(file)::text'): string {
  return `queued AS (
    INSERT INTO outbox (event_type, file_id, version, storage_element_id, occurred_at, metadata, traceparent)
    SELECT '${eventType}', (file).file_id, (file).version, (file).storage_element_id, (file).updated_at, ${metadata},
      ${traceparent} FROM changed)`;
}

function toAnswer({ metadata, version, deleted_at, deletion_reason }: FileRow): FileAnswer {
  return { ...metadata, version, deleted_at, deletion_reason };
}

const DAY = `interval '1 day'`;

const CREATE = `
  WITH moment AS (SELECT clock_timestamp() AS now),
  changed AS (
    INSERT INTO files (file_id, original_filename, storage_filename, file_size, checksum_sha256, content_type, description,
      storage_element_id, storage_path, compressed, compression_algorithm, original_size, uploaded_by, upload_source_ip,
      retention_policy, ttl_days, ttl_expires_at, user_metadata, tags, created_at, updated_at)
    SELECT $1::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::integer,
      coalesce($17::timestamptz, now + $16::integer * ${DAY}), $18, $19, now, now
    FROM moment
    ON CONFLICT (file_id) DO NOTHING
    RETURNING files AS file),
  ${queued('file:created', '$20')}
  SELECT ${ANSWER} FROM changed`;

/** @returns undefined when the id exists, deleted or not */
export async function createFile(
  pool: Pool,
  file: Registration,
  traceparent: string | undefined,
): Promise<FileAnswer | undefined> {
  const { rows } = await pool.query<FileRow>({
    name: 'create-file',
    text: CREATE,
    values: [
      file.file_id,
      file.original_filename,
      file.storage_filename,
      file.file_size,
      file.checksum_sha256,
      file.content_type,
      file.description,
      file.storage_element_id,
      file.storage_path,
      file.compressed ?? false,
      file.compression_algorithm,
      file.original_size,
      file.uploaded_by,
      file.upload_source_ip,
      file.retention_policy,
      file.ttl_days,
      file.ttl_expires_at,
      file.user_metadata == null ? null : JSON.stringify(file.user_metadata),
      file.tags,
      traceparent,
    ],
  });
  return rows[0] === undefined ? undefined : toAnswer(rows[0]);
}

/** Never earlier than the change before, even when the clock was stepped back. */
const nextMoment = (now: string): string => `greatest(${now}, updated_at + interval '1 microsecond')`;

const PLAIN_COLUMNS = [
  'original_filename',
  'storage_filename',
  'content_type',
  'description',
  'retention_policy',
  'storage_element_id',
  'storage_path',
  'tags',
] as const;

/**
 * The outcome of an update. `not-temporary`: it would have made a permanent file temporary, or given it a time to live.
 */
export type UpdateOutcome = { file: FileAnswer } | 'absent' | 'not-temporary';

export async function updateFile(
  pool: Pool,
  fileId: string,
  changes: Changes,
  traceparent: string | undefined,
): Promise<UpdateOutcome> {
  const values: unknown[] = [fileId, traceparent];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const set = ['version = version + 1', `updated_at = ${nextMoment('clock_timestamp()')}`];
  for (const column of PLAIN_COLUMNS) {
    if (changes[column] !== undefined) set.push(`${column} = ${parameter(changes[column])}`);
  }
  if (changes.user_metadata !== undefined) {
    set.push(
      `user_metadata = ${parameter(changes.user_metadata === null ? null : JSON.stringify(changes.user_metadata))}`,
    );
  }
  set.push(...timeToLive(changes, parameter));
  const givesLife = changes.ttl_days != null || changes.ttl_expires_at != null;
  const needsTemporary =
    changes.retention_policy === 'temporary' || (changes.retention_policy === undefined && givesLife);

  const { rows } = await pool.query<FileRow>(
    `WITH changed AS (
       UPDATE files SET ${set.join(', ')}
       WHERE file_id = $1 AND deleted_at IS NULL ${needsTemporary ? `AND retention_policy = 'temporary'` : ''}
       RETURNING files AS file),
     ${queued('file:updated', '$2')}
     SELECT ${ANSWER} FROM changed`,
    values,
  );
  if (rows[0] !== undefined) return { file: toAnswer(rows[0]) };
  return needsTemporary && (await findFile(pool, fileId)) !== undefined ? 'not-temporary' : 'absent';
}

function timeToLive(changes: Changes, parameter: (value: unknown) => string): string[] {
  if (changes.retention_policy === 'permanent') return ['ttl_days = NULL', 'ttl_expires_at = NULL'];
  const set: string[] = [];
  if (changes.ttl_days !== undefined) {
    const days = `${parameter(changes.ttl_days)}::integer`;
    set.push(`ttl_days = ${days}`);
    if (changes.ttl_expires_at === undefined) set.push(`ttl_expires_at = created_at + ${days} * ${DAY}`);
  }
  if (changes.ttl_expires_at !== undefined) set.push(`ttl_expires_at = ${parameter(changes.ttl_expires_at)}`);
  return set;
}

const DELETE = `
  WITH changed AS (
    UPDATE files SET version = version + 1, updated_at = ${nextMoment('now')}, deleted_at = ${nextMoment('now')},
      deletion_reason = $3
    FROM (SELECT clock_timestamp() AS now) AS moment
    WHERE file_id = $1 AND deleted_at IS NULL
    RETURNING files AS file),
  ${queued('file:deleted', '$2', 'NULL')}
  SELECT ${ANSWER} FROM changed`;

/** Marks the file deleted; a file that is deleted already stays as it is. @returns undefined when it never existed */
export async function deleteFile(
  pool: Pool,
  fileId: string,
  reason: string | undefined,
  traceparent: string | undefined,
): Promise<{ file: FileAnswer; changed: boolean } | undefined> {
  const { rows } = await pool.query<FileRow>({
    name: 'delete-file',
    text: DELETE,
    values: [fileId, traceparent, reason],
  });
  if (rows[0] !== undefined) return { file: toAnswer(rows[0]), changed: true };
  const { rows: earlier } = await pool.query<FileRow>(`SELECT ${ANSWER} FROM files AS file WHERE file_id = $1`, [
    fileId,
  ]);
  return earlier[0] === undefined ? undefined : { file: toAnswer(earlier[0]), changed: false };
}

/** @returns undefined when the file is unknown or deleted */
export async function findFile(pool: Pool, fileId: string): Promise<FileAnswer | undefined> {
  const { rows } = await pool.query<FileRow>({
    name: 'find-file',
    text: `SELECT ${ANSWER} FROM files AS file WHERE file_id = $1 AND deleted_at IS NULL`,
    values: [fileId],
  });
  return rows[0] === undefined ? undefined : toAnswer(rows[0]);
}

/** Files that are not deleted, newest first. */
export async function listFiles(
  pool: Pool,
  { offset, limit }: { offset: number; limit: number },
): Promise<{ files: FileAnswer[]; totalCount: number }> {
  const [page, count] = await Promise.all([
    pool.query<FileRow>(
      `SELECT ${ANSWER} FROM files AS file WHERE deleted_at IS NULL
       ORDER BY created_at DESC, file_id LIMIT $1 OFFSET $2`,
      [limit, offset],
    ),
    pool.query<{ count: string }>('SELECT count(*) FROM files WHERE deleted_at IS NULL'),
  ]);
  return { files: page.rows.map(toAnswer), totalCount: Number(count.rows[0]?.count ?? 0) };
}
