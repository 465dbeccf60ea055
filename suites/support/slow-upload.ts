import { once } from 'node:events';
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { InconclusiveError, multipartBody } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';

/** An upload whose bytes a case sends itself, piece by piece: to stop in the middle, or to send more than it could hold. */
export interface SlowUpload extends Disposable {
  /** Resolves when the system has taken the bytes; at once when the other side has answered, or is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Sends what ends the form. */
  end(): void;
  /** The status that came back, or the error that came instead; waits for it up to the given time. */
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
