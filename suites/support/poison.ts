import { randomUUID } from 'node:crypto';
import { CraftedFile, type EventFields } from './crafted-events.ts';

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
