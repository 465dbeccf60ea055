import { once } from 'node:events';
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { connectPostgres, InconclusiveError, multipartBody } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { consistently, eventually } from './eventually.ts';
import { awaitSearchable, findByName, upload } from './steps.ts';
import { demand, demandEqual } from './violation.ts';

/** What was refused is looked for this long after nothing of it was found. */
const QUIET_MS = 1000;

/**
 * Waits until search finds of refused uploads only what is whole, and sees that it stays so: an upload that got no certain
 * answer may have happened, but then wholly.
 * @param sent names and contents
 * @returns how many have happened
 * @throws Violation when one is found that registry or storage do not have
 */
export async function demandWhole(t: CaseContext, sent: ReadonlyMap<string, Buffer>): Promise<number> {
  let whole = 0;
  await settles(t, 'whole files only of refused uploads', async () => {
    const found = await Promise.all([...sent].map(([filename, content]) => wholeFiles(t, filename, content)));
    whole = found.reduce((sum, each) => sum + each, 0);
  });
  return whole;
}

/** How many files search finds under this name. @throws Violation unless registry and storage have each of them whole */
async function wholeFiles({ pipeline, signal }: CaseContext, filename: string, content: Buffer): Promise<number> {
  const hits = await findByName(pipeline, filename);
  for (const { id } of hits) {
    const entry = await pipeline.registryFile(id);
    demandEqual(entry.status, 200, `The registry about ${filename}, which is found by search`);
    const path = `/api/download/${id}`;
    const { status, body } = await pipeline.request('query', 'GET', path, { bytes: true, signal });
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    demand(
      status === 200 && content.equals(bytes),
      () => `${filename} is found by search, and its download gives ${status}, not its bytes`,
    );
  }
  return hits.length;
}

/** Uploads a file and waits until it is found. */
export async function uploadAndFind(t: CaseContext, kind: string): Promise<void> {
  const { env, pipeline, unique, signal } = t;
  const filename = `${unique}-${kind}.txt`;
  const { file_id } = await upload(pipeline, { filename, content: Buffer.from(filename) });
  await awaitSearchable(pipeline, file_id, { timeoutMs: env.limits.syncMs, signal });
}

/** @throws Violation when search keeps finding a file under one of these names, or finds one a little later */
export async function demandNothing(t: CaseContext, filenames: readonly string[]): Promise<void> {
  // What was accepted later is found: what was accepted before would be, too.
  await uploadAndFind(t, 'later');
  await settles(t, 'nothing of refused uploads', async () => {
    for (const filename of filenames) {
      const [hit] = await findByName(t.pipeline, filename);
      demand(hit === undefined, `${filename}, which was refused, is found by search, ${hit?.file_size} bytes`);
    }
  });
}

/** What was begun may be taken back, as long as nothing of it remains. */
async function settles({ env, signal }: CaseContext, what: string, look: () => Promise<void>): Promise<void> {
  const once = async (): Promise<true> => {
    await look();
    return true;
  };
  await eventually(what, once, { timeoutMs: env.limits.syncMs, signal });
  await consistently(look, { forMs: QUIET_MS, signal });
}

/** An upload whose bytes a case sends itself, piece by piece: to stop in the middle, or to send more than it could hold. */
export interface SlowUpload extends Disposable {
  /** Resolves when the system has taken the bytes; at once when the other side has answered, or is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Sends what ends the form. */
  end(): void;
  /** The status that was answered, or the error instead; waits for it up to the given time. */
  answer(timeoutMs: number): Promise<number | string>;
  /** Undefined until it was answered or broke off. */
  readonly answered: number | string | undefined;
  /** Breaks the connection off. */
  [Symbol.dispose](): void;
}

/** Whether uploads can be sent piece by piece: such bytes go past what stands between the contract and a target. */
export function canSendSlowly({ drivers = [] }: CaseContext['env']): boolean {
  return drivers.length === 0;
}

/** Begins an upload of `size` bytes: the head is sent, and the form up to where the bytes go. */
export async function beginUpload(
  { env, pipeline }: CaseContext,
  { filename, size }: { filename: string; size: number },
): Promise<SlowUpload> {
  if (!canSendSlowly(env))
    throw new InconclusiveError('Uploads piece by piece cannot be mapped to what this target takes');
  const part = { filename, contentType: 'application/octet-stream', content: Buffer.from('\0') };
  const { body, contentType } = multipartBody({}, part);
  // The one byte stands where those of the file will be.
  const [before, after] = [body.subarray(0, body.indexOf(0)), body.subarray(body.indexOf(0) + 1)];
  const url = new URL(`${env.urls.ingester}/api/v1/files/upload`);
  const [send, Agent] = url.protocol === 'https:' ? [requestHttps, HttpsAgent] : [requestHttp, HttpAgent];
  // A connection that is to be closed after the answer may be closed before the rest of the bytes, and the answer lost.
  const agent = new Agent({ keepAlive: true });
  const request = send(url, {
    method: 'POST',
    agent,
    headers: {
      authorization: `Bearer ${await pipeline.token()}`,
      'content-type': contentType,
      'content-length': before.length + size + after.length,
    },
  });
  let answered: number | string | undefined;
  const settled = outcomeOf(request).then((outcome) => {
    answered = outcome;
    return outcome;
  });
  const write = async (bytes: Uint8Array): Promise<void> => {
    if (answered !== undefined || request.destroyed) return;
    const taken = new Promise<void>((resolve) => request.write(bytes, () => resolve()));
    await Promise.race([taken, settled]);
  };
  await write(before);
  return {
    write,
    end: () => void request.end(after),
    async answer(timeoutMs) {
      const late = AbortSignal.timeout(timeoutMs);
      const over = once(late, 'abort').then(() => `no answer within ${timeoutMs} ms`);
      return Promise.race([settled, over]);
    },
    get answered() {
      return answered;
    },
    [Symbol.dispose]() {
      request.destroy();
      agent.destroy();
    },
  };
}

