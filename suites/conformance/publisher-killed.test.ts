import { setInterval } from 'node:timers/promises';
import { monotonicMs } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { ChangingFile } from '../support/changing-file.ts';
import { lastEventId } from '../support/events.ts';
import { REDIS_AWAY } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

/** After these outages the publisher has either failed to send or given up waiting (EVENT_PUBLISH_TIMEOUT is 5 s). */
const AWAY = [
  { variant: 'killed', awayMs: 1500 },
  { variant: 'paused', awayMs: 5500 },
] as const;
const WRITE_EVERY_MS = 250;
const CHANGES_MIN = 4;
/** As after any outage of Redis. */
const RECOVERED_MS = 10_000;

for (const { variant, awayMs } of AWAY) {
  verify(`PUB-01/${variant}`, async (t) => {
    const before = await lastEventId(t.redis);
    await using redisAway = await REDIS_AWAY[variant](t);
    const files = await writeFor(t, awayMs, before);
    await using adminDown = await t.faults.admin.kill();
    await redisAway.heal();
    await adminDown.heal();
    t.evidence.changes = 0;
    for (const file of files) {
      await file.published(RECOVERED_MS);
      t.evidence.changes += file.changes;
    }
  });
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
