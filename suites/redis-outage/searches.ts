import { setTimeout as sleep } from 'node:timers/promises';
import { startOpenLoop } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { uploadSynced } from '../steps/in-sync.ts';
import { watchMachine } from '../steps/machine-share.ts';
import { REDIS_AWAY, type RedisAway } from '../steps/outage.ts';
import { demand } from '../steps/violation.ts';

const FILES = 5;
const SEARCHES_PER_SECOND = 10;
/** Not counting the machine's share. */
const SEARCH_MS_MAX = 2000;
/** How long the load runs in each phase: there is nothing to probe for, only something that must not happen. */
const BEFORE_MS = 1000;
const AWAY_MS = 5000;
/** Reconnecting is no reason to answer late either. */
const AFTER_MS = 1500;

/** RES-11: searches and reads by id at a steady rate, before, during and after an outage of Redis. */
export async function searchesGoOn(t: CaseContext, kind: RedisAway): Promise<void> {
  const { recorder, evidence, signal } = t;
  const files = await uploadSynced(t, FILES, kind);
  const answered = { before: 0, away: 0, after: 0 };
  let phase: keyof typeof answered = 'before';
  const answers: Answered[] = [];
  await using machine = watchMachine(t, ['query']);
  const searching = startOpenLoop({
    recorder,
    ratePerSecond: SEARCHES_PER_SECOND,
    signal,
    act: async (index, intendedAt) => {
      const sentIn = phase;
      const when = `sent ${sentIn === 'away' ? 'while' : sentIn} Redis was ${kind}`;
      answers.push(await ask(t, files, { index, intendedAt, when }));
      answered[sentIn]++;
    },
  });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => searching.stop());
  await sleep(BEFORE_MS, undefined, { signal });
  phase = 'away';
  await using away = await REDIS_AWAY[kind](t);
  evidence.witness = away.witness;
  await sleep(AWAY_MS, undefined, { signal });
  await away.heal();
  phase = 'after';
  await sleep(AFTER_MS, undefined, { signal });
  await searching.stop();
  const { before, away: during, after } = answered;
  Object.assign(evidence, { answersBefore: before, answersAway: during, answersAfter: after });
  evidence.slowestMs = Math.round(Math.max(...answers.map(({ dueAt, endedAt }) => endedAt - dueAt)));
  for (const { what, dueAt, endedAt } of answers) {
    const [tookMs, machineMs] = [endedAt - dueAt, machine.shareMs(dueAt, endedAt)];
    demand(
      tookMs - machineMs <= SEARCH_MS_MAX,
      `${what} took ${tookMs.toFixed(0)} ms, more than ${SEARCH_MS_MAX} ms beyond the ${machineMs.toFixed(0)} ms of calls that need no server`,
    );
  }
}

/** Times are run time. */
interface Answered {
  what: string;
  dueAt: number;
  endedAt: number;
}

/** Turn and turn about a search and a read by id. */
async function ask(
  { pipeline, unique }: CaseContext,
  files: readonly string[],
  { index, intendedAt, when }: { index: number; intendedAt: number; when: string },
): Promise<Answered> {
  const isSearch = index % 2 === 0;
  const answer = isSearch
    ? await pipeline.search({ query: unique, mode: 'partial' }, { intendedAt })
    : await pipeline.searchById(files[index % files.length] ?? '', { intendedAt });
  const what = `A ${isSearch ? 'search' : 'read by id'} ${when}`;
  demand(answer.status === 200, `${what} was answered ${answer.status ?? answer.error}`);
  if (isSearch) {
    const { total_count: found } = answer.body as { total_count?: number };
    demand(found === files.length, `${what} found ${found} of ${files.length} files`);
  }
  return { what, dueAt: intendedAt, endedAt: answer.endedAt };
}
