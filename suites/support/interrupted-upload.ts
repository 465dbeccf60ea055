import { connectPostgres, InconclusiveError, pollUntil } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';
import { wholeFiles } from './refused-uploads.ts';
import { beginUpload, type SlowUpload } from './slow-upload.ts';
import { awaitSearchable } from './steps.ts';
import { demand, demandEqual, promised } from './violation.ts';

const MIB = 1024 * 1024;
/** Half of it is more than the buffers of connections hold: once it is sent, storage is being given it. */
const HALF_SENT_BYTES = 24 * MIB;
/** How long a client may be kept waiting for an answer, whatever is away. */
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
    ...{ filename, content },
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
 * Kills the ingester with the bytes stored and the registration under way: it hangs at its COMMIT, which goes on after the
 * ingester is gone, and before it is back.
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
  const fileId = await promised(what, pollUntil(accepted, { what, timeoutMs, signal }));
  await awaitSearchable(pipeline, fileId, { timeoutMs, signal });
}

/**
 * What was interrupted has happened wholly or not at all: search must come to find as many files of this name as the
 * registry has, each with its bytes, and no more than one.
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
  const { files } = await promised(what, pollUntil(probe, { what, timeoutMs, signal: t.signal }));
  demand(files <= 1, `${filename} was uploaded once and is there ${files} times`);
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
