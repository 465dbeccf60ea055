import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Environment } from '../../harness/environment/common/environment.ts';
import { startReference } from '../../harness/environment/fixtures/reference.ts';
import { startFaultProxy } from '../../harness/net/proxy.ts';
import { createLog } from '../common/log.ts';
import { createPool, migrate } from '../common/postgres.ts';
import type { SearchHit } from '../contract/http.ts';
import { SERVICE_NAMES } from '../contract/names.ts';
import { applyChanges } from './apply.ts';
import { type Change, failureKind, type UpsertChange } from './events.ts';
import { findFile, searchFiles, searchRequestSchema } from './search.ts';

const MIGRATIONS = fileURLToPath(new URL('./migrations', import.meta.url));
const PATIENT = { lockTimeoutMs: 2000 };

let environment: Environment;
let pool: pg.Pool;

beforeAll(async () => {
  environment = await startReference({ deferred: SERVICE_NAMES });
  pool = new pg.Pool({ ...environment.databaseAccess('query'), max: 4, pipeline: true });
  await migrate(pool, MIGRATIONS);
}, 60_000);

afterAll(async () => {
  await pool?.end();
  await environment?.stop();
});

beforeEach(async () => {
  await pool.query('TRUNCATE file_metadata_cache, file_tombstones');
});

function upsert(id: string, version: number | null, changes: Partial<UpsertChange['metadata']> = {}): UpsertChange {
  const metadata = {
    file_id: id,
    original_filename: 'report.pdf',
    storage_filename: `${id}.pdf`,
    file_size: 3,
    checksum_sha256: 'ab',
    storage_element_id: 'storage-1',
    storage_path: 'x',
    created_at: '2026-01-01T00:00:00.123456Z',
    updated_at: '2026-01-01T00:00:00.123456Z',
    ...changes,
  };
  return { kind: 'upsert', id, version, sequence: null, metadata };
}

/** The options of a service's own pool. */
function servicePool({ host, port }: { host: string; port: number } = environment.databaseAccess('query')): pg.Pool {
  const { database, user, password } = environment.databaseAccess('query');
  const url = `postgres://${user}:${password}@${host}:${port}/${database}`;
  return createPool({ url, log: createLog('query', 'silent'), applicationName: 'test', pipeline: true });
}

describe('a batch that meets trouble', () => {
  it('keeps its rows from no other for long, when its connection becomes half-open before the COMMIT', async () => {
    await using wire = await startFaultProxy({ upstream: environment.databaseAccess('query') });
    const service = servicePool(wire);
    const id = randomUUID();
    const locker = await pool.connect();
    await locker.query('BEGIN; LOCK TABLE file_metadata_cache IN EXCLUSIVE MODE');
    const applying = expect(applyChanges(service, [upsert(id, 1)], PATIENT)).rejects.toThrow();
    const waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'test' AND wait_event_type = 'Lock'";
    await expect.poll(async () => (await pool.query(waiting)).rowCount).toBe(1);
    await wire.setMode('blackhole');
    await locker.query('ROLLBACK');
    locker.release();
    const again = () => applyChanges(pool, [upsert(id, 2)], { lockTimeoutMs: 200 });
    await expect(again()).rejects.toThrow('lock timeout');
    const applied = async () => (await again().catch(() => undefined))?.upserted;
    await expect.poll(applied, { timeout: 10_000 }).toBe(1);
    await applying;
    await service.end();
  });

  it('fails with the error of its connection, and ends no process, when that is cut meanwhile', async () => {
    await using wire = await startFaultProxy({ upstream: environment.databaseAccess('query') });
    const service = servicePool(wire);
    const locker = await pool.connect();
    await locker.query('BEGIN; LOCK TABLE file_metadata_cache IN EXCLUSIVE MODE');
    const applying = applyChanges(service, [upsert(randomUUID(), 1)], PATIENT);
    const waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'test' AND wait_event_type = 'Lock'";
    await expect.poll(async () => (await pool.query(waiting)).rowCount).toBe(1);
    await Promise.all([expect(applying).rejects.toThrow(), wire.setMode('refuse')]);
    await locker.query('ROLLBACK');
    locker.release();
    await wire.setMode('pass');
    expect((await applyChanges(service, [upsert(randomUUID(), 1)], PATIENT)).upserted).toBe(1);
    await service.end();
  });

  it('changes nothing outside of its transaction, when that could not begin', async () => {
    const service = servicePool();
    const change = upsert(randomUUID(), 1);
    await expect(applyChanges(service, [change], { lockTimeoutMs: -1 })).rejects.toThrow();
    expect(await findFile(pool, change.id)).toBeUndefined();
    await service.end();
  });

  it('leaves its connection usable, and nothing open on it, when the server refuses what it wants', async () => {
    const service = servicePool();
    const pid = async (): Promise<unknown> => (await service.query('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;
    const before = await pid();
    const refused = upsert(randomUUID(), 1, { created_at: '0000-01-01T00:00:00Z' });
    const error = await applyChanges(service, [refused], PATIENT).catch((thrown: unknown) => thrown);
    expect(failureKind(error)).toBe('data');
    const change = upsert(randomUUID(), 1);
    await applyChanges(service, [change], PATIENT);
    expect(await pid()).toBe(before);
    expect(await findFile(pool, change.id)).toMatchObject({ id: change.id });
    await service.end();
  });

  it('that takes too long is cancelled by the server, not given up by the client', async () => {
    const service = servicePool();
    await pool.query(
      `CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NULL; END'`,
    );
    await pool.query('CREATE TRIGGER dawdle AFTER INSERT ON file_metadata_cache EXECUTE FUNCTION dawdle()');
    try {
      const error = await applyChanges(service, [upsert(randomUUID(), 1)], PATIENT).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: '57014' });
      expect(failureKind(error)).toBe('contended');
    } finally {
      await pool.query('DROP FUNCTION dawdle CASCADE');
      await service.end();
    }
  });
});

