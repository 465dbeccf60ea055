import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const AUDIT = fileURLToPath(new URL('../../.ci/audit', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'syncproof-audit-'));
afterAll(() => rm(folder, { recursive: true }));

/** What pnpm prints when the registry does not answer an audit with 200. */
const refused = (status: number): string =>
  [
    'Error: ERR_PNPM_AUDIT_BAD_RESPONSE',
    '',
    '  × The audit endpoint (at https://registry.npmjs.org/-/npm/v1/security/',
    `  │ advisories/bulk) responded`,
    `  │ with ${status}:`,
  ].join('\n');

/** Runs the audit with an `npx` that says and exits with what is given. */
async function audit(says: string, exitCode: number): Promise<{ code: number; lastLine: string | undefined }> {
  await writeFile(join(folder, 'said'), says);
  await writeFile(join(folder, 'npx'), `#!/bin/sh\ncat '${folder}/said'\nexit ${exitCode}\n`, { mode: 0o755 });
  const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH ?? ''}` };
  return new Promise((resolve) => {
    execFile(AUDIT, { env }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), lastLine: stdout.trimEnd().split('\n').at(-1) });
    });
  });
}

test.each<[string, string, number, string]>([
  ['nothing found', 'No known vulnerabilities found', 0, '1 passed, 0 failed, 0 skipped'],
  ['only moderate ones', '2 vulnerabilities found\nSeverity: 2 moderate', 0, '1 passed, 0 failed, 0 skipped'],
  ['a high one', '1 vulnerabilities found\nSeverity: 1 high', 1, '0 passed, 1 failed, 0 skipped'],
  ['a high one that is about responses', 'responded with 405: 1 high', 1, '0 passed, 1 failed, 0 skipped'],
  ['no endpoint: 405', refused(405), 1, '0 passed, 0 failed, 1 skipped'],
  ['no endpoint: 404', refused(404), 1, '0 passed, 0 failed, 1 skipped'],
  ['a registry in trouble', refused(503), 1, '0 passed, 1 failed, 0 skipped'],
  ['no network', 'Error: ERR_PNPM_AUDIT_NETWORK', 1, '0 passed, 1 failed, 0 skipped'],
])('%s', async (_what, says, exitCode, line) => {
  const { code, lastLine } = await audit(says, exitCode);
  expect(lastLine).toBe(line);
  expect(code).toBe(line.includes('1 failed') ? 1 : 0);
});
