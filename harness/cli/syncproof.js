#!/usr/bin/env node
// The command of the installed package. Plain JavaScript, so that whatever Node is on the machine can read it; the work
// is done by a Node that runs TypeScript, this one or the one that the package brings.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;
const main = fileURLToPath(new URL('main.ts', import.meta.url));

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
  await import('./strip-types.js');
  await import('./main.ts');
} else {
  const node = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node');
  const hook = new URL('strip-types.js', import.meta.url).href;
  const child = spawn(node, ['--import', hook, main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A Ctrl-C reaches the child by itself; what is meant for this process alone is passed on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  }
  child.once('error', (error) => {
    process.stderr.write(`error: the Node.js of the package cannot be started (${node}): ${error.message}\n`);
    process.exitCode = 5;
  });
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 5);
  });
}
