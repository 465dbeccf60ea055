import { finalReads, startOpenLoop } from '../../harness/index.ts';
import {
  type RegistryFile,
  registryFileSchema,
  type SearchHit,
  searchAnswerSchema,
  searchHitSchema,
} from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { awaitAlike } from '../steps/alike.ts';
import { type Look, stepBack } from '../steps/reads.ts';
import { awaitMarker, registerAll, registration } from '../steps/registrations.ts';
import { awaitById, awaitSearchable } from '../steps/steps.ts';
import { conforms, demand, demandEqual } from '../steps/violation.ts';
import { SYNC } from './requirements.ts';

const verify = suite(SYNC);

verify(
  'SYNC-06',
  'After 50 parallel updates of one file the read model ends equal to the registry, field by field.',
  endsEqualAfterParallelUpdates,
);
verify(
  'SYNC-07',
  'Reads of a file never go back in time: none shows an earlier version than one that had ended before it began, local caches included.',
  neverGoesBack,
);

const BURSTS = 4;
const FILES_PER_BURST = 2;
const UPDATES_AT_ONCE = 50;

async function endsEqualAfterParallelUpdates(t: CaseContext): Promise<void> {
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
    // Alike may be a moment on the way: they must be so again once what comes after all of them was applied.
    await awaitMarker(t, `after burst ${burst}`);
    for (const id of ids) await awaitAlike(t, id, `${UPDATES_AT_ONCE} updates at once and a later change`);
    evidence.bursts++;
  }
  await finalReads(pipeline, [...t.created], { signal });
}

/**
 * Updates different fields of one file, all at once. The others met each other (409), or had to wait for too long (503)
 * and may have happened.
 * @returns how many were accepted
 */
async function updateAtOnce({ pipeline, unique }: CaseContext, id: string, burst: number): Promise<number> {
  const answers = await Promise.all(
    Array.from({ length: UPDATES_AT_ONCE }, (_, i) => {
      const text = `burst ${burst}, update ${i}`;
      const others = [{}, { tags: [text] }, { original_filename: `${unique} ${text}.txt` }, { content_type: `x/${i}` }];
      return pipeline.update(id, { description: text, ...others[i % others.length] });
    }),
  );
  const accepted = answers.filter(({ status }) => status === 200);
  const strange = answers.find(({ status = 503 }) => ![200, 409, 503].includes(status));
  demand(strange === undefined, () => `An update among others was answered ${strange?.status} ${strange?.error ?? ''}`);
  const files = accepted.map(({ body }) => conforms(registryFileSchema, body, 'The answer to an update'));
  const versions = files.flatMap(({ version }) => version ?? []);
  const what = 'Different versions that the registry gave as many updates of one file';
  demandEqual(new Set(versions).size, versions.length, what);
  return accepted.length;
}

const STEPS = 90;
/** The writer waits for every third: so readers see many states, and others are on the way while they read. */
const AWAITED_EVERY = 3;
const READS_PER_SECOND = 400;
/** Fewer than connections that a service has, so that a busy machine makes reads slow and does not refuse them. */
const READS_AT_ONCE = 8;

async function neverGoesBack(t: CaseContext): Promise<void> {
  const { pipeline, env, evidence, random, unique, signal } = t;
  const waiting = { timeoutMs: env.limits.syncMs, signal };
  const bodies = ['kept', 'deleted'].map((fate) =>
    registration(random, { original_filename: `${unique}-${fate}.txt`, description: 'step 0' }),
  );
  const files = await registerAll(pipeline, bodies);
  for (const { file_id } of files) await awaitSearchable(pipeline, file_id, waiting);

  await using cleanup = new AsyncDisposableStack();
  const readers = startReaders(t, files);
  cleanup.defer(() => readers.stop());
  await Promise.all(files.map(({ file_id }) => countUp(t, file_id)));
  const [kept = '', deleted = ''] = files.map(({ file_id }) => file_id);
  demandEqual((await pipeline.remove(deleted)).status, 200, 'The answer to the deletion');
  await awaitById(pipeline, deleted, 'the deletion by id', (hit) => hit === undefined, waiting);
  await awaitMarker(t, 'after the deletion');
  await readers.stop();

  Object.assign(evidence, { reads: 0, searches: 0, states: 0 });
  for (const [what, { kind, looks }] of readers.looks) {
    const back = stepBack(looks);
    demand(back === undefined, () => {
      if (back === undefined) return '';
      const laterMs = (back.later.startedAt - back.earlier.endedAt).toFixed(1);
      return `${what} shows ${nameOf(back.later.step)} to a read that began ${laterMs} ms after another had been shown ${nameOf(back.earlier.step)}`;
    });
    evidence[kind] = Number(evidence[kind]) + looks.length;
    evidence.states = Number(evidence.states) + new Set(looks.map(({ step }) => step)).size;
  }
  await awaitAlike(t, kept, 'the last step');
  await finalReads(pipeline, [...t.created], { signal });
}

