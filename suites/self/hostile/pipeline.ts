import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { PipelineClient } from '../../../harness/clients/pipeline.ts';
import { connectPostgres } from '../../../harness/clients/postgres.ts';
import { SERVICE_NAMES, type ServiceName } from '../../../harness/contract/names.ts';
import type { OwnEnvironment } from '../../../harness/environment/environment.ts';
import { startProcesses } from '../../../harness/environment/processes.ts';
import { memoryRecorder } from '../../../harness/record/writer.ts';
import { clientOf } from '../../support/client.ts';

/** What an upload leaves, or must not leave. */
export interface Leavings {
  /** Paths below the storage folder, drafts included, the key of the store left out. */
  files: readonly string[];
  /** Rows of the registry that are not deleted. */
  registered: number;
}

/** A pipeline to be attacked: its storage folder can be looked into, and what lies beside it. */
export interface AttackedPipeline extends AsyncDisposable {
  env: OwnEnvironment;
  client: PipelineClient;
  /** Value of the Authorization header. */
  bearer: string;
  leavings(): Promise<Leavings>;
  /** Files beside the storage folder, with what is in them. */
  neighbours(): Promise<Readonly<Record<string, string>>>;
  /** @throws unless every service runs as the process that it was at the start */
  demandAlive(): Promise<void>;
}

/** What lies beside the storage folder, for whoever finds a way out of it. */
const CANARY = 'canary.txt';

export async function startAttacked(
  settings: Partial<Record<ServiceName, Record<string, string>>> = {},
): Promise<AttackedPipeline> {
  await using resources = new AsyncDisposableStack();
  const parent = await mkdtemp(join(tmpdir(), 'syncproof-hostile-'));
  resources.defer(() => rm(parent, { recursive: true }));
  const folder = join(parent, 'storage');
  await mkdir(folder);
  await writeFile(join(parent, CANARY), CANARY);
  const recorder = memoryRecorder();
  const env = resources.use(
    await startProcesses({
      ...{ kind: 'processes', profile: 'default', recorder },
      settings: { ...settings, storage: { STORAGE_DIR: folder, ...settings.storage } },
    }),
  );
  const client = resources.use(clientOf(env, { recorder, timeoutMs: 30_000 }));
  const database = connectPostgres(env.databaseAccess('admin'));
  resources.defer(() => database.end());
  const births = () => Promise.all(SERVICE_NAMES.map((service) => birthOf(env.urls[service])));
  const atFirst = await births();
  const owned = resources.move();
  return {
    env,
    client,
    bearer: `Bearer ${await client.token()}`,
    async leavings() {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile() && entry.name !== 'deletion.key');
      const { rows } = await database.query<{ count: number }>(
        'SELECT count(*)::int FROM files WHERE deleted_at IS NULL',
      );
      const paths = files.map(({ parentPath, name }) => join(parentPath.slice(folder.length + 1), name));
      return { files: paths.toSorted(), registered: rows[0]?.count ?? 0 };
    },
    async neighbours() {
      const entries = await readdir(parent, { withFileTypes: true });
      const files = entries.filter((entry) => entry.name !== 'storage');
      const read = files.map(async ({ name }) => [name, await readFile(join(parent, name), 'utf8')] as const);
      return Object.fromEntries(await Promise.all(read));
    },
    async demandAlive() {
      for (const service of SERVICE_NAMES) expect(await env.parts[service].running(), service).toBe(true);
      expect(await births()).toEqual(atFirst);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** When a service's process began, as it says itself. */
async function birthOf(url: string): Promise<string | undefined> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return /^process_start_time_seconds(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1];
}
