import { randomUUID } from 'node:crypto';
import type { Fault } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { eventually } from '../steps/eventually.ts';
import { demandInSync } from '../steps/in-sync.ts';
import { publishSome } from '../steps/publishing.ts';
import { awaitSomebodyWaiting, lockReadModel } from '../steps/read-model.ts';
import { demand } from '../steps/violation.ts';
import { POSTGRES_OUTAGE } from './requirements.ts';
import { ANSWERED_MS, AT_ONCE, bearsDatabaseOutage, CONVERGE_MS, HANGS_FOR_MS, openConnections } from './steps.ts';

const verify = suite(POSTGRES_OUTAGE);

verify(
  'RES-08/killed',
  'PostgreSQL is killed: requests are answered, nothing crashes, no event is given up, all recovers.',
  (t) => bearsDatabaseOutage(t, { provoke: ({ faults }) => faults.postgres.kill(), faultMs: 4000, mayFail }),
);
verify(
  'RES-08/disk-full',
  'PostgreSQL’s disk is full: writes are answered, searches are unaffected, no event is given up, all recovers.',
  bearsFullDisk,
  { environment: { postgresDisk: 'small' } },
);
verify(
  'RES-08/paused',
  'PostgreSQL is suspended (SIGSTOP): requests are answered, nothing crashes, no event is given up, all recovers.',
  (t) => bearsDatabaseOutage(t, { provoke: ({ faults }) => faults.postgres.pause(), faultMs: HANGS_FOR_MS, mayFail }),
);
verify(
  'RES-08/admin-terminated',
  'Every connection of admin to PostgreSQL is terminated: searches are unaffected, all recovers.',
  (t) =>
    bearsDatabaseOutage(t, {
      provoke: terminateManyOfAdmin,
      faultMs: AFTERMATH_MS,
      mayFail: ['writes'],
    }),
);
verify(
  'RES-08/query-terminated',
  'Every connection of query to PostgreSQL is terminated in the middle of a write: uploads are unaffected, all recovers.',
  (t) =>
    bearsDatabaseOutage(t, {
      provoke: () => whileItWrites(t, () => t.faults.backends.terminate('query')),
      faultMs: AFTERMATH_MS,
      mayFail: ['searches'],
    }),
);
verify(
  'RES-08/query-refused',
  'Connections of query to PostgreSQL are reset in the middle of a write, and refused: uploads are unaffected, all recovers.',
  (t) =>
    bearsDatabaseOutage(t, {
      provoke: () => whileItWrites(t, () => t.faults.network.refuse({ client: 'query', server: 'postgres' })),
      faultMs: REFUSED_MS,
      mayFail: ['searches'],
    }),
);
verify(
  'RES-08/admin-forgotten',
  'Every connection of admin to PostgreSQL is half-open, and new ones are established: one request pays for it, not each.',
  (t) =>
    getsOverForgotten(t, 'admin', '/api/v1/files?page_size=1', () =>
      t.faults.network.forget({ client: 'admin', server: 'postgres' }),
    ),
);
verify(
  'RES-08/query-forgotten',
  'Every connection of query to PostgreSQL is half-open, and new ones are established: one request pays for it, not each.',
  (t) =>
    getsOverForgotten(t, 'query', `/api/search/${randomUUID()}`, () =>
      t.faults.network.forget({ client: 'query', server: 'postgres' }),
    ),
);
verify(
  'RES-08/admin-stopped',
  'The backends of admin are suspended (SIGSTOP): writes are answered, searches are unaffected, all recovers.',
  (t) => bearsDatabaseOutage(t, OUTAGES.admin),
);
verify(
  'RES-08/query-stopped',
  'The backends of query are suspended (SIGSTOP): searches are answered, uploads are unaffected, all recovers.',
  (t) => bearsDatabaseOutage(t, OUTAGES.query),
);

const mayFail = ['writes', 'searches'] as const;
const FULL_MS = 5000;
/** More than the read model has room for in the pages that it has. */
const WAITING = 60;

async function bearsFullDisk(t: CaseContext): Promise<void> {
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
}

/** Events are on the stream when the disk is full, and have not been read: their consumer has no room for them. */
async function whileEventsWait(t: CaseContext, waiting: string[]): Promise<Fault> {
  const { faults, evidence } = t;
  await using _away = await faults.network.refuse({ client: 'query', server: 'redis' });
  waiting.push(...(await publishSome(t, 'waiting', WAITING)).fileIds);
  evidence.waiting = waiting.length;
  return await faults.postgres.fillDisk();
}

/** It is over at once; this long is looked at what it left behind. */
const AFTERMATH_MS = 3000;
const REFUSED_MS = 4000;

/** One request after the other, as on a quiet day: each may meet another half-open connection. */
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
  const what = 'an answer after the connections to PostgreSQL became half-open';
  await eventually(what, answeredWell, { timeoutMs: ANSWERED_MS, signal });
  const bad = (await Promise.all(Array.from({ length: AT_ONCE }, ask))).find((answer) => !isWell(answer));
  demand(
    bad === undefined,
    () => `After ${failed} failures and a success, another answer was ${bad?.status} ${bad?.error}`,
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

const OUTAGES = {
  admin: { provoke: (t: CaseContext) => stopBackends(t, 'admin'), faultMs: HANGS_FOR_MS, mayFail: ['writes'] },
  query: { provoke: (t: CaseContext) => stopBackends(t, 'query'), faultMs: HANGS_FOR_MS, mayFail: ['searches'] },
} as const;

async function stopBackends(t: CaseContext, user: 'admin' | 'query'): Promise<Fault> {
  await openConnections(t, user);
  return t.faults.backends.stop(user);
}
