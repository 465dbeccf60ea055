import { type Command, InvalidArgumentError, Option } from 'commander';
import { PROFILE_NAMES, type ProfileName } from '../../services/contract/names.ts';
import { LEVELS, type Level, TIERS, type Tier } from '../../suites/ledger/requirement.ts';
import { ACCESS_KINDS, CAPABILITIES } from '../config/capabilities.ts';
import type { RunPlan } from '../config/run-plan.ts';
import { loadTarget, type Target } from '../config/target.ts';
import { UsageError } from '../core/errors.ts';
import { ENVIRONMENT_KINDS, type OwnKind } from '../environment/common/environment.ts';
import { chooseEnvironmentKind } from '../environment/start.ts';
import { requireKnownFailures } from './cases.ts';

export type EnvironmentChoice = 'auto' | OwnKind;

/** Parser of an option's value, for commander: the message completes "option '--seed <n>' argument 'x' is invalid." */
export function integerBetween(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^-?\d+$/.test(value) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Expected an integer from ${min} to ${max}, got ${JSON.stringify(value)}.`);
  };
}

function oneOf<T extends string>(choices: readonly T[]): (value: string) => T {
  return (value) => {
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Expected one of ${choices.join(', ')}, got ${JSON.stringify(value)}.`);
  };
}

/** Parser of an option that takes an address. */
export function httpUrl(value: string): string {
  if (/^https?:$/.test(URL.parse(value)?.protocol ?? '')) return value;
  throw new InvalidArgumentError(`Expected an http:// or https:// address, got ${JSON.stringify(value)}.`);
}

/** `--env`: what the pipeline runs in. */
export function environmentOption(): Option {
  const choices = ['auto', ...ENVIRONMENT_KINDS] as const;
  return new Option('--env <kind>', `what to run the pipeline in: ${choices.join(', ')}`)
    .argParser(oneOf<EnvironmentChoice>(choices))
    .env('SYNCPROOF_ENV')
    .default('auto');
}

export function profileOption(): Option {
  return new Option(
    '--profile <name>',
    `settings of the services: ${PROFILE_NAMES.join(', ')} (classic: batch 10, block 5 s, retry 60 s)`,
  )
    .argParser(oneOf<ProfileName>(PROFILE_NAMES))
    .env('SYNCPROOF_PROFILE')
    .default('default');
}

export const SEED_MAX = 0xffff_ffff;

export function seedOption(): Option {
  return new Option('--seed <n>', 'source of every random choice (default: a new one, printed)')
    .argParser(integerBetween(0, SEED_MAX))
    .env('SYNCPROOF_SEED');
}

export function reportOption(): Option {
  return new Option('--report <dir>', 'where reports go: <dir>/<run-id>/, and <dir>/latest')
    .env('SYNCPROOF_REPORT')
    .default('reports/output');
}

/** Parser of an option that may be given several times, with several values each. */
function each<T>(parse: (value: string) => T): (value: string, before?: readonly T[]) => T[] {
  return (value, before = []) => [...before, parse(value)];
}

export function caseOption(): Option {
  return new Option('--case <id...>', "only these requirements or cases, e.g. SYNC-01 RES-01/killed 'PUB-*'").argParser(
    each(String),
  );
}

export function tierOption(): Option {
  return new Option('--tier <tier...>', `only these tiers: ${TIERS.join(', ')}`).argParser(each(oneOf<Tier>(TIERS)));
}

export function levelOption(): Option {
  return new Option('--level <level...>', `only these levels: ${LEVELS.join(', ')}`).argParser(
    each(oneOf<Level>(LEVELS)),
  );
}

/** What capabilities were called before; still understood. */
const FORMER_NEEDS: Readonly<Record<string, string>> = {
  'several query': 'multiple-query-instances',
  'several admin': 'multiple-admin-instances',
  arrange: 'custom-environment',
};

export function needOption(): Option {
  const needs: readonly string[] = [...new Set<string>([...ACCESS_KINDS, ...CAPABILITIES.keys()])];
  return new Option(
    '--need <what...>',
    `only what needs this: ${ACCESS_KINDS.join(', ')}, or a capability such as 'stop redis'`,
  ).argParser(each((value) => oneOf(needs)(FORMER_NEEDS[value] ?? value)));
}

export function targetOption(): Option {
  return new Option('--target <file>', 'the pipeline to judge, as a target file says; `syncproof init` writes one').env(
    'SYNCPROOF_TARGET',
  );
}

export function retriesOption(): Option {
  return new Option('--retries <n>', 'try a case that does not pass again; one that passes then is flaky, never a pass')
    .argParser(integerBetween(0, 10))
    .default(0);
}

export function allowPartialOption(): Option {
  return new Option('--allow-partial', 'exit with 0 although cases were skipped as unsupported by the target');
}

/** What a command judges: a target, or the reference in the environment that was asked for. */
export interface Judged {
  plan: Pick<RunPlan, 'environment' | 'reason' | 'target'>;
  target?: Target;
}

/** @throws UsageError for a target file that is wrong, or beside options that say where else the pipeline runs */
export async function resolveTarget(command: Command): Promise<Judged> {
  const targetFile = targetFileOf(command);
  if (targetFile === undefined) {
    const { kind, reason } = await chooseEnvironmentKind(command.getOptionValue('env') as EnvironmentChoice);
    return { plan: { environment: kind, reason } };
  }
  const target = loadTarget(targetFile);
  requireKnownFailures(target);
  for (const note of target.notes) process.stderr.write(`${note}\n`);
  return { plan: { environment: 'external', reason: `as ${targetFile} says`, target: target.file }, target };
}

/**
 * The target file that a command was given, if any. It says where the pipeline is, and so do --env and --profile: what
 * stands on the command line outranks what the environment variables say.
 * @throws UsageError when both stand in the same place
 */
function targetFileOf(command: Command): string | undefined {
  const target = command.getOptionValue('target') as string | undefined;
  if (target === undefined) return undefined;
  const place = command.getOptionValueSource('target');
  for (const name of ['env', 'profile']) {
    const rival = command.getOptionValueSource(name);
    if (rival === place) {
      const [mine, other] =
        place === 'cli' ? ['--target', `--${name}`] : ['SYNCPROOF_TARGET', `SYNCPROOF_${name.toUpperCase()}`];
      throw new UsageError(`Expected ${mine} or ${other}, got both: a target file says where its pipeline runs`);
    }
    if (rival === 'cli') {
      // A verdict on the reference must not be taken for one on the user's own pipeline.
      process.stderr.write(`SYNCPROOF_TARGET is set but not used: --${name} is given on the command line\n`);
      return undefined;
    }
  }
  return target;
}
