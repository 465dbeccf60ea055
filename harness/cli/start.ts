import type { Command } from 'commander';
import { type ProfileName, SERVICE_NAMES, STANDARD_PORTS } from '../../services/contract/names.ts';
import { UsageError } from '../core/errors.ts';
import { onInterrupt } from '../core/interrupt.ts';
import { shownPath } from '../core/text.ts';
import type { EnvironmentOptions } from '../environment/common/environment.ts';
import { writeOwnTarget } from '../environment/external/template.ts';
import { stackHelp } from '../environment/stack-help.ts';
import { chooseEnvironmentKind, startOwn } from '../environment/start.ts';
import { type EnvironmentChoice, environmentOption, integerBetween, profileOption } from './options.ts';
import { EXIT, EXIT_CODES_HELP, openScreen } from './output.ts';
import { screenRecorder } from './progress.ts';

interface StartOptions {
  env: EnvironmentChoice;
  profile: ProfileName;
  portOffset: number;
  redisPort?: number;
  postgresPort?: number;
  writeTarget?: string;
}

export function addStartCommand(program: Command, finish: (exitCode: number) => void): void {
  const standard = SERVICE_NAMES.map((name) => `${name} ${STANDARD_PORTS[name]}`).join(', ');
  const port = integerBetween(1, 65_535);
  program
    .command('start')
    .description(`Bring the reference pipeline up and leave it running (${standard}).`)
    .addOption(environmentOption())
    .addOption(profileOption())
    .option('--port-offset <n>', 'add this to every service port', integerBetween(0, 57_000), 0)
    .option('--redis-port <port>', 'port of Redis (default: a free one)', port)
    .option('--postgres-port <port>', 'port of PostgreSQL (default: a free one)', port)
    .option('--write-target <file>', 'describe it in a target file, to judge it with run --target')
    .addHelpText(
      'after',
      `
Examples:
  $ pnpm start                       on the standard ports
  $ pnpm start --port-offset 10000   when those are taken: 18000, 18010, 18020, 18030
  $ pnpm start --redis-port 6379     Redis where redis-cli looks for it
  $ pnpm start --profile classic     with the classic settings
  $ pnpm start --write-target /tmp/target.yaml   then, beside it: syncproof run --target /tmp/target.yaml
${EXIT_CODES_HELP}`,
    )
    .action(async (options: StartOptions) => finish(await start(options)));
}

/** Starts the pipeline, says how to use it, and stays until it is interrupted. */
async function start(options: StartOptions): Promise<number> {
  using screen = openScreen(process.stdout);
  using interrupt = onInterrupt(() => process.kill(process.pid, 'SIGKILL'));
  const { kind, reason } = await chooseEnvironmentKind(options.env);
  screen.line(`Environment: ${kind} (${reason})   profile: ${options.profile}`);
  try {
    await using environment = await startOwn({
      kind,
      profile: options.profile,
      storage: 'disk',
      recorder: screenRecorder(screen),
      ports: portsOf(options),
      signal: interrupt.signal,
    }).catch(explainTakenPort);
    screen.clear();
    screen.line(await stackHelp(environment));
    if (options.writeTarget !== undefined) {
      await writeOwnTarget(environment, options.writeTarget);
      screen.line(`\nAs a target: ${shownPath(options.writeTarget)}`);
    }
    await aborted(interrupt.signal);
    screen.line('\nStopping …');
    await environment.stop();
    screen.line('Stopped; nothing is left running.');
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
  }
  return EXIT.conformant;
}

function portsOf(options: StartOptions): NonNullable<EnvironmentOptions['ports']> {
  const services = Object.fromEntries(SERVICE_NAMES.map((name) => [name, STANDARD_PORTS[name] + options.portOffset]));
  return {
    ...services,
    redis: options.redisPort,
    postgres: options.postgresPort,
  };
}

function explainTakenPort(error: unknown): never {
  if (!(error instanceof UsageError) || !/port/.test(error.message)) throw error;
  throw new UsageError(
    `${error.message}. Free it, or choose others with --port-offset, --redis-port or --postgres-port`,
    { cause: error.cause, facts: error.facts },
  );
}

async function aborted(signal: AbortSignal): Promise<void> {
  // A pending promise keeps no process alive by itself.
  const keepAlive = setInterval(() => {}, 60_000);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  clearInterval(keepAlive);
}
