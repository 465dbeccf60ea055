import { monotonicMs } from './time.ts';

/** One Ctrl-C can arrive twice: from the terminal, and passed on by the package manager that started us. */
const SAME_KEYPRESS_MS = 700;

/**
 * Ctrl-C (SIGINT), SIGTERM and SIGHUP as a signal for the work, once; a second one calls `onSecond`.
 * Dispose it when the work is over, and the signals mean again what they mean by default.
 */
export function onInterrupt(onSecond: () => void): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  let firstAt = 0;
  const listener = (name: NodeJS.Signals): void => {
    if (!controller.signal.aborted) {
      firstAt = monotonicMs();
      controller.abort(new Interrupted(name));
    } else if (monotonicMs() - firstAt > SAME_KEYPRESS_MS) {
      onSecond();
    }
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, listener);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, listener);
    },
  };
}

/** The reason of the abort signal: which of the signals it was. */
class Interrupted extends Error {
  constructor(name: NodeJS.Signals) {
    super(`interrupted by ${name}`);
    this.name = 'Interrupted';
  }
}
