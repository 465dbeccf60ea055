/** A row of the outbox as the relay reads it. */
export interface OutboxRow {
  /** int8, as text. */
  seq: string;
  event_id: string;
  event_type: string;
  file_id: string;
  version: number;
  storage_element_id: string;
  /** ISO 8601 UTC. */
  occurred_at: string;
  /** JSON text; null for deletions. */
  metadata: string | null;
  traceparent: string | null;
}

/** A row with the number under which it is published. */
export interface NumberedRow extends OutboxRow {
  /** Rises by one from each published event to the next; int8. */
  sequence: bigint;
}

/** The flat field list of the stream entry, as the event contract has it: all strings. */
export function eventFields(row: NumberedRow): string[] {
  const fields = [
    'event_type',
    row.event_type,
    'timestamp',
    row.occurred_at,
    'file_id',
    row.file_id,
    'storage_element_id',
    row.storage_element_id,
    'event_id',
    row.event_id,
    'version',
    String(row.version),
    'sequence',
    String(row.sequence),
  ];
  if (row.metadata === null) fields.push('deleted_at', row.occurred_at);
  else fields.push('metadata', row.metadata);
  if (row.traceparent !== null) fields.push('traceparent', row.traceparent);
  return fields;
}
