/**
 * The cost of comparing the read model with the registry, by the number of files:
 * `node services/query/comparison.bench.ts 10000 100000`. Files are written by SQL on both sides, the comparisons are the
 * services' own, once a second.
 */
import {
  connectPostgres,
  createPipelineClient,
  memoryRecorder,
  pollUntil,
  startEnvironment,
} from '../../harness/index.ts';

const ROUNDS = 10;
const signal = AbortSignal.timeout(3_600_000);

interface Compared {
  reasons: string[];
  repaired: number;
  ms: number;
}

type Database = ReturnType<typeof connectPostgres>;

/** With the digits that make it a UUID of version 4. */
const idOf = (n: string): string =>
  `overlay(overlay(md5('file ' || ${n}) PLACING '4' FROM 13) PLACING '8' FROM 17)::uuid`;
const ID = idOf('n');
const FILL_REGISTRY = `INSERT INTO files (file_id, original_filename, storage_filename, file_size, checksum_sha256,
    storage_element_id, storage_path, retention_policy, created_at, updated_at)
  SELECT ${ID}, 'file-' || n || '.txt', 'file-' || n, n, md5(n::text) || md5(n::text), 'element', '/' || n, 'permanent', now(), now()
  FROM generate_series($1::int, $2::int) AS n`;
const FILL_READ_MODEL = `INSERT INTO file_metadata_cache (id, filename, storage_filename, file_size, sha256_hash,
    storage_element_id, created_at, updated_at, version)
  SELECT ${ID}, 'file-' || n || '.txt', 'file-' || n, n, md5(n::text) || md5(n::text), 'element', now(), now(), 1
  FROM generate_series($1::int, $2::int) AS n`;

const sizes = process.argv.slice(2).map(Number);
if (sizes.length === 0 || sizes.some((size) => !Number.isInteger(size) || size < 1)) {
  console.error('Expected numbers of files, e.g. 10000 100000 1000000');
  process.exit(2);
}

await using env = await startEnvironment({
  kind: 'processes',
  profile: 'default',
  recorder: memoryRecorder(),
  storage: 'disk',
  settings: { query: { RECONCILE_INTERVAL_S: '1' } },
  signal,
});
await using open = new AsyncDisposableStack();
const connect = (service: 'admin' | 'query'): Database => {
  const database = connectPostgres(env.databaseAccess(service));
  open.defer(() => database.end());
  return database;
};
const registry = connect('admin');
const readModel = connect('query');
const pipeline = open.use(createPipelineClient({ urls: env.urls, accounts: env.accounts, recorder: memoryRecorder() }));
// They make a million rows take minutes, and no comparison uses them.
for (const name of ['filename_trgm', 'search_vector', 'tags', 'filename', 'created_at'])
  await readModel.query(`DROP INDEX file_metadata_cache_${name}`);

console.log('| files | comparison, nothing differs | one file missing | digests | one bucket |');
console.log('| ----- | --------------------------- | ---------------- | ------- | ---------- |');
let filled = 0;
for (const size of [...sizes].sort((a, b) => a - b)) {
  await fill(filled + 1, size);
  filled = size;
  await comparisons(1, (each) => each.repaired === 0);
  const quiet = (await comparisons(ROUNDS, (each) => each.repaired === 0)).map(({ ms }) => ms).sort((a, b) => a - b);
  const missing = await comparisons(
    1,
    ({ repaired }) => repaired === 1,
    async () => {
      await readModel.query(`DELETE FROM file_metadata_cache WHERE id = ${idOf('1')}`);
    },
  );
  const row = [
    size.toLocaleString('en'),
    `median ${quiet[ROUNDS / 2]} ms (${quiet[0]}–${quiet.at(-1)}, n ${ROUNDS})`,
    `${missing[0]?.ms} ms`,
    `${await bytesOf('/api/v1/sync/digests')} bytes`,
    `${await bytesOf('/api/v1/sync/buckets/0')} bytes`,
  ];
  console.log(`| ${row.join(' | ')} |`);
}

async function fill(from: number, to: number): Promise<void> {
  // In one transaction the other side would look empty for as long as it takes: comparisons would start to repair it.
  await env.parts.query.stop();
  const patiently = async (database: Database, text: string, values: unknown[] = []): Promise<void> => {
    // Its types do not know of the limit.
    const statement = { text, values, query_timeout: 600_000 };
    await database.query(statement);
  };
  await patiently(registry, FILL_REGISTRY, [from, to]);
  await patiently(readModel, FILL_READ_MODEL, [from, to]);
  await patiently(registry, 'VACUUM ANALYZE files');
  await patiently(readModel, 'VACUUM ANALYZE file_metadata_cache');
  await env.parts.query.start();
}

/** The next comparisons that are as wanted, from those that begin after the call. */
async function comparisons(
  count: number,
  wanted: (each: Compared) => boolean,
  before: () => Promise<void> = async () => {},
): Promise<Compared[]> {
  const known = (await logged()).length;
  await before();
  const found = async (): Promise<Compared[] | undefined> => {
    const all = (await logged()).slice(known).filter(wanted);
    return all.length >= count ? all.slice(0, count) : undefined;
  };
  return pollUntil(found, { what: `${count} comparisons`, timeoutMs: 600_000, intervalMs: 200, signal });
}

async function logged(): Promise<Compared[]> {
  const lines = (await env.parts.query.logs()).split('\n');
  return lines.filter((line) => line.includes('"compared with the registry"')).map((line) => JSON.parse(line));
}

async function bytesOf(path: string): Promise<string> {
  const answer = await pipeline.request('admin', 'GET', path, { bytes: true });
  if (!(answer.body instanceof Uint8Array)) throw new Error(`GET ${path} answered ${answer.status}`);
  return answer.body.length.toLocaleString('en');
}
