import type { HistoryRecord } from '../../harness/index.ts';
import type { KillMatrix } from '../../harness/report/result.ts';
import type { Mutant } from './mutant.ts';

export type Trial = KillMatrix['trials'][number];

/** Reads the verdicts about a mutant from the history of its run. */
export function judgeMutant(mutant: Mutant, history: readonly HistoryRecord[]): Trial[] {
  return mutant.caughtBy.map((key) => {
    const finished = history.findLast((record) => record.type === 'case-finished' && record.case === key);
    const ended = finished?.type === 'case-finished' ? finished : undefined;
    return {
      mutant: mutant.id,
      defect: mutant.defect,
      case: key,
      verdict: ended?.verdict ?? 'none',
      killed: ended?.verdict === 'fail',
      reason: ended?.reason ?? (ended === undefined ? 'the case gave no verdict' : ''),
      seconds: Math.round((ended?.durationMs ?? 0) / 100) / 10,
    };
  });
}

/** One line per trial, in columns. */
export function matrixLines(trials: readonly Trial[]): string[] {
  const width = (pick: (trial: Trial) => string): number => Math.max(0, ...trials.map((trial) => pick(trial).length));
  const [mutants, cases] = [width(({ mutant }) => mutant), width((trial) => trial.case)];
  return trials.map(({ mutant, case: key, verdict, killed, reason, seconds }) =>
    [
      killed ? 'killed  ' : 'SURVIVED',
      mutant.padEnd(mutants),
      key.padEnd(cases),
      verdict.padEnd(12),
      `${seconds.toFixed(1)} s`.padStart(7),
      reason.slice(0, 160),
    ].join('  '),
  );
}
