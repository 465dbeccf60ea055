import { memoryRecorder, type Recorder } from '../record/writer.ts';
import { applyRecord, emptyState, liveLines } from './progress.ts';
import type { Screen } from './screen.ts';

/** Shows what starts, live on a terminal. */
export function screenRecorder(screen: Screen): Recorder {
  const state = emptyState();
  const memory = memoryRecorder();
  screen.live(() => liveLines(state, memory.now(), screen.paint));
  const recorder: Recorder = {
    now: memory.now,
    record: (entry) => {
      memory.record(entry);
      const record = memory.records.pop();
      const line = record === undefined ? undefined : applyRecord(state, record, screen.paint);
      if (line !== undefined) screen.line(line);
    },
    forCase: () => recorder,
  };
  return recorder;
}