/** Updates a file step by step. An update without a clear answer is the last one: it may still come. */
async function countUp({ pipeline, env, signal }: CaseContext, id: string): Promise<void> {
  for (let step = 1; step <= STEPS; step++) {
    const { status } = await pipeline.update(id, { description: `step ${step}` });
    if (status !== 200) return;
    if (step % AWAITED_EVERY !== 0) continue;
    const isShown = (hit: SearchHit | undefined): boolean => stepOf(hit) === step;
    await awaitById(pipeline, id, `step ${step} by id`, isShown, { timeoutMs: env.limits.syncMs, signal });
  }
}

interface Readers {
  /** What reads showed, by file and kind of read: searches may trail reads by id, so each kind is held to itself. */
  looks: ReadonlyMap<string, { kind: 'reads' | 'searches'; looks: Look[] }>;
  stop(): Promise<void>;
}

/**
 * Reads the files by id and by search at a steady rate, several reads in flight at once. Which comes next is random:
 * in turns, reads of one kind would always meet the same one of two instances, or of two copies.
 */
function startReaders({ pipeline, recorder, random, signal }: CaseContext, files: readonly RegistryFile[]): Readers {
  const lots = random.fork('readers');
  const looks = new Map<string, { kind: 'reads' | 'searches'; looks: Look[] }>();
  const waysTo = ({ file_id, original_filename }: RegistryFile) => {
    const byId = {
      kind: 'reads' as const,
      what: `The read by id of ${original_filename}`,
      read: async (): Promise<Shown> => {
        const { status, body } = await pipeline.searchById(file_id);
        if (status === 404) return { hit: undefined };
        return status === 200 ? { hit: conforms(searchHitSchema, body, 'The read model') } : undefined;
      },
    };
    const bySearch = {
      kind: 'searches' as const,
      what: `The search for ${original_filename}`,
      read: async (): Promise<Shown> => {
        const { status, body } = await pipeline.search({ query: original_filename, mode: 'partial', limit: 10 });
        if (status !== 200) return undefined;
        const { results } = conforms(searchAnswerSchema, body, 'The answer to a search');
        return { hit: results.find(({ id }) => id === file_id) };
      },
    };
    return [byId, byId, bySearch] as const;
  };
  const [first, ...others] = files.map(waysTo);
  if (first === undefined) throw new Error('Expected at least one file to read');
  const { stop } = startOpenLoop({
    recorder,
    ratePerSecond: READS_PER_SECOND,
    inFlightMax: READS_AT_ONCE,
    signal,
    act: async () => {
      const way = lots.pick(lots.pick([first, ...others]));
      const startedAt = recorder.now();
      const shown = await way.read();
      if (shown === undefined) return;
      const look = { step: stepOf(shown.hit), startedAt, endedAt: recorder.now() };
      const own = looks.get(way.what);
      if (own === undefined) looks.set(way.what, { kind: way.kind, looks: [look] });
      else own.looks.push(look);
    },
  });
  return { looks, stop };
}

/** Undefined when the read was not answered: it says nothing. */
type Shown = { hit: SearchHit | undefined } | undefined;

/** Which update a file shows; one that is not found counts as deleted, the step after the last. */
function stepOf(hit: SearchHit | undefined): number {
  return hit === undefined ? STEPS + 1 : Number(/^step (\d+)$/.exec(hit.description ?? '')?.[1] ?? -1);
}

function nameOf(step: number): string {
  return step > STEPS ? 'no file' : `step ${step}`;
}
