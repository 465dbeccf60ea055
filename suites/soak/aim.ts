import type { Capability } from '../../harness/config/capabilities.ts';
import type { Fault, Instance, PipelineClient } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import type { StreamEntry } from '../steps/events.ts';
import { awaitEnding } from '../steps/services.ts';

/** A soak's own context; names are the aim's own. Further instances are there where the target can start some. */
export interface Aiming extends CaseContext {
  otherAdmin: PipelineClient | undefined;
  otherQuery: PipelineClient | undefined;
  /** The further instances themselves. */
  instances: readonly Instance[];
}

/** What breaks one step of the write path, drives a few files through it, and demands what must come of them. */
export interface Aim {
  needs: readonly Capability[];
  /** @throws Violation naming the file; InconclusiveError when the fault was not seen to be in effect */
  act: (t: Aiming) => Promise<void>;
}

/** No promise of speed: the last round's backlog, and the load beside it, are in the way. */
export const SOON_MS = 15_000;
export const REPAIRED_MS = 30_000;

/** The files that entries of the stream tell of. */
export const filesOf = (entries: readonly StreamEntry[]): string[] => [
  ...new Set(entries.flatMap(({ fields }) => fields.file_id ?? [])),
];

/** How a service ends. */
export type End = 'kill' | 'stop';

/** What is down; disposing starts all of it again. */
export interface Down extends AsyncDisposable {
  heal(): Promise<void>;
}

/** Kills every instance of a service at once: which one publishes or holds something is not visible from outside. */
export async function killAll(
  { faults, instances }: Aiming,
  service: Extract<keyof Aiming['faults'], 'admin' | 'query'>,
): Promise<Down> {
  const all = [faults[service], ...instances.filter((each) => each.service === service).map(faults.of)];
  const kills = await Promise.allSettled(all.map((each) => each.kill()));
  const killed = kills.flatMap((kill): Fault[] => (kill.status === 'fulfilled' ? [kill.value] : []));
  const heal = async (): Promise<void> => {
    await Promise.all(killed.map((each) => each.heal()));
  };
  const failed = kills.find((kill) => kill.status === 'rejected');
  if (failed === undefined) return { heal, [Symbol.asyncDispose]: heal };
  await heal();
  throw failed.reason;
}

/**
 * Asks a service to end (SIGTERM), does something once it is seen to be ending, waits for its end, and starts it again.
 * @throws what `meanwhile` throws, once the service is back
 */
export async function stopDuring(
  t: Aiming,
  service: 'admin' | 'ingester',
  meanwhile: () => Promise<void>,
): Promise<void> {
  const stopping = t.faults[service].stop();
  // Waited for below, whatever happens before.
  stopping.catch(() => {});
  let thrown: { error: unknown } | undefined;
  try {
    await awaitEnding(t, service);
    await meanwhile();
  } catch (error) {
    thrown = { error };
  }
  await (await stopping).heal();
  if (thrown !== undefined) throw thrown.error;
}
