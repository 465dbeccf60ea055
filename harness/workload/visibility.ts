import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceName } from '../../services/contract/names.ts';
import { type Answer, cacheOf, type PipelineClient } from '../clients/pipeline.ts';
import { pollUntil } from '../core/time.ts';
import type { NewRecord, Visibility } from '../record/history.ts';
import type { Recorder } from '../record/writer.ts';

/**
 * Polls `/health/ready` of a service until `accept` takes an answer.
 * @throws DeadlineError with the last answer
 */
export function awaitReadiness(
  pipeline: PipelineClient,
  service: ServiceName,
  what: string,
  accept: (answer: Answer) => boolean,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
): Promise<Answer> {
  return pollUntil(
    async () => {
      const answer = await pipeline.ready(service, { recorded: false, timeoutMs: 2000 });
      if (accept(answer)) return answer;
      throw new Error(
        `${service} is ${answer.status ?? answer.error ?? answer.outcome}, cache ${cacheOf(answer) ?? 'unknown'}`,
      );
    },
    { what, timeoutMs, intervalMsMax: 100, signal },
  );
}

type Sample = Omit<Visibility, 'type' | 'at' | 'case'>;

/** A committed write to be followed until a reader sees it. Times are the recorder's. */
export interface Watched {
  op: string;
  fileId: string;
  kind: Visibility['kind'];
  phase: string;
  intendedAt: number;
  acceptedAt: number;
  /** Which by-id answer shows the write; default: any that finds the file (for `deleted`: that finds none). */
  shows?: (answer: Answer) => boolean;
  /** Given up at this time; by default `timeoutMs` after `acceptedAt`, and never before `holdUntil`. */
  deadlineAt?: number;
}

export type Hops = NonNullable<Visibility['hops']>;

export interface VisibilityTrackerOptions {
  pipeline: PipelineClient;
  recorder: Recorder;
  /** How long a write may stay unseen before it counts as censored. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Reads of all files together, while there is no hurry; default 400. Fewer cost resolution, not truth. */
  readsPerSecond?: number;
  /** The same after `hurry`, for as long as a write may take to become visible; default 1500. */
  readsPerSecondHurried?: number;
  /**
   * Called once at the end with the ids that were seen; gives their hops, in run time. With it, samples are recorded
   * at the end instead of one by one.
   */
  hops?: (fileIds: readonly string[]) => Promise<ReadonlyMap<string, Hops>>;
}

/** Shortest pause between two reads of one file, which bounds the resolution from below. */
const PAUSE_MS_MIN = 2;
const PAUSE_MS_MAX = 250;
/** A pause is this share of the time already waited, so the resolution is relative to what is measured. */
const PAUSE_SHARE = 0.1;
/**
 * All files together are read at most about this often, so that measuring does not become the load. With so many files
 * waiting that their pauses would come to more, this cap sets the resolution, no longer the share: a file is then read
 * once in (files waiting ÷ reads per second).
 */
const READS_PER_SECOND = 400;
/** After `hurry`, when a backlog is expected to drain. */
const READS_PER_SECOND_HURRIED = 1500;
/** A herd of reads would wait for the target's connections instead of measuring it. */
const READS_AT_ONCE = 16;

/**
 * Follows committed writes until by-id reads show them. Each sample is an interval: the write became visible after the
 * last read that missed it was sent, and before the first that hit was answered.
 */
export class VisibilityTracker {
  readonly samples: Sample[] = [];
  readonly #options: VisibilityTrackerOptions;
  readonly #running = new Set<Promise<void>>();
  #waiting = 0;
  #hurriedAt = Number.NEGATIVE_INFINITY;
  #deadlineAtLeast = 0;
  #wake = new AbortController();
  #failure: { error: unknown } | undefined;
  #reading = 0;
  readonly #turns: (() => void)[] = [];

  constructor(options: VisibilityTrackerOptions) {
    this.#options = options;
  }

