import { setInterval } from 'node:timers/promises';
import type { ServiceName } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';

const ASK_EVERY_MS = 200;
/** More than that is not excused: a service whose liveness takes longer is not well, whatever the machine does. */
export const SHARE_MS_MAX = 1000;

export interface MachineShare extends AsyncDisposable {
  /** What the machine, not the pipeline, may have added to something that lasted from one moment to another, in ms. */
  shareMs(fromMs: number, untilMs: number): number;
}

/**
 * Asks services for their liveness, which needs no server, side by side with what is timed. A busy machine answers that
 * late, too; a pipeline that waits for a server does not.
 */
export function watchMachine(
  { pipeline, recorder, signal }: Pick<CaseContext, 'pipeline' | 'recorder' | 'signal'>,
  services: readonly ServiceName[],
): MachineShare {
  const calls: { fromMs: number; untilMs: number }[] = [];
  const stopping = new AbortController();
  const under: Promise<void>[] = [];
  const ask = async (service: ServiceName): Promise<void> => {
    const fromMs = recorder.now();
    const { status, endedAt } = await pipeline.live(service);
    if (status === 200) calls.push({ fromMs, untilMs: endedAt });
  };
  const asking = (async () => {
    const ticks = setInterval(ASK_EVERY_MS, undefined, { signal: AbortSignal.any([signal, stopping.signal]) });
    for await (const _tick of ticks) for (const service of services) under.push(ask(service));
  })().catch(() => undefined);
  return {
    shareMs(fromMs, untilMs) {
      const beside = calls.filter((call) => call.fromMs < untilMs && call.untilMs > fromMs);
      return Math.min(SHARE_MS_MAX, Math.max(0, ...beside.map((call) => call.untilMs - call.fromMs)));
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await asking;
      await Promise.allSettled(under);
    },
  };
}
