import { InconclusiveError } from '../core/errors.ts';
import type { HistoryRecord } from '../record/history.ts';
import { type FileHistory, fileHistories, type Sighting } from './file-history.ts';
import { completeOperations, type Operation } from './operations.ts';

/**
 * Files whose creation was acknowledged, and of which this history does not say in the end what became of them: after
 * the last acknowledged write there is no answered final read of both registry and read model. A file without an id in
 * its acknowledgement can never be read; it is named by its operation.
 */
export function unreadFiles(records: readonly HistoryRecord[]): string[] {
  const nameless = completeOperations(records).filter(
    ({ invoked, end }) =>
      isAcknowledged({ invoked, end }) && isCreation(invoked.kind) && idOf({ invoked, end }) === undefined,
  );
  const unread = fileHistories(records).filter((file) => file.creates.some(isAcknowledged) && !isRead(file));
  return [...nameless.map(({ invoked }) => invoked.op), ...unread.map(({ fileId }) => fileId)];
}

/**
 * A history with final reads promises them for every acknowledged file: silence of the checkers is no pass otherwise.
 * One without any final read is a case that judges by other means.
 * @throws InconclusiveError saying how many files are missing
 */
export function requireFinalReads(records: readonly HistoryRecord[]): void {
  if (!records.some((record) => record.type === 'invoke' && record.final === true)) return;
  const missing = unreadFiles(records);
  if (missing.length > 0) throw missingFinalReads(missing);
}

export function missingFinalReads(files: readonly string[]): InconclusiveError {
  return new InconclusiveError(
    `${files.length} acknowledged files have no answered final read of registry and read model, e.g. ${files[0]}`,
    { facts: { missing: files.slice(0, 10) } },
  );
}

function isCreation(kind: string): boolean {
  return kind === 'upload' || kind === 'register';
}

function isAcknowledged({ end }: Operation): boolean {
  return end?.type === 'ok';
}

function idOf({ invoked, end }: Operation): string | undefined {
  return invoked.fileId ?? end?.fileId;
}

function isRead({ creates, updates, deletes, reads, registryReads }: FileHistory): boolean {
  const ends = [...creates, ...updates, ...deletes].filter(isAcknowledged).map(({ end }) => end?.at ?? 0);
  const writtenAt = Math.max(...ends);
  // One that finds the file and cannot say what it is, is no answer.
  const tells = ({ final, found, state, startedAt }: Sighting): boolean =>
    final && startedAt >= writtenAt && (!found || state !== undefined);
  return reads.some(tells) && registryReads.some(tells);
}
