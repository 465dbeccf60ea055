import type { Answer, PipelineClient } from '../clients/pipeline.ts';
import type { ServiceName } from '../contract/names.ts';
import { pollUntil } from '../core/poll.ts';

/** The `cache` field of query's readiness: `ok`, `degraded`, or undefined when the answer has none. */
export function cacheOf({ body }: Answer): string | undefined {
  return typeof body === 'object' && body !== null && 'cache' in body ? String(body.cache) : undefined;
}

/**
 * Polls `/health/ready` of a service until `accept` likes an answer.
 * @throws DeadlineError with the last answer
 */
export function awaitReadiness(
  pipeline: PipelineClient,
  service: ServiceName,
  what: string,
  accept: (answer: Answer) => boolean,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
): Promise<Answer> {
  return pollUntil(
    async () => {
      const answer = await pipeline.ready(service, { recorded: false, timeoutMs: 2000 });
      if (accept(answer)) return answer;
      throw new Error(
        `${service} is ${answer.status ?? answer.error ?? answer.outcome}, cache ${cacheOf(answer) ?? 'unknown'}`,
      );
    },
    { what, timeoutMs, intervalMsMax: 100, ...(signal === undefined ? {} : { signal }) },
  );
}
