import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from '@playwright/test';
import { machineSettings } from '../../harness/config/machine.ts';
import { CHROMIUM_VARIABLE, chromiumSetting, environmentWith } from '../../harness/config/settings.ts';
import { describeError, UnreachableError, UsageError } from '../../harness/core/errors.ts';

export interface FoundChromium {
  path: string;
  /** Where it comes from, for people: "found on PATH". */
  origin: string;
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const DOWNLOAD_TIMEOUT_MS = 180_000;
const PACKAGE_TIMEOUT_MS = 300_000;

const run = promisify(execFile);

/**
 * The browser that is there: the one SYNCPROOF_CHROMIUM names, else one on PATH, else the one Playwright downloaded.
 * @throws UsageError when the setting names something that cannot be run
 */
export async function findChromium(): Promise<FoundChromium | undefined> {
  const named = chromiumSetting();
  if (named !== undefined) {
    if (await isExecutable(named)) return { path: named, origin: `named by ${CHROMIUM_VARIABLE}` };
    throw new UsageError(`Expected ${CHROMIUM_VARIABLE} to be the path of an executable, got ${named}`);
  }
  for (const directory of machineSettings().searchPath) {
    for (const name of NAMES) {
      const path = join(directory, name);
      if (await isExecutable(path)) return { path, origin: 'found on PATH' };
    }
  }
  const downloaded = chromium.executablePath();
  return (await isExecutable(downloaded)) ? { path: downloaded, origin: "Playwright's own" } : undefined;
}

/**
 * Finds a browser or gets one: Playwright's download, else (root on a Debian-like system) the distribution's package.
 * @param say receives a line per step
 * @throws UnreachableError with what was tried and how to help; UsageError as `findChromium`
 */
export async function ensureChromium(say: (line: string) => void = () => {}): Promise<FoundChromium> {
  const present = await findChromium();
  if (present !== undefined) {
    say(`Chromium: ${present.path} (${present.origin})`);
    return present;
  }
  const failures: string[] = [];
  for (const { what, attempt } of ways()) {
    say(`Chromium: none found, ${what}`);
    try {
      await attempt();
      const found = await findChromium();
      if (found !== undefined) {
        say(`Chromium: ${found.path} (${found.origin})`);
        return found;
      }
      failures.push(`${what}: ended well, yet no browser is there`);
    } catch (error) {
      failures.push(`${what}: ${describeError(error)}`);
      say(`Chromium: ${what} failed`);
    }
  }
  throw new UnreachableError(
    `No Chromium for the browser tests. Install chromium or google-chrome, or set ${CHROMIUM_VARIABLE} to one. Tried: ${failures.join('; ')}`,
  );
}

/** Flags under which a browser starts as root, without a GPU, and makes no calls of its own. */
export function chromiumArguments(): string[] {
  const common = ['--disable-gpu', '--disable-background-networking', '--disable-component-update'];
  return machineSettings().isRoot ? ['--no-sandbox', ...common] : common;
}

function ways(): { what: string; attempt: () => Promise<void> }[] {
  const playwright = join(dirname(createRequire(import.meta.url).resolve('@playwright/test/package.json')), 'cli.js');
  const download = {
    what: "downloading Playwright's",
    attempt: async () => {
      await run(process.execPath, [playwright, 'install', 'chromium'], { timeout: DOWNLOAD_TIMEOUT_MS });
    },
  };
  const packaged = {
    what: "installing the distribution's package",
    attempt: async () => {
      const options = {
        timeout: PACKAGE_TIMEOUT_MS,
        env: environmentWith({ DEBIAN_FRONTEND: 'noninteractive' }),
        maxBuffer: 64 * 1024 * 1024,
      };
      await run('apt-get', ['update', '-q'], options);
      await run('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'chromium'], options);
    },
  };
  return machineSettings().isRoot && process.platform === 'linux' ? [download, packaged] : [download];
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    // Absent or not ours to run: either way it is not the browser we look for.
    return false;
  }
}
