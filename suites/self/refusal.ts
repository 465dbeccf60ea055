import { describeError } from '../../harness/core/errors.ts';

/** What is said when it is refused, causes included. @throws when it is accepted */
export function refusalOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return describeError(error);
  }
  throw new Error('It was accepted');
}
