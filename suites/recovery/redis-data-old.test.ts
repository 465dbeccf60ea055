import { setTimeout as sleep } from 'node:timers/promises';
import { copyDataset, type Dataset, loadDataset } from '../../harness/index.ts';
import { EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { eventually } from '../steps/eventually.ts';
import { type Changed, changeFiles, demandInSync, uploadSynced } from '../steps/in-sync.ts';
import { rereading } from '../steps/reads.ts';
import { demandSameProcesses, processStartTimes } from '../steps/services.ts';
import { upload } from '../steps/steps.ts';
import { demand } from '../steps/violation.ts';
import { RECOVERY } from './requirements.ts';

const verify = suite(RECOVERY);

verify(
  'REC-03/snapshot',
  'Redis restarts from an old snapshot, with events that were applied since: they change nothing, and missing ones are repaired.',
  comesBackFromSnapshot,
);
verify(
  'REC-03/tail-cut',
  'Redis restarts without the unread tail of its log: the read model ends equal to the registry.',
  comesBackWithoutTail,
);
verify(
  'REC-05/tail-unseen',
  'Failover to a replica that missed unread events: the read model ends equal to the registry.',
  (t) => failsOver(t, 'unseen'),
);
verify(
  'REC-05/tail-seen',
  'Failover, under a blocked consumer, to a replica that missed events already read: the pipeline continues.',
  (t) => failsOver(t, 'seen'),
);

const REPAIRED_MS = 30_000;
const FILES = 12;
/** So long a failover leaves the clients with a server that takes no writes. */
const DEMOTED_MS = 1500;

async function comesBackFromSnapshot(t: CaseContext): Promise<void> {
  const { faults, redis, evidence } = t;
  const files = await uploadSynced(t, FILES, 'before');
  // What is on the stream and not delivered when the snapshot is made is delivered once more after it was restored.
  await using cutBefore = await faults.network.refuse({ client: 'query', server: 'redis' });
  const early = await changeCounted(t, { update: files.slice(0, 2), remove: [], create: 3 });
  const snapshot = await copyDataset(redis);
  evidence.deliveredAgain = snapshot.entries - FILES;
  await cutBefore.heal();
  await demandInSync(t, early, { timeoutMs: t.env.limits.syncMs, what: 'What came before the snapshot visible' });
  const [reborn = '', ...others] = early.created;
  const seen = await changeCounted(t, { update: others, remove: [reborn, ...files.slice(2, 4)], create: 0 });
  await demandInSync(t, seen, { timeoutMs: t.env.limits.syncMs, what: 'What came after the snapshot visible' });
  await using cut = await faults.network.refuse({ client: 'query', server: 'redis' });
  const unseen = await changeCounted(t, { update: files.slice(4, 7), remove: files.slice(7, 10), create: 5 });
  evidence.lostEvents = await comesBackWith(t, snapshot);
  await using _readers = rereading(t.pipeline, early.created, { signal: t.signal });
  await cut.heal();
  await demandInSync(t, merged(files, early, seen, unseen), {
    timeoutMs: REPAIRED_MS,
    what: 'The read model equal to the registry after an old snapshot',
  });
}

async function comesBackWithoutTail(t: CaseContext): Promise<void> {
  const { faults, redis, evidence } = t;
  const files = await uploadSynced(t, FILES, 'before');
  await using cut = await faults.network.refuse({ client: 'query', server: 'redis' });
  const kept = await changeCounted(t, { update: files.slice(0, 2), remove: files.slice(2, 4), create: 2 });
  const dataset = await copyDataset(redis);
  const tail = await changeCounted(t, { update: files.slice(4, 7), remove: files.slice(7, 10), create: 3 });
  evidence.lostEvents = await comesBackWith(t, dataset);
  await cut.heal();
  await demandInSync(t, merged(files, kept, tail), {
    timeoutMs: REPAIRED_MS,
    what: 'The read model equal to the registry after the tail was cut',
  });
}

/** The consumer, when it has `seen` the tail, is connected throughout: its blocking read ends in the middle of it. */
async function failsOver(t: CaseContext, tail: 'seen' | 'unseen'): Promise<void> {
  const { faults, redis, evidence, signal } = t;
  const before = await processStartTimes(t);
  const files = await uploadSynced(t, FILES, 'before');
  const replica = await copyDataset(redis);
  await using away = tail === 'unseen' ? await faults.network.refuse({ client: 'query', server: 'redis' }) : undefined;
  const missed = await changeCounted(t, { update: files.slice(0, 3), remove: files.slice(3, 6), create: 5 });
  if (tail === 'seen') {
    await demandInSync(t, missed, { timeoutMs: t.env.limits.syncMs, what: 'What the replica missed visible' });
  }
  await using demoted = await faults.redisAnswers('READONLY');
  evidence.witness = demoted.witness;
  evidence.lostEvents = await loadDataset(redis, replica, { replica: true });
  await away?.heal();
  const meanwhile = await upload(t.pipeline, { filename: `${t.unique}-meanwhile.txt`, content: Buffer.from('m') });
  await sleep(DEMOTED_MS, undefined, { signal });
  await demoted.heal();
  const after = await upload(t.pipeline, { filename: `${t.unique}-after.txt`, content: Buffer.from('a') });
  const all = merged(files, missed, { created: [meanwhile.file_id, after.file_id], updated: [], deleted: [] });
  await demandInSync(t, all, {
    timeoutMs: REPAIRED_MS,
    what: 'The read model equal to the registry after the failover',
  });
  await demandSameProcesses(t, before);
}

/** Changes files and waits until their events are on the stream. Counts over all calls go into the evidence. */
async function changeCounted(t: CaseContext, choice: Parameters<typeof changeFiles>[1]): Promise<Changed> {
  const { redis, evidence, signal } = t;
  const sums = { creations: 0, updates: 0, deletions: 0 };
  for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] = Number(evidence[name] ?? 0);
  const before = Number(await redis.xlen(EVENT_STREAM_NAME));
  const changed = await changeFiles(t, choice);
  const wanted = changed.created.length + changed.updated.length + changed.deleted.length;
  const published = async (): Promise<true | undefined> =>
    Number(await redis.xlen(EVENT_STREAM_NAME)) - before >= wanted || undefined;
  const what = `${wanted} new entries on the stream`;
  await eventually(what, published, { timeoutMs: t.env.limits.syncMs, signal });
  evidence.creations = sums.creations + changed.created.length;
  evidence.updates = sums.updates + changed.updated.length;
  evidence.deletions = sums.deletions + changed.deleted.length;
  return changed;
}

/**
 * Redis is killed and restarts with what it held at an earlier moment; no client reaches it in between, which would
 * find it empty. @returns how many events it lost
 */
async function comesBackWith({ faults, redis }: CaseContext, dataset: Dataset): Promise<number> {
  const held = Number(await redis.xlen(EVENT_STREAM_NAME));
  await using cut = await faults.network.refuse({ client: 'admin', server: 'redis' });
  await using dead = await faults.redis.kill({ data: 'lose' });
  await dead.heal();
  const empty = Number(await redis.xlen(EVENT_STREAM_NAME));
  demand(empty === 0, `Redis restarted with ${empty} entries although it was to be empty`);
  await loadDataset(redis, dataset);
  await cut.heal();
  return held - dataset.entries;
}

/** Files by the last thing that was done to them. */
function merged(files: readonly string[], ...changes: readonly Changed[]): Changed {
  const deleted = new Set(changes.flatMap((change) => change.deleted));
  const left = [...files, ...changes.flatMap(({ created, updated }) => [...created, ...updated])];
  return { created: [], updated: [...new Set(left)].filter((id) => !deleted.has(id)), deleted: [...deleted] };
}
