import { randomUUID } from 'node:crypto';
import type { FileMetadata } from '../../harness/contract/events.ts';

/** The fields of one stream entry, as the event contract has them. */
export interface CraftedEvent {
  event_type: 'file:created' | 'file:updated' | 'file:deleted';
  file_id: string;
  [field: string]: string;
}

/**
 * An event as a plain producer would send it, of a file that only the stream knows: a creation, without event id, version
 * and sequence. `fields` replaces or adds fields of the entry.
 */
export function craftedEvent(
  metadata: Partial<FileMetadata> = {},
  fields: Partial<Record<string, string>> = {},
): CraftedEvent {
  const now = new Date().toISOString();
  const fileId = fields.file_id ?? metadata.file_id ?? randomUUID();
  const whole: FileMetadata = {
    file_id: fileId,
    original_filename: `crafted-${fileId}.txt`,
    storage_filename: `${fileId}.txt`,
    file_size: 7,
    checksum_sha256: '0'.repeat(64),
    content_type: 'text/plain',
    description: null,
    storage_element_id: 'storage-1',
    storage_path: `crafted/${fileId}.txt`,
    compressed: false,
    compression_algorithm: null,
    original_size: null,
    uploaded_by: 'syncproof-crafted',
    upload_source_ip: null,
    created_at: now,
    updated_at: now,
    retention_policy: 'permanent',
    ttl_expires_at: null,
    ttl_days: null,
    user_metadata: null,
    tags: null,
    ...metadata,
  };
  const type = fields.event_type ?? 'file:created';
  const content: Record<string, string> =
    type === 'file:deleted' ? { deleted_at: now } : { metadata: JSON.stringify(whole) };
  return {
    event_type: type as CraftedEvent['event_type'],
    timestamp: now,
    file_id: fileId,
    storage_element_id: whole.storage_element_id,
    ...content,
    ...Object.fromEntries(Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined)),
  };
}

/** As XADD takes them. */
export function flatten(event: CraftedEvent): string[] {
  return Object.entries(event).flat();
}
