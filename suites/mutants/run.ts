/**
 * Proves that the cases find what they are for: runs each broken variant of the reference against the cases that must
 * catch it, in the real suite, and prints who was killed by what.
 *
 *   node suites/mutants/run.ts [--mutant ID]… [--parallel N] [--list]
 *
 * Exit codes: 0 all killed · 1 a survivor, or a variant whose text does not match exactly once · 4 wrong option.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startSuite, suiteArguments } from '../../harness/cli/suite-process.ts';
import {
  describeError,
  type HistoryRecord,
  monotonicMs,
  openHistory,
  type RunContext,
  readHistory,
} from '../../harness/index.ts';
import { mutatedSources, servicesOf } from './edits.ts';
import { judgeMutant, matrixLines, type Trial } from './matrix.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS, mutantById } from './mutants.ts';

const PARALLEL = 4;
const LOADER = new URL('loader.ts', import.meta.url).href;
const OUTPUT = resolve(import.meta.dirname, '../../reports/output');

function readOptions(): { mutants: readonly Mutant[]; parallel: number; list: boolean } {
  const { values } = parseArgs({
    options: {
      mutant: { type: 'string', multiple: true },
      parallel: { type: 'string', default: String(PARALLEL) },
      list: { type: 'boolean', default: false },
    },
  });
  const parallel = Number(values.parallel);
  if (!Number.isInteger(parallel) || parallel < 1) {
    throw new Error(`Expected --parallel to be a positive integer, got ${values.parallel}`);
  }
  return { mutants: values.mutant?.map(mutantById) ?? MUTANTS, parallel, list: values.list };
}

/** Runs the cases of one mutant in a test runner of its own, and reads their verdicts. */
async function tryMutant(mutant: Mutant, folder: string, signal: AbortSignal): Promise<Trial[]> {
  const outputDirectory = join(folder, mutant.id);
  await mkdir(outputDirectory, { recursive: true });
  const nodeArguments = Object.fromEntries(
    servicesOf(mutant).map((service) => [service, ['--import', `${LOADER}?mutant=${mutant.id}`]]),
  );
  const context: RunContext = {
    runId: mutant.id,
    originMs: monotonicMs(),
    seed: 1,
    profile: 'default',
    environment: 'processes',
    historyPath: join(outputDirectory, 'history.jsonl'),
    outputDirectory,
    keep: false,
    retries: 0,
    cases: [...mutant.caughtBy],
    nodeArguments,
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
  await suite.ended;
  signal.removeEventListener('abort', stop);
  const records: HistoryRecord[] = [];
  for await (const record of readHistory(context.historyPath)) records.push(record);
  return judgeMutant(mutant, records);
}

async function runAll(mutants: readonly Mutant[], parallel: number, signal: AbortSignal): Promise<Trial[]> {
  const folder = join(OUTPUT, `mutants-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}`);
  const waiting = [...mutants];
  const trials: Trial[] = [];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined && !signal.aborted; mutant = waiting.shift()) {
      const own = await tryMutant(mutant, folder, signal);
      trials.push(...own);
      for (const line of matrixLines(own)) console.log(line);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  trials.sort((a, b) => a.case.localeCompare(b.case, 'en', { numeric: true }));
  const path = join(folder, 'matrix.json');
  await writeFile(path, `${JSON.stringify(trials, null, 2)}\n`);
  console.log(`\n${['Kill matrix, by case:', ...matrixLines(trials)].join('\n')}\n\nAs data: ${path}`);
  return trials;
}

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions();
  } catch (error) {
    console.error(describeError(error));
    return 4;
  }
  if (options.list) {
    for (const { id, defect, caughtBy } of options.mutants) console.log(`${id}: ${defect} (${caughtBy.join(', ')})`);
    return 0;
  }
  for (const mutant of options.mutants) mutatedSources(mutant);
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort());
  const trials = await runAll(options.mutants, options.parallel, interrupted.signal);
  const survivors = trials.filter(({ killed }) => !killed);
  console.log(`${trials.length - survivors.length} killed, ${survivors.length} survived`);
  return survivors.length > 0 || interrupted.signal.aborted ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 1;
}
