import type { UploadInput } from '../../harness/index.ts';
import { fileEventSchema } from '../../services/contract/events.ts';
import { registryFileSchema, type SearchHit } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { demandAlike } from '../steps/alike.ts';
import { eventsOf, lastEventId } from '../steps/events.ts';
import { eventually } from '../steps/eventually.ts';
import { waysOf } from '../steps/registrations.ts';
import { demandAsSent, type SentFile, sentFile } from '../steps/sent-file.ts';
import { awaitById, awaitSearchable, findById, findByName, search, searchAll, sha256, upload } from '../steps/steps.ts';
import { conforms, demand, demandEqual } from '../steps/violation.ts';
import { SYNC } from './requirements.ts';

const verify = suite(SYNC);

verify('SYNC-01', 'An uploaded file becomes searchable by name and by id, under the same id.', becomesSearchable);
verify(
  'SYNC-02',
  'An update becomes visible, and every metadata field arrives byte-exact: names, descriptions, tags, JSON metadata, timestamps.',
  updatesByteExact,
);
verify('SYNC-03', 'A deleted file disappears from search and by id, and stays away.', deletedStaysAway);
verify('SYNC-04', 'Files with identical content are all searchable, each under its own id.', findsIdenticalContent);
verify('SYNC-05/10', 'Of 10 concurrent uploads all are found: none lost, none twice, and the count exact.', (t) =>
  allFound(t, 10),
);
verify('SYNC-05/200', 'Of 200 concurrent uploads all are found: none lost, none twice, and the count exact.', (t) =>
  allFound(t, 200),
);

async function becomesSearchable({ pipeline, env, evidence, unique, signal }: CaseContext): Promise<void> {
  const waiting = { timeoutMs: env.limits.syncMs, signal };
  evidence.files = 0;
  evidence.reads = 0;
  for (const kind of ['one', 'two', 'three']) {
    const filename = `${unique}-${kind}.txt`;
    const content = Buffer.from(`content of ${filename}`);
    const { file_id } = await upload(pipeline, { filename, content, contentType: 'text/plain' });
    const byId = await awaitSearchable(pipeline, file_id, waiting);
    demandEqual(byId.id, file_id, `The id that GET /api/search/${file_id} shows`);

    const named = await eventually(
      `${filename} found by name`,
      async () => {
        const hits = await findByName(pipeline, filename);
        return hits.length > 0 ? hits : undefined;
      },
      { ...waiting },
    );
    demandEqual(
      named.map(({ id }) => id),
      [file_id],
      `Ids found under the name ${filename}`,
    );
    const [byName] = named;
    for (const [how, hit] of [
      ['by id', byId],
      ['by name', byName],
    ] as const) {
      demandEqual(
        { name: hit?.filename, size: hit?.file_size, checksum: hit?.sha256_hash },
        { name: filename, size: content.length, checksum: sha256(content) },
        `What search ${how} shows of ${filename}`,
      );
    }
    evidence.files++;
    evidence.reads += 3;
  }
}

/** Texts that lose or gain bytes wherever a layer escapes, normalises, truncates or guesses an encoding. */
const EXACT_TEXTS = [
  `"double" 'single' \`back\` \\ back\\\\slash / % _ * ? ; -- /* */ $1 {} []`,
  'Zażółć gęślą jaźń — Ünïcödé, ﬁ-ligature, NFC \u00e9 and NFD e\u0301',
  '😀👩‍👩‍👧‍👦🏳️‍🌈 𝕊𝕪𝕟𝕔 \u{1F9EA}',
  'שלום עולם مرحبا \u202Eright-to-left\u202C',
  '日本語 한국어 ไทย',
  '  leading, trailing and\ttab\r\nand line ends  ',
  '<b>&amp;</b> &quot; %20 +',
];

