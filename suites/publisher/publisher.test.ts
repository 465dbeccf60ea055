import { setInterval } from 'node:timers/promises';
import { type Fault, monotonicMs, type PipelineClient } from '../../harness/index.ts';
import { type RegistryFile, registryFileSchema } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { awaitEvents, entriesAfter, lastEventId } from '../steps/events.ts';
import { awaitChange, ChangingFile, changeOf, demandInOrder } from '../steps/publishing.ts';
import { plainRegistration, registerPlain, updateDescription } from '../steps/registrations.ts';
import { awaitById, awaitSearchable, findById, findByName, registered } from '../steps/steps.ts';
import { conforms, demand, demandEqual } from '../steps/violation.ts';
import { PUBLISHER } from './requirements.ts';

type Answer = Awaited<ReturnType<PipelineClient['update']>>;
const verify = suite(PUBLISHER);

verify('PUB-02', 'A change that is rolled back publishes nothing.', rollsBackInSilence);
verify('PUB-03', 'Lost replies to XADD do not change the final state.', losesReplies);
verify(
  'PUB-04',
  'An open transaction with a lower outbox number does not hide later ones, nor is it lost itself.',
  opensTransaction,
);
verify('PUB-05/relayed', 'Fifty parallel updates of one file are published in the order of their commits.', (t) =>
  updatesInOrder(t, async () => undefined),
);
verify(
  'PUB-05/piled-up',
  'Fifty parallel updates of one file that had to wait for Redis are published in the order of their commits.',
  (t) => updatesInOrder(t, () => t.faults.redis.pause()),
);

/** As after any outage of Redis. */
const RECOVERED_MS = 10_000;
/** The change that a registration is. */
const CREATION = { description: 'creation' };

async function rollsBackInSilence(t: CaseContext): Promise<void> {
  const { env, redis, pipeline, faults, evidence, unique, signal } = t;
  const waiting = { timeoutMs: env.limits.syncMs, signal };
  const prefix = `${unique}-refused`;
  const there = await registerPlain(pipeline, `${prefix}-there.txt`, CREATION);
  await awaitSearchable(pipeline, there.file_id, waiting);
  const before = await lastEventId(redis);

  const added = [plainRegistration(`${prefix}-1.txt`), plainRegistration(`${prefix}-2.txt`)];
  const refused: Promise<Answer>[] = [];
  const refuse = (write: Promise<Answer>): Promise<Answer> => {
    refused.push(write);
    return write;
  };
  {
    const cause = (): Promise<Answer> => refuse(pipeline.register({ ...added[0] }));
    await using _gate = await faults.registry.failCommits({ filenamePrefix: prefix, cause });
    await refuse(pipeline.register({ ...added[1] }));
    await refuse(pipeline.update(there.file_id, { description: 'rolled back' }));
    await refuse(pipeline.remove(there.file_id));
  }
  for (const { outcome, status } of await Promise.all(refused)) {
    demand(outcome !== 'ok', `A change that was rolled back was answered ${status}`);
  }
  // What is published goes out in order: what was to come before this one has come.
  const marker = await registerPlain(pipeline, `${unique}-marker.txt`);
  await awaitEvents(t, marker.file_id, before, 1);
  await awaitSearchable(pipeline, marker.file_id, waiting);
  const ghosts = (await entriesAfter(redis, before)).filter(({ fields }) => fields.file_id !== marker.file_id);
  demand(
    ghosts.length === 0,
    () =>
      `${ghosts.length} events of changes that were rolled back are on the stream, the first: ${ghosts[0]?.fields.event_type}`,
  );
  for (const { file_id, original_filename } of added) {
    demandEqual(
      (await pipeline.registryFile(file_id)).status,
      404,
      'The registry, asked for a file whose registration was rolled back',
    );
    demandEqual(
      (await findByName(pipeline, String(original_filename))).length,
      0,
      'Results for a file whose registration was rolled back',
    );
  }
  const descriptions = [
    (await registered(pipeline, there.file_id)).description,
    (await findById(pipeline, there.file_id))?.description,
  ];
  demandEqual(
    descriptions,
    ['creation', 'creation'],
    'Registry and read model after a rolled-back update and deletion',
  );
  evidence.rolledBack = refused.length;
}

const REPLIES = 3;
const WRITE_EVERY_MS = 50;
/** More than enough for three replies to get lost; on a wire where none does, the case ends without evidence. */
const UPDATES_MAX = 200;
const STRAGGLERS_MS = 1000;

