import type { FileState, HistoryRecord } from '../record/history.ts';
import { type FileHistory, fileHistories, finalOf, type Sighting } from './file-history.ts';
import type { Finding } from './finding.ts';
import { compareInstants } from './instant.ts';
import { findLost } from './lost.ts';
import { mayHaveHappened } from './operations.ts';
import { findResurrected } from './resurrected.ts';

/**
 * Guarantee: in the end the read model shows what the registry has, field by field. Compares the final registry read of
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
    // A registry may go on showing what it has marked as deleted.
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
