import { createServer, type Server } from 'node:net';
import type { Random } from '../core/random.ts';
import { pollUntil } from '../core/time.ts';
import { claimPorts } from './ports.ts';
import { type ReplyLoss, Wire } from './wire.ts';
import type { WireCounters, WireMode } from './wire-mode.ts';

export type { WireCounters, WireMode } from './wire-mode.ts';

/** A TCP proxy with a stable address in front of a server that may move, die or fall silent. */
export interface FaultProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly mode: WireMode;
  setMode(mode: WireMode): Promise<void>;
  /**
   * How long each chunk is under way from now on, in each direction, in ms; 0 ends the delay. With jitter, each is so much
   * longer or shorter under way at most; none overtakes another.
   */
  setDelay(ms: number, jitter?: Jitter): void;
  /** How many bytes a second pass of each connection from now on, in each direction; absent: as many as come. */
  setPace(bytesPerSecond?: number): void;
  /**
   * Loses the answers to the next requests that match: the request reaches the server, its answer only resets the
   * client's connection. Replaces an earlier wish; a count of 0 ends it.
   */
  loseReplies(count: number, matches?: (request: Buffer) => boolean): void;
  /**
   * The connections that are open now stay open and silent for ever, in both directions; new ones are not affected.
   * @returns how many
   */
  forgetOpen(): number;
  /** Where new connections go from now on. */
  setUpstream(address: { host: string; port: number }): void;
  counters(): WireCounters;
}

export interface Jitter {
  ms: number;
  random: Random;
}

export interface FaultProxyOptions {
  /** Default 127.0.0.1. */
  host?: string;
  /** Absent: a free one below the kernel's ephemeral range, held for the proxy's life. */
  port?: number;
  upstream: { host: string; port: number };
}

/** Starts a proxy in mode `pass`. Its address stays the same through every mode. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const host = options.host ?? '127.0.0.1';
  await using resources = new AsyncDisposableStack();
  const port = options.port ?? resources.use(await claimPorts(host)).next();
  const proxy = new TcpFaultProxy(host, port, options.upstream);
  await proxy.listen();
  // The port's claim outlives the listener: disposal runs in reverse.
  const owned = resources.move();
  owned.defer(() => proxy.close());
  return Object.assign(proxy, { [Symbol.asyncDispose]: () => owned.disposeAsync() });
}

class TcpFaultProxy {
  readonly host: string;
  readonly port: number;
  readonly #wires = new Set<Wire>();
  readonly #counters: WireCounters = {
    accepted: 0,
    refused: 0,
    open: 0,
    bytesToServer: 0,
    bytesToClient: 0,
    bytesSwallowed: 0,
    chunksDelayed: 0,
    delayMsLeast: 0,
    delayMsMost: 0,
    bytesPaced: 0,
    repliesLost: 0,
  };
  #delayMs = 0;
  #jitter: Jitter | undefined;
  #bytesPerSecond = Number.POSITIVE_INFINITY;
  #replyLoss: ReplyLoss | undefined;
  #upstream: { host: string; port: number };
  #mode: WireMode = 'pass';
  #listener: Server | undefined;
  #changing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(host: string, port: number, upstream: { host: string; port: number }) {
    this.host = host;
    this.port = port;
    this.#upstream = upstream;
  }

  get mode(): WireMode {
    return this.#mode;
  }

  setUpstream(address: { host: string; port: number }): void {
    this.#upstream = { ...address };
  }

  setDelay(ms: number, jitter?: Jitter): void {
    this.#delayMs = ms;
    this.#jitter = jitter;
    Object.assign(this.#counters, { chunksDelayed: 0, delayMsLeast: 0, delayMsMost: 0 });
  }

  setPace(bytesPerSecond = Number.POSITIVE_INFINITY): void {
    this.#bytesPerSecond = bytesPerSecond;
    for (const wire of this.#wires) wire.followPace();
  }

  #drawDelay(): number {
    const { ms, random } = this.#jitter ?? {};
    const drawn = random === undefined ? 0 : (2 * random.next() - 1) * (ms ?? 0);
    const delayMs = Math.max(0, this.#delayMs + drawn);
    if (delayMs === 0) return 0;
    const counters = this.#counters;
    counters.delayMsLeast = counters.chunksDelayed === 0 ? delayMs : Math.min(counters.delayMsLeast, delayMs);
    counters.delayMsMost = Math.max(counters.delayMsMost, delayMs);
    counters.chunksDelayed++;
    return delayMs;
  }

  loseReplies(count: number, matches: (request: Buffer) => boolean = () => true): void {
    this.#replyLoss = count > 0 ? { left: count, matches } : undefined;
  }

  forgetOpen(): number {
    for (const wire of this.#wires) wire.forget();
    return this.#wires.size;
  }

  counters(): WireCounters {
    return { ...this.#counters, open: this.#wires.size };
  }

  /** Mode changes happen one after the other, in the order of the calls. */
  setMode(mode: WireMode): Promise<void> {
    const change = this.#changing.then(() => this.#change(mode));
    // A change that failed is its caller's concern and does not stop the next one.
    this.#changing = change.catch(() => {});
    return change;
  }

  async #change(mode: WireMode): Promise<void> {
    if (this.#closed) throw new Error(`The proxy on ${this.host}:${this.port} is closed`);
    if (mode === this.#mode) return;
    if (mode === 'refuse') {
      this.#mode = mode;
      await this.#stopListening();
      return;
    }
    if (this.#listener === undefined) await this.listen();
    this.#mode = mode;
    for (const wire of this.#wires) wire.follow(mode);
  }

  async listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.#counters.accepted++;
      const wire: Wire = new Wire(client, this.#mode, {
        counters: this.#counters,
        upstream: () => this.#upstream,
        drawDelayMs: () => this.#drawDelay(),
        bytesPerSecond: () => this.#bytesPerSecond,
        replyLoss: () => this.#replyLoss,
        onClosed: () => this.#wires.delete(wire),
      });
      this.#wires.add(wire);
    });
    // The port is ours, yet a socket of the old listener may linger for a moment.
    await pollUntil(
      () =>
        new Promise<true>((resolve, reject) => {
          server.once('error', reject);
          server.listen({ host: this.host, port: this.port, exclusive: true }, () => {
            server.removeListener('error', reject);
            resolve(true);
          });
        }),
      { what: `a listener on ${this.host}:${this.port}`, timeoutMs: 2000 },
    );
    this.#listener = server;
  }

  async #stopListening(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    const stopped = new Promise<void>((resolve) => listener.close(() => resolve()));
    for (const wire of [...this.#wires]) {
      this.#counters.refused++;
      wire.reset();
    }
    await stopped;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#changing;
    await this.#stopListening();
  }
}
