import { connect, type Socket } from 'node:net';
import { pollUntil } from '../../../harness/core/poll.ts';

export interface RawAnswer {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  bytes: Buffer;
  /** The same as text. */
  body: string;
}

/** A connection on which every byte is the caller's: what no HTTP client would send can be sent. */
export class RawConnection implements Disposable {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    // Resets are among what is looked for: they show as the end of the connection.
    socket.on('error', () => {});
  }

  static open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port) });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawConnection(socket)));
    });
  }

  /** True once the other side has ended the connection. */
  get ended(): boolean {
    return this.#socket.destroyed || this.#socket.readableEnded;
  }

  /** Resolves when the system has taken the bytes, or the connection is gone. */
  write(bytes: string | Uint8Array): Promise<void> {
    if (this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.once('close', done);
      this.#socket.write(bytes, done);
    });
  }

  /** The answer so far; undefined while it is not whole. Answers need a Content-Length. */
  get answered(): RawAnswer | undefined {
    const text = this.#received.toString('latin1');
    const headEnd = text.indexOf('\r\n\r\n');
    if (headEnd < 0) return undefined;
    const [first = '', ...lines] = text.slice(0, headEnd).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    const length = Number(headers['content-length'] ?? 0);
    const bytes = this.#received.subarray(headEnd + 4, headEnd + 4 + length);
    if (bytes.length < length) return undefined;
    return { status: Number(first.split(' ')[1]), headers, bytes, body: bytes.toString('utf8') };
  }

  answer(timeoutMs = 15_000): Promise<RawAnswer> {
    return pollUntil(async () => this.answered, { what: 'an answer', timeoutMs, intervalMs: 10 });
  }

  /** @throws when the other side has not ended the connection by then */
  end(timeoutMs: number): Promise<true> {
    return pollUntil(async () => this.ended || undefined, { what: 'the end of the connection', timeoutMs });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** The head of a request; the line ends are written here. */
export function headOf(start: string, headers: Readonly<Record<string, string | number>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${[`${start} HTTP/1.1`, 'host: localhost', ...lines].join('\r\n')}\r\n\r\n`;
}

/** One chunk of a body with `Transfer-Encoding: chunked`. */
export function chunkOf(bytes: string | Uint8Array): Buffer {
  const data = Buffer.from(bytes as Uint8Array);
  return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);
}
