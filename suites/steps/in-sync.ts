import { finalReads, type PipelineClient } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { eventually } from './eventually.ts';
import { awaitSearchable, findById, instant, registered, upload } from './steps.ts';
import { demandEqual } from './violation.ts';

/** Files by what was done to them; all of them have an acknowledged creation. */
export interface Changed {
  created: string[];
  updated: string[];
  deleted: string[];
}

const idsOf = ({ created, updated, deleted }: Changed): string[] => [...created, ...updated, ...deleted];

/** Uploads files and waits until they can be read: something to change. `reader` looks, in place of the case's client. */
export async function uploadSynced(
  t: CaseContext,
  count: number,
  kind: string,
  reader: PipelineClient = t.pipeline,
): Promise<string[]> {
  const { pipeline, unique, signal } = t;
  const names = Array.from({ length: count }, (_, i) => `${unique}-${kind}-${i}.txt`);
  const uploads = await Promise.all(
    names.map((filename) => upload(pipeline, { filename, content: Buffer.from(filename) })),
  );
  await Promise.all(
    uploads.map(({ file_id }) => awaitSearchable(reader, file_id, { timeoutMs: t.env.limits.syncMs, signal })),
  );
  return uploads.map(({ file_id }) => file_id);
}

/** Uploads new files, updates some known ones and deletes others; counts them in the evidence. */
export async function changeFiles(
  t: CaseContext,
  { update, remove, create }: { update: readonly string[]; remove: readonly string[]; create: number },
): Promise<Changed> {
  const { pipeline, unique, evidence } = t;
  const created: string[] = [];
  for (let i = 0; i < create; i++) {
    const filename = `${unique}-new-${i}.txt`;
    created.push((await upload(pipeline, { filename, content: Buffer.from(filename) })).file_id);
  }
  for (const id of update) {
    const { status } = await pipeline.update(id, { description: `changed ${id}`, tags: ['changed'] });
    demandEqual(status, 200, 'The answer to an update');
  }
  for (const id of remove) demandEqual((await pipeline.remove(id)).status, 200, 'The answer to a deletion');
  Object.assign(evidence, { creations: created.length, updates: update.length, deletions: remove.length });
  return { created, updated: [...update], deleted: [...remove] };
}

/**
 * Waits until every file is in the read model what it is in the registry, then reads both once more for the checkers.
 * @throws Violation naming a file that is not
 */
export async function demandInSync(
  t: CaseContext,
  changed: Changed,
  { timeoutMs, what, reader = t.pipeline }: { timeoutMs: number; what: string; reader?: PipelineClient },
): Promise<void> {
  const { pipeline, signal } = t;
  const ids = idsOf(changed);
  const gone = new Set(changed.deleted);
  const inSync = async (id: string): Promise<boolean> => {
    const hit = await findById(reader, id);
    if (gone.has(id)) return hit === undefined;
    if (hit === undefined) return false;
    const file = await registered(pipeline, id);
    return file.description === hit.description && instant(file.updated_at) === instant(hit.updated_at);
  };
  const rest = [...ids];
  await eventually(
    what,
    async () => {
      for (let id = rest[0]; id !== undefined; id = rest[0]) {
        if (!(await inSync(id)))
          throw new Error(`${id} differs, ${rest.length - 1} of ${ids.length} files were not looked at yet`);
        rest.shift();
      }
      return true;
    },
    { timeoutMs, signal },
  );
  // Reads of a reader that leaves no trace are not the case's last word either.
  if (reader === pipeline) await finalReads(pipeline, ids, { signal });
}
