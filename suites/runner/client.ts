import {
  createPipelineClient,
  type Environment,
  type PipelineClient,
  type Recorder,
  readHistory,
} from '../../harness/index.ts';
import type { Role } from '../../services/contract/http.ts';
import type { ServiceName } from '../../services/contract/names.ts';

interface ClientOptions {
  recorder: Recorder;
  /** Default ADMIN. */
  role?: Role;
  /** Bound of each request. */
  timeoutMs?: number;
  /** Other addresses than the pipeline's own: those of a further instance. */
  urls?: Partial<Record<ServiceName, string>>;
}

/** A client of the pipeline, by whatever way its target file says. */
export function clientOf(env: Environment, { urls, ...options }: ClientOptions): PipelineClient {
  return createPipelineClient({
    urls: { ...env.urls, ...urls },
    accounts: env.accounts,
    ...(env.drivers === undefined ? {} : { drivers: env.drivers }),
    ...options,
  });
}

/**
 * Ids of the files whose upload or registration a case saw accepted, each once, from the history's file; not those of an
 * earlier try, which had an environment of its own.
 * @param since run time at which the try began, in ms
 */
export async function createdIn(historyPath: string, key: string, since: number): Promise<string[]> {
  const created = new Set<string>();
  for await (const record of readHistory(historyPath)) {
    if (record.type !== 'ok' || record.case !== key || record.at < since || record.fileId === undefined) continue;
    if (record.kind === 'upload' || record.kind === 'register') created.add(record.fileId);
  }
  return [...created];
}
