import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { END, FILE_HEADER, FORM_TYPE, fieldPart, filePart, HOSTILE_FORMS } from '../common/fixtures/hostile/forms.ts';
import { type AttackedPipeline, type Leavings, startAttacked } from '../common/fixtures/hostile/pipeline.ts';
import { chunkOf, headOf, RawConnection } from '../common/fixtures/hostile/raw.ts';
import { problemSchema, registryFileSchema, uploadAnswerSchema } from '../contract/http.ts';

const LIMIT = 200_000;
const STALL_S = 5;
/** The window, the check every second, and the delay of a busy machine. */
const STALLED_MS_MAX = STALL_S * 1000 + 7000;
const ANSWERED_MS_MAX = 20_000;
/** What comes after the answer is read for 10 s. */
const CLOSED_MS_MAX = 20_000;
const SLOW = 300;
/** More than the form may have beside its file, in fields that are each allowed. */
const [FIELDS, FIELD_BYTES] = [12, 1_900_000];
const PIECE = Buffer.alloc(64 * 1024, 'x');
const BEGIN = `--b\r\nContent-Disposition: ${FILE_HEADER}\r\n\r\n`;

let attacked: AttackedPipeline;
let before: Leavings;
/** Files that a test means to leave. */
let meant = 0;

beforeAll(async () => {
  attacked = await startAttacked({ ingester: { UPLOAD_MAX_BYTES: String(LIMIT), UPLOAD_STALL_S: String(STALL_S) } });
}, 60_000);
afterAll(() => attacked?.[Symbol.asyncDispose]());
beforeEach(async () => {
  meant = 0;
  before = await attacked.leavings();
});

/** After any attack: nothing is left of it, the processes are the same, and uploads work. */
afterEach(async () => {
  const counted = async () => {
    const { files, registered } = await attacked.leavings();
    return { files: files.length - before.files.length, registered: registered - before.registered };
  };
  await expect.poll(counted, { timeout: 20_000 }).toEqual({ files: meant, registered: meant });
  const { files } = await attacked.leavings();
  expect(files.filter((path) => !/^objects\/[0-9a-f]{2}\/[0-9a-f-]{36}(\.txt)?$/.test(path))).toEqual([]);
  expect(await attacked.neighbours()).toEqual({ 'canary.txt': 'canary.txt' });
  await attacked.demandAlive();
  await demandUploads();
});

async function demandUploads(): Promise<void> {
  const { status, body } = await attacked.client.upload({ filename: 'well.txt', content: Buffer.from('well') });
  expect(status, JSON.stringify(body)).toBe(201);
}

/** How many objects there are, drafts included, that were not there before. */
const drafts = async () => (await attacked.leavings()).files.length - before.files.length;

/** Opens a connection and sends the head of an upload. */
async function begin(headers: Record<string, string | number>): Promise<RawConnection> {
  const connection = await RawConnection.open(attacked.env.urls.ingester);
  const all = { authorization: attacked.bearer, 'content-type': FORM_TYPE, ...headers };
  await connection.write(headOf('POST /api/v1/files/upload', all));
  return connection;
}

/** Sends bytes without end: as fast as they are accepted, and a little more after the answer. */
async function sendEndlessly(connection: RawConnection, piece: Uint8Array): Promise<void> {
  while (!connection.ended) {
    await connection.write(piece);
    if (connection.answered !== undefined) await sleep(100);
  }
}

/** What is sent for ever, after what comes first. */
const ENDLESS: Readonly<Record<string, readonly [first: string, piece: Uint8Array]>> = {
  'of the file': [BEGIN, PIECE],
  'of a field': [fieldPart('description', '').slice(0, -2), PIECE],
  'of a header': ['--b\r\nx: ', PIECE],
  'before the form': ['', PIECE],
  'after the form': [filePart() + END, PIECE],
  'of files': ['', Buffer.from(filePart().repeat(1000))],
  'of fields': ['', Buffer.from(fieldPart('other', 'x').repeat(1000))],
};

describe.each(['with its length', 'in chunks'])('a form %s', (framing) => {
  test.each(HOSTILE_FORMS)('$what: $status', async ({ contentType = FORM_TYPE, body, status, says }) => {
    const inChunks = framing === 'in chunks';
    const length: Record<string, string | number> = inChunks
      ? { 'transfer-encoding': 'chunked' }
      : { 'content-length': Buffer.byteLength(body) };
    using connection = await begin({ 'content-type': contentType, ...length });
    // Cut in the middle, so that the parser has to put pieces together.
    const bytes = Buffer.from(body as Buffer);
    const pieces = [bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)];
    for (const piece of pieces) if (piece.length > 0) await connection.write(inChunks ? chunkOf(piece) : piece);
    if (inChunks) await connection.write('0\r\n\r\n');
    const answer = await connection.answer();
    expect(answer.status, answer.body).toBe(status);
    if (status !== 201) {
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      const problem = problemSchema.parse(JSON.parse(answer.body));
      expect(problem.status).toBe(status);
      expect(problem.detail).toMatch(says);
      return;
    }
    meant = 1;
    const { file_id, original_filename } = uploadAnswerSchema.parse(JSON.parse(answer.body));
    expect(original_filename).toBe(says);
    const registered = registryFileSchema.parse((await attacked.client.registryFile(file_id)).body);
    expect(registered.original_filename).toBe(says);
  });
});

