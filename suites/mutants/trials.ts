import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunPlan, runPlanSchema } from '../../harness/config/run-plan.ts';
import {
  type HistoryRecord,
  monotonicMs,
  openHistory,
  type PlannedWorker,
  type RunContext,
  readHistory,
} from '../../harness/index.ts';
import { startSuite, suiteArguments } from '../runner/process.ts';
import { loadersOf, mutatedCode, mutatedSources } from './edits.ts';
import { judgeMutant, type Trial } from './matrix.ts';
import type { Mutant } from './mutant.ts';

const LOADER = new URL('loader.ts', import.meta.url);

/** Long enough for each aim of the nemesis to come once. */
const SOAK = { seconds: 280, ratePerSecond: 10 };
/** Of the aims that are meant for a variant: some of them need luck, such as which instance leads. */
const TURNS = 3;
const AIM = { pauseMs: 1500, ms: 4000 };

export interface TrialOptions {
  /** The workers that run cases. */
  workersFor: (keys: readonly string[]) => PlannedWorker[];
  /** Where each mutant gets a folder with its history and logs. */
  folder: string;
  /** How many test runners work side by side. */
  parallel: number;
  signal: AbortSignal;
  onTrials: (trials: readonly Trial[]) => void;
}

/**
 * Runs each broken variant of the reference against the cases that must catch it, in the real suite, and says who was
 * killed by what; by case, in their order. After an abort those that were tried so far.
 * @throws when a variant's text does not match exactly once, before anything starts
 */
export async function tryMutants(
  mutants: readonly Mutant[],
  { workersFor, folder, parallel, signal, onTrials }: TrialOptions,
): Promise<Trial[]> {
  for (const mutant of mutants) mutatedSources(mutant);
  const waiting = [...mutants];
  const trials: Trial[] = [];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined && !signal.aborted; mutant = waiting.shift()) {
      const own = await tryMutant(mutant, join(folder, mutant.id), { workersFor, signal });
      if (signal.aborted) return;
      trials.push(...own);
      onTrials(own);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return trials.sort((a, b) => a.case.localeCompare(b.case, 'en', { numeric: true }));
}

function soakFor({ aims, unrepaired }: Mutant): NonNullable<RunPlan['soak']> {
  // A pipeline that repairs nothing has no answer to a Redis that lost its data, and would be found out by that alone.
  if (aims === undefined) return { ...SOAK, ...(unrepaired ? { without: ['wipe redis'] } : {}) };
  const turns = Array.from({ length: TURNS }, () => aims).flat();
  const rounds = turns.map((name) => ({
    pauseMs: AIM.pauseMs,
    disruptions: [{ name, startMs: 0, holdMs: AIM.ms }],
  }));
  return { ...SOAK, rounds };
}

/** Runs the cases of one mutant in a test runner of its own, and reads their verdicts. */
async function tryMutant(
  mutant: Mutant,
  outputDirectory: string,
  { workersFor, signal }: Pick<TrialOptions, 'workersFor' | 'signal'>,
): Promise<Trial[]> {
  await mkdir(outputDirectory, { recursive: true });
  const sourcesPath = join(outputDirectory, 'sources.json');
  await writeFile(sourcesPath, JSON.stringify(mutatedCode(mutant)));
  const loader = new URL(LOADER);
  loader.searchParams.set('sources', sourcesPath);
  const plan = runPlanSchema.parse({
    environment: 'processes',
    reason: 'as every broken variant',
    profile: 'default',
    seed: 1,
    cases: mutant.caughtBy,
    soak: soakFor(mutant),
  });
  const context: RunContext = {
    plan,
    workers: workersFor(mutant.caughtBy),
    runId: mutant.id,
    originMs: monotonicMs(),
    historyPath: join(outputDirectory, 'history.jsonl'),
    outputDirectory,
    variant: {
      nodeArguments: Object.fromEntries(loadersOf(mutant).map((name) => [name, ['--import', loader.href]])),
      sql: mutant.sql ?? {},
      redisGrants: mutant.redis,
    },
  };
  const contextPath = join(outputDirectory, 'run-context.json');
  await writeFile(contextPath, JSON.stringify(context, null, 2));
  // Makes the file, so that a runner that breaks at once leaves an empty history and not none.
  openHistory(context.historyPath, context.originMs)[Symbol.dispose]();

  await using suite = startSuite({
    arguments: suiteArguments(),
    contextPath,
    logPath: join(outputDirectory, 'vitest.log'),
  });
  const stop = (): void => void suite.stop();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await suite.ended;
  signal.removeEventListener('abort', stop);
  const records: HistoryRecord[] = [];
  for await (const record of readHistory(context.historyPath)) records.push(record);
  return judgeMutant(mutant, records);
}
