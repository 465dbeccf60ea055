import { z } from 'zod';
import { findUnstorableText } from '../common/text.ts';
import { type FileEvent, type FileMetadata, fileEventSchema } from '../contract/events.ts';

/** One entry of the stream as Redis gives it. `fields` is null when the entry was trimmed while it was pending. */
export interface StreamEntry {
  id: string;
  fields: readonly string[] | null;
}

/** What one event does to the read model. `version` is null where a plain producer sent none. */
export type Change = UpsertChange | DeleteChange;

export interface UpsertChange {
  kind: 'upsert';
  id: string;
  version: number | null;
  /** Of the event; null where a plain producer sent none. */
  sequence: bigint | null;
  metadata: FileMetadata;
}

export interface DeleteChange {
  kind: 'delete';
  id: string;
  version: number | null;
  sequence: bigint | null;
  deletedAt: string;
}

export type ParsedEvent = { change: Change } | { error: string };

/** Reads an event. One that can never be applied gives an error in words: trying it again would change nothing. */
export function parseEvent(fields: readonly string[]): ParsedEvent {
  const parsed = fileEventSchema.safeParse(foldFields(fields));
  if (!parsed.success) return { error: z.prettifyError(parsed.error) };
  const change = toChange(parsed.data);
  if (change.kind === 'upsert') {
    if (change.metadata.file_id.toLowerCase() !== change.id) {
      return { error: `metadata.file_id ${change.metadata.file_id} is not the event's file_id ${change.id}` };
    }
    const fault = findUnstorableText(storedTexts(change.metadata), 'metadata');
    if (fault !== undefined) return { error: `${fault.name}: ${fault.reason}` };
  }
  return { change };
}

/** The number of an event that cannot be read otherwise, where it has one. */
export function sequenceOf(fields: readonly string[]): bigint | undefined {
  const { sequence } = foldFields(fields);
  return sequence !== undefined && /^[1-9]\d{0,18}$/.test(sequence) ? BigInt(sequence) : undefined;
}

/** Folds the flat list of names and values; of a name that is given twice the last value counts. */
function foldFields(fields: readonly string[]): Record<string, string> {
  const folded: Record<string, string> = Object.create(null);
  for (let index = 0; index + 1 < fields.length; index += 2) {
    folded[fields[index] as string] = fields[index + 1] as string;
  }
  return { ...folded };
}

function toChange(event: FileEvent): Change {
  const id = event.file_id.toLowerCase();
  const version = event.version ?? null;
  const sequence = event.sequence === undefined ? null : BigInt(event.sequence);
  return event.event_type === 'file:deleted'
    ? { kind: 'delete', id, version, sequence, deletedAt: event.deleted_at }
    : { kind: 'upsert', id, version, sequence, metadata: event.metadata };
}

/** The parts of an event's metadata that the read model keeps; a NUL elsewhere harms nothing. */
function storedTexts(metadata: FileMetadata): unknown {
  const { original_filename, storage_filename, checksum_sha256, content_type } = metadata;
  const { description, storage_element_id, uploaded_by, tags } = metadata;
  return {
    original_filename,
    storage_filename,
    checksum_sha256,
    content_type,
    description,
    storage_element_id,
    uploaded_by,
    tags,
  };
}

/**
 * The last state per file among the changes of a batch, which are in stream order. Every event carries the file's whole
 * state, so the ones before it are not needed; and one statement may touch a row only once.
 */
export function lastChangePerFile(changes: Iterable<Change>): Change[] {
  const last = new Map<string, Change>();
  for (const change of changes) {
    const known = last.get(change.id);
    if (known === undefined || supersedes(change, known)) last.set(change.id, change);
  }
  return [...last.values()];
}

/**
 * Whether a change that comes later in the stream replaces an earlier one. Versions decide where both have one. Without
 * them a deletion is final, and a change older by its own `updated_at` is a redelivery: the same rules as in the SQL.
 */
function supersedes(later: Change, earlier: Change): boolean {
  if (later.version !== null && earlier.version !== null && later.version !== earlier.version) {
    return later.version > earlier.version;
  }
  if (later.kind === 'delete' || earlier.kind === 'delete') return later.kind === 'delete';
  if (later.version !== null || earlier.version !== null) return true;
  return Date.parse(later.metadata.updated_at) >= Date.parse(earlier.metadata.updated_at);
}

/**
 * What a failed batch means.
 *
 * - `data`: the event itself is refused, permanently (PostgreSQL classes 22 data exception, 23 integrity
 *   constraint, 54 program limit): it goes to the dead letter.
 * - `contended`: another session holds a lock; other files need not wait.
 * - `outage`: everything else. The event is not the cause: keep it and try again, without a limit.
 */
export const FAILURE_KINDS = ['data', 'contended', 'outage'] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

const DATA = /^(22|23|54)/;
/** serialization_failure, deadlock_detected, lock_not_available, query_canceled (statement_timeout). */
const CONTENDED = new Set(['40001', '40P01', '55P03', '57014']);

export function failureKind(error: unknown): FailureKind {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  if (typeof code !== 'string') return 'outage';
  if (DATA.test(code)) return 'data';
  return CONTENDED.has(code) ? 'contended' : 'outage';
}
