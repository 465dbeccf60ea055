import type { Operation } from './operations.ts';

/** Refusals that leave open whether the file is there: it exists already, or the server gave up waiting for the rest. */
export function isRefusedAsExisting({ end }: Operation): boolean {
  if (end?.type !== 'fail') return false;
  if (end.status === 408 || end.status === 409) return true;
  return end.status === 400 && /exist|already|duplicate/i.test(end.error ?? '');
}
