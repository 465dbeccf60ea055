import { EVENT_STREAM_NAME } from '../../harness/contract/names.ts';
import { pollUntil } from '../../harness/index.ts';
import { changeFiles, demandInSync, uploadSynced } from '../support/in-sync.ts';
import { suite } from '../support/suite.ts';
import { promised } from '../support/violation.ts';

const verify = suite();

const REPAIRED_MS = 30_000;

verify('REC-06', async (t) => {
  const { redis, faults, evidence, signal } = t;
  const files = await uploadSynced(t, 12, 'before');
  // Refused, not silenced: an entry that was handed to the consumer and lost on the wire would still be pending.
  await using cut = await faults.network.refuse({ client: 'query', server: 'redis' });
  const before = Number(await redis.xlen(EVENT_STREAM_NAME));
  const changed = await changeFiles(t, { update: files.slice(0, 3), remove: files.slice(3, 6), create: 5 });
  await promised(
    'Events of all changes on the stream',
    pollUntil(async () => (Number(await redis.xlen(EVENT_STREAM_NAME)) - before >= 11 ? true : undefined), {
      what: '11 new entries',
      timeoutMs: t.env.promises.syncMs,
      signal,
    }),
  );
  evidence.trimmed = Math.min(Number(await redis.xtrim(EVENT_STREAM_NAME, 'MAXLEN', 0)), 11);
  await cut.heal();
  // The next event is what shows that some before it are missing.
  const later = await uploadSynced(t, 1, 'later');
  const rest = { ...changed, updated: [...changed.updated, ...files.slice(6), ...later] };
  await demandInSync(t, rest, {
    timeoutMs: REPAIRED_MS,
    what: 'The read model equal to the registry after the trimming',
  });
});
