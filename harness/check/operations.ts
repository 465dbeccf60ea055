import type { Completed, Invoked } from '../record/history.ts';
import { oncePerHistory } from './once.ts';

/** An operation from its due time to its end. `end` is absent when the harness died before it. */
export interface Operation {
  invoked: Invoked;
  end?: Completed;
}

const WRITES: ReadonlySet<string> = new Set(['upload', 'register', 'update', 'delete']);

export function isWrite({ invoked }: Operation): boolean {
  return WRITES.has(invoked.kind);
}

/** Anything but a certain no: an unknown operation, or one that never ended, may have taken effect. */
export function mayHaveHappened({ end }: Operation): boolean {
  return end?.type !== 'fail';
}

/** Invocations joined with their completions, in the order of invocation, however the records were written. */
export const completeOperations = oncePerHistory((records): readonly Operation[] => {
  const operations = new Map<string, Operation>();
  const completed = new Map<string, Completed>();
  for (const record of records) {
    if (record.type === 'invoke') operations.set(record.op, { invoked: record });
    else if (record.type === 'ok' || record.type === 'fail' || record.type === 'unknown') {
      completed.set(record.op, record);
    }
  }
  for (const [op, operation] of operations) {
    const end = completed.get(op);
    if (end !== undefined) operation.end = end;
  }
  return [...operations.values()].sort((a, b) => a.invoked.at - b.invoked.at);
});
