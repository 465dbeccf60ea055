import { awaitAllAlike } from '../support/alike.ts';
import { addEvents, CraftedFile } from '../support/crafted-events.ts';
import { demandInSync, uploadSynced } from '../support/in-sync.ts';
import { awaitById, awaitSearchable, findById } from '../support/steps.ts';
import { suite } from '../support/suite.ts';
import { demandEqual } from '../support/violation.ts';

const verify = suite();

const FILES = 10;
/** In rounds, so that the events of a pair do not all end up in one batch. */
const ROUNDS = 12;

verify('REC-08/same-millisecond', async (t) => {
  const { pipeline, evidence } = t;
  const files = await uploadSynced(t, FILES, 'raced');
  const answers: { status?: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const pairs = files.flatMap((id) =>
      ['a', 'b'].map((one) => pipeline.update(id, { description: `round ${round} ${one}` })),
    );
    answers.push(...(await Promise.all(pairs)));
    // At once: the next round would cover up what this one has left wrong.
    await awaitAllAlike(t, files, t.env.promises.syncMs);
  }
  demandEqual(
    answers.filter(({ status }) => status !== 200).length,
    0,
    'Updates at the same moment that were not answered 200',
  );
  evidence.files = files.length;
  evidence.updates = answers.length;
  await demandInSync(
    t,
    { created: [], updated: files, deleted: [] },
    { timeoutMs: t.env.promises.syncMs, what: 'The read model equal to the registry after updates at the same moment' },
  );
});

verify('REC-08/clock-back', async (t) => {
  const { pipeline, redis, evidence, unique, signal } = t;
  evidence.files = 0;
  const [earlier, later] = ['2026-01-01T10:00:00.000Z', '2026-01-01T10:00:05.000Z'];
  for (const kind of ['one', 'two', 'three']) {
    const file = new CraftedFile(`${unique}-${kind}.txt`, 'versions');
    const marker = new CraftedFile(`${unique}-${kind}-marker.txt`, 'plain');
    const waiting = { timeoutMs: t.env.promises.syncMs, signal };
    await addEvents(redis, [file.created('the first', { updated_at: later })]);
    // The row is there: within a batch the two might be weighed in another way.
    await awaitSearchable(pipeline, file.id, waiting);
    await addEvents(redis, [file.updated(2, 'the last', { updated_at: earlier }), marker.created()]);
    await awaitById(pipeline, marker.id, 'the event after them applied', (hit) => hit !== undefined, waiting);
    const hit = await findById(pipeline, file.id);
    demandEqual(hit?.description, 'the last', 'The description after version 2, whose updated_at is earlier');
    evidence.files++;
  }
});
