import { versionAnswerSchema } from '../../harness/contract/http.ts';
import { awaitReadiness } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { awaitMarker } from '../support/marker.ts';
import { suite } from '../support/suite.ts';
import { conforms, demandEqual, promised } from '../support/violation.ts';

const verify = suite();

const BACK_MS = 15_000;

verify('HLTH-03/running', async (t) => {
  t.evidence.compared = await demandBuild(t, 'as found');
});

// A stale image comes back with the first restart, whatever was running before.
verify('HLTH-03/restarted', async (t) => {
  const { env, faults, evidence, signal, pipeline } = t;
  evidence.restarted = 0;
  for (const service of env.services) {
    if (!env.capabilities.has(`stop ${service}`)) continue;
    await faults[service].restart();
    const what = `${service} ready after its restart`;
    const isReady = ({ status }: { status?: number }): boolean => status === 200;
    await promised(what, awaitReadiness(pipeline, service, what, isReady, { timeoutMs: BACK_MS, signal }));
    evidence.restarted++;
  }
  evidence.compared = await demandBuild(t, 'after a restart');
  await awaitMarker(t, 'after every service was restarted');
});

/** @returns how many services said that they are what is meant */
async function demandBuild({ env, pipeline }: CaseContext, when: string): Promise<number> {
  let compared = 0;
  for (const service of env.services) {
    const { status, outcome, body } = await pipeline.request(service, 'GET', '/version', { authenticated: false });
    demandEqual(status ?? outcome, 200, `/version of ${service}`);
    const { version, git_sha } = conforms(versionAnswerSchema, body, `/version of ${service}`);
    compared += demandMeant(env.build, { version, gitSha: git_sha }, `/version of ${service} ${when}`) ? 1 : 0;
  }
  return compared;
}

function demandMeant(
  meant: CaseContext['env']['build'],
  said: { version: string; gitSha: string | undefined },
  what: string,
): boolean {
  if (meant.version !== undefined) demandEqual(said.version, meant.version, `${what}: version`);
  if (meant.gitSha !== undefined) demandEqual(said.gitSha, meant.gitSha, `${what}: git_sha`);
  return meant.version !== undefined || meant.gitSha !== undefined;
}
