import { setInterval } from 'node:timers/promises';
import { monotonicMs } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { entriesAfter, lastEventId } from '../steps/events.ts';
import { eventually } from '../steps/eventually.ts';
import { inParallel } from '../steps/many.ts';
import { REDIS_AWAY } from '../steps/outage.ts';
import { ChangingFile } from '../steps/publishing.ts';
import { PUBLISHER } from './requirements.ts';

const verify = suite(PUBLISHER);

verify(
  'PUB-01/killed',
  'Changes committed while Redis was down, and admin killed before it recovered: each of their events is published.',
  (t) => publishesAll(t, 'killed', AWAY_MS.killed),
);
verify(
  'PUB-01/paused',
  'Changes committed while Redis was suspended, and admin killed while it waited: each of their events is published.',
  (t) => publishesAll(t, 'paused', AWAY_MS.paused),
);
verify(
  'PUB-05/crashed',
  'PostgreSQL is killed while a backlog of changes is being published: each of them arrives, in the order of the commits.',
  arrivesAfterCrash,
);

/** After these outages the publisher has either failed to send or given up waiting (EVENT_PUBLISH_TIMEOUT is 5 s). */
const AWAY_MS = { killed: 1500, paused: 5500 } as const;
const WRITE_EVERY_MS = 250;
const CHANGES_MIN = 4;
/** As after any outage of Redis. */
const RECOVERED_MS = 10_000;

async function publishesAll(t: CaseContext, redisAwayBy: 'killed' | 'paused', awayMs: number): Promise<void> {
  const before = await lastEventId(t.redis);
  await using redisAway = await REDIS_AWAY[redisAwayBy](t);
  const files = await writeFor(t, awayMs, before);
  await using adminDown = await t.faults.admin.kill();
  await redisAway.heal();
  await adminDown.heal();
  t.evidence.changes = 0;
  for (const file of files) {
    await file.published(RECOVERED_MS);
    t.evidence.changes += file.changes;
  }
}

/** Updates one file all the time, and registers others that are deleted at once; on a slow machine for longer. */
async function writeFor(t: CaseContext, ms: number, before: string): Promise<ChangingFile[]> {
  const untilMs = monotonicMs() + ms;
  const kept = await ChangingFile.register(t, 'kept', before);
  const gone: ChangingFile[] = [];
  for await (const _tick of setInterval(WRITE_EVERY_MS, undefined, { signal: t.signal })) {
    await kept.update();
    if (kept.changes % 2 === 0) {
      const file = await ChangingFile.register(t, `gone-${kept.changes}`, before);
      await file.remove();
      gone.push(file);
    }
    if (monotonicMs() >= untilMs && kept.changes >= CHANGES_MIN && gone.length > 0) break;
  }
  return [kept, ...gone];
}

const CRASHES = 2;
const FILES = 20;
const UPDATES = 50;
const PILE = FILES * UPDATES;
/** So much of a pile is on the stream when the database is killed: some of it is marked, and not yet on the disk. */
const SENT_SHARE = 0.25;
const SENDING_MS = 10_000;
/** The pile takes a few seconds, and a batch of it less than a publisher waits for its answer. */
const PACE = 300_000;

async function arrivesAfterCrash(t: CaseContext): Promise<void> {
  const { redis, evidence } = t;
  const first = await lastEventId(redis);
  const files = await inParallel(Array.from({ length: FILES }), FILES, (_, i) =>
    ChangingFile.register(t, `piled-up-${i}`, first),
  );
  const counts = { changes: FILES, sentBefore: 0, waiting: 0, copiesMost: 0 };
  for (let crash = 0; crash < CRASHES; crash++) {
    const sentBefore = await crashWhilePublishing(t, files);
    const copies: number[] = [];
    // Each look reads the whole stream: one after the other, as they are published together.
    for (const file of files) copies.push(await file.published(RECOVERED_MS));
    counts.changes += PILE;
    counts.sentBefore += sentBefore;
    counts.waiting += Math.max(0, PILE - sentBefore);
    counts.copiesMost = Math.max(counts.copiesMost, ...copies);
    Object.assign(evidence, counts);
  }
}

/**
 * Updates the files while Redis cannot be reached, and kills PostgreSQL once it can, and some of the updates are on the
 * stream. @returns how many were when PostgreSQL was gone; all is well again then
 */
async function crashWhilePublishing(t: CaseContext, files: readonly ChangingFile[]): Promise<number> {
  const { redis, faults, signal } = t;
  // A consumer that commits what it reads would force to the disk what is to be lost with the server.
  await using unread = await faults.network.refuse({ client: 'query', server: 'redis' });
  // Or all of it would be on the stream before the server is gone.
  await using _narrow = await faults.network.throttle({ client: 'admin', server: 'redis', bytesPerSecond: PACE });
  await using away = await faults.network.refuse({ client: 'admin', server: 'redis' });
  await inParallel(files, FILES, async (file) => {
    for (let i = 0; i < UPDATES; i++) await file.update();
  });
  const before = await lastEventId(redis);
  const sent = async (): Promise<number> => (await entriesAfter(redis, before)).length;
  const enough = async (): Promise<true | undefined> => ((await sent()) >= PILE * SENT_SHARE ? true : undefined);
  // Not one after the other: by the time that Redis is seen to be back all may be published.
  const what = 'a part of the pile on the stream';
  const [healed, underWay] = await Promise.allSettled([
    away.heal(),
    eventually(what, enough, { timeoutMs: SENDING_MS, intervalMs: 1, growth: 1, signal }),
  ]);
  for (const end of [healed, underWay]) if (end.status === 'rejected') throw end.reason;
  await using down = await faults.postgres.kill();
  const sentBefore = await sent();
  await down.heal();
  await unread.heal();
  return sentBefore;
}
