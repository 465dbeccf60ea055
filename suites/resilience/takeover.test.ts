import { awaitDrained, consumerStates, finalReads, pendingEntries, pollUntil } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { uploadSynced } from '../support/in-sync.ts';
import { lockReadModel } from '../support/read-model.ts';
import { awaitById, upload } from '../support/steps.ts';
import { suite } from '../support/suite.ts';
import { promised } from '../support/violation.ts';

// A short retry time, where that can be chosen: it is what this case waits for.
const verify = suite({ settings: { query: { REDIS_PENDING_RETRY_MS: '4000' } } });

/** How long it may take until both were given something that they cannot commit. */
const BOTH_HOLD_MS = 15_000;
const UPLOADS_AFTER = 5;

verify('RES-04', async (t) => {
  const { env, pipeline, redis, recorder, faults, evidence, signal } = t;
  const files = await uploadSynced(t, 3, 'before');
  // A consumer is known to the group once it was given something, so these are those of the instances that there were.
  const survivors = new Set((await consumerStates(redis)).map(({ name }) => name));
  await using second = await env.startInstance('query');
  const locked = await lockReadModel(env);
  await using unlock = new AsyncDisposableStack();
  unlock.use(locked);
  files.push(...(await uploadUntilBothHold(t, survivors)));
  await using _killed = await faults.of(second).kill();
  const killedAt = recorder.now();
  evidence.heldAtKill = (await pendingEntries(redis)).filter(({ consumer }) => !survivors.has(consumer)).length;
  for (let i = 0; i < UPLOADS_AFTER; i++) files.push(await uploadOne(t, `after-${i}`));
  await unlock.disposeAsync();

  const timeoutMs = env.promises.pendingRetryMs + env.promises.syncMs;
  const isThere = (hit: unknown): boolean => hit !== undefined;
  await Promise.all(files.map((id) => awaitById(pipeline, id, `${id} searchable`, isThere, { timeoutMs, signal })));
  evidence.allAfterMs = Math.round(recorder.now() - killedAt);
  await promised('Nothing pending in the end', awaitDrained(redis, { timeoutMs, signal }));
  evidence.uploads = files.length;
  await finalReads(pipeline, files, { signal });
});

/** Each entry is given to one of the two: uploads go on until both hold some. @returns the files' ids */
async function uploadUntilBothHold(t: CaseContext, survivors: ReadonlySet<string>): Promise<string[]> {
  const files: string[] = [];
  await pollUntil(
    async () => {
      files.push(await uploadOne(t, `burst-${files.length}`));
      const holders = (await pendingEntries(t.redis)).map(({ consumer }) => consumer);
      const [held, others] = [
        holders.filter((name) => survivors.has(name)),
        holders.filter((name) => !survivors.has(name)),
      ];
      return held.length > 0 && others.length > 0 ? true : undefined;
    },
    {
      what: 'both consumers to hold entries',
      timeoutMs: BOTH_HOLD_MS,
      intervalMs: 20,
      intervalMsMax: 20,
      signal: t.signal,
    },
  );
  return files;
}

async function uploadOne({ pipeline, unique }: CaseContext, kind: string): Promise<string> {
  const filename = `${unique}-${kind}.txt`;
  return (await upload(pipeline, { filename, content: Buffer.from(filename) })).file_id;
}
