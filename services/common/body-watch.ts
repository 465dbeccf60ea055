import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from './log.ts';
import { rawProblem } from './problem.ts';

/**
 * A body that arrives more slowly, on average over a window, is refused; Apache's `RequestReadTimeout` has the same
 * rate.
 */
const BYTES_PER_S_MIN = 500;
/**
 * How long to keep reading after an answer was sent before the end of the body, as nginx does with `lingering_close`.
 */
const LINGER_MS = 10_000;
const LOOK_MS = 1000;

interface Body {
  response: ServerResponse;
  /** When the window began, and how many bytes the connection had received by then. */
  sinceMs: number;
  bytes: number;
  answeredAtMs: number | undefined;
}

/**
 * Watches request bodies, so that a client cannot hold a connection, and the resources behind it, without sending. A
 * body is moving → complete; or too slow: 408, and the connection is closed; or answered before its end: then the rest
 * is read and discarded for a while, because the client could not read the answer otherwise, and the connection is
 * closed.
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
        // Received but not yet consumed: the client is not slow.
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

  /** Bypasses the request's handler, which sees a disconnected client, as with Node's own timeouts. */
  #refuse({ socket, url = '/', method }: IncomingMessage): void {
    this.#log.info({ method, url }, 'closed the connection of a body that arrived too slowly');
    socket.write(rawProblem(408, 'The body arrived too slowly.', url.split('?', 1)[0] ?? '/'));
    socket.destroySoon();
  }
}
