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
  const operations: Operation[] = [];
  /** Begun and not ended yet: few at a time, however many there are. */
  const open = new Map<string, Operation>();
  /** Written before what they end. */
  const early = new Map<string, Completed>();
  for (const record of records) {
    if (record.type === 'invoke') {
      const end = early.get(record.op);
      early.delete(record.op);
      const operation: Operation = end === undefined ? { invoked: record } : { invoked: record, end };
      if (end === undefined) open.set(record.op, operation);
      operations.push(operation);
    } else if (record.type === 'ok' || record.type === 'fail' || record.type === 'unknown') {
      const operation = open.get(record.op);
      if (operation === undefined) early.set(record.op, record);
      else operation.end = record;
      open.delete(record.op);
    }
  }
  return operations.sort((a, b) => a.invoked.at - b.invoked.at);
});
