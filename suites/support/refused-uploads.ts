import { pollUntil } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';
import { stays } from './stays.ts';
import { awaitSearchable, findByName, upload } from './steps.ts';
import { demand, demandEqual, promised } from './violation.ts';

/** What was refused is looked for this long after nothing of it was found. */
const QUIET_MS = 1000;

/**
 * Waits until search finds of refused uploads only what is whole, and sees that it stays so: an upload that got no certain
 * answer may have happened, but then wholly.
 * @param sent names and contents
 * @returns how many have happened
 * @throws Violation when one is found that registry or storage do not have
 */
export async function demandWhole(t: CaseContext, sent: ReadonlyMap<string, Buffer>): Promise<number> {
  let whole = 0;
  await settles(t, 'whole files only of refused uploads', async () => {
    const found = await Promise.all([...sent].map(([filename, content]) => wholeFiles(t, filename, content)));
    whole = found.reduce((sum, each) => sum + each, 0);
  });
  return whole;
}

/** How many files search finds under this name. @throws Violation unless registry and storage have each of them whole */
export async function wholeFiles(
  { pipeline, signal }: CaseContext,
  filename: string,
  content: Buffer,
): Promise<number> {
  const hits = await findByName(pipeline, filename);
  for (const { id } of hits) {
    const entry = await pipeline.registryFile(id);
    demandEqual(entry.status, 200, `The registry about ${filename}, which is found by search`);
    const path = `/api/download/${id}`;
    const { status, body } = await pipeline.request('query', 'GET', path, { bytes: true, signal });
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    demand(
      status === 200 && content.equals(bytes),
      () => `${filename} is found by search, and its download gives ${status}, not its bytes`,
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

/** @throws Violation when search goes on finding a file under one of these names, or finds one a little later */
export async function demandNothing(t: CaseContext, filenames: readonly string[]): Promise<void> {
  // What was accepted later is found: what was accepted before would be, too.
  await uploadAndFind(t, 'later');
  await settles(t, 'nothing of refused uploads', async () => {
    for (const filename of filenames) {
      const [hit] = await findByName(t.pipeline, filename);
      demand(hit === undefined, `${filename}, which was refused, is found by search, ${hit?.file_size} bytes`);
    }
  });
}

/** What was begun may be taken back, as long as nothing of it remains. */
async function settles({ env, signal }: CaseContext, what: string, look: () => Promise<void>): Promise<void> {
  const once = async (): Promise<true> => {
    await look();
    return true;
  };
  await promised(what, pollUntil(once, { what, timeoutMs: env.promises.syncMs, signal }));
  await stays(QUIET_MS, signal, look);
}
