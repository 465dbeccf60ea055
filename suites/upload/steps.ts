import { microsecondsOf } from '../../harness/index.ts';
import {
  type FileEvent,
  type FileMetadata,
  fileEventSchema,
  fileMetadataSchema,
} from '../../services/contract/events.ts';
import type { RegistryFile } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { eventsOf, type StreamEntry } from '../steps/events.ts';
import { consistently, eventually } from '../steps/eventually.ts';
import { instant } from '../steps/steps.ts';
import { conforms, demand, demandEqual } from '../steps/violation.ts';

/** A publisher that sends again does so after a pause; this is longer than any that makes sense. */
const QUIET_MS = 2000;

/**
 * The events of some files, once all `count` are there and no further one has come for a while. Nothing is broken here, so
 * no reply is lost, and the publisher has no reason to send one again.
 * @throws Violation when there are fewer or more
 */
export async function eventsOnceEach(
  { redis, env, signal }: CaseContext,
  fileIds: readonly string[],
  { after, count }: { after: string; count: number },
): Promise<StreamEntry[]> {
  const read = (): Promise<StreamEntry[]> => eventsOf(redis, fileIds, after);
  const what = `${count} events of ${count} changes`;
  const all = async (): Promise<StreamEntry[] | undefined> => {
    const entries = await read();
    return entries.length >= count ? entries : undefined;
  };
  await eventually(what, all, { timeoutMs: env.limits.syncMs, signal });
  let entries: StreamEntry[] = [];
  const look = async (): Promise<void> => {
    entries = await read();
    const types = entries.map(({ fields }) => fields.event_type);
    demand(entries.length === count, () => `Expected ${what}, got ${entries.length}: ${types.join(', ')}`);
  };
  await consistently(look, { forMs: QUIET_MS, signal });
  return entries;
}

/** The entry as the contract has it. @throws Violation unless every field is there, those without a value included */
export function completeEvent({ id, fields }: StreamEntry): FileEvent {
  const type = fields.event_type ?? 'unknown';
  const last = type === 'file:deleted' ? 'deleted_at' : 'metadata';
  const absent = ['event_type', 'timestamp', 'file_id', 'storage_element_id', last].filter((name) => !(name in fields));
  demand(absent.length === 0, `The event ${id} (${type}) lacks ${absent.join(', ')}`);
  const event = conforms(fileEventSchema, fields, `The event ${id}`);
  if (fields.metadata === undefined) return event;
  const metadata: Record<string, unknown> = JSON.parse(fields.metadata);
  const missing = METADATA_FIELDS.filter((name) => !(name in metadata));
  demand(missing.length === 0, `The metadata of ${id} (${type}) lacks ${missing.join(', ')}`);
  return event;
}

const METADATA_FIELDS = Object.keys(fileMetadataSchema.shape) as (keyof FileMetadata)[];
const INSTANTS: ReadonlySet<string> = new Set(['created_at', 'updated_at', 'ttl_expires_at']);

/** @throws Violation unless an event says what the registry says, in every field that the registry shows */
export function demandAsRegistered(metadata: FileMetadata, file: RegistryFile, what: string): void {
  const shown = METADATA_FIELDS.filter((name) => file[name] !== undefined);
  const comparable = (of: FileMetadata | RegistryFile): Record<string, unknown> =>
    Object.fromEntries(
      shown.map((name) => [name, INSTANTS.has(name) ? instant(of[name] as string | null) : (of[name] ?? null)]),
    );
  demandEqual(comparable(metadata), comparable(file), what);
  demandStoredSize(metadata, what);
}

/** How bytes are kept is the target's choice, but then it says so: the original size is that of what was sent. */
function demandStoredSize(metadata: FileMetadata, what: string): void {
  const { compressed, compression_algorithm, original_size, file_size } = metadata;
  const size = original_size ?? (compressed === true ? null : file_size);
  demandEqual(
    { compressed: compressed === true, named: compression_algorithm != null, originalSize: size },
    { compressed: compressed === true, named: compressed === true, originalSize: file_size },
    `${what}: compression`,
  );
}

/** Microseconds: a clock that shows milliseconds cuts this much off. */
const CUT_US = 1000;
/** Microseconds from a change to the writing of its event. */
const WRITING_US = 1_000_000;

/** A moment that an event names: that of the change, or up to a second later. */
export function demandWithin(moment: string, change: { from: string; until: string }, what: string): void {
  const [at, from, until] = [microsecondsOf(moment), microsecondsOf(change.from), microsecondsOf(change.until)];
  demand(
    at > from - CUT_US && at <= until + WRITING_US,
    () => `${what}: expected ${change.from} to ${change.until}, or up to 1 s later, got ${moment}`,
  );
}

/** Microseconds between the two clocks, or moments, that a creation and its expiry may be reckoned from. */
const RECKONING_US = 60_000_000;
const DAY_US = 86_400_000_000;

/** @throws Violation unless the file expires this many days after it was created */
export function demandExpiry({ created_at, ttl_expires_at }: RegistryFile, days: number): void {
  const wanted = microsecondsOf(created_at) + days * DAY_US;
  demand(
    Math.abs(microsecondsOf(ttl_expires_at ?? '') - wanted) <= RECKONING_US,
    `ttl_expires_at of a file created at ${created_at} for ${days} days is ${ttl_expires_at}`,
  );
}
