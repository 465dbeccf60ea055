import { searchAnswerSchema } from '../../services/contract/http.ts';
import type { Answer, OperationOptions, PipelineClient } from '../clients/pipeline.ts';
import type { Recorder } from '../record/writer.ts';
import { type OpenLoop, startOpenLoop } from './load.ts';
import type { VisibilityTracker } from './visibility.ts';

/** Both kinds together. */
const CHANGES_PER_SECOND = 2;
/** Files that no deletion before the fault takes: nothing new is seen while it is on, and then they are what can be deleted. */
const KEPT_FOR_FAULT = 3;

/** Before the fault, while it is on, after it was healed. */
export type OutagePhase = 'baseline' | 'outage' | 'recovery';

export type Change = 'update' | 'deletion';

interface ChangesOptions {
  pipeline: PipelineClient;
  recorder: Recorder;
  /** Tells which uploads were seen, and follows what is changed. */
  tracker: VisibilityTracker;
  phase: () => OutagePhase;
  /** Called with each answer. */
  answered: (change: Change, phase: OutagePhase, answer: Answer, intendedAt: number) => void;
  signal: AbortSignal;
}

/** Updates and deletions, turn and turn about, of files whose creation readers have seen. */
export class OutageChanges {
  readonly #options: ChangesOptions;
  readonly #loop: OpenLoop;
  /** Every second file that was seen is only updated, the others are only deleted, each once. */
  readonly #updatable: string[] = [];
  readonly #deletable: string[] = [];
  readonly #seen = new Set<string>();
  readonly #deleted = new Set<string>();
  #samplesRead = 0;

