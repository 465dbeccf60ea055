import type { FileState, HistoryRecord } from '../record/history.ts';
import { findDiverged } from './diverged.ts';
import { type FileHistory, fileHistories } from './file-history.ts';
import type { Finding } from './finding.ts';
import { mayHaveHappened } from './operations.ts';
import { isRefusedAsExisting } from './refusal.ts';

/** What a creation sets and a reader sees again as it was sent; the wire name is that of an update of it. */
const FIELDS = [
  { name: 'filename', wireName: 'original_filename' },
  { name: 'fileSize', wireName: 'file_size' },
  { name: 'checksum', wireName: 'checksum_sha256' },
  { name: 'description', wireName: 'description' },
  { name: 'tags', wireName: 'tags' },
] as const satisfies readonly { name: keyof FileState; wireName: string }[];

/**
 * Guarantee: a reader sees only what somebody wrote. Finds by-id reads that show another name, size, checksum,
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
  for (const { name, wireName } of FIELDS) {
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
    return `the read by id at ${Math.round(read.endedAt)} ms shows ${name} ${seen}, which nobody wrote (sent: ${wanted})`;
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
