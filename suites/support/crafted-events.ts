import { randomUUID } from 'node:crypto';
import type { FileMetadata } from '../../harness/contract/events.ts';
import { EVENT_STREAM_NAME } from '../../harness/contract/names.ts';
import type { CaseContext } from './case.ts';
import { sha256 } from './steps.ts';

type Redis = CaseContext['redis'];

/** An entry's flat list of names and values. */
export type EventFields = readonly string[];

/**
 * How an event tells which of two changes is the later one: by the file's version, or, as a plain producer's do that
 * sends none, by `updated_at` alone.
 */
export const PRODUCERS = ['versions', 'plain'] as const;
export type Producer = (typeof PRODUCERS)[number];

/** The history of a file that nobody registered: it exists as events only. Version 1 is its creation. */
export class CraftedFile {
  readonly id: string = randomUUID();
  readonly filename: string;
  readonly #producer: Producer;
  readonly #createdAtMs: number;

  constructor(filename: string, producer: Producer) {
    this.filename = filename;
    this.#producer = producer;
    this.#createdAtMs = Date.now() - 60_000;
  }

  created(description = 'as created', changes: Record<string, unknown> = {}): EventFields {
    return this.#event('file:created', 1, this.#metadata(1, description, changes));
  }

  updated(version: number, description: string, changes: Record<string, unknown> = {}): EventFields {
    return this.#event('file:updated', version, this.#metadata(version, description, changes));
  }

  deleted(version: number): EventFields {
    return this.#event('file:deleted', version);
  }

  /** Changes lie a second apart. */
  #moment(version: number): string {
    return new Date(this.#createdAtMs + (version - 1) * 1000).toISOString();
  }

  #metadata(version: number, description: string, changes: Record<string, unknown>): string {
    const metadata: FileMetadata = {
      file_id: this.id,
      original_filename: this.filename,
      storage_filename: `${this.id}.txt`,
      file_size: this.filename.length,
      checksum_sha256: sha256(Buffer.from(this.filename)),
      content_type: 'text/plain',
      description,
      storage_element_id: 'storage-1',
      storage_path: `2026/01/${this.id}`,
      compressed: false,
      compression_algorithm: null,
      original_size: null,
      uploaded_by: null,
      upload_source_ip: null,
      created_at: this.#moment(1),
      updated_at: this.#moment(version),
      retention_policy: 'permanent',
      ttl_expires_at: null,
      ttl_days: null,
      user_metadata: null,
      tags: [],
    };
    return JSON.stringify({ ...metadata, ...changes });
  }

  #event(type: string, version: number, metadata?: string): EventFields {
    const moment = this.#moment(version);
    return [
      ...['event_type', type, 'timestamp', moment, 'file_id', this.id, 'storage_element_id', 'storage-1'],
      ...(metadata === undefined ? ['deleted_at', moment] : ['metadata', metadata]),
      ...(this.#producer === 'plain' ? [] : ['event_id', randomUUID(), 'version', String(version)]),
    ];
  }
}

/** Of the commands that one transaction carries, so that Redis goes on serving others in between. */
const AT_ONCE_MAX = 1000;

/**
 * Puts events on the stream, up to a thousand in one transaction: no consumer sees the first before the last is there.
 * @returns the ids of the entries
 */
export async function addEvents(redis: Redis, events: readonly EventFields[]): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < events.length; i += AT_ONCE_MAX) {
    const transaction = redis.multi();
    for (const fields of events.slice(i, i + AT_ONCE_MAX)) transaction.xadd(EVENT_STREAM_NAME, '*', ...fields);
    for (const [error, id] of (await transaction.exec()) ?? []) {
      if (error !== null) throw error;
      ids.push(String(id));
    }
  }
  return ids;
}
