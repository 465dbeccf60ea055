import { monotonicMs } from '../../harness/index.ts';
import type { RegistryFile, SearchHit } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { eventually } from './eventually.ts';
import { inParallel } from './many.ts';
import { findById, instant, registered, search } from './steps.ts';
import { demand, demandEqual } from './violation.ts';

type Looking = Pick<CaseContext, 'pipeline' | 'env' | 'signal'>;

/** What the registry has of a file, in the words of search; timestamps as instants, no tags and an empty list alike. */
export function committed(file: RegistryFile): Record<string, unknown> {
  return {
    id: file.file_id,
    filename: file.original_filename,
    storage_filename: file.storage_filename,
    file_size: file.file_size,
    mime_type: file.content_type,
    sha256: file.checksum_sha256,
    username: file.uploaded_by,
    tags: file.tags ?? [],
    description: file.description,
    created_at: instant(file.created_at),
    updated_at: instant(file.updated_at),
    storage_element_id: file.storage_element_id,
  };
}

/** What search shows of a file, in the same form. */
export function shown(hit: SearchHit): Record<string, unknown> {
  return {
    id: hit.id,
    filename: hit.filename,
    storage_filename: hit.storage_filename,
    file_size: hit.file_size,
    mime_type: hit.mime_type,
    sha256: hit.sha256_hash,
    username: hit.username,
    tags: hit.tags ?? [],
    description: hit.description,
    created_at: instant(hit.created_at),
    updated_at: instant(hit.updated_at),
    storage_element_id: hit.storage_element_id,
  };
}

/** Registry and read model must show the same now, every field byte for byte. @returns what the registry shows */
export async function demandAlike(
  { pipeline }: Pick<Looking, 'pipeline'>,
  fileId: string,
  after: string,
): Promise<RegistryFile> {
  const file = await registered(pipeline, fileId);
  const hit = await findById(pipeline, fileId);
  demand(hit !== undefined, `${fileId} cannot be read after ${after}`);
  demandEqual(shown(hit), committed(file), `The read model against the registry after ${after}`);
  return file;
}

/**
 * Registry and read model must converge within the time that the target declares.
 * @returns what the registry shows
 */
export async function awaitAlike(t: Looking, fileId: string, after: string): Promise<RegistryFile> {
  const what = `registry and read model to be alike after ${after}`;
  const probe = (): Promise<RegistryFile> => demandAlike(t, fileId, after);
  return eventually(what, probe, { timeoutMs: t.env.limits.syncMs, signal: t.signal });
}

/** Files that are compared at once. */
const COMPARED_AT_ONCE = 8;

/**
 * Registry and read model must converge for every file, missing ones included, within `timeoutMs` for all
 * of them together.
 */
export async function awaitAllAlike(t: Looking, fileIds: readonly string[], timeoutMs: number): Promise<void> {
  const deadlineAt = monotonicMs() + timeoutMs;
  let alike = 0;
  await inParallel(fileIds, COMPARED_AT_ONCE, async (id) => {
    const what = `registry and read model to be alike in ${id}; ${alike} of ${fileIds.length} files were`;
    const probe = async (): Promise<true> => {
      const { status } = await t.pipeline.registryFile(id);
      if (status !== 404) await demandAlike(t, id, 'everything');
      else
        demand(
          (await findById(t.pipeline, id)) === undefined,
          `${id} can be read although the registry no longer has it`,
        );
      return true;
    };
    const leftMs = Math.max(1, Math.round(deadlineAt - monotonicMs()));
    await eventually(what, probe, { timeoutMs: leftMs, intervalMs: 50, signal: t.signal });
    alike++;
  });
}

/** Search for a part of the name must eventually list exactly these files as the registry has them, at most 1000. */
export async function awaitListed(t: Looking, part: string, files: readonly RegistryFile[]): Promise<void> {
  const expected = Object.fromEntries(files.map((file) => [file.file_id, committed(file)]));
  const what = `exactly the ${files.length} files of this name to be listed under ${part}`;
  const probe = async (): Promise<true> => {
    const { results } = await search(t.pipeline, { query: part, mode: 'partial', limit: 1000 });
    demandEqual(Object.fromEntries(results.map((hit) => [hit.id, shown(hit)])), expected, `Files listed under ${part}`);
    return true;
  };
  await eventually(what, probe, { timeoutMs: t.env.limits.syncMs, signal: t.signal });
}
