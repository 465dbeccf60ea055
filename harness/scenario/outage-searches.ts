import type { Answer, OperationOptions, PipelineClient } from '../clients/pipeline.ts';
import { searchAnswerSchema } from '../contract/http.ts';
import type { Recorder } from '../record/writer.ts';
import { type OpenLoop, startOpenLoop } from './load.ts';
import type { OutagePhase } from './outage-changes.ts';

/** Results of one page, which is all that is looked at; the total counts the others, too. */
const PAGE = 50;

interface SearchesOptions {
  pipeline: PipelineClient;
  recorder: Recorder;
  /** Begins every file name, so that one search finds them all. */
  prefix: string;
  ratePerSecond: number;
  phase: () => OutagePhase;
  /** Files, by their names, that every search must find now: readers have seen them, and nobody has deleted them. */
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
