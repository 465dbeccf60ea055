import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../core/errors.ts';

/** The package's own facts, for `--version` and reports. */
export function packageFacts(): { version: string; root: string } {
  const url = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(url, 'utf8')) as { version: string };
  return { version, root: fileURLToPath(new URL('.', url)) };
}

/** True in an installed package, false in a checkout. */
export function isInstalled(): boolean {
  return packageFacts().root.includes('/node_modules/');
}

/** What node needs before a file of ours: below node_modules, Node strips no types by itself. */
export function nodeArguments(): string[] {
  return isInstalled() ? ['--import', new URL('../cli/strip-types.js', import.meta.url).href] : [];
}

/** True on CI servers, which all set CI: progress is then written as plain lines. */
export function isContinuousIntegration(): boolean {
  return !['', '0', 'false', undefined].includes(process.env.CI);
}

/** True in a step of GitHub Actions, which turns some lines into annotations. */
export function isGithubActions(): boolean {
  return process.env.GITHUB_ACTIONS === 'true';
}

/** This process's environment with additions, for a child that must see the user's settings (DOCKER_HOST, REDIS_SERVER …). */
export function environmentWith(additions: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ...additions };
}

/** Names of the variables set now that begin with `prefix`. */
function variablesNamed(prefix: string): string[] {
  return Object.keys(process.env).filter((name) => name.startsWith(prefix));
}

/**
 * Refuses misspelt settings, which would otherwise be ignored silently.
 * @throws UsageError when a variable with our prefix is none of `known`
 */
export function refuseUnknownSettings(known: readonly string[], prefix = 'SYNCPROOF_'): void {
  const unknown = variablesNamed(prefix).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new UsageError(
    `Expected the environment variable ${unknown} not to be set, or to be one of ${known.join(', ')}`,
  );
}

/** The variable that names a Chromium or Chrome for the browser tests, instead of looking for one. */
export const CHROMIUM_VARIABLE = 'SYNCPROOF_CHROMIUM';

/** Path of the browser to use, as SYNCPROOF_CHROMIUM names it. */
export function chromiumSetting(): string | undefined {
  return process.env[CHROMIUM_VARIABLE] || undefined;
}
