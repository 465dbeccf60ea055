import type { Fault } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { demandInSync } from '../support/in-sync.ts';
import { bearsDatabaseOutage, CONVERGE_MS } from '../support/postgres-outage.ts';
import { publishSome } from '../support/published.ts';
import { suite } from '../support/suite.ts';

const verify = suite({ postgresDisk: 'small' });

const FULL_MS = 5000;
/** More than the read model has room for in the pages that it has. */
const WAITING = 60;

verify('RES-08/disk-full', async (t) => {
  const waiting: string[] = [];
  await bearsDatabaseOutage(t, {
    provoke: () => whileEventsWait(t, waiting),
    faultMs: FULL_MS,
    mayFail: ['writes'],
  });
  await demandInSync(
    t,
    { created: waiting, updated: [], deleted: [] },
    { timeoutMs: CONVERGE_MS, what: 'What waited on the stream while the disk was full visible' },
  );
});

/** Events are on the stream when the disk is full, and have not been read: whoever reads them has no room for them. */
async function whileEventsWait(t: CaseContext, waiting: string[]): Promise<Fault> {
  const { faults, evidence } = t;
  await using _away = await faults.network.refuse({ client: 'query', server: 'redis' });
  waiting.push(...(await publishSome(t, 'waiting', WAITING)).fileIds);
  evidence.waiting = waiting.length;
  return await faults.postgres.fillDisk();
}
