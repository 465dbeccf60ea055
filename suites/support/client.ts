import type { Role } from '../../harness/contract/http.ts';
import type { ServiceName } from '../../harness/contract/names.ts';
import { createPipelineClient, type Environment, type PipelineClient, type Recorder } from '../../harness/index.ts';

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