async function updatesByteExact(t: CaseContext): Promise<void> {
  const { pipeline, env, redis, evidence, unique, signal } = t;
  const waiting = { timeoutMs: env.limits.syncMs, signal };
  const before = await lastEventId(redis);
  const input: UploadInput = {
    filename: `${unique} “naïve” 'quoted' 日本 😀.txt`,
    content: Buffer.from('bytes'),
    contentType: 'text/plain; charset=utf-8',
    description: 'as uploaded: “naïve” 日本 😀',
    tags: ['ß', 'with space', '"quoted"', 'emoji 😀'],
    metadata: { 'key "q"': 'välue', list: [1, 2.5, null, true], nested: { empty: {}, text: '\\u0041 \\n' } },
  };
  const { file_id } = await upload(pipeline, input);
  await awaitSearchable(pipeline, file_id, waiting);
  demandAsSent(await demandAlike(t, file_id, 'the upload'), sentFile(input), 'The upload against what was sent');

  evidence.updates = 0;
  const sent: SentFile[] = [];
  for (const [index, text] of EXACT_TEXTS.entries()) {
    const changes = {
      description: text,
      tags: [text.slice(0, 20), `n${index}`],
      original_filename: `${unique} ${index} ${text.replaceAll(/[\r\n\t]/g, ' ').trim()}.txt`,
      user_metadata: { text, [text]: index, list: [text, { deep: text }] },
    };
    const answer = await pipeline.update(file_id, changes);
    demandEqual(answer.status, 200, `The answer to update ${index}`);
    const updated = (hit: SearchHit | undefined): boolean => hit?.description === text;
    await awaitById(pipeline, file_id, `update ${index} searchable, byte for byte`, updated, waiting);
    const wanted = { ...sentFile(input), ...changes };
    const after = `update ${index}`;
    demandAsSent(await demandAlike(t, file_id, after), wanted, `The file after ${after}, against what was sent`);
    sent.push(wanted);
    evidence.updates++;
  }

  const entries = await eventsOf(redis, file_id, before);
  const metadata = entries.flatMap(({ id, fields }) => {
    const event = conforms(fileEventSchema, fields, `The event ${id}`);
    return event.event_type === 'file:updated' ? [event.metadata] : [];
  });
  for (const [index, wanted] of sent.entries()) {
    const told = metadata.find((file) => file.description === wanted.description);
    demand(told !== undefined, `No event has the description of update ${index}`);
    demandAsSent(told, wanted, `The event of update ${index} against what was sent`);
  }
  evidence.events = new Set(metadata.map((file) => JSON.stringify(file.user_metadata))).size;
}

const DELETIONS = 3;

async function deletedStaysAway(t: CaseContext): Promise<void> {
  const { pipeline, env, evidence, unique, signal } = t;
  const waiting = { timeoutMs: env.limits.syncMs, signal };
  const files: { id: string; name: string }[] = [];
  for (let i = 0; i < DELETIONS; i++) {
    const name = `${unique}-${i}.txt`;
    const { file_id } = await upload(pipeline, { filename: name, content: Buffer.from(name) });
    files.push({ id: file_id, name });
  }
  for (const { id } of files) await awaitSearchable(pipeline, id, waiting);
  for (const { id } of files) {
    const answer = await pipeline.remove(id);
    demandEqual(answer.status, 200, 'The answer to a deletion');
    await awaitById(pipeline, id, `${id} gone by id after its deletion`, (hit) => hit === undefined, waiting);
  }
  evidence.deleted = files.length;

  // It must stay away while later changes are applied, so reads go on until later files are searchable. A repeated
  // deletion is allowed and changes nothing.
  evidence.observations = 0;
  for (let round = 0; round < 5; round++) {
    const again = await pipeline.remove(files[round % files.length]?.id ?? '');
    demandEqual(again.status, 200, 'The answer to a repeated deletion');
    const marker = await upload(pipeline, { filename: `${unique}-marker-${round}.txt`, content: Buffer.from('later') });
    await awaitSearchable(pipeline, marker.file_id, waiting);
    for (const { id, name } of files) {
      demand((await findById(pipeline, id)) === undefined, `${id} can be read by id again after its deletion was seen`);
      const hits = await findByName(pipeline, name);
      demand(hits.length === 0, `${name} is found by name after its deletion`);
      evidence.observations += 2;
    }
  }
}

