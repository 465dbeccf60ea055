import { monotonicMs } from '../../core/time.ts';
import type { EnvironmentChanged, PartLabel } from '../../record/history.ts';
import type { Recorder } from '../../record/writer.ts';
import type { EnvironmentKind } from './environment.ts';

type Facts = Pick<EnvironmentChanged, 'part' | 'ms' | 'detail' | 'versions'>;

/** Records what happens to one environment. */
export interface Journal {
  note(status: EnvironmentChanged['status'], facts?: Facts): void;
  /** How long it took until everything answered, and what it is made of (milliseconds since the start, by step). */
  ready(ms: number, steps: Readonly<Record<string, number>>, versions: Record<string, string>): void;
}

export function openJournal(recorder: Recorder, environmentId: string, kind: EnvironmentKind): Journal {
  const note: Journal['note'] = (status, facts = {}) =>
    recorder.record({ type: 'environment', environmentId, kind, status, ...facts });
  return {
    note,
    ready(ms, steps, versions) {
      const detail = Object.entries(steps)
        .map(([step, at]) => `${step} ${at}`)
        .join(', ');
      note('ready', { ms, versions, detail });
      const figure = { name: 'environment-ready-ms', value: ms, unit: 'ms', detail: `${kind}: ${detail}` };
      recorder.record({ type: 'figure', ...figure });
    },
  };
}

/** Notes the unexpected end of a component. */
export function crashNote(journal: Journal, part: PartLabel): (exitCode: number | null) => void {
  return (exitCode) => {
    const detail = exitCode === null ? 'was killed from outside' : `exited by itself with ${exitCode}`;
    journal.note('failed', { part, detail });
  };
}

/** A clock that starts now and reads milliseconds to one decimal. */
export function stopwatch(): () => number {
  const startedAt = monotonicMs();
  return () => Math.round((monotonicMs() - startedAt) * 10) / 10;
}
