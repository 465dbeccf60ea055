import type { Fault } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { bearsDatabaseOutage, HANGS_FOR_MS, openConnections } from '../support/postgres-outage.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

const OUTAGES = {
  admin: { provoke: (t: CaseContext) => stopBackends(t, 'admin'), faultMs: HANGS_FOR_MS, mayFail: ['writes'] },
  query: { provoke: (t: CaseContext) => stopBackends(t, 'query'), faultMs: HANGS_FOR_MS, mayFail: ['searches'] },
} as const;

verify('RES-08/admin-stopped', (t) => bearsDatabaseOutage(t, OUTAGES.admin));
verify('RES-08/query-stopped', (t) => bearsDatabaseOutage(t, OUTAGES.query));

async function stopBackends(t: CaseContext, user: 'admin' | 'query'): Promise<Fault> {
  await openConnections(t, user);
  return t.faults.backends.stop(user);
}
