import { READ_MODEL_TABLE } from '../../harness/contract/names.ts';
import { connectPostgres, type PipelineClient, type Recorder, startOpenLoop } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { clientOf } from '../support/client.ts';
import { type Changed, changeFiles, demandInSync, uploadSynced } from '../support/in-sync.ts';
import { upload } from '../support/steps.ts';
import { suite } from '../support/suite.ts';
import { demand } from '../support/violation.ts';

const verify = suite();

const FILES = 20;
const REBUILT_MS = 30_000;
const UPLOADS_PER_SECOND = 15;

type Database = ReturnType<typeof connectPostgres>;

verify('REC-07/emptied', (t) =>
  rebuilds(t, async ({ database, files }) => {
    await database.query(`TRUNCATE ${READ_MODEL_TABLE}`);
    return { created: [], updated: [...files], deleted: [] };
  }),
);

verify('REC-07/restored', (t) =>
  rebuilds(t, async ({ database, files, reader }) => {
    const backup = `syncproof_backup_${t.unique.replaceAll('-', '_')}`;
    await database.query(`CREATE TABLE ${backup} AS SELECT * FROM ${READ_MODEL_TABLE}`);
    try {
      const changed = await changeFiles(t, { update: files.slice(0, 3), remove: files.slice(3, 6), create: 0 });
      await demandInSync(t, changed, {
        timeoutMs: t.env.promises.syncMs,
        reader,
        what: 'The changes after the backup visible',
      });
      await restore(database, backup);
      return { ...changed, updated: [...changed.updated, ...files.slice(6)] };
    } finally {
      await database.query(`DROP TABLE ${backup}`);
    }
  }),
);

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
