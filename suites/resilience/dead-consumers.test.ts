import { randomUUID } from 'node:crypto';
import { CONSUMER_GROUP, EVENT_STREAM_NAME, READ_MODEL_TABLE } from '../../harness/contract/names.ts';
import { connectPostgres, pendingCount, pollUntil } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { eventsOf, lastEventId } from '../support/events.ts';
import { holds } from '../support/hold.ts';
import { demandInSync, uploadSynced } from '../support/in-sync.ts';
import { suite } from '../support/suite.ts';
import { demand, promised } from '../support/violation.ts';

const verify = suite();

/** Longer than a consumer that is given nothing may look dead to one that goes by idle time alone. */
const QUIET_MS = 45_000;
const OBSERVE_EVERY_MS = 2000;

verify('REC-09', async (t) => {
  const { env, redis, evidence, signal } = t;
  // Two that live: only one of them is given each entry, so the other one stays quiet.
  await using second = await env.startInstance('query');
  const uploaded: string[] = [];
  const living = await bothKnown(t, second.name, uploaded);

  const before = await lastEventId(redis);
  const [fileId = ''] = await uploadSynced(t, 1, 'held');
  const [entry] = await eventsOf(redis, fileId, before);
  demand(entry !== undefined, `The event of ${fileId} is not on the stream`);
  const dead = [`query-module-${randomUUID()}`, `query-module-${randomUUID()}`] as const;
  for (const name of dead) await redis.xgroup('CREATECONSUMER', EVENT_STREAM_NAME, CONSUMER_GROUP, name);
  evidence.dead = dead.length;
  // One of the dead holds an entry whose effect is gone: if it is discarded, the file stays lost.
  const database = connectPostgres(env.databaseAccess('query'));
  await database.query(`DELETE FROM ${READ_MODEL_TABLE} WHERE id = $1`, [fileId]);
  await database.end();
  const options = ['IDLE', env.promises.pendingRetryMs - 3000, 'RETRYCOUNT', 1, 'FORCE', 'JUSTID'];
  const held = await redis.call('XCLAIM', EVENT_STREAM_NAME, CONSUMER_GROUP, dead[0], 0, entry.id, ...options);
  evidence.held = Array.isArray(held) ? held.length : 0;

  evidence.quietObservations = await holds(
    async () => {
      const names = await consumerNames(t);
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
  evidence.deadLeft = (await consumerNames(t)).filter((name) => dead.includes(name as (typeof dead)[number])).length;
  await demandInSync(
    t,
    { created: [fileId, ...uploaded], updated: [], deleted: [] },
    { timeoutMs: env.promises.syncMs, what: 'What the dead consumer held, applied' },
  );
});

/** A consumer is known to the group once it was given something (Redis 7.0), so files are uploaded until both were. */
async function bothKnown(t: CaseContext, second: string, uploaded: string[]): Promise<string[]> {
  return promised(
    `Both instances of query, ${second} the second, in the group`,
    pollUntil(
      async () => {
        uploaded.push(...(await uploadSynced(t, 1, `for-both-${uploaded.length}`)));
        const names = await consumerNames(t);
        return names.length >= 2 ? names : undefined;
      },
      { what: 'two consumers', timeoutMs: 15_000, intervalMs: 20, intervalMsMax: 20, signal: t.signal },
    ),
  );
}

async function consumerNames({ redis }: CaseContext): Promise<string[]> {
  const consumers = (await redis.xinfo('CONSUMERS', EVENT_STREAM_NAME, CONSUMER_GROUP)) as unknown[][];
  return consumers.map((facts) => String(facts[facts.indexOf('name') + 1]));
}
