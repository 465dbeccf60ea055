import { bearsDatabaseOutage, HANGS_FOR_MS } from '../support/postgres-outage.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

const mayFail = ['writes', 'searches'] as const;

verify('RES-08/killed', (t) =>
  bearsDatabaseOutage(t, { provoke: ({ faults }) => faults.postgres.kill(), faultMs: 4000, mayFail }),
);
verify('RES-08/paused', (t) =>
  bearsDatabaseOutage(t, { provoke: ({ faults }) => faults.postgres.pause(), faultMs: HANGS_FOR_MS, mayFail }),
);
