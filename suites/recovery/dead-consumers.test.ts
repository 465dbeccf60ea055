import { randomUUID } from 'node:crypto';
import { pendingCount } from '../../harness/index.ts';
import { CONSUMER_GROUP, EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { awaitBothRead, demandDrained, leavePending, realConsumers, stillPending } from '../steps/consumers.ts';
import { eventsOf, lastEventId } from '../steps/events.ts';
import { consistently, eventually } from '../steps/eventually.ts';
import { demandInSync, uploadSynced } from '../steps/in-sync.ts';
import { takeAwayRows } from '../steps/read-model.ts';
import { demand } from '../steps/violation.ts';
import { RECOVERY } from './requirements.ts';

const verify = suite(RECOVERY);

verify(
  'REC-09',
  'Removing dead consumers loses nothing that they held, and never removes an idle one that is alive.',
  removesOnlyTheDead,
  // Of its own: a consumer that another case left in the group would be taken for a live one.
  { environment: {} },
);

/** Longer than a consumer that is given nothing may look dead to one that goes by idle time alone. */
const QUIET_MS = 45_000;
const OBSERVE_EVERY_MS = 2000;
/** What the dead one holds is not to be taken over at once: a reaper is to meet it. */
const NOT_YET_MS = 3000;

async function removesOnlyTheDead(t: CaseContext): Promise<void> {
  const { env, redis, evidence, signal } = t;
  // Two that live: only one of them is given each entry, so the other one stays quiet.
  await using _second = await env.startInstance('query');
  const living = await awaitBothRead(t);

  const before = await lastEventId(redis);
  const [fileId = ''] = await uploadSynced(t, 1, 'held');
  const [entry] = await eventsOf(redis, fileId, before);
  demand(entry !== undefined, `The event of ${fileId} is not on the stream`);
  // A comparison with the registry may have shown the file first; an acknowledgement to come would undo what follows.
  await demandDrained(t);
  const dead = [`query-module-${randomUUID()}`, `query-module-${randomUUID()}`] as const;
  for (const name of dead) await redis.xgroup('CREATECONSUMER', EVENT_STREAM_NAME, CONSUMER_GROUP, name);
  evidence.dead = dead.length;
  // One of the dead holds an entry whose effect is gone: if it is discarded, the file stays lost.
  await takeAwayRows(t, [fileId]);
  await leavePending(t, [entry.id], { owner: dead[0], idleMs: env.limits.pendingRetryMs - NOT_YET_MS });
  evidence.held = (await stillPending(t, [entry.id])).length;

  const look = async (): Promise<void> => {
    const names = await realConsumers(t);
    const missing = living.find((name) => !names.includes(name));
    demand(missing === undefined, `Live consumers stay in the group: ${missing} is gone`);
  };
  evidence.quietObservations = await consistently(look, { forMs: QUIET_MS, everyMs: OBSERVE_EVERY_MS, signal });
  const isDone = async (): Promise<true | undefined> => ((await pendingCount(redis)) === 0 ? true : undefined);
  await eventually('Nothing pending in the end', isDone, { timeoutMs: env.limits.pendingRetryMs, signal });
  const left = new Set(await realConsumers(t));
  evidence.deadLeft = dead.filter((name) => left.has(name)).length;
  await demandInSync(
    t,
    { created: [fileId], updated: [], deleted: [] },
    { timeoutMs: env.limits.syncMs, what: 'What the dead consumer held, applied' },
  );
}
