import { randomUUID } from 'node:crypto';
import type { CaseContext } from './case.ts';
import type { Subject } from './protected-calls.ts';
import { awaitSearchable, findByName, upload } from './steps.ts';
import { demand, demandEqual } from './violation.ts';

/** What refused calls were about, and how it was before them. */
export interface UntouchedSubject extends Subject {
  /** What the registry showed of the file. */
  before: unknown;
}

/** A file that is there and searchable, for calls that must not touch it. */
export async function createSubject(t: CaseContext): Promise<UntouchedSubject> {
  const fileId = await createFile(t, 'subject');
  const { body: before } = await t.pipeline.registryFile(fileId);
  return { fileId, newId: randomUUID(), newName: `${t.unique}-refused.txt`, before };
}

/** @throws Violation when what was refused has happened all the same */
export async function demandUntouched(t: CaseContext, subject: UntouchedSubject): Promise<void> {
  const { pipeline } = t;
  const { fileId, newId, newName, before } = subject;
  demandEqual((await pipeline.registryFile(fileId)).body, before, 'A file after refused calls, against before');
  demandEqual((await pipeline.registryFile(newId)).status, 404, 'The registry about a refused registration');
  // What was accepted later is searchable: what was refused before would be, too.
  await createFile(t, 'later');
  const hits = await findByName(pipeline, newName);
  demand(hits.length === 0, `${newName}, which was refused, is found by search`);
}

async function createFile({ env, pipeline, unique, signal }: CaseContext, kind: string): Promise<string> {
  const filename = `${unique}-${kind}.txt`;
  const { file_id } = await upload(pipeline, { filename, content: Buffer.from(filename) });
  await awaitSearchable(pipeline, file_id, { timeoutMs: env.promises.syncMs, signal });
  return file_id;
}
