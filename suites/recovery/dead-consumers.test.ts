import { randomUUID } from 'node:crypto';
import { awaitDrained, pendingCount, pollUntil } from '../../harness/index.ts';
import { CONSUMER_GROUP, EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import { suite } from '../runner/suite.ts';
import { abandon, awaitBothRead, realConsumers, stillPending } from '../steps/consumers.ts';
import { eventsOf, lastEventId } from '../steps/events.ts';
import { holds } from '../steps/hold.ts';
import { demandInSync, uploadSynced } from '../steps/in-sync.ts';
import { takeAwayRows } from '../steps/read-model.ts';
import { demand, promised } from '../steps/violation.ts';
import { RECOVERY } from './requirements.ts';

const verify = suite(RECOVERY);

/** Longer than a consumer that is given nothing may look dead to one that goes by idle time alone. */
const QUIET_MS = 45_000;
const OBSERVE_EVERY_MS = 2000;
/** What the dead one holds is not to be taken over at once: a reaper is to meet it. */
const NOT_YET_MS = 3000;

verify(
  'REC-09',
  'Removing dead consumers loses nothing that they held, and never removes a quiet one that lives.',
  async (t) => {
    const { env, redis, evidence, signal } = t;
    // Two that live: only one of them is given each entry, so the other one stays quiet.
    await using _second = await env.startInstance('query');
    const living = await awaitBothRead(t);

    const before = await lastEventId(redis);
    const [fileId = ''] = await uploadSynced(t, 1, 'held');
    const [entry] = await eventsOf(redis, fileId, before);
    demand(entry !== undefined, `The event of ${fileId} is not on the stream`);
    // A comparison with the registry may have shown the file first; an acknowledgement to come would undo what follows.
    await promised('Nothing pending', awaitDrained(redis, { timeoutMs: env.promises.syncMs, signal }));
    const dead = [`query-module-${randomUUID()}`, `query-module-${randomUUID()}`] as const;
    for (const name of dead) await redis.xgroup('CREATECONSUMER', EVENT_STREAM_NAME, CONSUMER_GROUP, name);
    evidence.dead = dead.length;
    // One of the dead holds an entry whose effect is gone: if it is discarded, the file stays lost.
    await takeAwayRows(t, [fileId]);
    await abandon(t, [entry.id], { owner: dead[0], idleMs: env.promises.pendingRetryMs - NOT_YET_MS });
    evidence.held = (await stillPending(t, [entry.id])).length;

    evidence.quietObservations = await holds(
      async () => {
        const names = await realConsumers(t);
        const missing = living.find((name) => !names.includes(name));
        return missing === undefined ? undefined : `${missing} is gone`;
      },
      { what: 'Living consumers stay in the group', forMs: QUIET_MS, everyMs: OBSERVE_EVERY_MS, signal },
    );
    await promised(
      'Nothing pending in the end',
      pollUntil(async () => ((await pendingCount(redis)) === 0 ? true : undefined), {
        what: 'the pending entries list to be empty',
        timeoutMs: env.promises.pendingRetryMs,
        signal,
      }),
    );
    const left = new Set(await realConsumers(t));
    evidence.deadLeft = dead.filter((name) => left.has(name)).length;
    await demandInSync(
      t,
      { created: [fileId], updated: [], deleted: [] },
      { timeoutMs: env.promises.syncMs, what: 'What the dead consumer held, applied' },
    );
  },
);
