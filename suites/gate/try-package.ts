/**
 * Packs the project as npm would publish it, installs that in an empty folder, and uses it there as a stranger would:
 * another Node than ours on PATH, nothing of the checkout in reach.
 */

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { packageFacts } from '../../harness/config/settings.ts';
import { runResultSchema } from '../../harness/report/result.ts';

const run = promisify(execFile);
const { root, version } = packageFacts();
/** Without the checkout's own binaries, above all its Node. */
const PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => !folder.startsWith(root))
  .join(delimiter);

async function tryPackage(folder: string): Promise<void> {
  const there = { cwd: folder, env: { ...process.env, PATH }, maxBuffer: 64 * 1024 * 1024 };
  const syncproof = async (...words: string[]): Promise<string> => {
    const { stdout } = await run('npx', ['--no-install', 'syncproof', ...words], there);
    return stdout;
  };
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { ...there, cwd: root });
  const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm pack made no tarball');
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  await run('npm', ['install', '--no-audit', '--no-fund', `./${tarball}`], there);
  expectEqual('--version', (await syncproof('--version')).trim(), version);

  const listed: { id: string }[] = JSON.parse(await syncproof('list', '--tier', 'core', '--json'));
  expectEqual('list', listed.map(({ id }) => id).includes('SYNC-01'), true);
  const result = runResultSchema.parse(
    JSON.parse(await syncproof('run', '--env', 'processes', '--case', 'SYNC-01', '--json')),
  );
  expectEqual('run', [result.verdict, result.counts.cases.pass], ['conformant', 1]);
  expectEqual('its reports', (await readdir(join(folder, 'reports/output/latest'))).includes('index.html'), true);
  const matrix: { trials: { killed: boolean }[] } = JSON.parse(
    await syncproof('mutants', '--mutant', 'event-published-twice', '--json'),
  );
  expectEqual(
    'mutants',
    matrix.trials.map(({ killed }) => killed),
    [true],
  );
}

function expectEqual(what: string, found: unknown, expected: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
  }
  console.log(`ok  ${what}`);
}

const folder = await mkdtemp(join(tmpdir(), 'syncproof-package-'));
try {
  await tryPackage(folder);
} finally {
  await rm(folder, { recursive: true, force: true });
}
