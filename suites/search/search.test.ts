import { startOpenLoop } from '../../harness/index.ts';
import type { RegistryFile, SearchHit } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { awaitListed } from '../steps/alike.ts';
import { holdsForAll } from '../steps/many.ts';
import { registerAll, registration, updateDescription } from '../steps/registrations.ts';
import { awaitById, search, searchAll } from '../steps/steps.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { corpus, requests } from './corpus.ts';
import { SEARCH } from './requirements.ts';
import { demandRight } from './steps.ts';

const verify = suite(SEARCH);

verify(
  'SRCH-01',
  'Exact, partial and full-text modes, every filter, every sort, total_count and has_more are right against a model computed in memory.',
  searchesLikeTheModel,
);
verify(
  'SRCH-03',
  'Paging through ties while rows change leaves no row out and shows none twice, of those that did not change.',
  pagesThroughTies,
);

const QUERIES = 300;

async function searchesLikeTheModel(t: CaseContext): Promise<void> {
  const { pipeline, evidence, unique } = t;
  const { files, names } = await corpus(t);
  await awaitListed(t, unique, files);

  const counts = { queries: 0, matching: 0, pages: 0, exact: 0, partial: 0, fulltext: 0 };
  await holdsForAll(t, { values: requests({ unique, files, names }), count: QUERIES }, async (request) => {
    const answer = await search(pipeline, { ...request });
    demandRight(answer, request, files);
    counts.queries++;
    if (answer.has_more) counts.pages++;
    if (answer.total_count === 0) return;
    counts.matching++;
    if (request.query !== undefined && request.mode !== undefined) counts[request.mode]++;
  });
  Object.assign(evidence, counts);
}

const TIED = 60;
/** Every second one is changed while the others are paged through. */
const CHANGED_EVERY = 2;
const PAGE_SIZES = [7, 13] as const;
const CHANGES_PER_SECOND = 150;
const CHANGES_AT_ONCE = 4;
/** Rows that moved while pages were read. */
const CHANGES_MIN = 40;
const WALKS_MAX = 400;

async function pagesThroughTies(t: CaseContext): Promise<void> {
  const { env, pipeline, evidence, random, unique, signal } = t;
  const waiting = { timeoutMs: env.limits.syncMs, signal };
  const moved = new Set<string>();
  const bodies = Array.from({ length: TIED }, () =>
    registration(random, { original_filename: `${unique} tied.txt`, file_size: 1000 }),
  );
  const files = await registerAll(pipeline, bodies);
  await awaitListed(t, unique, files);
  const still = files.filter((_file, index) => index % CHANGED_EVERY !== 0).map(({ file_id }) => file_id);

  Object.assign(evidence, { walks: 0, pages: 0, changes: 0, moves: 0 });
  type Between = NonNullable<Parameters<typeof searchAll>[3]>;
  const walk = async (pageSizes: readonly number[], between?: Between): Promise<void> => {
    for (const sort_by of ['file_size', 'filename'] as const) {
      for (const sort_order of ['asc', 'desc'] as const) {
        for (const pageSize of pageSizes) {
          const wanted = { query: unique, mode: 'partial', sort_by, sort_order };
          const { hits, totals } = await searchAll(pipeline, wanted, pageSize, between);
          const what = `Pages of ${pageSize} by ${sort_by} ${sort_order}, all tied`;
          const listed = hits.map(({ id }) => id).filter((id) => still.includes(id));
          const twice = listed.find((id, index) => listed.indexOf(id) !== index);
          demand(twice === undefined, `${what}: ${twice}, which did not change, is on two pages`);
          const missing = still.filter((id) => !listed.includes(id));
          demandEqual(missing, [], `${what}: files that did not change and are on no page`);
          demandEqual([...new Set(totals)], [TIED], `${what}: total_count`);
          evidence.walks = Number(evidence.walks) + 1;
          evidence.pages = Number(evidence.pages) + totals.length;
        }
      }
    }
  };
  // Between two pages a row of a page before is changed, and the change is there before the next page is read: whatever
  // moves by that, moves in this very moment.
  await walk(PAGE_SIZES.slice(1), async (listed) => {
    const mover =
      listed.find(({ id }) => !still.includes(id) && !moved.has(id)) ?? listed.find(({ id }) => moved.has(id));
    if (mover === undefined) return;
    moved.add(mover.id);
    await updateDescription(pipeline, mover.id, `move ${evidence.moves}`);
    const isThere = (hit: SearchHit | undefined): boolean => hit?.description === `move ${evidence.moves}`;
    await awaitById(pipeline, mover.id, 'the change between two pages', isThere, waiting);
    evidence.moves = Number(evidence.moves) + 1;
  });
  await using cleanup = new AsyncDisposableStack();
  const changes = startChanges(
    t,
    files.filter(({ file_id }) => !still.includes(file_id)),
  );
  cleanup.defer(() => changes.stop());
  // Where searches are answered quickly, one walk is over before much has changed.
  while (changes.accepted() < CHANGES_MIN && Number(evidence.walks) < WALKS_MAX) await walk(PAGE_SIZES);
  await changes.stop();
  evidence.changes = changes.accepted();
}

/** Changes files again and again, but neither their size nor their name: they stay tied, and their rows move. */
function startChanges({ pipeline, recorder, signal }: CaseContext, files: readonly RegistryFile[]) {
  let accepted = 0;
  const loop = startOpenLoop({
    recorder,
    ratePerSecond: CHANGES_PER_SECOND,
    inFlightMax: CHANGES_AT_ONCE,
    signal,
    act: async (index) => {
      const file = files[index % files.length];
      const { status } = await pipeline.update(file?.file_id ?? '', { description: `change ${index}` });
      if (status === 200) accepted++;
    },
  });
  return { accepted: () => accepted, stop: loop.stop };
}
