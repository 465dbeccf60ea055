import { pathToFileURL } from 'node:url';
import type { ContractAnswer, ContractCall, Driver } from '../../clients/transport.ts';
import { describeError, UsageError } from '../../core/errors.ts';
import { withoutSecrets } from '../../core/text.ts';
import { untilAborted } from '../../core/time.ts';

/**
 * Loads a target's own driver, and holds it to the contract: it is given up at the call's deadline even when it does not
 * look at it, and what it throws is reported without secrets.
 * @param secrets texts that must not be disclosed; neither is the call's bearer token
 * @throws UsageError unless the module's default export is a driver
 */
export async function loadDriver(path: string, secrets: readonly string[]): Promise<Driver> {
  let module: { default?: Partial<Driver> };
  try {
    module = await import(pathToFileURL(path).href);
  } catch (cause) {
    throw new UsageError(`Expected driver to be a module that can be loaded, got ${path}`, { cause });
  }
  if (typeof module.default?.send !== 'function') {
    throw new UsageError(`Expected the default export of ${path} to have a function send(call, next)`);
  }
  const driver = module.default as Driver;
  return {
    async send(call, next) {
      try {
        return await answered(call, driver.send(call, next));
      } catch (error) {
        return tell(error, call, secrets);
      }
    },
  };
}

async function answered({ signal }: ContractCall, answer: Promise<ContractAnswer>): Promise<ContractAnswer> {
  // The timer behind a deadline keeps no process alive, and neither does a driver that waits for nothing.
  const alive = setInterval(() => {}, 1000);
  try {
    return await untilAborted(answer, signal);
  } finally {
    clearInterval(alive);
  }
}

/** An error without a secret passes as it is: its code says whether the call can have had an effect. */
function tell(error: unknown, { headers }: ContractCall, secrets: readonly string[]): never {
  const text = describeError(error);
  const token = headers.authorization?.split(' ')[1] ?? '';
  const masked = withoutSecrets(text, [...secrets, token]);
  if (masked === text) throw error;
  throw new Error(masked);
}
