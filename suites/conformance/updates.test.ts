import { type RegistryFile, registryFileSchema, type SearchHit } from '../../harness/contract/http.ts';
import { finalReads, startOpenLoop } from '../../harness/index.ts';
import { awaitAlike, demandAlike } from '../support/alike.ts';
import type { CaseContext } from '../support/case.ts';
import { awaitMarker } from '../support/marker.ts';
import { type Look, stepBack } from '../support/monotonic.ts';
import { registerAll, registration } from '../support/registrations.ts';
import { awaitById, awaitSearchable, findById, search } from '../support/steps.ts';
import { suite } from '../support/suite.ts';
import { conforms, demand, demandEqual } from '../support/violation.ts';

const verify = suite();

const BURSTS = 4;
const FILES_PER_BURST = 2;
const UPDATES_AT_ONCE = 50;

verify('SYNC-06', async (t) => {
  const { pipeline, evidence, random, unique, signal } = t;
  evidence.updates = 0;
  evidence.bursts = 0;
  const bodies = Array.from({ length: FILES_PER_BURST }, (_, i) =>
    registration(random, { original_filename: `${unique}-${i}.txt` }),
  );
  const ids = (await registerAll(pipeline, bodies)).map(({ file_id }) => file_id);
  for (let burst = 0; burst < BURSTS; burst++) {
    const accepted = await Promise.all(ids.map((id) => updateAtOnce(t, id, burst)));
    evidence.updates += accepted.reduce((sum, count) => sum + count, 0);
    for (const id of ids) await awaitAlike(t, id, `${UPDATES_AT_ONCE} updates at once`);
    // Alike may be a moment on the way: what comes after all of them must be applied, and they still alike.
    await awaitMarker(t, `after burst ${burst}`);
    for (const id of ids) await demandAlike(t, id, `${UPDATES_AT_ONCE} updates at once and a later change`);
    evidence.bursts++;
  }
  await finalReads(pipeline, allCreated(t), { signal });
});

/** Updates different fields of one file, all at once. @returns how many were accepted; the others met each other (409) */
async function updateAtOnce({ pipeline, unique }: CaseContext, id: string, burst: number): Promise<number> {
  const answers = await Promise.all(
    Array.from({ length: UPDATES_AT_ONCE }, (_, i) => {
      const text = `burst ${burst}, update ${i}`;
      const others = [{}, { tags: [text] }, { original_filename: `${unique} ${text}.txt` }, { content_type: `x/${i}` }];
      return pipeline.update(id, { description: text, ...others[i % others.length] });
    }),
  );
  for (const { status, outcome, error } of answers) {
    demand(
      status === 200 || status === 409,
      () => `An update among others was answered ${status ?? outcome} ${error ?? ''}`,
    );
  }
  const accepted = answers.filter(({ status }) => status === 200);
  const files = accepted.map(({ body }) => conforms(registryFileSchema, body, 'The answer to an update'));
  const versions = files.flatMap(({ version }) => version ?? []);
  demandEqual(
    new Set(versions).size,
    versions.length,
    'Different versions that the registry gave as many updates of one file',
  );
  return accepted.length;
}

function allCreated({ records }: CaseContext): string[] {
  return records.flatMap((record) => (record.type === 'ok' && record.kind === 'register' ? (record.fileId ?? []) : []));
}

const STEPS = 90;
/** The writer waits for every third: so readers see many states, and others are on the way while they read. */
const AWAITED_EVERY = 3;
const READS_PER_SECOND = 400;

verify('SYNC-07', async (t) => {
  const { pipeline, env, evidence, random, unique, signal } = t;
  const waiting = { timeoutMs: env.promises.syncMs, signal };
  const bodies = ['kept', 'deleted'].map((fate) =>
    registration(random, { original_filename: `${unique}-${fate}.txt`, description: 'step 0' }),
  );
  const files = await registerAll(pipeline, bodies);
  for (const { file_id } of files) await awaitSearchable(pipeline, file_id, waiting);

  await using cleanup = new AsyncDisposableStack();
  const readers = startReaders(t, files);
  cleanup.defer(() => readers.stop());
  for (let step = 1; step <= STEPS; step++) {
    for (const { file_id } of files) {
      const { status, outcome } = await pipeline.update(file_id, { description: `step ${step}` });
      demandEqual(status ?? outcome, 200, 'The answer to an update');
      if (step % AWAITED_EVERY !== 0) continue;
      await awaitById(pipeline, file_id, `step ${step} by id`, (hit) => stepOf(hit) === step, waiting);
    }
  }
  const [kept = '', deleted = ''] = files.map(({ file_id }) => file_id);
  demandEqual((await pipeline.remove(deleted)).status, 200, 'The answer to the deletion');
  await awaitById(pipeline, deleted, 'the deletion by id', (hit) => hit === undefined, waiting);
  await awaitMarker(t, 'after the deletion');
  await readers.stop();

  evidence.reads = 0;
  evidence.states = 0;
  for (const [what, looks] of readers.looks) {
    const back = stepBack(looks);
    demand(back === undefined, () => {
      if (back === undefined) return '';
      const laterMs = (back.later.startedAt - back.earlier.endedAt).toFixed(1);
      return `${what} shows ${nameOf(back.later.step)} to a read that began ${laterMs} ms after another had been shown ${nameOf(back.earlier.step)}`;
    });
    evidence.reads += looks.length;
    evidence.states += new Set(looks.map(({ step }) => step)).size;
  }
  await awaitAlike(t, kept, 'the last step');
  await finalReads(pipeline, allCreated(t), { signal });
});

interface Readers {
  /** What reads showed, by file and kind of read: searches may trail reads by id, so each kind is held to itself. */
  looks: ReadonlyMap<string, Look[]>;
  stop(): Promise<void>;
}

/** Reads the files by id and by search at a steady rate, many reads under way at once. */
function startReaders({ pipeline, recorder, signal }: CaseContext, files: readonly RegistryFile[]): Readers {
  const looks = new Map<string, Look[]>();
  const ways = files.flatMap(({ file_id, original_filename }) => {
    const byId = { what: `The read by id of ${original_filename}`, read: () => findById(pipeline, file_id) };
    const bySearch = {
      what: `The search for ${original_filename}`,
      read: async () => {
        const { results } = await search(pipeline, { query: original_filename, mode: 'partial', limit: 10 });
        return results.find(({ id }) => id === file_id);
      },
    };
    return [byId, byId, bySearch];
  });
  const { stop } = startOpenLoop({
    recorder,
    ratePerSecond: READS_PER_SECOND,
    signal,
    act: async (index) => {
      const way = ways[index % ways.length];
      if (way === undefined) return;
      const startedAt = recorder.now();
      const step = stepOf(await way.read());
      const look = { step, startedAt, endedAt: recorder.now() };
      const own = looks.get(way.what);
      if (own === undefined) looks.set(way.what, [look]);
      else own.push(look);
    },
  });
  return { looks, stop };
}

/** Which update a file shows; one that is not found counts as deleted, the step after the last. */
function stepOf(hit: SearchHit | undefined): number {
  return hit === undefined ? STEPS + 1 : Number(/^step (\d+)$/.exec(hit.description ?? '')?.[1] ?? -1);
}

function nameOf(step: number): string {
  return step > STEPS ? 'no file' : `step ${step}`;
}
