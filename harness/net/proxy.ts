/** How a proxied wire behaves. */
export type WireMode =
  /** Bytes pass. */
  | 'pass'
  /** Open connections are reset, new ones refused (ECONNREFUSED). */
  | 'refuse'
  /** Connections stay open and new ones are accepted, but no byte passes in either direction. */
  | 'blackhole';

export interface WireCounters {
  accepted: number;
  refused: number;
  open: number;
  bytesToServer: number;
  bytesToClient: number;
  /** Bytes that arrived while the wire was a blackhole: the witness that somebody felt it. */
  bytesSwallowed: number;
}

/** A TCP proxy with a stable address in front of a server that may move, die or fall silent. */
export interface FaultProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly mode: WireMode;
  setMode(mode: WireMode): Promise<void>;
  /** Where new connections go from now on. */
  setUpstream(address: { host: string; port: number }): void;
  counters(): WireCounters;
}
