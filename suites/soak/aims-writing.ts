import type { PipelineClient } from '../../harness/index.ts';
import { awaitAllAlike } from '../steps/alike.ts';
import { awaitEvents, lastEventId } from '../steps/events.ts';
import { publishSome } from '../steps/publishing.ts';
import { plainRegistration, updateDescription } from '../steps/registrations.ts';
import {
  ANSWER_MS_MAX,
  demandWholeOrNothing,
  killIngesterRegistering,
  killIngesterUploading,
  sendHalf,
} from '../steps/uploads.ts';
import { demand } from '../steps/violation.ts';
import { type Aim, type Aiming, SOON_MS, stopDuring } from './aim.ts';

/** Steps 1 and 2: bytes flow through the ingester to storage, then the ingester registers the file. */
export const UPLOADING_AIMS = {
  'ingester-killed-uploading': { needs: ['upload', 'download', 'stop ingester'], act: ingesterKilledUploading },
  'ingester-stopped-uploading': { needs: ['upload', 'download', 'stop ingester'], act: ingesterStoppedUploading },
  'storage-killed-storing': { needs: ['upload', 'download', 'stop storage'], act: storageKilledStoring },
  'ingester-killed-registering': {
    needs: ['upload', 'download', 'stop ingester', 'registry'],
    act: ingesterKilledRegistering,
  },
  'ingester-stopped-registering': {
    needs: ['upload', 'download', 'stop ingester', 'registry'],
    act: ingesterStoppedRegistering,
  },
} as const satisfies Record<string, Aim>;

/** The ingester dies while it is being sent a body. */
async function ingesterKilledUploading(t: Aiming): Promise<void> {
  const half = await killIngesterUploading(t);
  const happened = await demandWholeOrNothing(t, half, SOON_MS);
  demand(!happened, `${half.filename} is found, although only half of it was sent`);
}

/** The ingester is stopped (SIGTERM) while it receives a body: it takes the rest, or refuses it. */
async function ingesterStoppedUploading(t: Aiming): Promise<void> {
  using half = await sendHalf(t, 'half');
  let answer: number | string = 'never sent';
  await stopDuring(t, 'ingester', async () => {
    answer = await half.finish();
  });
  demandAnswer(await demandWholeOrNothing(t, half, SOON_MS), answer, half.filename);
}

/** Storage dies while it is being sent bytes. */
async function storageKilledStoring(t: Aiming): Promise<void> {
  using half = await sendHalf(t, 'half');
  let answer: number | string;
  {
    await using _killed = await t.faults.storage.kill();
    answer = await half.finish();
  }
  demand(answer !== 201, `${half.filename} was accepted although storage was killed while it received the bytes`);
  const happened = await demandWholeOrNothing(t, half, SOON_MS);
  demand(!happened, `${half.filename} is found although storage was killed while it received the bytes`);
}

/** The bytes are stored, the registration hangs at its COMMIT, and the ingester dies. */
async function ingesterKilledRegistering(t: Aiming): Promise<void> {
  await demandWholeOrNothing(t, await killIngesterRegistering(t), SOON_MS);
}

/** The same, and the ingester is stopped (SIGTERM): it waits for the registration, and answers. */
async function ingesterStoppedRegistering(t: Aiming): Promise<void> {
  const { pipeline, faults, unique } = t;
  const input = { filename: `${unique}-registering.txt`, content: Buffer.from(unique) };
  let uploading: ReturnType<PipelineClient['upload']> | undefined;
  const cause = () => (uploading = pipeline.upload(input, { timeoutMs: ANSWER_MS_MAX }));
  {
    await using gate = await faults.registry.holdCommits({ filenamePrefix: input.filename, cause });
    await stopDuring(t, 'ingester', async () => {
      await gate.heal();
      await uploading;
    });
  }
  const { status, outcome = 'never sent', error } = (await uploading) ?? {};
  const happened = await demandWholeOrNothing(t, input, SOON_MS);
  demandAnswer(happened, status ?? `${outcome} ${error}`, input.filename);
}

/** @throws Violation unless an upload in progress was answered, and what was accepted is there */
function demandAnswer(happened: boolean, answer: number | string, filename: string): void {
  demand(typeof answer === 'number', `${filename}, in progress when the ingester was stopped (SIGTERM): ${answer}`);
  demand(happened || answer !== 201, `${filename} was accepted while the ingester ended, and is not there`);
}

