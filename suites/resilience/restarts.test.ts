import { consumerStates, pollUntil } from '../../harness/index.ts';
import { awaitMarker } from '../support/marker.ts';
import { suite } from '../support/suite.ts';
import { promised } from '../support/violation.ts';

const verify = suite();

const RESTARTS = 20;
/** How many consumers there may be in the end, beside those that there were. */
const MORE_MAX = 5;
/** Whoever takes a new name at every start must have removed the old ones by then. */
const REMOVED_MS = 60_000;

verify('RES-10', async (t) => {
  const { env, redis, faults, evidence, signal } = t;
  const count = async (): Promise<number> => (await consumerStates(redis)).length;
  // A consumer is known to the group once it was given something.
  await awaitMarker(t, 'before');
  evidence.consumersBefore = await count();
  const max = evidence.consumersBefore + MORE_MAX;
  evidence.restarts = 0;
  for (let i = 0; i < RESTARTS; i++) {
    // Killed and ended in turn: who leaves in order may clean up, who is killed cannot.
    await using down = await (i % 2 === 0 ? faults.query.kill() : faults.query.stop());
    await down.heal();
    await awaitMarker(t, `after restart ${i}`);
    evidence.restarts++;
  }
  evidence.consumersAtOnce = await count();
  const what = `No more than ${max} consumers in the group after ${RESTARTS} restarts`;
  const bounded = async (): Promise<number> => {
    const left = await count();
    if (left > max) throw new Error(`there are ${left}`);
    return left;
  };
  const timeoutMs = REMOVED_MS + env.promises.pendingRetryMs;
  evidence.consumersInTheEnd = await promised(what, pollUntil(bounded, { what, timeoutMs, signal }));
});
