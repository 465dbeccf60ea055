import type { FileState } from '../record/history.ts';
import { oncePerHistory } from './once.ts';
import { completeOperations, isWrite, type Operation } from './operations.ts';

/** What a by-id read of one file that was answered (found, or certainly not found) showed, and when. */
export interface Sighting {
  found: boolean;
  state: FileState | undefined;
  startedAt: number;
  endedAt: number;
  final: boolean;
}

/** Everything that a history says of one file, each list in the order of invocation. */
export interface FileHistory {
  fileId: string;
  /** Uploads and registrations. */
  creates: readonly Operation[];
  updates: readonly Operation[];
  deletes: readonly Operation[];
  /** By-id reads of the read model; a visibility record counts as the read that ended it, without a state. */
  reads: readonly Sighting[];
  /** Reads of the registry. */
  registryReads: readonly Sighting[];
}

interface Collected {
  creates: Operation[];
  updates: Operation[];
  deletes: Operation[];
  reads: Sighting[];
  registryReads: Sighting[];
}

/** Sorts a history by file. An upload without an acknowledgement belongs to none: nobody was told its id. */
export const fileHistories = oncePerHistory((records): readonly FileHistory[] => {
  const files = new Map<string, Collected>();
  const of = (fileId: string): Collected => {
    const key = fileId.toLowerCase();
    const file = files.get(key) ?? { creates: [], updates: [], deletes: [], reads: [], registryReads: [] };
    files.set(key, file);
    return file;
  };
  for (const operation of completeOperations(records)) {
    const fileId = operation.invoked.fileId ?? operation.end?.fileId;
    if (fileId !== undefined) collect(of(fileId), operation);
  }
  for (const record of records) {
    if (record.type !== 'visibility' || record.hitAt === null) continue;
    const found = record.kind !== 'deleted';
    const { hitAt, missAt, acceptedAt } = record;
    of(record.fileId).reads.push({
      found,
      state: undefined,
      startedAt: missAt ?? acceptedAt,
      endedAt: hitAt,
      final: false,
    });
  }
  return [...files].map(([fileId, file]) => ({
    fileId,
    ...file,
    reads: file.reads.toSorted((a, b) => a.startedAt - b.startedAt),
  }));
});

function collect(file: Collected, operation: Operation): void {
  const { kind } = operation.invoked;
  if (isWrite(operation)) {
    if (kind === 'update') file.updates.push(operation);
    else if (kind === 'delete') file.deletes.push(operation);
    else file.creates.push(operation);
    return;
  }
  const sighting = sightingOf(operation);
  if (sighting === undefined) return;
  if (kind === 'read') file.reads.push(sighting);
  else if (kind === 'registry-read') file.registryReads.push(sighting);
}

function sightingOf({ invoked, end }: Operation): Sighting | undefined {
  if (end?.type !== 'ok' || end.found === undefined) return undefined;
  return {
    found: end.found,
    state: end.state,
    startedAt: invoked.at,
    endedAt: end.at,
    final: invoked.final === true,
  };
}

/** The last read after healing and convergence; only it decides what became of a file in the end. */
export function finalOf(sightings: readonly Sighting[]): Sighting | undefined {
  return sightings.findLast(({ final }) => final);
}

/** Writes among these that were acknowledged before a time. */
export function acknowledgedBefore(operations: readonly Operation[], at: number): Operation[] {
  return operations.filter(({ end }) => end?.type === 'ok' && end.at <= at);
}
