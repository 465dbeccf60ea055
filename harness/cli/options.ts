import { InvalidArgumentError, Option } from 'commander';
import { PROFILE_NAMES, type ProfileName } from '../contract/names.ts';
import { ENVIRONMENT_KINDS, type OwnKind } from '../environment/environment.ts';

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
