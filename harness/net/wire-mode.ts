/** How a proxied wire behaves. */
export type WireMode =
  /** Bytes pass. */
  | 'pass'
  /** Open connections are reset, new ones refused (ECONNREFUSED). */
  | 'refuse'
  /** Connections stay open and new ones are accepted, but no byte passes in either direction. */
  | 'blackhole';

export interface WireCounters {
  /** Connections accepted since the start. */
  accepted: number;
  /** Connections turned away: reset by `refuse`, or because the server refused them. (The kernel's own refusals cannot be counted.) */
  refused: number;
  open: number;
  bytesToServer: number;
  bytesToClient: number;
  /** Bytes that arrived while the wire was a blackhole: the witness that somebody felt it. */
  bytesSwallowed: number;
}
