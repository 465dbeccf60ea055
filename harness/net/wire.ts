import { connect, type Socket } from 'node:net';
import { monotonicMs } from '../core/time.ts';
import { heldDirections, type WireCounters, type WireMode } from './wire-mode.ts';

/** What one direction keeps while nothing passes; beyond it the sender feels TCP backpressure. */
const HELD_BYTES_MAX = 64 * 1024;
/** The same for what is under way: a delayed wire is a long one, not an endless one. */
const UNDER_WAY_BYTES_MAX = 8 * 1024 * 1024;
/** … and one with a pace has a short queue before it. */
const PACED_BYTES_MAX = 64 * 1024;
/** What passes at a pace does so in pieces of a 20th of a second. */
const PIECES_PER_SECOND = 20;

/** Which answers get lost: those to the next `left` requests that `matches` picks. Shared by the wires of a proxy. */
export interface ReplyLoss {
  left: number;
  matches(request: Buffer): boolean;
}

/** What a wire asks of its proxy, which may change it at any time. */
export interface WireSurroundings {
  readonly counters: WireCounters;
  upstream(): { host: string; port: number };
  /** How long the next chunk is under way, in ms. */
  drawDelayMs(): number;
  /** Of each direction; infinite when as many may pass as come. */
  bytesPerSecond(): number;
  replyLoss(): ReplyLoss | undefined;
  onClosed(): void;
}

interface UnderWay {
  chunk: Buffer | 'end';
  /** By its delay. */
  arrivesAt: number;
  /** By the pace; told once everything before it has arrived. */
  passesAt?: number;
}

interface Direction {
  name: 'requests' | 'replies';
  source: Socket;
  sink: Socket;
  /** What is under way: it arrives in this order, not before its time. The source's end is under way, too. */
  underWay: UnderWay[];
  underWayBytes: number;
  arrival: NodeJS.Timeout | undefined;
  held: Buffer[];
  heldBytes: number;
  /** The source half-closed while nothing passed. */
  endHeld: boolean;
}

/**
 * One proxied connection: the client's socket and, from its first moment in mode `pass` on, one to the server.
 * passing ⇄ holding (one direction or both) → closed. While holding, bytes, half-closes and resets are kept back, as a
 * partitioned network would; they go on when the wire passes again, as retransmissions would. A forgotten wire holds for
 * ever: neither end hears of the other again.
 */
export class Wire {
  readonly #client: Socket;
  readonly #surroundings: WireSurroundings;
  #directions: readonly Direction[] = [];
  #server: Socket | undefined;
  #holding: { requests: boolean; replies: boolean };
  #brokenWhileHolding = false;
  #losesReply = false;
  #forgotten = false;
  #done = false;