async function losesReplies(t: CaseContext): Promise<void> {
  const { pipeline, faults, evidence, signal } = t;
  const file = await ChangingFile.register(t, 'file');
  await file.published();
  const lostBefore = repliesLost(t);
  const updateUntil = async (isOver: () => boolean): Promise<void> => {
    for await (const _tick of setInterval(WRITE_EVERY_MS, undefined, { signal })) {
      if (isOver() || file.changes > UPDATES_MAX) return;
      await file.update();
      // The checkers see from these reads whether search goes back while events come again.
      await findById(pipeline, file.id);
    }
  };
  const losing = faults.network.loseReplies({ client: 'admin', server: 'redis', count: REPLIES, command: 'XADD' });
  const [loss] = await Promise.all([losing, updateUntil(() => repliesLost(t) - lostBefore >= REPLIES)]);
  await loss.heal();
  // What was given up and is carried out all the same comes late, behind what was sent after it.
  const untilMs = monotonicMs() + STRAGGLERS_MS;
  await updateUntil(() => monotonicMs() >= untilMs);
  evidence.repliesLost = repliesLost(t) - lostBefore;
  await file.update();
  evidence.copiesMost = await file.published();
  demand(
    evidence.copiesMost <= 1 + REPLIES,
    `After ${REPLIES} lost replies an event is on the stream ${evidence.copiesMost} times`,
  );
}

function repliesLost({ env }: CaseContext): number {
  const wires = env.links.filter(({ client, server }) => client === 'admin' && server === 'redis');
  return wires.reduce((sum, { proxy }) => sum + proxy.counters().repliesLost, 0);
}

const OTHERS = 5;

async function opensTransaction(t: CaseContext): Promise<void> {
  const { env, redis, pipeline, faults, evidence, unique, signal } = t;
  const waiting = { timeoutMs: env.limits.syncMs, signal };
  const before = await lastEventId(redis);
  const prefix = `${unique}-held`;
  const { file_id: fileId } = await registerPlain(pipeline, `${prefix}-updated.txt`, CREATION);
  await awaitSearchable(pipeline, fileId, waiting);
  const added = plainRegistration(`${prefix}-added.txt`, CREATION);
  const held: Promise<Answer>[] = [];
  {
    const cause = async () => held.push(pipeline.update(fileId, { description: 'held' }));
    await using _gate = await faults.registry.holdCommits({ filenamePrefix: prefix, cause });
    held.push(pipeline.register({ ...added }));
    for (let i = 0; i < OTHERS; i++) {
      const { file_id } = await registerPlain(pipeline, `${unique}-other-${i}.txt`);
      await awaitSearchable(pipeline, file_id, waiting);
    }
    demandEqual(
      (await findById(pipeline, fileId))?.description,
      'creation',
      'The description whose update is not committed',
    );
    demandEqual(await findById(pipeline, added.file_id), undefined, 'The file whose registration is not committed');
  }
  evidence.others = OTHERS;
  const answers = await Promise.all(held);
  const committed = [
    (await registered(pipeline, fileId)).description === 'held',
    (await pipeline.registryFile(added.file_id)).status === 200,
  ];
  // A client that gave up waiting for its commit may have rolled back: then there is nothing to publish.
  evidence.held = answers.filter(({ outcome }, i) => outcome === 'ok' || committed[i]).length;
  if (evidence.held < held.length) return;
  // An update behind it: the event of the held one is not made up for by a later look at the registry's state.
  await updateDescription(pipeline, fileId, 'after');
  await awaitById(pipeline, fileId, 'the update after the held one', (hit) => hit?.description === 'after', waiting);
  await awaitById(pipeline, added.file_id, 'the held registration', (hit) => hit?.description === 'creation', waiting);
  demandInOrder(await awaitChange(t, fileId, before, 'after'), ['creation', 'held', 'after']);
  demandInOrder(await awaitChange(t, added.file_id, before, 'creation'), ['creation']);
}

const PARALLEL = 50;
const ROUNDS = 3;

/** Updates one file many times at once: what was committed in one order must be on the stream in the same. */
async function updatesInOrder(t: CaseContext, provoke: () => Promise<Fault | undefined>): Promise<void> {
  const { pipeline, redis, evidence, unique } = t;
  const before = await lastEventId(redis);
  const { file_id } = await registerPlain(pipeline, `${unique}.txt`, CREATION);
  await awaitChange(t, file_id, before, 'creation');
  const committed: RegistryFile[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await using _fault = await provoke();
    const descriptions = Array.from({ length: PARALLEL }, (_, i) => `round ${round} update ${i}`);
    const answers = await Promise.all(descriptions.map((description) => pipeline.update(file_id, { description })));
    // So many at once may be too many for a busy target: those that it refused are not judged.
    for (const { outcome, body } of answers) {
      if (outcome === 'ok') committed.push(conforms(registryFileSchema, body, 'The answer to an update'));
    }
  }
  const { description } = await registered(pipeline, file_id);
  const entries = await awaitChange(t, file_id, before, description ?? '', RECOVERED_MS);
  demandEqual(entries.map(changeOf).at(-1), description, 'The last event on the stream, against the registry');
  demandInOrder(entries, inCommitOrder(committed));
  evidence.updates = committed.length;
}

/** Without versions only the last is known: a later commit can carry an earlier time. */
function inCommitOrder(files: readonly RegistryFile[]): string[] {
  const versioned = files.filter((file): file is RegistryFile & { version: number } => file.version !== undefined);
  return versioned.toSorted((a, b) => a.version - b.version).map(({ description }) => description ?? '');
}