/** Steps 3 and 4: admin writes the file and its event, and commits. */
export const COMMITTING_AIMS = {
  'commit-held': { needs: ['redis', 'registry'], act: commitHeld },
  'clock-stepped-back': { needs: ['registry'], act: clockSteppedBack },
  'admin-killed-committing': { needs: ['redis', 'registry', 'stop admin'], act: adminKilledCommitting },
  'admin-stopped-committing': { needs: ['redis', 'registry', 'stop admin'], act: adminStoppedCommitting },
} as const satisfies Record<string, Aim>;

type Answer = Awaited<ReturnType<PipelineClient['register']>>;

/** A registration that will hang at its COMMIT. */
function heldRegistration({ pipeline, unique }: Aiming) {
  const late = plainRegistration(`${unique}-late.txt`);
  let registering: Promise<Answer> | undefined;
  return {
    fileId: late.file_id,
    choice: {
      filenamePrefix: late.original_filename,
      cause: (): Promise<Answer> => (registering = pipeline.register({ ...late })),
    },
    answer: async () => registering,
  };
}

/** A registration whose commit hung is published and found, or has not happened. */
async function demandDone(t: Aiming, fileId: string, before: string): Promise<void> {
  // A client that gave up waiting for its commit may have rolled back: then there is nothing to publish.
  if ((await t.pipeline.registryFile(fileId)).status === 200) {
    // Its own event, not what a later comparison with the registry makes of it.
    await awaitEvents(t, fileId, before, 1);
  }
  await awaitAllAlike(t, [fileId], SOON_MS);
}

/** A transaction commits after others that began later: its event has a lower number than what is long published. */
async function commitHeld(t: Aiming): Promise<void> {
  const before = await lastEventId(t.redis);
  const held = heldRegistration(t);
  {
    await using _gate = await t.faults.registry.holdCommits(held.choice);
    const { fileIds } = await publishSome(t, 'passing', 3);
    await awaitAllAlike(t, fileIds, SOON_MS);
  }
  await held.answer();
  await demandDone(t, held.fileId, before);
}

/**
 * Admin is killed with a COMMIT in progress, which PostgreSQL executes once admin runs again and has published more.
 */
async function adminKilledCommitting(t: Aiming): Promise<void> {
  const before = await lastEventId(t.redis);
  const held = heldRegistration(t);
  {
    await using _gate = await t.faults.registry.holdCommits(held.choice);
    {
      await using _killed = await t.faults.admin.kill();
    }
    const { fileIds } = await publishSome(t, 'passing', 2);
    await awaitAllAlike(t, fileIds, SOON_MS);
  }
  await held.answer();
  await demandDone(t, held.fileId, before);
}

/** Admin is stopped (SIGTERM) with a COMMIT in progress: the client that waits for it is answered. */
async function adminStoppedCommitting(t: Aiming): Promise<void> {
  const before = await lastEventId(t.redis);
  const held = heldRegistration(t);
  let answer: Answer | undefined;
  {
    await using gate = await t.faults.registry.holdCommits(held.choice);
    await stopDuring(t, 'admin', async () => {
      await gate.heal();
      answer = await held.answer();
    });
  }
  const { status, outcome = 'never sent', error } = answer ?? {};
  const what = `A registration (${held.fileId}) in progress when admin was stopped (SIGTERM)`;
  demand(status !== undefined, `${what} was not answered: ${outcome} ${error}`);
  if (status === 201) await awaitEvents(t, held.fileId, before, 1);
  await demandDone(t, held.fileId, before);
}

/** A file is written while the registry's clock is ahead, and changed once it is right again. */
async function clockSteppedBack(t: Aiming): Promise<void> {
  const { pipeline, faults, unique } = t;
  const filename = `${unique}-ahead.txt`;
  const ahead = plainRegistration(filename);
  let registering: Promise<unknown> = Promise.resolve();
  const cause = async (): Promise<unknown> => {
    registering = pipeline.register({ ...ahead });
    return registering;
  };
  {
    await using _clock = await faults.registry.clockAhead({ filenamePrefix: filename, cause });
    await registering;
    await awaitAllAlike(t, [ahead.file_id], SOON_MS);
  }
  await updateDescription(pipeline, ahead.file_id, 'after the clock was set right');
  await awaitAllAlike(t, [ahead.file_id], SOON_MS);
}