async function findsIdenticalContent(t: CaseContext): Promise<void> {
  const { pipeline, env, evidence, unique, signal } = t;
  const waiting = { timeoutMs: env.limits.syncMs, signal };
  evidence.files = 0;
  evidence.survivors = 0;
  for (const { how, create } of waysOf(t)) {
    const common = `${unique}-${how}`;
    const content = Buffer.from(`the bytes of ${common}`);
    const names = [`${common}-one.txt`, `${common}-two.txt`, `${common}-two.txt`];
    // At once, so that they can meet in one batch of the consumer.
    const answers = await Promise.all(
      names.map((filename) => create({ filename, content, contentType: 'text/plain' })),
    );
    const ids = answers.map(({ status, outcome, body }, index) => {
      demandEqual(
        status ?? outcome,
        201,
        `The answer to the ${how} of ${names[index]}, one of several with the same bytes`,
      );
      return conforms(registryFileSchema.pick({ file_id: true }), body, `The answer to the ${how}`).file_id;
    });
    demandEqual(new Set(ids).size, ids.length, `Different ids of as many files with the same bytes, by ${how}`);
    const checksums = new Set<string>();
    for (const id of ids) {
      const { sha256_hash } = await awaitSearchable(pipeline, id, waiting);
      checksums.add(sha256_hash);
    }
    demandEqual(
      [...checksums],
      [sha256(content)],
      `Checksums that search shows of files with the same bytes, by ${how}`,
    );
    await demandListed(t, common, ids);
    evidence.files += ids.length;

    const [gone = '', ...others] = ids;
    demandEqual((await pipeline.remove(gone)).status, 200, 'The answer to a deletion');
    await awaitById(pipeline, gone, `${gone} gone by id after its deletion`, (hit) => hit === undefined, waiting);
    for (const id of others) {
      demand(
        (await findById(pipeline, id)) !== undefined,
        `${id} is gone with ${gone}, which was deleted and had the same bytes`,
      );
    }
    await demandListed(t, common, others);
    evidence.survivors += others.length;
  }
}

/** The search for a part of the name lists exactly these files. */
async function demandListed({ pipeline }: CaseContext, part: string, ids: readonly string[]): Promise<void> {
  const { results, total_count } = await search(pipeline, { query: part, mode: 'partial', limit: 100 });
  const what = `Files listed under ${part}`;
  demandEqual(results.map(({ id }) => id).sort(), [...ids].sort(), what);
  demandEqual(total_count, ids.length, `${what}: total_count`);
}

const SYNC_ALL_TIMEOUT_MS = 15_000;

async function allFound({ pipeline, env, evidence, unique, signal }: CaseContext, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => `${unique}-${String(i).padStart(4, '0')}.txt`);
  const uploads = await Promise.all(
    names.map((filename) => upload(pipeline, { filename, content: Buffer.from(`content of ${filename}`) })),
  );
  const expected = new Map(uploads.map(({ file_id, original_filename }) => [file_id, original_filename]));
  demandEqual(expected.size, count, 'Different ids given to concurrent uploads');
  evidence.uploads = expected.size;

  const wanted = { query: unique, mode: 'partial', sort_by: 'filename', sort_order: 'asc' };
  let seen = 0;
  await eventually(
    `All ${count} uploads searchable`,
    async () => {
      seen = (await search(pipeline, { ...wanted, limit: 1 })).total_count;
      return seen >= count ? seen : undefined;
    },
    { timeoutMs: Math.max(SYNC_ALL_TIMEOUT_MS, env.limits.syncMs), signal },
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
