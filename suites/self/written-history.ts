import type { Completed, FileState, HistoryRecord, Invoked, OperationKind } from '../../harness/record/history.ts';

type Outcome = Completed['type'];

interface Details {
  fileId?: string;
  outcome?: Outcome;
  /** On the invocation. */
  invoke?: Partial<Invoked>;
  /** On the completion. */
  end?: Partial<Completed>;
  /** How long it takes, default 10 ms. */
  forMs?: number;
}

interface SearchOptions {
  final?: boolean;
  input?: Record<string, unknown>;
  totalCount?: number;
}

/** Writes a history by hand: operations follow each other, 10 ms each and 10 ms apart, unless told otherwise. */
export class WrittenHistory {
  readonly records: HistoryRecord[] = [];
  #now = 0;
  #ops = 0;

  /** The time at which the next operation begins. */
  get now(): number {
    return this.#now;
  }

  act(kind: OperationKind, { fileId, outcome = 'ok', invoke = {}, end = {}, forMs = 10 }: Details = {}): this {
    const at = this.#now;
    const common = { op: `op-${++this.#ops}`, kind, case: 'CASE-01' };
    const id = fileId === undefined ? {} : { fileId };
    // As the client records it: an upload's id is known only from its acknowledgement.
    const invokedId = kind === 'upload' ? {} : id;
    this.records.push({ type: 'invoke', at, intendedAt: at, ...common, ...invokedId, ...invoke });
    this.records.push({ type: outcome, at: at + forMs, ...common, ...(outcome === 'ok' ? id : invokedId), ...end });
    this.#now = at + 20;
    return this;
  }

  upload(fileId: string, outcome: Outcome = 'ok'): this {
    const input = { filename: `${fileId}.txt`, fileSize: 1, checksum: 'c' };
    return this.act('upload', { fileId, outcome, invoke: { input } });
  }

  register(fileId: string, outcome: Outcome = 'ok', end: Partial<Completed> = {}): this {
    const state = outcome === 'ok' ? { found: true, state: fileState(fileId, 1) } : {};
    return this.act('register', { fileId, outcome, end: { ...state, ...end } });
  }

  /** An update that gives the file this version. */
  update(fileId: string, version: number, outcome: Outcome = 'ok'): this {
    const state = outcome === 'ok' ? { found: true, state: fileState(fileId, version) } : {};
    return this.act('update', { fileId, outcome, end: state });
  }

  remove(fileId: string, outcome: Outcome = 'ok'): this {
    return this.act('delete', { fileId, outcome });
  }

  /** A by-id read of the read model, which does not tell versions; `null` for one that finds nothing. */
  read(fileId: string, shown: FileState | null, options: { final?: boolean; forMs?: number } = {}): this {
    return this.#look('read', fileId, shown === null ? null : withoutVersion(shown), options);
  }

  registryRead(fileId: string, shown: FileState | null, options: { final?: boolean } = {}): this {
    return this.#look('registry-read', fileId, shown, options);
  }

  /** Final reads of both sides, as a case ends. */
  finals(fileId: string, registry: FileState | null, readModel: FileState | null = registry): this {
    return this.registryRead(fileId, registry, { final: true }).read(fileId, readModel, { final: true });
  }

  /** A search that lists these ids, and by default says that there are no more. */
  search(ids: readonly string[], { final, input = { query: 'f' }, totalCount = ids.length }: SearchOptions = {}): this {
    const invoke = { input, ...(final === true ? { final } : {}) };
    return this.act('search', { invoke, end: { ids, totalCount } });
  }

  #look(
    kind: OperationKind,
    fileId: string,
    shown: FileState | null,
    { final, forMs = 10 }: { final?: boolean; forMs?: number },
  ): this {
    const end = shown === null ? { found: false, status: 404 } : { found: true, status: 200, state: shown };
    return this.act(kind, { fileId, forMs, invoke: final === true ? { final } : {}, end });
  }
}

/** A file's state after so many changes: version 1 is the created one, each later one is a second younger. */
export function fileState(fileId: string, version: number, changes: Partial<FileState> = {}): FileState {
  const createdAt = '2024-06-07T09:30:00.000001Z';
  const updatedAt = `2024-06-07T09:${30 + Math.floor((version - 1) / 60)}:${String((version - 1) % 60).padStart(2, '0')}.000001Z`;
  return {
    fileId,
    filename: `${fileId}.txt`,
    storageFilename: `${fileId}.bin`,
    fileSize: 1,
    checksum: 'c',
    contentType: 'text/plain',
    description: `version ${version}`,
    tags: ['a', 'b'],
    uploadedBy: 'me',
    createdAt,
    updatedAt,
    storageElementId: 'storage-1',
    version,
    ...changes,
  };
}

function withoutVersion({ version: _, ...state }: FileState): FileState {
  return state;
}
