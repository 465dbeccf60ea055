import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectRedis } from '../../harness/clients/servers.ts';
import { pollUntil } from '../../harness/core/time.ts';
import type { Environment } from '../../harness/environment/common/environment.ts';
import { startReference } from '../../harness/environment/fixtures/reference.ts';
import { memoryRecorder } from '../../harness/record/writer.ts';
import { clientOf } from '../../suites/runner/client.ts';
import { CraftedFile } from '../../suites/steps/crafted-events.ts';
import { DEAD_LETTER_STREAM_SUFFIX, EVENT_STREAM_NAME } from '../contract/names.ts';

const LETTERS = EVENT_STREAM_NAME + DEAD_LETTER_STREAM_SUFFIX;
const PATH = '/api/v1/dead-letters';

let environment: Environment;
let redis: ReturnType<typeof connectRedis>;
const admin = () => clientOf(environment, { recorder: memoryRecorder() });

beforeAll(async () => {
  environment = await startReference({ deferred: ['ingester', 'storage'] });
  redis = connectRedis(environment.redisAddress());
}, 60_000);

afterAll(async () => {
  redis?.disconnect();
  await environment?.stop();
});

interface Letter {
  id: string;
  entry_id: string;
  error: string;
  attempts: number;
  event: Record<string, string>;
}

async function letters(query = ''): Promise<{ letters: Letter[]; total: number }> {
  await using pipeline = admin();
  const answer = await pipeline.request('query', 'GET', `${PATH}${query}`);
  expect(answer.status).toBe(200);
  return answer.body as { letters: Letter[]; total: number };
}

const letterOf = (entryId: string): Promise<Letter> =>
  pollUntil(async () => (await letters()).letters.find(({ entry_id }) => entry_id === entryId), {
    what: `a dead letter of ${entryId}`,
    timeoutMs: 10_000,
  });

async function replay(id: string): Promise<{ status: number | undefined; entryId?: string }> {
  await using pipeline = admin();
  const { status, body } = await pipeline.request('query', 'POST', `${PATH}/${id}/replay`);
  return { status, ...(status === 200 ? { entryId: (body as { entry_id: string }).entry_id } : {}) };
}

test('an event that cannot be applied is listed with its error, and replayed in vain becomes a letter again', async () => {
  const entryId = await redis.xadd(EVENT_STREAM_NAME, '*', 'event_type', 'file:burnt', 'file_id', 'x', 'error', 'own');
  const letter = await letterOf(String(entryId));
  expect(letter).toMatchObject({ attempts: 1, event: { event_type: 'file:burnt', file_id: 'x', error: 'own' } });
  expect(letter.error).toContain('event_type');
  const again = await replay(letter.id);
  expect(again.status).toBe(200);
  const second = await letterOf(String(again.entryId));
  expect(second.event).toEqual(letter.event);
  expect((await letters()).letters.map(({ id }) => id)).not.toContain(letter.id);
  expect(await replay(letter.id)).toEqual({ status: 404 });
});

test('an event whose cause of failure is fixed is applied when it is replayed', async () => {
  const file = new CraftedFile('came-back.txt', 'versions');
  const told = ['error', 'gone by now', 'attempts', 3, 'entry_id', '1-1', 'consumer', 'c', 'dead_lettered_at', 'now'];
  const id = await redis.xadd(LETTERS, '*', ...told, ...file.created());
  expect((await replay(String(id))).status).toBe(200);
  await using pipeline = admin();
  const hit = await pollUntil(
    async () => {
      const { status, body } = await pipeline.searchById(file.id);
      return status === 200 ? (body as { filename: string }) : undefined;
    },
    { what: `${file.filename} by its id`, timeoutMs: 10_000 },
  );
  expect(hit.filename).toBe(file.filename);
});

test('letters come in pages, the newest first', async () => {
  for (let i = 0; i < 3; i++) await redis.xadd(LETTERS, '*', 'error', `e${i}`, 'attempts', i);
  const first = await letters('?limit=2');
  expect(first.letters.map(({ error }) => error)).toEqual(['e2', 'e1']);
  expect(first.total).toBeGreaterThanOrEqual(3);
  const second = await letters(`?limit=1&before=${first.letters.at(-1)?.id}`);
  expect(second.letters.map(({ error }) => error)).toEqual(['e0']);
});

test('a letter from another writer is listed as far as it goes, and not published', async () => {
  for (const fields of [
    ['a', 'b'],
    ['error', 'e', 'attempts', 'many', ...Array.from({ length: 5000 }, (_, i) => [`f${i}`, 'v']).flat()],
  ]) {
    const id = String(await redis.xadd(LETTERS, '*', ...fields));
    expect((await letters('?limit=1')).letters[0]).toMatchObject({ id, attempts: null });
    expect((await replay(id)).status).toBe(409);
    await redis.xdel(LETTERS, id);
  }
});

test('only an ADMIN may see and replay them, and bad ids and limits are refused by name', async () => {
  for (const role of ['USER', 'READONLY'] as const) {
    await using pipeline = clientOf(environment, { recorder: memoryRecorder(), role });
    expect((await pipeline.request('query', 'GET', PATH)).status).toBe(403);
    expect((await pipeline.request('query', 'POST', `${PATH}/1-1/replay`)).status).toBe(403);
  }
  await using pipeline = admin();
  expect((await pipeline.request('query', 'GET', PATH, { authenticated: false })).status).toBe(401);
  for (const [path, name] of [
    [`${PATH}?limit=0`, 'limit'],
    [`${PATH}?before=*`, 'before'],
    [`${PATH}?nonsense=1`, 'nonsense'],
  ]) {
    const { status, body } = await pipeline.request('query', 'GET', path ?? '');
    expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining(name ?? '')]);
  }
  expect((await replay('1-1%20x')).status).toBe(400);
  expect((await replay('99999999999999999999-0')).status).toBe(400);
  expect((await replay('18446744073709551615-0')).status).toBe(404);
  expect((await letters('?before=0-0')).letters).toEqual([]);
});

test('without Redis the answer is 503, and nothing is lost', async () => {
  const before = await letters();
  await environment.parts.redis.pause();
  try {
    await using pipeline = admin();
    expect((await pipeline.request('query', 'GET', PATH)).status).toBe(503);
  } finally {
    await environment.parts.redis.resume();
  }
  await pollUntil(async () => (await letters().catch(() => undefined)) ?? undefined, {
    what: 'dead letters again',
    timeoutMs: 10_000,
  });
  expect((await letters()).total).toBe(before.total);
});
