import { finalReads } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';
import { register, registration } from './registrations.ts';
import { awaitSearchable } from './steps.ts';

/**
 * Registers one more file and waits until it can be found. Then the pipeline lives, and whatever was published before has
 * had its turn.
 */
export async function awaitMarker(t: CaseContext, when: string): Promise<void> {
  const { pipeline, env, random, records, unique, signal } = t;
  const name = `marker of ${unique}, ${when}`;
  const marker = await register(pipeline, registration(random.fork(name), { original_filename: name }));
  await awaitSearchable(pipeline, marker.file_id, { timeoutMs: env.promises.syncMs, signal });
  // A case that reads its files at the end has promised that of every file.
  const readsAtTheEnd = records.some((record) => record.type === 'invoke' && record.final === true);
  if (readsAtTheEnd) await finalReads(pipeline, [marker.file_id], { signal });
}
