import { describeError } from '../core/errors.ts';
import type { Environment } from './environment.ts';
import { type Journal, stopwatch } from './journal.ts';

/** An environment before somebody owns it. */
export type Running<E extends Environment = Environment> = Omit<E, 'stop' | typeof Symbol.asyncDispose>;

/** Adds the one way to end it, taken by `stop`, by disposal and by the signal. */
export async function stoppable<R extends Running>(
  environment: R,
  owned: AsyncDisposableStack,
  journal: Journal,
  signal: AbortSignal | undefined,
): Promise<R & Pick<Environment, 'stop' | typeof Symbol.asyncDispose>> {
  let stopping: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const sinceHere = stopwatch();
    journal.note('stopping');
    signal?.removeEventListener('abort', onAbort);
    await owned.disposeAsync();
    journal.note('stopped', { ms: sinceHere() });
  };
  const stop = (): Promise<void> => (stopping ??= close());
  const onAbort = (): void => {
    stop().catch((error) => journal.note('failed', { detail: `while stopping: ${describeError(error)}` }));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) {
    await stop();
    signal.throwIfAborted();
  }
  return { ...environment, stop, [Symbol.asyncDispose]: stop };
}