function deletion(id: string, version: number | null): Change {
  return { kind: 'delete', id, version, sequence: null, deletedAt: '2026-01-02T00:00:00Z' };
}

describe('applying changes', () => {
  it('ends in the state of the highest version, however they are ordered, repeated and cut into batches', async () => {
    const arbitrary = fc.record({
      last: fc.integer({ min: 1, max: 5 }),
      deleted: fc.boolean(),
      order: fc.array(fc.nat(), { minLength: 5, maxLength: 12 }),
      cut: fc.nat(12),
    });
    await fc.assert(
      fc.asyncProperty(arbitrary, async ({ last, deleted, order, cut }) => {
        const id = randomUUID();
        const history: Change[] = Array.from({ length: last }, (_value, index) =>
          deleted && index === last - 1
            ? deletion(id, last)
            : upsert(id, index + 1, { description: `version ${index + 1}` }),
        );
        // Every change at least once, and some again.
        const sent = [...order.map((pick) => history[pick % last] as Change), ...history];
        const shuffled = sent.toSorted(
          (a, b) => (((a.version ?? 0) * 7 + cut) % 5) - (((b.version ?? 0) * 7 + cut) % 5),
        );
        await applyChanges(pool, shuffled.slice(0, cut), PATIENT);
        await applyChanges(pool, shuffled.slice(cut), PATIENT);
        for (const change of order) await applyChanges(pool, [history[change % last] as Change], PATIENT);
        expect((await findFile(pool, id))?.description).toBe(deleted ? undefined : `version ${last}`);
      }),
      { numRuns: 40 },
    );
  });

  it('takes a plain producer in stream order, knows its redelivery, and lets its deletion be final', async () => {
    const id = randomUUID();
    await applyChanges(pool, [upsert(id, null)], PATIENT);
    await applyChanges(
      pool,
      [upsert(id, null, { description: 'second', updated_at: '2026-01-01T00:00:01Z' })],
      PATIENT,
    );
    await applyChanges(pool, [upsert(id, null)], PATIENT);
    expect((await findFile(pool, id))?.description).toBe('second');
    await applyChanges(pool, [deletion(id, null)], PATIENT);
    await applyChanges(pool, [upsert(id, null, { updated_at: '2026-01-03T00:00:00Z' })], PATIENT);
    expect(await findFile(pool, id)).toBeUndefined();
  });

  it('does not bring a file back when its creation and its deletion are applied at the same moment', async () => {
    const ids = Array.from({ length: 60 }, () => randomUUID());
    await Promise.all(
      ids.flatMap((id) => [
        applyChanges(pool, [upsert(id, 1)], PATIENT),
        applyChanges(pool, [deletion(id, 2)], PATIENT),
        applyChanges(pool, [upsert(id, 1)], PATIENT),
      ]),
    );
    for (const id of ids) expect(await findFile(pool, id)).toBeUndefined();
  });

  it('keeps every field as it came', async () => {
    const id = randomUUID();
    const metadata = {
      original_filename: '\u202eReport "Ä" \\ 100%_.pdf',
      file_size: Number.MAX_SAFE_INTEGER,
      content_type: 'text/plain; charset=utf-8',
      description: '{"not":"an array"},NULL',
      uploaded_by: 'anna',
      tags: ['', 'NULL', '{a,b}', '"', 'ß', 'a'],
    };
    await applyChanges(pool, [upsert(id, 1, metadata)], PATIENT);
    expect(await findFile(pool, id)).toMatchObject({
      filename: metadata.original_filename,
      file_size: metadata.file_size,
      mime_type: metadata.content_type,
      description: metadata.description,
      username: 'anna',
      tags: metadata.tags,
      created_at: '2026-01-01T00:00:00.123456Z',
    });
  });
});

