import { pollUntil } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';
import { addEvents, CraftedFile } from './crafted-events.ts';
import { awaitSearchable } from './steps.ts';
import { promised } from './violation.ts';
import { realConsumers } from './zombies.ts';

const BOTH_READ_MS = 15_000;

/**
 * An instance is ready before it reads the stream, and a consumer is known to the group once it was given something (Redis
 * 7.0): events are added, one by one, until two consumers were given some.
 * @returns the names of all consumers of the pipeline
 * @throws Violation when there are not two in time
 */
export function awaitBothRead(t: CaseContext): Promise<string[]> {
  const what = 'Both consumers given events';
  let files = 0;
  const probe = async (): Promise<string[] | undefined> => {
    const one = new CraftedFile(`for both consumers, ${files++}.txt`, 'versions');
    await addEvents(t.redis, [one.created()]);
    await awaitSearchable(t.pipeline, one.id, { timeoutMs: t.env.promises.syncMs, signal: t.signal });
    const names = await realConsumers(t);
    return names.length >= 2 ? names : undefined;
  };
  const pace = { intervalMs: 10, intervalMsMax: 10 };
  return promised(what, pollUntil(probe, { what, timeoutMs: BOTH_READ_MS, ...pace, signal: t.signal }));
}
