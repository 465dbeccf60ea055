import { randomUUID } from 'node:crypto';
import { type Fault, pollUntil } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { ANSWERED_MS, AT_ONCE, bearsDatabaseOutage, openConnections } from '../support/postgres-outage.ts';
import { awaitSomebodyWaiting, lockReadModel } from '../support/read-model.ts';
import { suite } from '../support/suite.ts';
import { demand, promised } from '../support/violation.ts';

const verify = suite();

/** It is over at once; this long is looked at what it left behind. */
const AFTERMATH_MS = 3000;
const REFUSED_MS = 4000;

verify('RES-08/admin-terminated', (t) =>
  bearsDatabaseOutage(t, {
    provoke: terminateManyOfAdmin,
    faultMs: AFTERMATH_MS,
    mayFail: ['writes'],
  }),
);
verify('RES-08/query-terminated', (t) =>
  bearsDatabaseOutage(t, {
    provoke: () => whileItWrites(t, () => t.faults.backends.terminate('query')),
    faultMs: AFTERMATH_MS,
    mayFail: ['searches'],
  }),
);
verify('RES-08/query-refused', (t) =>
  bearsDatabaseOutage(t, {
    provoke: () => whileItWrites(t, () => t.faults.network.refuse({ client: 'query', server: 'postgres' })),
    faultMs: REFUSED_MS,
    mayFail: ['searches'],
  }),
);

verify('RES-08/admin-forgotten', (t) =>
  getsOverForgotten(t, 'admin', '/api/v1/files?page_size=1', () =>
    t.faults.network.forget({ client: 'admin', server: 'postgres' }),
  ),
);
verify('RES-08/query-forgotten', (t) =>
  getsOverForgotten(t, 'query', `/api/search/${randomUUID()}`, () =>
    t.faults.network.forget({ client: 'query', server: 'postgres' }),
  ),
);

/** One request after the other, as on a quiet day: each may meet another connection that nobody answers on any more. */
async function getsOverForgotten(
  { pipeline, evidence, signal }: CaseContext,
  service: 'admin' | 'query',
  path: string,
  provoke: () => Promise<Fault>,
): Promise<void> {
  const ask = () => pipeline.request(service, 'GET', path, { timeoutMs: ANSWERED_MS });
  const isWell = ({ status }: { status?: number }): boolean => status === 200 || status === 404;
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  await using _forgotten = await provoke();
  let failed = 0;
  const answeredWell = async (): Promise<true | undefined> => {
    const answer = await ask();
    demand(answer.status !== undefined, () => `GET ${path} was not answered within ${ANSWERED_MS} ms: ${answer.error}`);
    if (isWell(answer)) return true;
    failed++;
    throw new Error(`GET ${path} was answered ${answer.status}`);
  };
  const what = 'an answer after the connections to PostgreSQL were forgotten';
  await promised(what, pollUntil(answeredWell, { what, timeoutMs: ANSWERED_MS, signal }));
  const bad = (await Promise.all(Array.from({ length: AT_ONCE }, ask))).find((answer) => !isWell(answer));
  demand(
    bad === undefined,
    () => `After ${failed} failures and a good answer, another one was ${bad?.status} ${bad?.error}`,
  );
  evidence.failed = failed;
}

async function terminateManyOfAdmin(t: CaseContext): Promise<Fault> {
  await openConnections(t, 'admin');
  return t.faults.backends.terminate('admin');
}

/** In the middle of a transaction of the consumer: it waits for the read model's table, which is locked. */
async function whileItWrites(t: CaseContext, provoke: () => Promise<Fault>): Promise<Fault> {
  await openConnections(t, 'query');
  await using _locked = await lockReadModel(t.env);
  await awaitSomebodyWaiting(t, 'the consumer');
  return provoke();
}
