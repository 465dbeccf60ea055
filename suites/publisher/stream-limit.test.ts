import { EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { eventually } from '../steps/eventually.ts';
import { inParallel } from '../steps/many.ts';
import { plainRegistration } from '../steps/registrations.ts';
import { search } from '../steps/steps.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { PUBLISHER } from './requirements.ts';

const verify = suite(PUBLISHER);

verify(
  'PUB-08',
  'The stream stays within its length, approximately, and nothing that was trimmed is lost in the end.',
  keepsToItsLength,
  // A short stream: what a long one would show takes a long time to fill.
  { environment: { settings: { admin: { EVENT_STREAM_MAXLEN: '500' } } } },
);

/** Redis removes whole nodes of 100 entries by default, and only when it can. */
const SLACK_ENTRIES = 200;
const SLACK_SHARE = 0.1;
const AT_ONCE = 32;
const REPAIRED_MS = 60_000;

async function keepsToItsLength(t: CaseContext): Promise<void> {
  const { env, redis, faults, evidence, unique, signal } = t;
  const limit = env.limits.streamEntriesMax;
  const count = Math.ceil(limit * 2.5);
  await using off = await faults.query.stop();
  const longest = await registerAll(t, count);
  await eventually('Every event published', async () => ((await added(t)) >= count ? true : undefined), {
    timeoutMs: REPAIRED_MS,
    signal,
  });
  const length = Math.max(longest, Number(await redis.xlen(EVENT_STREAM_NAME)));
  const allowed = limit + Math.max(SLACK_ENTRIES, limit * SLACK_SHARE);
  demand(
    length <= allowed,
    `The stream held ${length} entries, its limit is ${limit} (and ${allowed} with Redis's approximate trimming)`,
  );
  evidence.trimmed = count - Number(await redis.xlen(EVENT_STREAM_NAME));
  await off.heal();

  const found = async (): Promise<number> =>
    (await search(t.pipeline, { query: unique, mode: 'partial', limit: 1 })).total_count;
  await eventually(
    `All ${count} files searchable`,
    async () => {
      const total = await found();
      if (total >= count) return true;
      throw new Error(`${total} of ${count} are found`);
    },
    { timeoutMs: REPAIRED_MS, signal },
  );
  demandEqual(await found(), count, 'Files found in the end');
  evidence.files = count;
}

async function added({ redis }: CaseContext): Promise<number> {
  const facts = (await redis.xinfo('STREAM', EVENT_STREAM_NAME)) as unknown[];
  return Number(facts[facts.indexOf('entries-added') + 1]);
}

/** Registers files, some at once. @returns the greatest length of the stream that was seen meanwhile */
async function registerAll({ pipeline, redis, unique }: CaseContext, count: number): Promise<number> {
  let longest = 0;
  const names = Array.from({ length: count }, (_, index) => `${unique}-${String(index).padStart(6, '0')}.txt`);
  await inParallel(names, AT_ONCE, async (name, index) => {
    const { status, error } = await pipeline.register({ ...plainRegistration(name) });
    demand(status === 201, `A registration was answered ${status ?? error}`);
    if (index % 100 === 0) longest = Math.max(longest, Number(await redis.xlen(EVENT_STREAM_NAME)));
  });
  return longest;
}
