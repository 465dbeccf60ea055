import { monotonicMs } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { demandAlike } from '../steps/alike.ts';
import { awaitBothRead, demandDrained, realConsumers, takeOverMs } from '../steps/consumers.ts';
import { addEvents, CraftedFile, type EventFields } from '../steps/crafted-events.ts';
import { watchDeadLetters } from '../steps/events.ts';
import { registerPlain } from '../steps/registrations.ts';
import { searchAll } from '../steps/steps.ts';
import { demandEqual } from '../steps/violation.ts';
import { CONSUMER } from './requirements.ts';

const verify = suite(CONSUMER);

// Of their own: a consumer that another case left in the group would be counted as one that reads.
const alone = { environment: {} };

verify(
  'CON-12/registered',
  'Two consumers and a burst of parallel updates of registered files: registry and read model end equal.',
  registeredEndEqual,
  alone,
);
verify(
  'CON-12/colliding',
  'Two consumers that insert the same rows at the same moment: every file ends as its last event says.',
  collidingEndAsTheLastSays,
  alone,
);

const FILES = 12;
const UPDATES = 8;

async function registeredEndEqual(t: CaseContext): Promise<void> {
  await survivesBurst(t, async (wave) => {
    const files = await Promise.all(Array.from({ length: FILES }, (_, i) => registerAndUpdate(t, `${wave}-${i}`)));
    await demandDrained(t, takeOverMs(t));
    for (const { fileId } of files) await demandAlike(t, fileId, `${UPDATES} updates at once`);
    t.evidence.files = files.length;
    t.evidence.updates = files.reduce((sum, { updates }) => sum + updates, 0);
  });
}

/** Updates that are refused under so much load are no matter here: what counts is what the registry has in the end. */
async function registerAndUpdate({ pipeline, unique }: CaseContext, name: string) {
  const { file_id: fileId } = await registerPlain(pipeline, `${unique}-${name}.txt`);
  const answers = await Promise.all(
    Array.from({ length: UPDATES }, (_, j) => pipeline.update(fileId, { description: `update ${j}` })),
  );
  return { fileId, updates: answers.filter(({ outcome }) => outcome === 'ok').length };
}

/** Of as many files first all creations come, then all updates: the size of the batches that consumers may read. */
const BLOCKS = [
  { size: 500, times: 1 },
  { size: 10, times: 20 },
];

const COLLISIONS = 8;

async function collidingEndAsTheLastSays(t: CaseContext): Promise<void> {
  await survivesBurst(
    t,
    async (wave) => {
      const unique = `${t.unique}-${wave}`;
      const files: CraftedFile[] = [];
      const events: EventFields[] = [];
      for (const { size, times } of BLOCKS) {
        for (let time = 0; time < times; time++) {
          const block = Array.from(
            { length: size },
            (_, i) => new CraftedFile(`${unique}-${size}-${time}-${i}.txt`, 'versions'),
          );
          files.push(...block);
          events.push(...block.map((file) => file.created()), ...block.map((file) => file.updated(2, 'as updated')));
        }
      }
      await addEvents(t.redis, events);
      await demandDrained(t, takeOverMs(t));
      const { hits } = await searchAll(t.pipeline, { query: unique, mode: 'partial', sort_by: 'filename' }, 1000);
      const shown = new Map(hits.map(({ id, description }) => [id, description]));
      const wrong = files.filter(({ id }) => shown.get(id) !== 'as updated');
      demandEqual(
        wrong.map(({ id }) => shown.get(id) ?? 'not found').slice(0, 5),
        [],
        `${wrong.length} of ${files.length} updated files show`,
      );
      demandEqual(hits.length, files.length, 'Results for as many files');
      t.evidence.files = files.length;
    },
    COLLISIONS,
  );
}

/** One consumer that is quick, or reads much at a time, may take the whole of a burst. */
const SPARE_WAVES = 4;

/** A burst on the same ids meets two consumers, as often as `times` says: that they collide is likely, and no more. */
async function survivesBurst(t: CaseContext, burst: (wave: number) => Promise<void>, times = 1): Promise<void> {
  await using _second = await t.env.startInstance('query');
  await awaitBothRead(t);
  const deadLetters = await watchDeadLetters(t);
  for (let wave = 1, met = 0; met < times && wave <= times + SPARE_WAVES; wave++) {
    const startedAt = monotonicMs();
    await burst(wave);
    const consumers = (await realConsumers(t, monotonicMs() - startedAt)).length;
    if (consumers >= 2) met++;
    t.evidence.consumers = Math.max(consumers, Number(t.evidence.consumers ?? 0));
  }
  await deadLetters.demandNone('for meeting each other');
}
