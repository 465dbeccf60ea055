import type { Log } from '../common/log.ts';
import { type EventStream, isReply } from './stream.ts';

/** Consumers of this service are named `query-module-{uuid}`, and so are their connections. */
export const CONSUMER_NAME_PREFIX = 'query-module-';

/**
 * Removes consumers of this service that are gone: they hold nothing, have done nothing for `idleMs`, and the server has
 * no connection of their name. What they held has to be taken over first; whether they hold something is looked at once
 * more, by the server, in the moment of the removal. Should one be alive after all, its next delivery makes it anew.
 */
export async function removeDeadConsumers(stream: EventStream, idleMs: number, log: Log): Promise<void> {
  const { consumer } = stream.names;
  const suspects = (await stream.consumers()).filter(
    ({ name, pending, idleMs: idle }) =>
      name !== consumer && name.startsWith(CONSUMER_NAME_PREFIX) && pending === 0 && idle >= idleMs,
  );
  if (suspects.length === 0) return;
  try {
    const connected = await stream.connectionNames();
    for (const { name } of suspects) {
      if (!connected.has(name) && (await stream.removeIdleConsumer(name)))
        log.info({ name }, 'removed a dead consumer');
    }
  } catch (error) {
    // Without the permission to list connections nobody can be told dead; a few names too many harm nothing.
    if (!isReply(error, 'NOPERM')) throw error;
    log.debug({ err: error }, 'dead consumers are not removed');
  }
}
