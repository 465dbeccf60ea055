import type { CaseContext } from './case.ts';
import { awaitEvents, lastEventId } from './events.ts';
import { register } from './registrations.ts';

/** Registers some files and waits until they are on the stream. @returns their ids, and those of their entries */
export async function publishSome(
  t: CaseContext,
  kind: string,
  count: number,
): Promise<{ fileIds: string[]; entryIds: string[] }> {
  const before = await lastEventId(t.redis);
  const fileIds: string[] = [];
  for (let i = 0; i < count; i++) fileIds.push((await register(t.pipeline, `${t.unique}-${kind}-${i}.txt`)).file_id);
  const entries = await Promise.all(fileIds.map((id) => awaitEvents(t, id, before, 1)));
  return { fileIds, entryIds: entries.flat().map(({ id }) => id) };
}