  constructor(options: ChangesOptions) {
    this.#options = options;
    const { recorder, signal } = options;
    this.#loop = startOpenLoop({
      recorder,
      ratePerSecond: CHANGES_PER_SECOND,
      signal,
      act: (index, dueAt) => (index % 2 === 0 ? this.#update(index, dueAt) : this.#delete(dueAt)),
    });
  }

  /** There are files to update and to delete while nothing new can be seen. */
  get ready(): boolean {
    this.#readSamples();
    return this.#deletable.length >= KEPT_FOR_FAULT && this.#seen.size >= 2 * KEPT_FOR_FAULT;
  }

  /** Files that readers have seen so far, the deleted ones included. */
  seen(): ReadonlySet<string> {
    this.#readSamples();
    return new Set(this.#seen);
  }

  /** Files whose deletion was sent, whatever the outcome. */
  get deleted(): ReadonlySet<string> {
    return this.#deleted;
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  #readSamples(): void {
    const { samples } = this.#options.tracker;
    for (; this.#samplesRead < samples.length; this.#samplesRead++) {
      const sample = samples[this.#samplesRead];
      if (sample?.kind !== 'created' || sample.hitAt === null) continue;
      (this.#seen.size % 2 === 0 ? this.#updatable : this.#deletable).push(sample.fileId);
      this.#seen.add(sample.fileId);
    }
  }

  /** One update of a file at a time, so that the later one is also the one that stays. */
  async #update(index: number, intendedAt: number): Promise<void> {
    this.#readSamples();
    const fileId = this.#updatable.shift();
    if (fileId === undefined) return;
    const { pipeline, tracker, phase, answered } = this.#options;
    const sentIn = phase();
    const changes = { description: `change ${index}`, tags: [`change-${index}`] };
    const answer = await pipeline.update(fileId, changes, { intendedAt });
    answered('update', sentIn, answer, intendedAt);
    // An update of unknown outcome may come into force after a later one: this file is left alone.
    if (answer.outcome !== 'ok') return;
    this.#updatable.push(fileId);
    const { op, endedAt: acceptedAt } = answer;
    const shows = (read: Answer): boolean => changeShown(read) >= index;
    tracker.watch({ op, fileId, kind: 'updated', phase: sentIn, intendedAt, acceptedAt, shows });
  }

  async #delete(intendedAt: number): Promise<void> {
    this.#readSamples();
    if (this.#options.phase() === 'baseline' && this.#deletable.length <= KEPT_FOR_FAULT) return;
    const fileId = this.#deletable.shift();
    if (fileId === undefined) return;
    const { pipeline, tracker, phase, answered } = this.#options;
    const sentIn = phase();
    this.#deleted.add(fileId);
    const answer = await pipeline.remove(fileId, { intendedAt });
    answered('deletion', sentIn, answer, intendedAt);
    if (answer.outcome !== 'ok') return;
    const { op, endedAt: acceptedAt } = answer;
    tracker.watch({ op, fileId, kind: 'deleted', phase: sentIn, intendedAt, acceptedAt });
  }
}

/** The number of the update that a by-id answer shows, that of a later one where it was overtaken; -1 for none. */
function changeShown({ status, body }: Answer): number {
  if (status !== 200 || typeof body !== 'object' || body === null || !('description' in body)) return -1;
  const number = /^change (\d+)$/.exec(String(body.description))?.[1];
  return number === undefined ? -1 : Number(number);
}

/** Results of one page, which is all that is looked at; the total counts the others, too. */
const PAGE = 50;

interface SearchesOptions {
  pipeline: PipelineClient;
  recorder: Recorder;
  /** Begins every file name, so that one search finds them all. */
  prefix: string;
  ratePerSecond: number;
  phase: () => OutagePhase;
  /** Files, by their names, that every search must find now: readers have seen them, and they are not deleted. */
  mustFind: () => ReadonlyMap<string, string>;
  /** Called with each answer. */
  answered: (phase: OutagePhase, answer: Answer, intendedAt: number) => void;
  signal: AbortSignal;
}

/** A search for all files; beside it one of those that must be found, by its id and by its exact name, in turn. */
export class OutageSearches {
  /** What searches said that missed what they must find, or that count it and do not list it. */
  readonly short: string[] = [];
  /** How many answers showed the one file that was asked for. */
  readonly shown: Record<OutagePhase, number> = { baseline: 0, outage: 0, recovery: 0 };
  readonly #options: SearchesOptions;
  readonly #loop: OpenLoop;

  constructor(options: SearchesOptions) {
    this.#options = options;
    const { recorder, ratePerSecond, signal } = options;
    this.#loop = startOpenLoop({
      recorder,
      ratePerSecond,
      signal,
      act: async (index, dueAt) => {
        const files = [...options.mustFind()];
        const [fileId, filename] = files[index % files.length] ?? [];
        await Promise.all([
          this.#all(
            files.map(([id]) => id),
            dueAt,
          ),
          fileId === undefined ? undefined : this.#byId(fileId, dueAt),
          fileId === undefined || filename === undefined ? undefined : this.#byName(fileId, filename, dueAt),
        ]);
      },
    });
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #all(expected: readonly string[], intendedAt: number): Promise<void> {
    const { prefix, pipeline } = this.#options;
    const body = { query: prefix, mode: 'partial', limit: PAGE };
    const answer = await this.#count(intendedAt, (operation) => pipeline.search(body, operation));
    const page = this.#page(answer, `all files named ${prefix}…`);
    if (page === undefined) return;
    const mustFind = expected.filter((fileId) => this.#options.mustFind().has(fileId)).length;
    const listed = page.ids.length;
    if (page.total < mustFind) this.short.push(`${page.total} found of at least ${mustFind}`);
    else if (listed < Math.min(mustFind, PAGE)) this.short.push(`${page.total} found, and ${listed} of them listed`);
  }

  async #byId(fileId: string, intendedAt: number): Promise<void> {
    const { pipeline } = this.#options;
    const answer = await this.#count(intendedAt, (operation) => pipeline.searchById(fileId, operation));
    if (answer.outcome === 'ok') this.#shows(answer.status === 200, fileId, `by its id: ${answer.status}`);
  }

  async #byName(fileId: string, filename: string, intendedAt: number): Promise<void> {
    const { pipeline } = this.#options;
    const body = { filename, mode: 'exact', limit: PAGE };
    const answer = await this.#count(intendedAt, (operation) => pipeline.search(body, operation));
    const page = this.#page(answer, filename);
    if (page !== undefined) this.#shows(page.ids.includes(fileId), fileId, `by its name: ${page.ids.length} results`);
  }

  async #count(intendedAt: number, send: (operation: OperationOptions) => Promise<Answer>): Promise<Answer> {
    const { phase, answered } = this.#options;
    const sentIn = phase();
    const answer = await send({ intendedAt });
    answered(sentIn, answer, intendedAt);
    return answer;
  }

  /** What an answer lists; undefined for one that failed, or that is not as the contract says. */
  #page(answer: Answer, what: string): { ids: string[]; total: number } | undefined {
    if (answer.outcome !== 'ok') return undefined;
    const page = searchAnswerSchema.safeParse(answer.body);
    if (!page.success) {
      this.short.push(`the search for ${what} is not answered as the contract says`);
      return undefined;
    }
    return { ids: page.data.results.map(({ id }) => id), total: page.data.total_count };
  }

  /** A file whose deletion was sent meanwhile may be missing. */
  #shows(found: boolean, fileId: string, how: string): void {
    const { mustFind, phase } = this.#options;
    if (found) this.shown[phase()]++;
    else if (mustFind().has(fileId)) this.short.push(`${fileId} is not found ${how}`);
  }
}