  constructor(client: Socket, mode: WireMode, surroundings: WireSurroundings) {
    this.#client = client;
    this.#surroundings = surroundings;
    this.#holding = heldDirections(mode);
    client.on('error', () => this.#broken());
    client.on('close', () => this.#onClose());
    if (this.#holding.requests) this.#holdWithoutServer();
    else this.#open();
  }

  /** Nothing passes any more, whatever the mode: a firewall has dropped what it knew of this connection. */
  forget(): void {
    this.#holding = { requests: true, replies: true };
    this.#forgotten = true;
  }

  /** The pace is another one now: what waits for its turn has a new one. */
  followPace(): void {
    for (const direction of this.#directions) {
      clearTimeout(direction.arrival);
      direction.arrival = undefined;
      delete direction.underWay[0]?.passesAt;
      this.#awaitArrival(direction);
    }
  }

  /** Keeps back what the mode keeps back, and lets everything else flow that was kept back so far. */
  follow(mode: WireMode): void {
    if (this.#done || this.#forgotten) return;
    this.#holding = heldDirections(mode);
    if (this.#holding.requests && this.#holding.replies) return;
    if (this.#brokenWhileHolding) {
      this.reset();
      return;
    }
    if (!this.#holding.requests && this.#server === undefined) this.#open();
    for (const direction of this.#directions) if (!this.#holding[direction.name]) this.#release(direction);
  }

  /** Ends both sides with RST. */
  reset(): void {
    if (this.#done) return;
    this.#done = true;
    for (const direction of this.#directions) clearTimeout(direction.arrival);
    this.#client.resetAndDestroy();
    // A socket that is still connecting cannot be reset, only dropped.
    if (this.#server?.connecting) this.#server.destroy();
    else this.#server?.resetAndDestroy();
    this.#surroundings.onClosed();
  }

  /** A client that came while nothing passes: its bytes wait, and the server has not heard of it. */
  #holdWithoutServer(): void {
    // The sink is replaced by the server's socket before anything is forwarded.
    const direction = newDirection('requests', this.#client, this.#client);
    this.#directions = [direction];
    this.#read(direction);
  }

  #open(): void {
    const { counters, upstream } = this.#surroundings;
    const server = connect({ ...upstream(), allowHalfOpen: true, noDelay: true });
    this.#server = server;
    server.on('error', () => {
      if (server.pending) counters.refused++;
      this.#broken();
    });
    server.on('close', () => this.#onClose());
    const waiting = this.#directions[0];
    if (waiting !== undefined) waiting.sink = server;
    const requests = waiting ?? newDirection('requests', this.#client, server);
    const replies = newDirection('replies', server, this.#client);
    this.#directions = [requests, replies];
    if (waiting === undefined) this.#read(requests);
    this.#read(replies);
  }

  #read(direction: Direction): void {
    direction.source.on('data', (chunk: Buffer) => this.#send(direction, chunk));
    direction.source.on('end', () => this.#send(direction, 'end'));
  }

  /** Puts a chunk on its way. Without a delay, and with nothing before it, it arrives at once. */
  #send(direction: Direction, chunk: Buffer | 'end'): void {
    const delayMs = this.#surroundings.drawDelayMs();
    const rate = this.#surroundings.bytesPerSecond();
    if (delayMs <= 0 && rate === Number.POSITIVE_INFINITY && direction.underWay.length === 0) {
      this.#arrive(direction, chunk);
      return;
    }
    const arrivesAt = monotonicMs() + delayMs;
    for (const piece of piecesOf(chunk, rate)) direction.underWay.push({ chunk: piece, arrivesAt });
    direction.underWayBytes += chunk.length;
    if (direction.underWayBytes >= this.#underWayBytesMax()) direction.source.pause();
    this.#awaitArrival(direction);
  }

  #awaitArrival(direction: Direction): void {
    const [next] = direction.underWay;
    if (next === undefined || direction.arrival !== undefined || this.#done) return;
    const now = monotonicMs();
    const rate = this.#surroundings.bytesPerSecond();
    next.passesAt ??= now + (1000 * next.chunk.length) / rate;
    const paced = rate !== Number.POSITIVE_INFINITY;
    const dueAt = paced ? Math.max(next.arrivesAt, next.passesAt) : next.arrivesAt;
    direction.arrival = setTimeout(
      () => {
        direction.arrival = undefined;
        if (paced) this.#surroundings.counters.bytesPaced += next.chunk.length;
        direction.underWay.shift();
        direction.underWayBytes -= next.chunk.length;
        this.#arrive(direction, next.chunk);
        if (this.#mayRead(direction)) direction.source.resume();
        this.#awaitArrival(direction);
      },
      // Rounded up: the timer cuts fractions off.
      Math.max(0, Math.ceil(dueAt - now)),
    );
  }

  #arrive(direction: Direction, chunk: Buffer | 'end'): void {
    if (this.#done) return;
    if (chunk === 'end') {
      if (this.#holding[direction.name]) direction.endHeld = true;
      else direction.sink.end();
      return;
    }
    if (!this.#holding[direction.name]) {
      this.#forward(direction, chunk);
      return;
    }
    direction.held.push(chunk);
    direction.heldBytes += chunk.length;
    this.#surroundings.counters.bytesSwallowed += chunk.length;
    if (direction.heldBytes >= HELD_BYTES_MAX) direction.source.pause();
  }

  #release(direction: Direction): void {
    for (const chunk of direction.held.splice(0)) this.#forward(direction, chunk);
    direction.heldBytes = 0;
    if (direction.endHeld) direction.sink.end();
    else if (this.#mayRead(direction)) direction.source.resume();
  }

  #forward(direction: Direction, chunk: Buffer): void {
    if (direction.sink.destroyed) return;
    const { counters } = this.#surroundings;
    if (direction.name === 'requests') {
      counters.bytesToServer += chunk.length;
      this.#markForLoss(chunk);
    } else if (this.#losesReply) {
      // The request was carried out; its client will never know.
      counters.repliesLost++;
      this.reset();
      return;
    } else {
      counters.bytesToClient += chunk.length;
    }
    if (direction.sink.write(chunk) || direction.source.isPaused()) return;
    direction.source.pause();
    direction.sink.once('drain', () => {
      if (this.#mayRead(direction)) direction.source.resume();
    });
  }

  #mayRead({ heldBytes, underWayBytes, sink }: Direction): boolean {
    return heldBytes < HELD_BYTES_MAX && underWayBytes < this.#underWayBytesMax() && !sink.writableNeedDrain;
  }

  #underWayBytesMax(): number {
    return this.#surroundings.bytesPerSecond() === Number.POSITIVE_INFINITY ? UNDER_WAY_BYTES_MAX : PACED_BYTES_MAX;
  }

  #markForLoss(request: Buffer): void {
    const loss = this.#surroundings.replyLoss();
    if (loss === undefined || loss.left <= 0 || this.#losesReply || !loss.matches(request)) return;
    loss.left--;
    this.#losesReply = true;
  }

  #broken(): void {
    if (this.#holding.requests || this.#holding.replies) this.#brokenWhileHolding = true;
    else this.reset();
  }

  #onClose(): void {
    if (this.#done) return;
    const holding = this.#holding.requests || this.#holding.replies;
    if (holding && !this.#client.destroyed) return;
    if (holding) {
      // The client has gone, so held bytes are no longer awaited; the server may only learn of it when the wire passes.
      this.#brokenWhileHolding = true;
      if (this.#server !== undefined) return;
    }
    if (!this.#client.destroyed || (this.#server !== undefined && !this.#server.destroyed)) return;
    this.#done = true;
    this.#surroundings.onClosed();
  }
}

function piecesOf(chunk: Buffer | 'end', bytesPerSecond: number): (Buffer | 'end')[] {
  if (chunk === 'end' || bytesPerSecond === Number.POSITIVE_INFINITY) return [chunk];
  const bytes = Math.max(1, Math.ceil(bytesPerSecond / PIECES_PER_SECOND));
  return Array.from({ length: Math.ceil(chunk.length / bytes) }, (_, i) => chunk.subarray(i * bytes, (i + 1) * bytes));
}

function newDirection(name: Direction['name'], source: Socket, sink: Socket): Direction {
  return {
    name,
    source,
    sink,
    underWay: [],
    underWayBytes: 0,
    arrival: undefined,
    held: [],
    heldBytes: 0,
    endHeld: false,
  };
}
