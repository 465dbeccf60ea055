/** How a proxied wire behaves. */
export type WireMode =
  /** Bytes pass. */
  | 'pass'
  /** Open connections are reset, new ones refused (ECONNREFUSED). */
  | 'refuse'
  /** Connections stay open and new ones are accepted, but no byte passes in either direction. */
  | 'blackhole'
  /** As `blackhole`, in one direction only: what clients send gets lost. */
  | 'blackhole-requests'
  /** As `blackhole`, in one direction only: what the server answers gets lost. */
  | 'blackhole-replies';

/** The directions in which a mode lets no byte pass. */
export function heldDirections(mode: WireMode): { requests: boolean; replies: boolean } {
  return {
    requests: mode === 'blackhole' || mode === 'blackhole-requests',
    replies: mode === 'blackhole' || mode === 'blackhole-replies',
  };
}

export interface WireCounters {
  /** Connections accepted since the start. */
  accepted: number;
  /** Connections turned away: reset by `refuse`, or because the server refused them. (The kernel's own refusals cannot be counted.) */
  refused: number;
  open: number;
  bytesToServer: number;
  bytesToClient: number;
  /** Bytes that arrived while the wire was a blackhole: the witness that it had an effect. */
  bytesSwallowed: number;
  /** Since the delay was last set: chunks that were delayed, and for how long at least and at most, in ms. */
  chunksDelayed: number;
  delayMsLeast: number;
  delayMsMost: number;
  /** Bytes that passed at the pace of a throttled wire. */
  bytesPaced: number;
  /** Answers that `loseReplies` kept from a client, each with a reset of its connection. */
  repliesLost: number;
}
