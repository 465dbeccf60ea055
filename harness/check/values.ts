import type { FileState, HistoryRecord } from '../record/history.ts';
import { findLost, findResurrected, isRefusedAsExisting } from './finders.ts';
import {
  compareInstants,
  type FileHistory,
  type Finding,
  fileHistories,
  finalOf,
  mayHaveHappened,
  type Sighting,
} from './operations.ts';

/**
 * Guarantee: eventually the read model shows what the registry has, field by field. Compares the final registry read of
 * a file with its final read by id; times as instants as far as both show them, tags as ordered lists (none and an
 * empty list are the same), versions where both tell one. That only one finds the file counts too, unless the checkers
 * for loss and resurrection say so already. Reads with a write of the file between them are not compared.
 */
export function findDiverged(records: readonly HistoryRecord[]): Finding[] {
  const told = new Set([...findLost(records), ...findResurrected(records)].map(({ fileId }) => fileId));
  return fileHistories(records).flatMap((file) => {
    const registry = finalOf(file.registryReads);
    const read = finalOf(file.reads);
    if (registry === undefined || read === undefined || told.has(file.fileId)) return [];
    if (isWrittenBetween(file, registry, read)) return [];
    const message = differenceOf(file, registry, read);
    return message === undefined ? [] : [{ checker: 'diverged', fileId: file.fileId, message }];
  });
}

function isWrittenBetween({ creates, updates, deletes }: FileHistory, a: Sighting, b: Sighting): boolean {
  const [from, to] = [Math.min(a.startedAt, b.startedAt), Math.max(a.endedAt, b.endedAt)];
  return [...creates, ...updates, ...deletes].some(
    (write) => mayHaveHappened(write) && write.invoked.at <= to && (write.end?.at ?? Infinity) >= from,
  );
}

function differenceOf({ deletes }: FileHistory, registry: Sighting, read: Sighting): string | undefined {
  if (registry.found && !read.found) {
    // A registry may still show what it has marked as deleted.
    if (deletes.some(mayHaveHappened)) return undefined;
    return 'the registry has it, the final read by id does not find it';
  }
  if (!registry.found && read.found) return 'the registry does not have it, the final read by id finds it';
  if (registry.state === undefined || read.state === undefined) return undefined;
  const differences = fieldDifferences(registry.state, read.state);
  return differences.length === 0 ? undefined : differences.join('; ');
}

type Equal<T> = (a: T, b: T) => boolean;

const same = <T>(a: T, b: T): boolean => a === b;
const sameInstant: Equal<string> = (a, b) => a === b || compareInstants(a, b) === 0;
const sameTags: Equal<readonly string[] | null> = (a, b) => JSON.stringify(a ?? []) === JSON.stringify(b ?? []);
const sameVersion: Equal<number | undefined> = (a, b) => a === undefined || b === undefined || a === b;

/** One entry per field, so that a field added to `FileState` cannot be forgotten here. */
const FIELDS: { [K in keyof Required<FileState>]: (a: FileState, b: FileState) => boolean } = {
  fileId: (a, b) => same(a.fileId.toLowerCase(), b.fileId.toLowerCase()),
  filename: (a, b) => same(a.filename, b.filename),
  storageFilename: (a, b) => same(a.storageFilename, b.storageFilename),
  fileSize: (a, b) => same(a.fileSize, b.fileSize),
  checksum: (a, b) => same(a.checksum, b.checksum),
  contentType: (a, b) => same(a.contentType, b.contentType),
  description: (a, b) => same(a.description, b.description),
  tags: (a, b) => sameTags(a.tags, b.tags),
  uploadedBy: (a, b) => same(a.uploadedBy, b.uploadedBy),
  createdAt: (a, b) => sameInstant(a.createdAt, b.createdAt),
  updatedAt: (a, b) => sameInstant(a.updatedAt, b.updatedAt),
  storageElementId: (a, b) => same(a.storageElementId, b.storageElementId),
  version: (a, b) => sameVersion(a.version, b.version),
};

function fieldDifferences(registry: FileState, read: FileState): string[] {
  const names = Object.keys(FIELDS) as (keyof FileState)[];
  return names
    .filter((name) => !FIELDS[name](registry, read))
    .map((name) => `${name}: registry ${short(registry[name])}, read model ${short(read[name])}`);
}

const SHORT = 60;

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= SHORT ? text : `${text.slice(0, SHORT)}… (${text.length} characters)`;
}

/** What a creation sets and a reader sees again as it was sent; the wire name is that of an update of it. */
const VALUE_FIELDS = [
  { name: 'filename', wireName: 'original_filename' },
  { name: 'fileSize', wireName: 'file_size' },
  { name: 'checksum', wireName: 'checksum_sha256' },
  { name: 'description', wireName: 'description' },
  { name: 'tags', wireName: 'tags' },
] as const satisfies readonly { name: keyof FileState; wireName: string }[];

/**
 * Guarantee: a reader sees only what was written. Finds by-id reads that show another name, size, checksum,
 * description or tags than every creation of the file sent. Values that the registry shows too are legal here (whether it may change them is
 * another matter), and so is any value of a field that an update may have changed. What the final reads of registry and
 * read model disagree on is `diverged`.
 */
export function findPhantomValues(records: readonly HistoryRecord[]): Finding[] {
  const told = new Set(findDiverged(records).map(({ fileId }) => fileId));
  return fileHistories(records).flatMap((file) => {
    // Created by another case: what it sent is not known here.
    if (told.has(file.fileId) || file.creates.some(isRefusedAsExisting)) return [];
    const message = phantomValue(file);
    return message === undefined ? [] : [{ checker: 'phantom', fileId: file.fileId, message }];
  });
}

function phantomValue(file: FileHistory): string | undefined {
  const creates = file.creates.filter(mayHaveHappened);
  const updates = file.updates.filter(mayHaveHappened);
  const writes = [...creates, ...updates, ...file.deletes];
  const told = [...writes.map(({ end }) => end?.state), ...file.registryReads.map(({ state }) => state)];
  for (const { name, wireName } of VALUE_FIELDS) {
    const sent = creates.map(({ invoked }) => invoked.input?.[name]);
    if (sent.length === 0 || sent.includes(undefined)) continue;
    if (updates.some(({ invoked }) => isSet(invoked.input, name) || isSet(invoked.input, wireName))) continue;
    const legal = new Set([...sent, ...told.flatMap((state) => (state === undefined ? [] : [state[name]]))].map(plain));
    const firstSentAt = creates[0]?.invoked.at ?? 0;
    const read = file.reads.find(
      ({ state, endedAt }) => state !== undefined && endedAt >= firstSentAt && !legal.has(plain(state[name])),
    );
    if (read?.state === undefined) continue;
    const [seen, wanted] = [JSON.stringify(read.state[name]), JSON.stringify(sent.at(-1))];
    return `the read by id at ${Math.round(read.endedAt)} ms shows ${name} ${seen}, which was never written (sent: ${wanted})`;
  }
  return undefined;
}

function isSet(input: Readonly<Record<string, unknown>> | undefined, name: string): boolean {
  return input?.[name] !== undefined;
}

/** Hexadecimal digits mean the same in both cases; a name does not. No tags and an empty list of them are the same. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? null : JSON.stringify(value);
  return typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value) ? value.toLowerCase() : value;
}
