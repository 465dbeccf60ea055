import { EVENT_STREAM_NAME } from '../../harness/contract/names.ts';
import { craftedEvent, flatten } from '../support/crafted-events.ts';
import { demandInSync, uploadSynced } from '../support/in-sync.ts';
import { awaitById, findById } from '../support/steps.ts';
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
    const first = craftedEvent({ original_filename: `${unique}-${kind}.txt`, updated_at: later }, { version: '1' });
    const second = craftedEvent(
      {
        file_id: first.file_id,
        original_filename: `${unique}-${kind}.txt`,
        description: 'the last',
        updated_at: earlier,
      },
      { event_type: 'file:updated', version: '2' },
    );
    const marker = craftedEvent({ original_filename: `${unique}-${kind}-marker.txt` });
    for (const event of [first, second, marker]) await redis.xadd(EVENT_STREAM_NAME, '*', ...flatten(event));
    const waiting = { timeoutMs: t.env.promises.syncMs, signal };
    await awaitById(pipeline, marker.file_id, 'the event after them applied', (hit) => hit !== undefined, waiting);
    const hit = await findById(pipeline, first.file_id);
    demandEqual(hit?.description, 'the last', 'The description after version 2, whose updated_at is earlier');
    evidence.files++;
  }
});
