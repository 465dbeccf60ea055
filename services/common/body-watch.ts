import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from './log.ts';
import { rawProblem } from './problem.ts';

/** A body that comes slower, on average over a window, is not waited for; Apache's `RequestReadTimeout` has the same rate. */
const BYTES_PER_S_MIN = 500;
/** So long is read on after an answer that came before the end of the body, as nginx does with `lingering_close`. */
const LINGER_MS = 10_000;
const LOOK_MS = 1000;

interface Body {
  response: ServerResponse;
  /** When the window began, and how much the connection had brought until then. */
  sinceMs: number;
  bytes: number;
  answeredAtMs: number | undefined;
}

/**
 * Watches bodies on their way in, so that nobody can hold a connection, and what lies behind it, for nothing. A body is
 * moving → complete, or too slow: 408 and the end of the connection, or answered before its end: then it is read and
 * thrown away for a while, or the client could not read the answer, and then the connection ends.
 */
export class BodyWatch {
  readonly #bodies = new Map<IncomingMessage, Body>();
  readonly #windowMs: number;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;

  constructor({ windowMs, log }: { windowMs: number; log: Log }) {
    this.#windowMs = windowMs;
    this.#log = log;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  begin(request: IncomingMessage, response: ServerResponse): void {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    if (encoding === undefined && !(Number(length) > 0)) return;
    const body: Body = {
      response,
      sinceMs: performance.now(),
      bytes: request.socket.bytesRead,
      answeredAtMs: undefined,
    };
    this.#bodies.set(request, body);
    response.once('finish', () => {
      if (request.complete) this.#bodies.delete(request);
      else body.answeredAtMs = performance.now();
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    for (const [request, body] of this.#bodies) {
      const { socket } = request;
      if (request.complete || socket.destroyed) this.#bodies.delete(request);
      else if (body.answeredAtMs !== undefined) {
        if (nowMs - body.answeredAtMs >= LINGER_MS) socket.destroy();
      } else if (request.readableLength > 0) {
        // It is there and not taken: the client is not the one who is slow.
        body.sinceMs = nowMs;
        body.bytes = socket.bytesRead;
      } else if (nowMs - body.sinceMs >= this.#windowMs && !body.response.headersSent) {
        const seconds = (nowMs - body.sinceMs) / 1000;
        if (socket.bytesRead - body.bytes < seconds * BYTES_PER_S_MIN) this.#refuse(request);
        body.sinceMs = nowMs;
        body.bytes = socket.bytesRead;
      }
    }
  }

  /** Past whoever handles the request: it sees a client that has gone, as Node's own timeouts would have it. */
  #refuse({ socket, url = '/', method }: IncomingMessage): void {
    this.#log.info({ method, url }, 'a body came too slowly, its connection is closed');
    socket.write(rawProblem(408, 'The body came too slowly.', url.split('?', 1)[0] ?? '/'));
    socket.destroySoon();
  }
}
