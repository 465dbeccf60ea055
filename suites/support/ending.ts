import type { ServiceName } from '../../harness/contract/names.ts';
import { DeadlineError, pollUntil } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';

/** How soon after SIGTERM a service may show that it is ending: it takes no connection, or says that it is not ready. */
const ENDING_MS = 3000;

/** Waits until a service shows that it is ending; whether it goes on taking requests for a while is its own affair. */
export async function awaitEnding({ pipeline, signal }: CaseContext, service: ServiceName): Promise<void> {
  const isEnding = async (): Promise<true | undefined> =>
    (await pipeline.ready(service, { recorded: false, timeoutMs: 1000 })).status === 200 ? undefined : true;
  try {
    await pollUntil(isEnding, { what: `${service} to be ending`, timeoutMs: ENDING_MS, signal });
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
  }
}
