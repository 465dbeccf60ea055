import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';

/** Where a run writes to: `<report directory>/<run id>/`. */
export interface RunFolder {
  runId: string;
  directory: string;
  historyPath: string;
  contextPath: string;
  logDirectory: string;
}

/** Makes the folder of a new run; its id sorts by time and is unique. */
export async function createRunFolder(reportDirectory: string, now = new Date()): Promise<RunFolder> {
  const time = now.toISOString().slice(0, 19).replaceAll(':', '-');
  const runId = `${time}-${randomBytes(2).toString('hex')}`;
  const directory = resolve(reportDirectory, runId);
  const logDirectory = join(directory, 'logs');
  await mkdir(logDirectory, { recursive: true }).catch((cause) => {
    throw new UsageError(`Expected --report to be a folder that can be written to, got ${reportDirectory}`, { cause });
  });
  return {
    runId,
    directory,
    logDirectory,
    historyPath: join(directory, 'history.jsonl'),
    contextPath: join(directory, 'run-context.json'),
  };
}

/** Points `<report directory>/latest` to the run in one step, so that a reader never finds it missing. */
export async function pointLatestAt(folder: RunFolder): Promise<string> {
  const parent = resolve(folder.directory, '..');
  const latest = join(parent, 'latest');
  const fresh = join(parent, `.latest-${folder.runId}`);
  await symlink(basename(folder.directory), fresh);
  try {
    await rename(fresh, latest);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  return latest;
}
