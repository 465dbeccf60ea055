import { pollUntil } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { search, searchAll, upload } from '../support/steps.ts';
import { suite } from '../support/suite.ts';
import { demand, demandEqual, promised } from '../support/violation.ts';

const requirement = suite();

const SYNC_ALL_TIMEOUT_MS = 15_000;

for (const count of [10, 200]) {
  requirement(
    'SYNC-05',
    {
      variant: String(count),
      title: `Of ${count} concurrent uploads all are found: none lost, none twice, and the count exact.`,
      floor: { uploads: count, found: count },
    },
    (t) => allFound(t, count),
  );
}

async function allFound({ pipeline, evidence, unique, signal }: CaseContext, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => `${unique}-${String(i).padStart(4, '0')}.txt`);
  const uploads = await Promise.all(
    names.map((filename) => upload(pipeline, { filename, content: Buffer.from(`content of ${filename}`) })),
  );
  const expected = new Map(uploads.map(({ file_id, original_filename }) => [file_id, original_filename]));
  demandEqual(expected.size, count, 'Different ids given to concurrent uploads');
  evidence.uploads = expected.size;

  const wanted = { query: unique, mode: 'partial', sort_by: 'filename', sort_order: 'asc' };
  let seen = 0;
  await promised(
    `All ${count} uploads searchable`,
    pollUntil(
      async () => {
        seen = (await search(pipeline, { ...wanted, limit: 1 })).total_count;
        return seen >= count ? seen : undefined;
      },
      { what: `${count} search results, the last look showed fewer`, timeoutMs: SYNC_ALL_TIMEOUT_MS, signal },
    ),
  );

  const { hits, totals } = await searchAll(pipeline, wanted, 50);
  const ids = hits.map(({ id }) => id);
  const lost = [...expected.keys()].filter((id) => !ids.includes(id));
  demand(lost.length === 0, `${lost.length} of ${count} uploads are not found, e.g. ${lost[0]}`);
  demandEqual(ids.length, new Set(ids).size, 'Results, against different ids among them');
  demandEqual(hits.length, count, 'Results of all pages');
  demandEqual([...new Set(totals)], [count], 'total_count on every page');
  for (const { id, filename } of hits) demandEqual(filename, expected.get(id), `The name of ${id}`);
  evidence.found = hits.length;
}
