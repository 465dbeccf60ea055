import type { FaultChanged, HistoryRecord, PartLabel, RoundChanged } from '../record/history.ts';

/** How long after its healing operations may meet what a fault left behind, where the history does not say, in ms. */
const LINGERS_MS = 2000;

/** The time in which a fault was on. */
export interface FaultWindow {
  id: string;
  kind: string;
  target: PartLabel | 'unknown';
  case: string | undefined;
  /** When it was asked for. */
  requestedAt: number;
  /** When a witness saw it; when it was asked for, where none did. */
  fromAt: number;
  /** Absent when it never healed. */
  toAt: number | undefined;
  /** Nobody saw it in effect. */
  unwitnessed: boolean;
  /** How long after its healing operations may still fail because of it, in ms. */
  lingersMs: number;
  /** Of a soak, from 1. */
  round: number | undefined;
  changes: readonly FaultChanged[];
}

export function faultWindows(records: readonly HistoryRecord[]): FaultWindow[] {
  const changes = Map.groupBy(
    records.filter((record) => record.type === 'fault'),
    (record) => record.fault,
  );
  const rounds = Map.groupBy(
    records.filter((record) => record.type === 'round'),
    (record) => record.case,
  );
  return [...changes].map(([id, own]) => {
    const key = own[0]?.case;
    const requestedAt = own[0]?.at ?? 0;
    return {
      id,
      kind: own[0]?.kind ?? 'unknown',
      target: own[0]?.target ?? 'unknown',
      case: key,
      requestedAt,
      fromAt: (own.find(({ event }) => event === 'effective') ?? own[0])?.at ?? 0,
      toAt: own.findLast(({ event }) => event === 'healed')?.at,
      unwitnessed: own.some(({ event }) => event === 'unwitnessed'),
      ...ofRound(rounds.get(key) ?? [], requestedAt),
      changes: own,
    };
  });
}

function ofRound(rounds: readonly RoundChanged[], at: number): Pick<FaultWindow, 'lingersMs' | 'round'> {
  const began = rounds.findLast((record) => record.event === 'began' && record.at <= at);
  const ended = rounds.find((record) => record.event === 'ended' && record.round === began?.round);
  const lingers = (ended?.broken ?? [])
    .filter(({ requestedAt, healedAt }) => at >= requestedAt && at <= healedAt)
    .map(({ lingersMs }) => lingersMs);
  return { round: began?.round, lingersMs: Math.max(LINGERS_MS, ...lingers) };
}
