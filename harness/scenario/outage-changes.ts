import type { Answer, PipelineClient } from '../clients/pipeline.ts';
import type { VisibilityTracker } from '../probes/visibility.ts';
import type { Recorder } from '../record/writer.ts';
import { type OpenLoop, startOpenLoop } from './load.ts';

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

  /** Files whose deletion was sent, whatever came of it. */
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
