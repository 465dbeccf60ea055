import { connect, type Socket } from 'node:net';
import type { WireCounters, WireMode } from './wire-mode.ts';

/** What one direction keeps while the wire is a blackhole; beyond it the sender feels TCP backpressure. */
const HELD_BYTES_MAX = 64 * 1024;

interface Direction {
  source: Socket;
  sink: Socket;
  count: 'bytesToServer' | 'bytesToClient';
  held: Buffer[];
  heldBytes: number;
  /** The source half-closed while nothing passed. */
  endHeld: boolean;
}

/**
 * One proxied connection: the client's socket and, from its first moment in mode `pass` on, one to the server.
 * passing ⇄ holding → closed. While holding, bytes, half-closes and resets are kept back, as a partitioned network
 * would; they go on when the wire passes again, as retransmissions would.
 */
export class Wire {
  readonly #client: Socket;
  readonly #counters: WireCounters;
  readonly #upstream: () => { host: string; port: number };
  readonly #closed: () => void;
  #directions: readonly Direction[] = [];
  #server: Socket | undefined;
  #holding: boolean;
  #brokenWhileHolding = false;
  #done = false;

  constructor(
    client: Socket,
    options: {
      mode: WireMode;
      counters: WireCounters;
      upstream: () => { host: string; port: number };
      onClosed: () => void;
    },
  ) {
    this.#client = client;
    this.#counters = options.counters;
    this.#upstream = options.upstream;
    this.#closed = options.onClosed;
    this.#holding = options.mode === 'blackhole';
    client.on('error', () => this.#broken());
    client.on('close', () => this.#onClose());
    if (this.#holding) this.#holdWithoutServer();
    else this.#open();
  }

  hold(): void {
    this.#holding = true;
  }

  /** Lets everything flow that was kept back. */
  pass(): void {
    if (!this.#holding || this.#done) return;
    this.#holding = false;
    if (this.#brokenWhileHolding) {
      this.reset();
      return;
    }
    if (this.#server === undefined) this.#open();
    for (const direction of this.#directions) {
      for (const chunk of direction.held.splice(0)) this.#forward(direction, chunk);
      direction.heldBytes = 0;
      if (direction.endHeld) direction.sink.end();
      else if (!direction.sink.writableNeedDrain) direction.source.resume();
    }
  }

  /** Ends both sides with RST. */
  reset(): void {
    if (this.#done) return;
    this.#done = true;
    this.#client.resetAndDestroy();
    // A socket that is still connecting cannot be reset, only dropped.
    if (this.#server?.connecting) this.#server.destroy();
    else this.#server?.resetAndDestroy();
    this.#closed();
  }

  /** A client that came while nothing passes: its bytes wait, and the server has not heard of it. */
  #holdWithoutServer(): void {
    const direction: Direction = {
      source: this.#client,
      // Replaced by the server's socket before anything is forwarded.
      sink: this.#client,
      count: 'bytesToServer',
      held: [],
      heldBytes: 0,
      endHeld: false,
    };
    this.#directions = [direction];
    this.#read(direction);
  }

  #open(): void {
    const server = connect({ ...this.#upstream(), allowHalfOpen: true, noDelay: true });
    this.#server = server;
    server.on('error', () => {
      if (server.pending) this.#counters.refused++;
      this.#broken();
    });
    server.on('close', () => this.#onClose());
    const waiting = this.#directions[0];
    if (waiting !== undefined) waiting.sink = server;
    const toServer = waiting ?? this.#direction(this.#client, server, 'bytesToServer');
    const toClient = this.#direction(server, this.#client, 'bytesToClient');
    this.#directions = [toServer, toClient];
    if (waiting === undefined) this.#read(toServer);
    this.#read(toClient);
  }

  #direction(source: Socket, sink: Socket, count: Direction['count']): Direction {
    return { source, sink, count, held: [], heldBytes: 0, endHeld: false };
  }

  #read(direction: Direction): void {
    direction.source.on('data', (chunk: Buffer) => {
      if (!this.#holding) return this.#forward(direction, chunk);
      direction.held.push(chunk);
      direction.heldBytes += chunk.length;
      this.#counters.bytesSwallowed += chunk.length;
      if (direction.heldBytes >= HELD_BYTES_MAX) direction.source.pause();
    });
    direction.source.on('end', () => {
      if (this.#holding) direction.endHeld = true;
      else direction.sink.end();
    });
  }

  #forward(direction: Direction, chunk: Buffer): void {
    if (direction.sink.destroyed) return;
    this.#counters[direction.count] += chunk.length;
    if (direction.sink.write(chunk) || direction.source.isPaused()) return;
    direction.source.pause();
    direction.sink.once('drain', () => {
      if (direction.heldBytes < HELD_BYTES_MAX) direction.source.resume();
    });
  }

  #broken(): void {
    if (this.#holding) this.#brokenWhileHolding = true;
    else this.reset();
  }

  #onClose(): void {
    if (this.#done) return;
    if (this.#holding && !this.#client.destroyed) return;
    if (this.#holding) {
      // The client has gone, so nobody waits for held bytes; the server may only learn of it when the wire passes.
      this.#brokenWhileHolding = true;
      if (this.#server !== undefined) return;
    }
    if (!this.#client.destroyed || (this.#server !== undefined && !this.#server.destroyed)) return;
    this.#done = true;
    this.#closed();
  }
}