describe('a body that does not end', () => {
  const whole = Buffer.byteLength(filePart() + END);

  test.each<[string, string, number]>([
    ['within the file', `${BEGIN}abc`, 1],
    ['within a header', BEGIN.slice(0, 20), 0],
    ['before its first byte', '', 0],
    ['after the file', filePart() + fieldPart('tags', 'a'), 1],
    ['after the end of the form', filePart() + END, 1],
  ])('and breaks off %s: the upload never was', async (_where, sent, stored) => {
    using connection = await begin({ 'content-length': whole + 1000 });
    await connection.write(sent);
    // It has got that far: there is an object to remove.
    await expect.poll(drafts).toBe(stored);
  });

  test('larger than it says it is: the rest is another request, and none', async () => {
    const body = filePart() + END;
    using connection = await begin({ 'content-length': Buffer.byteLength(body) - END.length - 2 });
    await connection.write(body);
    expect((await connection.answer()).status).toBe(400);
    await connection.end(5000);
  });

  test('but goes on for ever: refused, and the connection is closed', { timeout: 60_000 }, async () => {
    await Promise.all(
      Object.entries(ENDLESS).map(async ([what, [first, piece]]) => {
        using connection = await begin({ 'transfer-encoding': 'chunked' });
        if (first !== '') await connection.write(chunkOf(first));
        const sending = sendEndlessly(connection, chunkOf(piece));
        const answer = await connection.answer(ANSWERED_MS_MAX);
        expect([400, 413], what).toContain(answer.status);
        problemSchema.parse(JSON.parse(answer.body));
        await connection.end(CLOSED_MS_MAX);
        await sending;
      }),
    );
  });

  test('at a path that is no URL: 400, and the connection is closed all the same', { timeout: 60_000 }, async () => {
    using connection = await RawConnection.open(attacked.env.urls.ingester);
    await connection.write(headOf('POST /%zz', { 'transfer-encoding': 'chunked' }));
    const sending = sendEndlessly(connection, chunkOf(PIECE));
    expect((await connection.answer()).status).toBe(400);
    await connection.end(CLOSED_MS_MAX);
    await sending;
  });

  test('whose fields are each as large as they may be, and together too large: 413', { timeout: 60_000 }, async () => {
    using connection = await begin({ 'transfer-encoding': 'chunked' });
    const field = chunkOf(fieldPart('other', 'x'.repeat(FIELD_BYTES)));
    for (let i = 0; i < FIELDS && connection.answered === undefined; i++) await connection.write(field);
    const answer = await connection.answer();
    expect(answer.status).toBe(413);
    expect(problemSchema.parse(JSON.parse(answer.body)).detail).toMatch(/beside its file/);
  });

  test('without a token: 401, and the connection is closed all the same', { timeout: 60_000 }, async () => {
    using connection = await begin({ authorization: 'Bearer x', 'transfer-encoding': 'chunked' });
    const sending = sendEndlessly(connection, chunkOf(PIECE));
    expect((await connection.answer()).status).toBe(401);
    await connection.end(CLOSED_MS_MAX);
    await sending;
  });
});

describe('a slow body', () => {
  /** A byte of the file every 200 ms, for as long as the connection is open. */
  async function drip(connection: RawConnection): Promise<void> {
    while (!connection.ended) {
      await connection.write('x');
      await sleep(200);
    }
  }

  test('is waited for no longer than the window: 408', { timeout: 60_000 }, async () => {
    using connection = await begin({ 'content-length': 10_000 });
    await connection.write(BEGIN);
    const begunAt = performance.now();
    const dripping = drip(connection);
    const answer = await connection.answer(STALLED_MS_MAX);
    expect(performance.now() - begunAt).toBeGreaterThan(STALL_S * 1000 - 500);
    expect(answer.status).toBe(408);
    expect(problemSchema.parse(JSON.parse(answer.body)).status).toBe(408);
    await connection.end(5000);
    await dripping;
  });

  test('that comes fast enough is taken, however long it takes', { timeout: 60_000 }, async () => {
    meant = 1;
    const body = filePart({}, 'x'.repeat(25_000)) + END;
    using connection = await begin({ 'content-length': Buffer.byteLength(body) });
    // For two windows, at five times the minimum rate.
    for (let at = 0; at < body.length; at += 500) {
      await connection.write(body.slice(at, at + 500));
      await sleep(200);
    }
    expect((await connection.answer()).status).toBe(201);
  });

  test('of many does not block other uploads', { timeout: 120_000 }, async () => {
    // More than a client of storage commonly has connections.
    const slow: RawConnection[] = [];
    const more = setInterval(() => {
      for (const connection of slow) void connection.write(PIECE.subarray(0, 2000));
    }, 500);
    try {
      for (let i = 0; i < SLOW; i++) {
        const connection = await begin({ 'content-length': LIMIT });
        await connection.write(BEGIN);
        slow.push(connection);
      }
      await expect.poll(drafts, { timeout: 30_000 }).toBe(SLOW);
      await demandUploads();
      meant = 1;
      expect(slow.filter(({ answered, ended }) => ended || answered !== undefined)).toEqual([]);
    } finally {
      clearInterval(more);
      for (const connection of slow) connection[Symbol.dispose]();
    }
  });
});