/** Never rejects: an error is an outcome like any other. */
function outcomeOf(request: ClientRequest): Promise<number | string> {
  return new Promise((resolve) => {
    request.once('response', (response: IncomingMessage) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', (error) => resolve(error.message));
    request.once('close', () => resolve('the connection was closed'));
  });
}

export const MIB = 1024 * 1024;
/** Half of it is more than the buffers of connections hold: once it is sent, storage is being given it. */
const HALF_SENT_BYTES = 24 * MIB;
/** How long a client may be kept waiting for an answer, whatever is unavailable. */
export const ANSWER_MS_MAX = 20_000;

/** An upload whose body is half sent. */
export interface HalfSent extends Disposable {
  filename: string;
  content: Buffer;
  /** Sends the rest. @returns the status, or the error that came instead */
  finish(): Promise<number | string>;
  /** The same without sending anything more. */
  answer: SlowUpload['answer'];
}

/** @throws InconclusiveError when uploads cannot be sent piece by piece here, or this one ended before its half */
export async function sendHalf(t: CaseContext, kind: string): Promise<HalfSent> {
  const filename = `${t.unique}-${kind}.bin`;
  const content = Buffer.alloc(HALF_SENT_BYTES, filename);
  const half = HALF_SENT_BYTES / 2;
  const slow = await beginUpload(t, { filename, size: content.length });
  await slow.write(content.subarray(0, half));
  if (slow.answered !== undefined) {
    slow[Symbol.dispose]();
    throw new InconclusiveError(`An upload ended before its body was half sent: ${slow.answered}`);
  }
  return {
    filename,
    content,
    async finish() {
      await slow.write(content.subarray(half));
      slow.end();
      return slow.answer(ANSWER_MS_MAX);
    },
    answer: (timeoutMs) => slow.answer(timeoutMs),
    [Symbol.dispose]: () => slow[Symbol.dispose](),
  };
}

/** What was sent of an upload that was interrupted. */
export type Interrupted = Pick<HalfSent, 'filename' | 'content'>;

/** Kills the ingester while it is being sent a body, and starts it again. */
export async function killIngesterUploading(t: CaseContext): Promise<Interrupted> {
  using half = await sendHalf(t, 'half');
  await using _killed = await t.faults.ingester.kill();
  await half.answer(ANSWER_MS_MAX);
  return half;
}

/**
 * Kills the ingester with the bytes stored and the registration in progress: it hangs at its COMMIT, which proceeds
 * after the ingester is gone, and before it is back.
 */
export async function killIngesterRegistering(t: CaseContext): Promise<Interrupted> {
  const { pipeline, faults, unique } = t;
  const input = { filename: `${unique}-registering.txt`, content: Buffer.from(unique) };
  let uploading: Promise<unknown> | undefined;
  const cause = () => (uploading = pipeline.upload(input, { timeoutMs: ANSWER_MS_MAX }));
  {
    await using gate = await faults.registry.holdCommits({ filenamePrefix: input.filename, cause });
    await using _killed = await faults.ingester.kill();
    await gate.heal();
  }
  await uploading;
  return input;
}

/**
 * Uploads a file, as often as it takes, and waits until it is found: what was accepted before it would be, too.
 * @throws Violation when no upload is accepted, or the accepted one not found, within `timeoutMs` each
 */
async function uploadOnceMore(t: CaseContext, timeoutMs: number): Promise<void> {
  const { pipeline, unique, signal } = t;
  const input = { filename: `${unique}-once-more.txt`, content: Buffer.from('once more') };
  const what = 'Uploads accepted again';
  const accepted = async (): Promise<string | undefined> => {
    const { status, body } = await pipeline.upload(input);
    return status === 201 ? (body as { file_id: string }).file_id : undefined;
  };
  const fileId = await eventually(what, accepted, { timeoutMs, signal });
  await awaitSearchable(pipeline, fileId, { timeoutMs, signal });
}

/**
 * What was interrupted has happened completely or not at all: search must eventually find as many files of this name as
 * the registry has, each with its bytes, and no more than one.
 * @returns whether it has happened
 */
export async function demandWholeOrNothing(
  t: CaseContext,
  { filename, content }: Interrupted,
  timeoutMs: number,
): Promise<boolean> {
  await uploadOnceMore(t, timeoutMs);
  const what = `${filename}, which was interrupted, wholly or not at all`;
  const probe = async (): Promise<{ files: number }> => {
    const files = await wholeFiles(t, filename, content);
    if (t.env.capabilities.has('registry')) {
      demandEqual(files, await registeredUnder(t, filename), `Files that search finds as ${filename}, by the registry`);
    }
    return { files };
  };
  const { files } = await eventually(what, probe, { timeoutMs, signal: t.signal });
  demand(files <= 1, `${filename} was uploaded once and is found ${files} times`);
  return files === 1;
}

/** How many files the registry has under this name. */
async function registeredUnder({ env }: CaseContext, filename: string): Promise<number> {
  const { table, nameColumn } = env.registry;
  const database = connectPostgres(env.databaseAccess('admin'));
  try {
    const text = `SELECT count(*) FROM ${table} WHERE ${nameColumn} = $1`;
    const { rows } = await database.query<{ count: string }>(text, [filename]);
    return Number(rows[0]?.count);
  } finally {
    await database.end();
  }
}
