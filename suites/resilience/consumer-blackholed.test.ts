import { awaitReadiness, cacheOf, startOpenLoop } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { demandInSync, uploadSynced } from '../support/in-sync.ts';
import { awaitMarker } from '../support/marker.ts';
import { births, demandSameProcesses } from '../support/processes.ts';
import { demandAllVisible, outage } from '../support/redis-outage.ts';
import { upload } from '../support/steps.ts';
import { suite } from '../support/suite.ts';
import { promised } from '../support/violation.ts';

const verify = suite();
const WIRE = { client: 'query', server: 'redis' } as const;

/** After the connections were forgotten; over a while, so that one that is found by chance does not stand for all. */
const UPLOADS = 8;
const UPLOADS_PER_SECOND = 3;
const DETECTED_MS = 10_000;
const RESUMES_MS = 10_000;
/** Longer than any sensible blocking read: one that began before the fault must not outlast it. */
const BLACKHOLED_MS = 6000;

verify('RES-06/both', (t) => noticesAndResumes(t));
verify('RES-06/requests', (t) => noticesAndResumes(t, 'requests'));
verify('RES-06/replies', (t) => noticesAndResumes(t, 'replies'));

// Nothing ends such a connection: a read that waits on it waits for ever, unless something else gives it up.
verify('RES-06/forgotten', async (t) => {
  const { pipeline, recorder, faults, evidence, unique, signal } = t;
  const before = await births(t);
  const created = await uploadSynced(t, 3, 'before');
  await using forgotten = await faults.network.forget(WIRE);
  evidence.witness = forgotten.witness;
  const uploading = startOpenLoop({
    recorder,
    ratePerSecond: UPLOADS_PER_SECOND,
    count: UPLOADS,
    signal,
    act: async (index) => {
      const filename = `${unique}-after-${index}.txt`;
      created.push((await upload(pipeline, { filename, content: Buffer.from(filename) })).file_id);
    },
  });
  await uploading.done;
  evidence.uploadsAfter = UPLOADS;
  const what = 'What was uploaded after the connections were forgotten, searchable';
  await demandInSync(t, { created, updated: [], deleted: [] }, { timeoutMs: RESUMES_MS, what });
  await demandSameProcesses(t, before);
});

async function noticesAndResumes(t: CaseContext, only?: 'requests' | 'replies'): Promise<void> {
  const before = await births(t);
  const result = await outage(t, {
    provoke: ({ faults }) => faults.network.blackhole({ ...WIRE, ...(only === undefined ? {} : { only }) }),
    uploadsPerSecond: 4,
    faultMs: BLACKHOLED_MS,
    convergeMs: RESUMES_MS,
    during: async () => {
      const what = 'Readiness of query not saying that all is well';
      const noticed = awaitReadiness(
        t.pipeline,
        'query',
        what,
        (answer) => answer.status !== undefined && (answer.status !== 200 || cacheOf(answer) === 'degraded'),
        { timeoutMs: DETECTED_MS, signal: t.signal },
      );
      await promised(what, noticed);
    },
  });
  demandAllVisible(result, RESUMES_MS);
  await demandSameProcesses(t, before);
  await awaitMarker(t, 'after it was over');
}
