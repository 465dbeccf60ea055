import type { PipelineClient } from '../clients/pipeline.ts';

const AT_ONCE = 8;

/** Reads every file from the registry and from the read model, marked as final: what checkers decide on. */
export async function finalReads(
  pipeline: PipelineClient,
  fileIds: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const rest = [...new Set(fileIds)];
  const options = { final: true, ...(signal === undefined ? {} : { signal }) };
  const reader = async (): Promise<void> => {
    for (let fileId = rest.pop(); fileId !== undefined; fileId = rest.pop()) {
      await pipeline.registryFile(fileId, options);
      await pipeline.searchById(fileId, options);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, reader));
}
