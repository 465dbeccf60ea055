import { awaitAllAlike } from '../alike.ts';
import { ChangingFile } from '../changing-file.ts';
import { awaitEvents, entriesAfter, lastEventId } from '../events.ts';
import { registerPlain } from '../registrations.ts';
import { demandEqual } from '../violation.ts';
import { type Aim, type Aiming, filesOf, killAll, REPAIRED_MS, SOON_MS } from './aim.ts';
import { keepRegistering } from './registering.ts';

/** Steps 5 and 6: the relay publishes what is committed, and marks it as published. */
export const PUBLISHING_AIMS = {
  'killed-before-published': { needs: ['stop redis', 'stop admin'], act: killedBeforePublished },
  'admin-killed-publishing': { needs: ['redis', 'network redis', 'stop admin'], act: adminKilledPublishing },
  'two-publishers': { needs: ['redis', 'several admin'], act: twoPublishers },
} as const satisfies Record<string, Aim>;

/** Changes are accepted while Redis is away, and whoever accepted them dies before it is back. */
async function killedBeforePublished(t: Aiming): Promise<void> {
  const { pipeline, faults, unique } = t;
  await using away = await faults.redis.kill();
  const names = Array.from({ length: 3 }, (_, i) => `${unique}-${i}.txt`);
  const files = await Promise.all(names.map((name) => registerPlain(pipeline, name)));
  await using killed = await faults.admin.kill();
  await away.heal();
  await killed.heal();
  await awaitAllAlike(
    t,
    files.map(({ file_id }) => file_id),
    SOON_MS,
  );
}

/** More than are lost until the aim is over. */
const REPLIES = 10_000;

/** Events are on the stream, whoever put them there has not heard of it, and dies: they are not marked as published. */
async function adminKilledPublishing(t: Aiming): Promise<void> {
  const { redis, faults } = t;
  const before = await lastEventId(redis);
  await using registering = keepRegistering(t);
  const choice = { client: 'admin', server: 'redis', count: REPLIES, command: 'XADD' } as const;
  await using losing = await faults.network.loseReplies(choice);
  const own = await registering.stop();
  await using killed = await killAll(t, 'admin');
  const sent = await entriesAfter(redis, before);
  await losing.heal();
  await killed.heal();
  // Nobody took any change meanwhile: all that was due comes at once, to processes that have just begun.
  await awaitAllAlike(t, [...new Set([...own, ...filesOf(sent)])], REPAIRED_MS);
  for (const id of own) await awaitEvents(t, id, before, 1);
}

const UPDATES = 10;

/** Two instances write in turns, and nothing is broken: each event is published, in its order, and once. */
async function twoPublishers(t: Aiming): Promise<void> {
  const { pipeline, otherAdmin } = t;
  // The one that publishes may still be at what the last round left undone.
  const first = await registerPlain(pipeline, `${t.unique}-first.txt`);
  await awaitAllAlike(t, [first.file_id], SOON_MS);
  const file = await ChangingFile.register(t, 'by-two');
  for (let i = 0; i < UPDATES; i++) await file.update(i % 2 === 0 ? otherAdmin : pipeline);
  demandEqual(await file.published(), 1, `Copies of an event of ${file.id} while nothing is broken`);
}
