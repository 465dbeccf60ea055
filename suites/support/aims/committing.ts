import type { PipelineClient } from '../../../harness/index.ts';
import { awaitAllAlike } from '../alike.ts';
import { awaitEvents, lastEventId } from '../events.ts';
import { publishSome } from '../published.ts';
import { plainRegistration, updateDescription } from '../registrations.ts';
import { demand } from '../violation.ts';
import { type Aim, type Aiming, SOON_MS, stopDuring } from './aim.ts';

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
  // Whoever gave up waiting for its commit may have rolled back: then there is nothing to publish.
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

/** Admin dies with a COMMIT under way, which PostgreSQL carries out once admin is back and has published others. */
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

/** Admin is asked to end with a COMMIT under way: whoever waits for it is answered. */
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
  const what = `A registration (${held.fileId}) under way when admin was asked to end`;
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
