import { stat, writeFile } from 'node:fs/promises';
import { basename, dirname, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { SERVICE_NAMES, type ServiceName } from '../../services/contract/names.ts';
import { packageFacts } from '../config/settings.ts';
import { TARGET_SCHEMA_PATH } from '../config/target.ts';
import { UnreachableError, UsageError } from '../core/errors.ts';
import { shellWord, shownPath } from '../core/text.ts';
import { type Discovery, discover, standardUrl, targetTemplate } from '../environment/external/template.ts';
import { httpUrl } from './options.ts';
import { EXIT, EXIT_CODES_HELP, openScreen, type Screen } from './output.ts';

interface InitOptions extends Record<ServiceName, string> {
  name?: string;
  force?: boolean;
}

const DEFAULT_FILE = 'target.yaml';

export function addInitCommand(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('init')
    .description('Write a target file for your pipeline, from what its running services report.')
    .argument('[file]', 'the file to write', DEFAULT_FILE);
  for (const service of SERVICE_NAMES) {
    command.option(`--${service} <url>`, `where ${service} is`, httpUrl, standardUrl(service));
  }
  command
    .option('--name <name>', 'what the pipeline is called in reports (default: the folder)')
    .option('--force', 'overwrite the file')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof init                                        services on the standard ports of this machine
  $ syncproof init staging.yaml --admin https://files.example --query https://search.example
  $ syncproof plan --target target.yaml                   what can be judged, and what would let more be
${EXIT_CODES_HELP}`,
    )
    .action(async (file: string, options: InitOptions) => finish(await init(file, options)));
}

async function init(file: string, options: InitOptions): Promise<number> {
  using screen = openScreen(process.stdout);
  // Before the services are asked: that may take a while.
  if (!options.force && (await stat(file).catch(() => undefined))) {
    throw new UsageError(`${file} exists; --force overwrites it`);
  }
  const found = await discover(options);
  const { services, missing } = found;
  if (services.admin === undefined || services.query === undefined) {
    const why = Object.values({ admin: missing.admin, query: missing.query }).filter((each) => each !== undefined);
    throw new UnreachableError(
      `Expected admin and query to run: ${why.join('; ')}. Start them, or say where they are with --admin and --query`,
    );
  }
  const content = targetTemplate(found, {
    name: options.name ?? basename(process.cwd()),
    schema: relative(dirname(resolve(file)), resolve(packageFacts().root, TARGET_SCHEMA_PATH)),
  });
  await writeFile(file, content, { flag: options.force ? 'w' : 'wx' }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST') throw new UsageError(`${file} exists; --force overwrites it`);
    throw new UsageError(`Expected file to be one that can be written, got ${file}`, { cause });
  });
  tell(found, file, screen);
  return EXIT.conformant;
}

function tell({ services, missing, redisUrl }: Discovery, file: string, screen: Screen): void {
  const { paint } = screen;
  for (const name of SERVICE_NAMES) {
    const service = services[name];
    const line =
      service === undefined
        ? paint('yellow', `not found: ${missing[name] ?? ''}`)
        : `${paint('green', 'found')} at ${service.url}${service.version === undefined ? '' : `, version ${String(service.version.version)}`}`;
    screen.line(`${name.padEnd(9)} ${line}`);
  }
  if (redisUrl !== undefined) screen.line(`${'redis'.padEnd(9)} ${paint('green', 'found')} at ${redisUrl}`);
  const target = shellWord(file);
  screen.line(`
Written: ${shownPath(resolve(file))}. Next:
  1. set ADMIN_CLIENT_ID and ADMIN_CLIENT_SECRET, or put the account into the file
  2. syncproof plan --target ${target}    what can be judged, and what would let more be
  3. syncproof run --target ${target}`);
}
