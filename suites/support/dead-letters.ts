import { DEAD_LETTER_STREAM_SUFFIX, EVENT_STREAM_NAME } from '../../harness/contract/names.ts';
import type { CaseContext } from './case.ts';
import { entriesAfter, lastEventId, type StreamEntry } from './events.ts';
import { demand } from './violation.ts';

const DEAD_LETTERS = EVENT_STREAM_NAME + DEAD_LETTER_STREAM_SUFFIX;

/** The dead-letter stream from now on. */
export interface DeadLetters {
  /** What has come since, oldest first. */
  since(): Promise<StreamEntry[]>;
  /** @throws Violation when anything has come since */
  demandNone(when: string): Promise<void>;
}

/** Begins to watch the dead-letter stream: what is on it already is another case's. */
export async function watchDeadLetters({ redis }: CaseContext): Promise<DeadLetters> {
  const before = await lastEventId(redis, DEAD_LETTERS);
  const since = (): Promise<StreamEntry[]> => entriesAfter(redis, before, DEAD_LETTERS);
  return {
    since,
    async demandNone(when) {
      const letters = await since();
      const reason = letters[0]?.fields.error ?? 'without an error';
      demand(letters.length === 0, `${letters.length} events were dead-lettered ${when}, the first: ${reason}`);
    },
  };
}
