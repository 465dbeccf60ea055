import type { Command } from 'commander';
import type { ProfileName } from '../../services/contract/names.ts';
import { createPipelineClient } from '../clients/pipeline.ts';
import { UnreachableError } from '../core/errors.ts';
import { onInterrupt } from '../core/interrupt.ts';
import { milliseconds, table } from '../core/text.ts';
import { monotonicMs } from '../core/time.ts';
import type { Environment } from '../environment/common/environment.ts';
import { chooseEnvironmentKind, startOwn } from '../environment/start.ts';
import type { Recorder } from '../record/writer.ts';
import { type BenchResult, type BenchRound, benchSync, type Ratios } from '../workload/bench.ts';
import { type EnvironmentChoice, environmentOption, integerBetween, profileOption } from './options.ts';
import { EXIT, EXIT_CODES_HELP, openScreen } from './output.ts';
import { screenRecorder } from './progress.ts';

interface BenchOptions {
  env: EnvironmentChoice;
  profile: ProfileName;
  rate: number;
  count: number;
  rounds: number;
  json?: boolean;
}

export function addBenchCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('bench')
    .description('Measure sync latency beside its floor, a bare XADD → upsert loop on the same servers.')
    .addOption(environmentOption())
    .addOption(profileOption())
    .option('--rate <n>', 'uploads per second', integerBetween(1, 10_000), 100)
    .option('--count <n>', 'samples of each kind in a round', integerBetween(100, 1_000_000), 1000)
    .option('--rounds <n>', 'rounds, the two kinds taking turns', integerBetween(1, 100), 3)
    .option('--json', 'write the figures as JSON to stdout, and everything else to stderr')
    .addHelpText(
      'after',
      `
Examples:
  $ pnpm bench
  $ pnpm bench --rate 500 --rounds 5
  $ pnpm --silent bench --json > figures.json
${EXIT_CODES_HELP}`,
    )
    .action(async (options: BenchOptions) => finish(await bench(options)));
}

async function bench(options: BenchOptions): Promise<number> {
  using screen = openScreen(options.json === true ? process.stderr : process.stdout);
  using interrupt = onInterrupt(() => process.kill(process.pid, 'SIGKILL'));
  const { signal } = interrupt;
  const { kind, reason } = await chooseEnvironmentKind(options.env);
  screen.line(`Environment: ${kind} (${reason})   profile: ${options.profile}`);
  try {
    const recorder = screenRecorder(screen);
    const startedAt = monotonicMs();
    await using environment = await startOwn({
      kind,
      profile: options.profile,
      storage: 'disk',
      recorder,
      signal,
    });
    await uploadOnce(environment, recorder);
    const startMs = monotonicMs() - startedAt;
    const { rate, count, rounds } = options;
    const result = await benchSync({
      environment,
      recorder,
      ratePerSecond: rate,
      count,
      rounds,
      signal,
      onProgress: (text) => screen.line(screen.paint('dim', text)),
    });
    screen.clear();
    for (const line of benchLines(result, startMs)) screen.line(line);
    if (options.json === true) {
      const { id, versions } = environment;
      process.stdout.write(`${JSON.stringify({ kind, id, versions, startMs, ...result }, null, 2)}\n`);
    }
    return EXIT.conformant;
  } catch (error) {
    if (!signal.aborted) throw error;
    screen.line('Interrupted.');
    return EXIT.inconclusive;
  }
}

async function uploadOnce(environment: Environment, recorder: Recorder): Promise<void> {
  const { urls, accounts } = environment;
  await using pipeline = createPipelineClient({ urls, accounts, recorder });
  const { outcome, error } = await pipeline.upload({ filename: 'first.txt', content: Buffer.from('first') });
  if (outcome !== 'ok') throw new UnreachableError(`The first upload was not accepted: ${error ?? outcome}`);
}

/** Medians over the rounds, with the lowest and the highest: how far to trust them. */
function benchLines({ rounds, ratios, ratePerSecond }: BenchResult, startMs: number): string[] {
  const row = (name: string, pick: (round: BenchRound) => { p50: number; p95: number; p99: number }): string[] => [
    name,
    ...(['p50', 'p95', 'p99'] as const).map((quantile) =>
      spread(
        rounds.map((each) => pick(each)[quantile]),
        ms,
      ),
    ),
  ];
  const committed = rounds.flatMap(({ rowCommitted }) => rowCommitted ?? []);
  const samples = rounds.reduce((sum, { fromAccepted }) => sum + fromAccepted.n, 0);
  const censored = rounds.reduce((sum, round) => sum + round.censored, 0);
  return [
    '',
    ...table([
      [`at ${ratePerSecond}/s, in ms`, 'p50', 'p95', 'p99'],
      row('floor: XADD → row committed', ({ floor }) => floor),
      row('pipeline: accepted → seen by id', ({ fromAccepted }) => fromAccepted),
      row('pipeline: due → seen by id', ({ fromIntended }) => fromIntended),
      row('upload: due → accepted', ({ upload }) => upload),
      ...(committed.length === rounds.length
        ? [row('accepted → row committed', (round) => round.rowCommitted ?? round.floor)]
        : []),
      ratioRow('row committed over floor', ratios.committed),
      ratioRow('seen by id over floor', ratios.seen),
    ]),
    '',
    `Median of ${rounds.length} rounds (lowest–highest), ${samples} samples seen, ${censored} never seen.`,
    `Resolution of what is seen: ${spread(
      rounds.map(({ resolutionMs }) => resolutionMs),
      ms,
    )} ms (median interval).`,
    `Start of the environment to the first accepted upload: ${milliseconds(startMs)}.`,
  ];
}

function ratioRow(name: string, { p50, p95, p99 }: Ratios): string[] {
  return [name, ...[p50, p95, p99].map((values) => (values.length === 0 ? '–' : spread(values, times)))];
}

const ms = (value: number): string => value.toFixed(1);
const times = (value: number): string => `${value.toFixed(1)}×`;

function spread(values: readonly number[], format: (value: number) => string): string {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  if (sorted.length < 2) return format(median);
  return `${format(median)} (${format(sorted[0] ?? median)}–${format(sorted.at(-1) ?? median)})`;
}
