import { connectPostgres, type PipelineClient, type Recorder, startOpenLoop } from '../../harness/index.ts';
import { READ_MODEL_TABLE } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { clientOf } from '../runner/client.ts';
import { suite } from '../runner/suite.ts';
import { awaitAllAlike } from '../steps/alike.ts';
import { addEvents, CraftedFile } from '../steps/crafted-events.ts';
import { type Changed, changeFiles, demandInSync, uploadSynced } from '../steps/in-sync.ts';
import { awaitById, awaitSearchable, findById, upload } from '../steps/steps.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { RECOVERY } from './requirements.ts';

const verify = suite(RECOVERY);

// Of their own: what other cases left in the registry would have to be rebuilt, too.
const alone = { environment: {} };

verify(
  'REC-07/emptied',
  'The read model is emptied: it is rebuilt without stopping writes.',
  (t) =>
    rebuilds(t, async ({ database, files }) => {
      await database.query(`TRUNCATE ${READ_MODEL_TABLE}`);
      return { created: [], updated: [...files], deleted: [] };
    }),
  alone,
);
verify(
  'REC-07/restored',
  'The read model is restored from before updates and deletions: it catches up without stopping writes.',
  catchesUpWhenRestored,
  alone,
);
verify(
  'REC-08/same-millisecond',
  'Updates of one file at the same moment: the read model ends with the one that the registry ends with.',
  endsWithTheLastCommit,
);
verify(
  'REC-08/clock-back',
  'An event with a later version and an earlier updated_at: the later version wins.',
  laterVersionWins,
);

const FILES = 20;
const REBUILT_MS = 30_000;
const UPLOADS_PER_SECOND = 15;

type Database = ReturnType<typeof connectPostgres>;

async function catchesUpWhenRestored(t: CaseContext): Promise<void> {
  await rebuilds(t, async ({ database, files, reader }) => {
    const backup = `syncproof_backup_${t.unique.replaceAll('-', '_')}`;
    await database.query(`CREATE TABLE ${backup} AS SELECT * FROM ${READ_MODEL_TABLE}`);
    try {
      const changed = await changeFiles(t, { update: files.slice(0, 3), remove: files.slice(3, 6), create: 0 });
      await demandInSync(t, changed, {
        timeoutMs: t.env.limits.syncMs,
        reader,
        what: 'The changes after the backup visible',
      });
      await restore(database, backup);
      return { ...changed, updated: [...changed.updated, ...files.slice(6)] };
    } finally {
      await database.query(`DROP TABLE ${backup}`);
    }
  });
}

/** Puts the rows back, and with them whatever else the read model keeps of what came later. */
async function restore(database: Database, backup: string): Promise<void> {
  const { rows } = await database.query<{ name: string }>(
    `SELECT column_name AS name FROM information_schema.columns
     WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER'`,
    [READ_MODEL_TABLE],
  );
  const columns = rows.map(({ name }) => `"${name}"`).join(', ');
  const { rows: tables } = await database.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE '%tombstone%'`,
  );
  const names = [READ_MODEL_TABLE, ...tables.map(({ name }) => name)].map((name) => `"${name}"`).join(', ');
  await database.query(
    `BEGIN; TRUNCATE ${names}; INSERT INTO ${READ_MODEL_TABLE} (${columns}) SELECT ${columns} FROM ${backup}; COMMIT`,
  );
}

interface Losing {
  database: Database;
  files: readonly string[];
  /** Its reads are not recorded: what it saw is about to be undone on purpose. */
  reader: PipelineClient;
}

async function rebuilds(t: CaseContext, lose: (losing: Losing) => Promise<Changed>): Promise<void> {
  const { env, pipeline, recorder, evidence, unique, faults, signal } = t;
  const database = connectPostgres(env.databaseAccess('query'));
  const untold: Recorder = { now: () => recorder.now(), record: () => {}, forCase: () => untold };
  await using reader = clientOf(env, { recorder: untold });
  try {
    const files = await uploadSynced(t, FILES, 'before', reader);
    evidence.files = files.length;
    const meanwhile: string[] = [];
    const uploading = startOpenLoop({
      recorder,
      ratePerSecond: UPLOADS_PER_SECOND,
      signal,
      act: async (index) => {
        const filename = `${unique}-meanwhile-${index}.txt`;
        meanwhile.push((await upload(pipeline, { filename, content: Buffer.from(filename) })).file_id);
      },
    });
    const changed = await lose({ database, files, reader });
    // What an operator does after a restore.
    await using restarted = await faults.query.restart();
    await restarted.heal();
    await demandInSync(t, changed, { timeoutMs: REBUILT_MS, reader, what: 'The read model equal to the registry' });
    await uploading.stop();
    evidence.uploadsMeanwhile = meanwhile.length;
    demand(meanwhile.length > 0, 'No upload was accepted while the read model was rebuilt');
    const all = { created: meanwhile, updated: changed.updated, deleted: changed.deleted };
    await demandInSync(t, all, { timeoutMs: REBUILT_MS, what: 'What was uploaded meanwhile equal to the registry' });
  } finally {
    await database.end();
  }
}

const RACED_FILES = 10;
/** In rounds, so that the events of a pair do not all end up in one batch. */
const ROUNDS = 12;

async function endsWithTheLastCommit(t: CaseContext): Promise<void> {
  const { pipeline, evidence } = t;
  const files = await uploadSynced(t, RACED_FILES, 'raced');
  const answers: { status?: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const pairs = files.flatMap((id) =>
      ['a', 'b'].map((one) => pipeline.update(id, { description: `round ${round} ${one}` })),
    );
    answers.push(...(await Promise.all(pairs)));
    // At once: the next round would cover up what this one has left wrong.
    await awaitAllAlike(t, files, t.env.limits.syncMs);
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
    {
      timeoutMs: t.env.limits.syncMs,
      what: 'The read model equal to the registry after updates at the same moment',
    },
  );
}

async function laterVersionWins(t: CaseContext): Promise<void> {
  const { pipeline, redis, evidence, unique, signal } = t;
  evidence.files = 0;
  const [earlier, later] = ['2026-01-01T10:00:00.000Z', '2026-01-01T10:00:05.000Z'];
  for (const kind of ['one', 'two', 'three']) {
    const file = new CraftedFile(`${unique}-${kind}.txt`, 'versions');
    const marker = new CraftedFile(`${unique}-${kind}-marker.txt`, 'plain');
    const waiting = { timeoutMs: t.env.limits.syncMs, signal };
    await addEvents(redis, [file.created('the first', { updated_at: later })]);
    // The row is there: within a batch the two might be weighed in another way.
    await awaitSearchable(pipeline, file.id, waiting);
    await addEvents(redis, [file.updated(2, 'the last', { updated_at: earlier }), marker.created()]);
    await awaitById(pipeline, marker.id, 'the event after them applied', (hit) => hit !== undefined, waiting);
    const hit = await findById(pipeline, file.id);
    demandEqual(hit?.description, 'the last', 'The description after version 2, whose updated_at is earlier');
    evidence.files++;
  }
}