describe('searching', () => {
  const NAMES = [
    'alpha.txt',
    'Alpha_2.TXT',
    'beta 100%.pdf',
    'beta_100.pdf',
    'a\\b.txt',
    "o'neil.md",
    'gamma-alpha.md',
  ];
  const files = NAMES.map((original_filename, index) =>
    upsert(randomUUID(), 1, {
      original_filename,
      file_size: (index % 3) * 10,
      uploaded_by: index % 2 === 0 ? 'anna' : 'bert',
      tags: index % 2 === 0 ? ['even', 'all'] : ['all'],
      description: index === 3 ? 'Hidden treasure' : null,
    }),
  );
  const names = (results: readonly SearchHit[]) => results.map((hit) => hit.filename).sort();
  const search = async (body: unknown) => searchFiles(pool, searchRequestSchema.parse(body));
  const expected = (holds: (file: UpsertChange['metadata']) => boolean) =>
    files
      .map(({ metadata }) => metadata)
      .filter(holds)
      .map((file) => file.original_filename)
      .sort();

  beforeEach(() => applyChanges(pool, files, PATIENT));

  it.each<[string, unknown, (file: UpsertChange['metadata']) => boolean]>([
    ['all', {}, () => true],
    ['an exact name', { query: 'alpha.txt', mode: 'exact' }, (file) => file.original_filename === 'alpha.txt'],
    ['a part of a name', { query: 'ALPHA' }, (file) => /alpha/i.test(file.original_filename)],
    ['a percent sign', { query: '%' }, (file) => file.original_filename.includes('%')],
    ['an underscore', { query: '_' }, (file) => file.original_filename.includes('_')],
    ['a backslash', { query: '\\' }, (file) => file.original_filename.includes('\\')],
    ['a quote', { query: "'" }, (file) => file.original_filename.includes("'")],
    ['a word', { query: 'alpha', mode: 'fulltext' }, (file) => /\balpha(\b|_)/i.test(file.original_filename)],
    ['a word of the description', { query: 'treasure', mode: 'fulltext' }, (file) => file.description !== null],
    ['an extension', { file_extension: 'txt' }, (file) => /\.txt$/i.test(file.original_filename)],
    ['tags', { tags: ['even', 'all'] }, (file) => file.tags?.includes('even') === true],
    [
      'a user and sizes',
      { username: 'bert', min_size: 10, max_size: 10 },
      (f) => f.uploaded_by === 'bert' && f.file_size === 10,
    ],
  ])('finds by %s just what a model finds', async (_what, body, holds) => {
    const answer = await search(body);
    expect(names(answer.results)).toEqual(expected(holds));
    expect(answer.total_count).toBe(answer.results.length);
    expect(answer.has_more).toBe(false);
  });

  it.each(['asc', 'desc'])('pages through ties without a gap or a repetition (%s)', async (sort_order) => {
    const seen: string[] = [];
    for (let offset = 0; ; offset += 2) {
      const page = await search({ sort_by: 'file_size', sort_order, limit: 2, offset });
      expect(page.total_count).toBe(NAMES.length);
      seen.push(...page.results.map((hit) => hit.id));
      if (!page.has_more) break;
    }
    expect(new Set(seen).size).toBe(NAMES.length);
    expect(seen).toHaveLength(NAMES.length);
  });

  it('counts what lies before a page behind the end', async () => {
    expect(await search({ offset: 1000 })).toMatchObject({ results: [], total_count: NAMES.length, has_more: false });
  });
});
