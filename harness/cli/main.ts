#!/usr/bin/env node
import { runProgram } from './program.ts';

// The reader may close the pipe early (`| head`): that is no error of ours.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
const exitCode = await runProgram(process.argv.slice(2));
// A pipe takes 64 KiB at once and the rest when it is read: an exit before that would cut the output off.
for (const stream of [process.stdout, process.stderr]) {
  await new Promise<void>((resolve) => void stream.write('', () => resolve()));
}
process.exit(exitCode);
