import type { PipelineClient } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';
import { lastEventId } from './events.ts';
import { awaitChange, DELETION, demandInOrder } from './published.ts';
import { registerPlain, remove, updateDescription } from './registrations.ts';
import { awaitById } from './steps.ts';

/**
 * A registered file that is changed step by step. Every change has a description of its own and waits for its answer, so
 * the order of the commits is known: what is published is held against it.
 */
export class ChangingFile {
  readonly id: string;
  readonly #t: CaseContext;
  readonly #before: string;
  readonly #changes = [CREATION];

  private constructor(t: CaseContext, id: string, before: string) {
    this.#t = t;
    this.id = id;
    this.#before = before;
  }

  /** Registers a file; what its events are looked for after is the stream's end at `before`, by default now. */
  static async register(t: CaseContext, name: string, before?: string): Promise<ChangingFile> {
    const from = before ?? (await lastEventId(t.redis));
    const { file_id } = await registerPlain(t.pipeline, `${t.unique}-${name}.txt`, { description: CREATION });
    return new ChangingFile(t, file_id, from);
  }

  /** How many changes were committed, the creation included. */
  get changes(): number {
    return this.#changes.length;
  }

  async update(admin: PipelineClient = this.#t.pipeline): Promise<void> {
    const change = `update ${this.#changes.length}`;
    await updateDescription(admin, this.id, change);
    this.#changes.push(change);
  }

  async remove(): Promise<void> {
    await remove(this.#t.pipeline, this.id);
    this.#changes.push(DELETION);
  }

  /**
   * Waits until the newest change is published and search shows it.
   * @returns how many copies the stream has of the change that it has most of
   * @throws Violation when that takes longer than `timeoutMs`, and unless all changes are on the stream, in their order
   */
  async published(timeoutMs = this.#t.env.promises.syncMs): Promise<number> {
    const { pipeline, signal } = this.#t;
    const changes = [...this.#changes];
    const newest = changes.at(-1) ?? CREATION;
    const copies = demandInOrder(await awaitChange(this.#t, this.id, this.#before, newest, timeoutMs), changes);
    const description = newest === DELETION ? undefined : newest;
    const what = `${newest} of ${this.id} searchable`;
    await awaitById(pipeline, this.id, what, (hit) => hit?.description === description, { timeoutMs, signal });
    return copies;
  }
}

const CREATION = 'creation';
