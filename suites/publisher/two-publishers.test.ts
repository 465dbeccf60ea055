import { setInterval } from 'node:timers/promises';
import { awaitReadiness, type PipelineClient } from '../../harness/index.ts';
import type { RegistryFile } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { clientOf } from '../runner/client.ts';
import { suite } from '../runner/suite.ts';
import { eventually } from '../steps/eventually.ts';
import { ChangingFile } from '../steps/publishing.ts';
import { registerPlain } from '../steps/registrations.ts';
import { awaitSearchable } from '../steps/steps.ts';
import { demandEqual } from '../steps/violation.ts';
import { PUBLISHER } from './requirements.ts';

const verify = suite(PUBLISHER);

verify(
  'PUB-06/killed',
  'Of two publishers each is killed in turn: the other takes over, nothing is lost or out of order.',
  killsEachInTurn,
);
verify(
  'PUB-06/paused',
  'A publisher stops with events in hand, is replaced, and continues: nothing is lost or out of order.',
  pausesOneWithEvents,
);
verify(
  'PUB-07',
  'A notification is only a hint: without one, an event waits for the next poll and no longer.',
  needsNoHint,
);

/** A publishing instance that is killed or suspended is replaced within this time. */
const TAKE_OVER_MS = 15_000;
const UPDATES = 10;

async function killsEachInTurn(t: CaseContext): Promise<void> {
  const { env, pipeline, recorder, faults, evidence, signal } = t;
  await using second = await env.startInstance('admin');
  await using other = clientOf(env, { recorder, urls: { admin: second.url } });
  const file = await ChangingFile.register(t, 'killed');
  const updateBy = async (...admins: readonly PipelineClient[]): Promise<void> => {
    for (let i = 0; i < UPDATES; i++) await file.update(admins[i % admins.length]);
  };
  await updateBy(pipeline, other);
  demandEqual(await file.published(), 1, 'Copies of an event while two instances run without a fault');
  // Whichever of them publishes: each is killed once.
  {
    await using _first = await faults.admin.kill();
    await updateBy(other);
    await file.published(TAKE_OVER_MS);
  }
  const what = 'admin ready after its restart';
  const isReady = ({ status }: { status?: number }): boolean => status === 200;
  await eventually(what, awaitReadiness(pipeline, 'admin', what, isReady, { timeoutMs: TAKE_OVER_MS, signal }));
  await updateBy(pipeline, other);
  await using _second = await faults.of(second).kill();
  await updateBy(pipeline);
  evidence.copiesMost = await file.published(TAKE_OVER_MS);
  evidence.changes = file.changes;
}

const FILES = 4;
const WRITE_EVERY_MS = 50;
/** Long enough for an answer of the database to be in flight to the publisher at any moment. */
const WIRE_MS = 100;
/** Of each file, before the publisher is suspended and again while it is. */
const CHANGES = 5;

async function pausesOneWithEvents(t: CaseContext): Promise<void> {
  const { env, pipeline, recorder, faults, evidence } = t;
  await using second = await env.startInstance('admin');
  await using other = clientOf(env, { recorder, urls: { admin: second.url } });
  const files = await Promise.all(Array.from({ length: FILES }, (_, i) => ChangingFile.register(t, `paused-${i}`)));
  const done = new AbortController();
  const writing = Promise.all(files.map((file) => keepUpdating(t, file, other, done.signal)));
  await moreChanges(t, files, writing);
  await using far = await faults.network.delay({ client: 'admin', server: 'postgres', ms: WIRE_MS });
  await moreChanges(t, files, writing);
  // It stops with events in hand: read and not sent yet, or on their way to it.
  await using paused = await faults.admin.pause();
  await far.heal();
  await moreChanges(t, files, writing);
  done.abort();
  await writing;
  for (const file of files) await file.published(TAKE_OVER_MS);
  // What it has in hand is old by now: others have published it, and more.
  await paused.heal();
  for (const file of files) await file.update(pipeline);
  for (const file of files) await file.published();
  evidence.changes = files.reduce((sum, { changes }) => sum + changes, 0);
}

async function keepUpdating(
  { signal }: CaseContext,
  file: ChangingFile,
  admin: PipelineClient,
  done: AbortSignal,
): Promise<void> {
  for await (const _tick of setInterval(WRITE_EVERY_MS, undefined, { signal })) {
    if (done.aborted) return;
    await file.update(admin);
  }
}

/** Waits until each file has some changes more; an update that fails ends the wait. */
async function moreChanges({ env, signal }: CaseContext, files: readonly ChangingFile[], writing: Promise<unknown>) {
  const enough = files.map((file) => file.changes + CHANGES);
  const what = `${CHANGES} more updates of each of ${files.length} files`;
  const probe = (): true | undefined =>
    files.every(({ changes }, i) => changes >= (enough[i] ?? 0)) ? true : undefined;
  const changed = eventually(what, probe, { timeoutMs: 2 * env.limits.syncMs, signal });
  await Promise.race([changed, writing]);
}

const HINTED_FILES = 3;

async function needsNoHint(t: CaseContext): Promise<void> {
  const { env, pipeline, recorder, faults, evidence, unique, signal } = t;
  await using second = await env.startInstance('admin');
  await using other = clientOf(env, { recorder, urls: { admin: second.url } });
  evidence.files = 0;
  await using _terminated = await faults.backends.terminate('admin');
  // Whichever of them publishes, the other's writes come without a word within the process.
  for (const [who, admin] of Object.entries({ second: other, first: pipeline })) {
    for (let i = 0; i < HINTED_FILES; i++) {
      const { file_id } = await registerSoon(t, admin, `${unique}-${who}-${i}.txt`);
      await awaitSearchable(pipeline, file_id, { timeoutMs: env.limits.syncMs, signal });
      evidence.files++;
    }
  }
}

/** Right after its connections were ended an instance may refuse a write or two. */
function registerSoon({ env, signal }: CaseContext, admin: PipelineClient, filename: string): Promise<RegistryFile> {
  const what = `a registration of ${filename}`;
  const probe = (): Promise<RegistryFile> => registerPlain(admin, filename);
  return eventually(what, probe, { timeoutMs: env.limits.syncMs, signal });
}
