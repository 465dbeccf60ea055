import { randomUUID } from 'node:crypto';
import type { FileMetadata } from '../../services/contract/events.ts';
import { EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
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

/** The history of a file that was never registered: it exists as events only. Version 1 is its creation. */
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

/** An event that cannot be applied. */
export interface Poison {
  kind: PoisonKind;
  /** Its `event_id`, by which its dead letter is known. */
  mark: string;
  file: CraftedFile;
  fields: EventFields;
}

/** Makes one, of a file of its own. */
export function poison(kind: PoisonKind, filename: string): Poison {
  const mark = randomUUID();
  const file = new CraftedFile(filename, 'plain');
  return { kind, mark, file, fields: [...POISONS[kind](file), 'event_id', mark] };
}

/** What no read model can make anything of, and what the columns of one may refuse. */
const POISONS = {
  'no metadata': (file) => without(file.created(), 'metadata'),
  'no file id': (file) => without(file.created(), 'file_id'),
  'a file id that is none': (file) => replaced(file.created(), 'file_id', 'not-a-uuid'),
  'broken JSON': (file) => replaced(file.created(), 'metadata', '{"file_id": "'),
  'JSON that is no object': (file) => replaced(file.created(), 'metadata', '[null]'),
  'an unknown type': (file) => replaced(file.created(), 'event_type', 'file:exploded'),
  'NUL in a name': (file) => file.created('poison', { original_filename: 'nul \0 here' }),
  'a negative size': (file) => file.created('poison', { file_size: -1 }),
  'a size beyond 64 bits': (file) => file.created('poison', { file_size: 1e30 }),
  'a year that is none': (file) => file.created('poison', { created_at: '0000-01-01T00:00:00Z' }),
  'a tag beyond any index': (file) => file.created('poison', { tags: [incompressible(20_000)] }),
} as const satisfies Record<string, (file: CraftedFile) => EventFields>;

export type PoisonKind = keyof typeof POISONS;
export const POISON_KINDS = Object.keys(POISONS) as PoisonKind[];

/** A read model whose columns and indexes hold more than others' may apply these. */
export const MAYBE_STORABLE: readonly PoisonKind[] = [
  'a negative size',
  'a size beyond 64 bits',
  'a year that is none',
  'a tag beyond any index',
];

function without(fields: EventFields, name: string): EventFields {
  const at = fields.indexOf(name);
  return fields.toSpliced(at, 2);
}

function replaced(fields: EventFields, name: string, value: string): EventFields {
  return fields.with(fields.indexOf(name) + 1, value);
}

/** Characters in which no compression finds anything. */
function incompressible(length: number): string {
  return Array.from({ length: Math.ceil(length / 32) }, () => randomUUID().replaceAll('-', '')).join('');
}
