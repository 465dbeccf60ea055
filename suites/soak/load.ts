import { type PipelineClient, startOpenLoop } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';

/** Operations that are due, in a hundred. */
export const MIX = { upload: 30, update: 30, delete: 6, read: 20, search: 14 } as const;
type MixedKind = keyof typeof MIX;
const KINDS = Object.keys(MIX) as MixedKind[];
/** Files that take part at a time; further uploads take the place of deletions. */
const FILES_MAX = 400;
const FILES_MIN = 10;
const TIMEOUT_MS = 10_000;

type Outcome = 'ok' | 'fail' | 'unknown';

export interface MixedLoad {
  /** How many operations ended how, of these kinds. Which ones they were is in the history. */
  count(outcomes: readonly Outcome[], kinds?: readonly MixedKind[]): number;
  /** How long after its due time an operation began, at worst. */
  readonly latestMs: number;
  stop(): Promise<void>;
}

/** Of several instances of one service. */
type Clients = readonly [PipelineClient, ...PipelineClient[]];

export interface MixedLoadOptions {
  ratePerSecond: number;
  readers: Clients;
  writers: Clients;
  /** Told of every accepted upload; a file that it takes is left alone from then on. */
  take: (uploaded: { op: string; fileId: string; intendedAt: number; acceptedAt: number }) => boolean;
}

/**
 * Uploads, updates, deletions, reads by id and searches at a steady rate, chosen at random, whatever their outcome. Of
 * one file there is never more than one write in flight, and none after one without a clear answer: so what it must be
 * in the end is known, or known not to be. Reads go to any of the `readers`, changes to any of the `writers`.
 */
export function startMixedLoad(
  { pipeline, recorder, random, unique, signal }: CaseContext,
  { ratePerSecond, readers, writers, take }: MixedLoadOptions,
): MixedLoad {
  const lots = random.fork('load');
  const counts = new Map<string, number>();
  const names = new Map<string, string>();
  /** Alive, as far as is known, with no write in progress. */
  const idle: string[] = [];
  const steps = new Map<string, number>();
  let latestMs = 0;

  const anyIdle = (): string | undefined => idle[lots.integer(0, idle.length - 1)];
  const takeIdle = (): string | undefined => idle.splice(lots.integer(0, Math.max(0, idle.length - 1)), 1)[0];
  /** Of what is not written to any more. */
  const forget = (id: string): void => {
    names.delete(id);
    steps.delete(id);
  };
  const options = (intendedAt: number) => ({ intendedAt, timeoutMs: TIMEOUT_MS, signal });

  const acts: Record<MixedKind, (dueAt: number, index: number) => Promise<Outcome | undefined>> = {
    async upload(dueAt, index) {
      const filename = `${unique}-${index}.txt`;
      const content = Buffer.from(filename);
      const { outcome, body, op, endedAt: acceptedAt } = await pipeline.upload({ filename, content }, options(dueAt));
      const fileId = outcome === 'ok' ? (body as { file_id?: unknown }).file_id : undefined;
      if (typeof fileId === 'string' && !take({ op, fileId, intendedAt: dueAt, acceptedAt })) {
        names.set(fileId, filename);
        idle.push(fileId);
      }
      return outcome;
    },
    async update(dueAt) {
      const id = takeIdle();
      if (id === undefined) return undefined;
      const step = (steps.get(id) ?? 0) + 1;
      steps.set(id, step);
      const { outcome } = await lots.pick(writers).update(id, { description: `step ${step}` }, options(dueAt));
      if (outcome !== 'unknown') idle.push(id);
      else forget(id);
      return outcome;
    },
    async delete(dueAt) {
      const id = takeIdle();
      if (id === undefined) return undefined;
      const { outcome } = await lots.pick(writers).remove(id, options(dueAt));
      if (outcome === 'fail') idle.push(id);
      else forget(id);
      return outcome;
    },
    async read(dueAt) {
      const id = anyIdle();
      return id === undefined ? undefined : (await lots.pick(readers).searchById(id, options(dueAt))).outcome;
    },
    async search(dueAt) {
      const query = names.get(anyIdle() ?? '') ?? unique;
      return (await lots.pick(readers).search({ query, mode: 'exact', limit: 10 }, options(dueAt))).outcome;
    },
  };

  const loop = startOpenLoop({
    recorder,
    ratePerSecond,
    signal,
    act: async (index, dueAt) => {
      latestMs = Math.max(latestMs, recorder.now() - dueAt);
      const kind = kindFor(lots.integer(0, 99), idle.length);
      const outcome = await acts[kind](dueAt, index);
      if (outcome === undefined) return;
      const key = `${kind} ${outcome}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    },
  });
  return {
    count: (outcomes, kinds = KINDS) =>
      outcomes
        .flatMap((outcome) => kinds.map((kind) => counts.get(`${kind} ${outcome}`) ?? 0))
        .reduce((sum, each) => sum + each, 0),
    get latestMs() {
      return latestMs;
    },
    stop: () => loop.stop(),
  };
}

function kindFor(lot: number, idle: number): MixedKind {
  if (idle < FILES_MIN) return 'upload';
  let left = lot;
  for (const [kind, share] of Object.entries(MIX) as [MixedKind, number][]) {
    left -= share;
    if (left >= 0) continue;
    return kind === 'upload' && idle >= FILES_MAX ? 'delete' : kind;
  }
  return 'search';
}
