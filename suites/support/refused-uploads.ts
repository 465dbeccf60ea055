import type { CaseContext } from './case.ts';
import { stays } from './stays.ts';
import { awaitSearchable, findByName, upload } from './steps.ts';
import { demand, demandEqual } from './violation.ts';

/** What was refused is looked for this long after a later upload was found. */
export const QUIET_MS = 1000;

/** How many files search finds under this name. @throws Violation unless registry and storage have each of them whole */
export async function wholeFiles(
  { pipeline, signal }: CaseContext,
  filename: string,
  content: Buffer,
): Promise<number> {
  const hits = await findByName(pipeline, filename);
  for (const { id } of hits) {
    const entry = await pipeline.registryFile(id);
    demandEqual(entry.status, 200, `The registry about ${filename}, which was refused and is found by search`);
    const path = `/api/download/${id}`;
    const { status, body } = await pipeline.request('query', 'GET', path, { bytes: true, signal });
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    demand(
      status === 200 && content.equals(bytes),
      () => `${filename}, which was refused, is found by search, and its download gives ${status}, not its bytes`,
    );
  }
  return hits.length;
}

/** Uploads a file and waits until it is found. */
export async function uploadAndFind(t: CaseContext, kind: string): Promise<void> {
  const { env, pipeline, unique, signal } = t;
  const filename = `${unique}-${kind}.txt`;
  const { file_id } = await upload(pipeline, { filename, content: Buffer.from(filename) });
  await awaitSearchable(pipeline, file_id, { timeoutMs: env.promises.syncMs, signal });
}

/** @throws Violation when search finds a file under one of these names, at once or a little later */
export async function demandNothing(t: CaseContext, filenames: readonly string[]): Promise<void> {
  // What was accepted later is found: what was accepted before would be, too.
  await uploadAndFind(t, 'later');
  await stays(QUIET_MS, t.signal, async () => {
    for (const filename of filenames) {
      const hits = await findByName(t.pipeline, filename);
      demand(
        hits.length === 0,
        () => `${filename}, which was refused, is found by search, ${hits[0]?.file_size} bytes`,
      );
    }
  });
}
