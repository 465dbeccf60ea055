import type { PipelineClient } from '../../../harness/index.ts';
import {
  ANSWER_MS_MAX,
  demandWholeOrNothing,
  killIngesterRegistering,
  killIngesterUploading,
  sendHalf,
} from '../interrupted-upload.ts';
import { demand } from '../violation.ts';
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
  demand(!happened, `${half.filename} is found, of which only one half was sent`);
}

/** The ingester is asked to end while it is being sent a body: it takes the rest, or says that it does not. */
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
  demand(answer !== 201, `${half.filename} was accepted although storage died while it was being sent the bytes`);
  const happened = await demandWholeOrNothing(t, half, SOON_MS);
  demand(!happened, `${half.filename} is found although storage died while it was being sent the bytes`);
}

/** The bytes are stored, the registration hangs at its COMMIT, and the ingester dies. */
async function ingesterKilledRegistering(t: Aiming): Promise<void> {
  await demandWholeOrNothing(t, await killIngesterRegistering(t), SOON_MS);
}

/** The same, and the ingester is asked to end: it waits for the registration, and answers. */
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

/** @throws Violation unless an upload that was under way was answered, and what was accepted is there */
function demandAnswer(happened: boolean, answer: number | string, filename: string): void {
  demand(typeof answer === 'number', `${filename}, under way when the ingester was asked to end: ${answer}`);
  demand(happened || answer !== 201, `${filename} was accepted while the ingester ended, and is not there`);
}
