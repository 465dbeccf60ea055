import { finalReads } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';
import { register, registration } from './registrations.ts';
import { awaitSearchable } from './steps.ts';

/**
 * Registers one more file and waits until it can be found. Then the pipeline lives, and whatever was published before has
 * had its turn.
 */
export async function awaitMarker(t: CaseContext, when: string): Promise<void> {
  const { pipeline, env, random, unique, signal } = t;
  const name = `marker of ${unique}, ${when}`;
  const marker = await register(pipeline, registration(random.fork(name), { original_filename: name }));
  await awaitSearchable(pipeline, marker.file_id, { timeoutMs: env.promises.syncMs, signal });
  // It may be the last write of its case, and is then read as the others were.
  await finalReads(pipeline, [marker.file_id], { signal });
}
