import { createPipelineClient, type PipelineClient } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';

type Instance = Awaited<ReturnType<CaseContext['env']['startInstance']>>;

/** A client that talks to this instance of its service, and to the others as the case's own client does. */
export function clientOf({ env, recorder }: CaseContext, { service, url }: Instance): PipelineClient {
  return createPipelineClient({ urls: { ...env.urls, [service]: url }, accounts: env.accounts, recorder });
}