  /** Starts following; never throws. What goes wrong is thrown by `finish`, and its write is censored. */
  watch(watched: Watched): void {
    this.#waiting++;
    const run = this.#settle(watched).finally(() => {
      this.#waiting--;
      this.#running.delete(run);
    });
    this.#running.add(run);
  }

  /** How many writes are not seen yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Something just recovered: read all that is missing at once, and finely for a while. */
  hurry(): void {
    this.#hurriedAt = this.#options.recorder.now();
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  /** No write is given up before this time, from now on; infinity while a fault of unknown length is on. */
  holdUntil(deadlineAt: number): void {
    this.#deadlineAtLeast = deadlineAt;
  }

  /**
   * Waits until every write was seen or given up, and gives all samples.
   * @throws the first error that following one met, e.g. of its `shows`
   */
  async finish(): Promise<readonly Sample[]> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
    const { hops, recorder } = this.#options;
    if (hops !== undefined) {
      const known = await hops(this.samples.flatMap(({ fileId, hitAt }) => (hitAt === null ? [] : [fileId])));
      for (const sample of this.samples) {
        const own = known.get(sample.fileId);
        if (own !== undefined) sample.hops = relative(own, sample.acceptedAt);
        recorder.record(record(sample, recorder.now()));
      }
    }
    return this.samples;
  }

  /** Never rejects: a rejection before `finish` is awaited would be unhandled. */
  async #settle(watched: Watched): Promise<void> {
    const failed = (error: unknown): void => {
      this.#failure ??= { error };
    };
    try {
      const sample = await this.#follow(watched).catch((error: unknown) => {
        failed(error);
        return censored(watched);
      });
      this.#add(sample);
    } catch (error) {
      failed(error);
    }
  }

  #add(sample: Sample): void {
    this.samples.push(sample);
    const { hops, recorder } = this.#options;
    if (hops === undefined) recorder.record(record(sample, recorder.now()));
  }

  async #follow(watched: Watched): Promise<Sample> {
    const { pipeline, recorder, signal, timeoutMs } = this.#options;
    const { shows = shownBy(watched.kind), deadlineAt: givenDeadlineAt, ...base } = watched;
    const deadlineAt = givenDeadlineAt ?? watched.acceptedAt + timeoutMs;
    let missAt: number | null = null;
    for (;;) {
      const answer = await this.#inTurn(() =>
        pipeline.searchById(watched.fileId, { recorded: false, timeoutMs: 5000 }),
      );
      if (shows(answer)) return { ...base, missAt, hitAt: answer.endedAt };
      // A read that failed shows neither: it does not move the lower bound.
      if (answer.outcome === 'ok') missAt = answer.startedAt;
      const now = recorder.now();
      if (signal?.aborted === true || now >= Math.max(deadlineAt, this.#deadlineAtLeast)) {
        return { ...base, missAt, hitAt: null };
      }
      await this.#pause(now, watched.acceptedAt);
    }
  }

  /** Runs a read when fewer than the allowed number are under way; those that wait go first come, first served. */
  async #inTurn<T>(read: () => Promise<T>): Promise<T> {
    if (this.#reading < READS_AT_ONCE) this.#reading++;
    else await new Promise<void>((resolve) => this.#turns.push(resolve));
    try {
      return await read();
    } finally {
      const next = this.#turns.shift();
      if (next === undefined) this.#reading--;
      else next();
    }
  }

  async #pause(now: number, acceptedAt: number): Promise<void> {
    const hurried = now - this.#hurriedAt < this.#options.timeoutMs;
    const waitedMs = now - Math.max(acceptedAt, this.#hurriedAt);
    const { readsPerSecond: calm = READS_PER_SECOND, readsPerSecondHurried = READS_PER_SECOND_HURRIED } = this.#options;
    const readsPerSecond = hurried ? readsPerSecondHurried : calm;
    const ownMs = Math.min(Math.max(waitedMs * PAUSE_SHARE, PAUSE_MS_MIN), PAUSE_MS_MAX);
    const sharedMs = (this.#waiting / readsPerSecond) * 1000;
    const wake = this.#wake.signal;
    await sleep(Math.max(ownMs, sharedMs), undefined, { signal: wake }).catch((error: unknown) => {
      if (!wake.aborted) throw error;
    });
  }
}

function shownBy(kind: Visibility['kind']): (answer: Answer) => boolean {
  return ({ status }) => (kind === 'deleted' ? status === 404 : status === 200);
}

function censored({ shows: _, deadlineAt: __, ...base }: Watched): Sample {
  return { ...base, missAt: null, hitAt: null };
}

function record(sample: Sample, now: number): NewRecord {
  return { type: 'visibility', at: sample.hitAt ?? now, ...sample };
}

function relative({ xadd, rowCommitted }: Hops, acceptedAt: number): Hops {
  return {
    ...(xadd === undefined ? {} : { xadd: xadd - acceptedAt }),
    ...(rowCommitted === undefined ? {} : { rowCommitted: rowCommitted - acceptedAt }),
  };
}
