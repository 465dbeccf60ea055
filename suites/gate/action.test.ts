import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { environmentWith, packageFacts } from '../../harness/config/settings.ts';

const { root } = packageFacts();
const action = parse(await readFile(join(root, 'action.yml'), 'utf8'));
const [step] = action.runs.steps;

/** Runs the action's step as a runner would: its inputs in the environment, outputs and summary into files. */
async function runStep(inputs: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'syncproof-action-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const files = { GITHUB_OUTPUT: join(folder, 'output'), GITHUB_STEP_SUMMARY: join(folder, 'summary') };
  for (const path of Object.values(files)) await writeFile(path, '');
  const script = join(folder, 'step.sh');
  await writeFile(script, step.run);
  const given = Object.fromEntries(
    Object.entries<string>(step.env).map(([name, expression]) => {
      const input = /^\$\{\{ inputs\.(\w+) \}\}$/.exec(expression)?.[1] ?? '';
      return [name, inputs[input] ?? action.inputs[input].default];
    }),
  );
  const env = environmentWith({ ...given, ...files, GITHUB_ACTION_PATH: root, CI: 'true' });
  const code = await new Promise<number>((resolve) => {
    // What a runner calls `shell: bash`.
    const words = ['--noprofile', '--norc', '-eo', 'pipefail', script];
    execFile('bash', words, { cwd: folder, env, maxBuffer: 1 << 26 }, (error) => resolve(Number(error?.code ?? 0)));
  });
  const [outputs, summary] = await Promise.all(Object.values(files).map((path) => readFile(path, 'utf8')));
  const named = (outputs ?? '').split('\n').flatMap((line) => (line === '' ? [] : [line.split('=', 2)]));
  return { folder, code, outputs: Object.fromEntries(named), summary };
}

test('the action runs the suite, says how it ended and shows the summary', { timeout: 180_000 }, async () => {
  const { folder, code, outputs, summary } = await runStep({ args: '--env processes --case SYNC-01' });
  const report = join(folder, 'syncproof-report', 'latest');
  expect(outputs).toEqual({ verdict: 'conformant', 'exit-code': '0', report });
  expect(code).toBe(0);
  expect(summary).toContain('SYNC-01');
  expect(await readFile(join(report, 'junit.xml'), 'utf8')).toContain('SYNC-01');
});

test('the action fails with the code of the run, and expands nothing', { timeout: 180_000 }, async () => {
  const { code, outputs } = await runStep({ args: '--case $(touch /tmp/syncproof-action-was-here) *' });
  expect([code, outputs['exit-code'], outputs.verdict]).toEqual([4, '4', 'unknown']);
  await expect(readFile('/tmp/syncproof-action-was-here')).rejects.toThrow(/ENOENT/);
});

test('the action declares every output that it writes', () => {
  const written = [...step.run.matchAll(/"([a-z-]+)=\$/g)].map(([, name]) => name);
  expect(Object.keys(action.outputs).sort()).toEqual(written.sort());
});
