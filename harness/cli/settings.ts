import { RUN_CONTEXT_VARIABLE } from '../config/run-context.ts';
import { refuseUnknownSettings } from '../config/settings.ts';
import { table } from '../core/table.ts';

/** Environment variables that the harness reads, for `--help` and for finding misspelt ones. */
const SETTINGS: readonly (readonly [name: string, meaning: string])[] = [
  ['SYNCPROOF_ENV', 'default of --env'],
  ['SYNCPROOF_TARGET', 'default of --target'],
  ['SYNCPROOF_PROFILE', 'default of --profile'],
  ['SYNCPROOF_SEED', 'default of --seed'],
  ['SYNCPROOF_REPORT', 'default of --report'],
  ['SYNCPROOF_CACHE', 'folder for prepared servers (default: ~/.cache/syncproof; as root /var/cache/syncproof)'],
  ['REDIS_SERVER', 'a redis-server or valkey-server to use instead of one that is looked for'],
  ['SYNCPROOF_CHROMIUM', 'a Chromium for the browser tests instead of one that is looked for'],
  ['SYNCPROOF_REDIS_IMAGE', 'image of Redis for --env containers'],
  ['SYNCPROOF_POSTGRES_IMAGE', 'image of PostgreSQL for --env containers'],
  ['SYNCPROOF_SERVICE_IMAGE', 'image of the services for --env containers'],
  ['SYNCPROOF_CLIENTS_FILE', 'accounts of the admin service, for docker compose'],
  ['CI', 'plain progress lines instead of live ones'],
  ['GITHUB_ACTIONS', 'violations as annotations of the workflow'],
  ['NO_COLOR', 'no colours'],
];

export const SETTINGS_HELP = `
Environment variables:
${table(SETTINGS)
  .map((line) => `  ${line}`)
  .join('\n')}`;

/** @throws UsageError for a variable that begins like one of ours but is none */
export function refuseMisspeltSettings(): void {
  const names = SETTINGS.map(([name]) => name).filter((name) => name.startsWith('SYNCPROOF_'));
  refuseUnknownSettings([...names, RUN_CONTEXT_VARIABLE]);
}
