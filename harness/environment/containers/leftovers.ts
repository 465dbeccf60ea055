import { pollUntil } from '../../core/poll.ts';
import { connectEngine, ENVIRONMENT_LABEL } from './engine.ts';

const REMOVE_TIMEOUT_MS = 30_000;

/**
 * Removes every container of an environment, with the volumes that hold its data, whoever started it.
 * @throws UnreachableError when no Docker daemon answers
 */
export async function removeContainers(environmentId: string): Promise<void> {
  const { dockerode } = (await connectEngine()).container;
  const remove = (id: string): Promise<void> =>
    dockerode
      .getContainer(id)
      .remove({ force: true, v: true })
      .catch((error: { statusCode?: number }) => {
        // Gone already, or just being removed by somebody else: what was wanted.
        if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
      });
  await pollUntil(
    async () => {
      const ids = await containersOf(environmentId);
      await Promise.all(ids.map(remove));
      return ids.length === 0 ? true : undefined;
    },
    { what: `the containers of environment ${environmentId} to be gone`, timeoutMs: REMOVE_TIMEOUT_MS },
  );
  // Those with a name do not go with their containers.
  const { Volumes } = await dockerode.listVolumes({ filters: labelOf(environmentId) });
  for (const { Name } of Volumes ?? []) await dockerode.getVolume(Name).remove();
}

/** Ids of an environment's containers, running or not. */
export async function containersOf(environmentId: string): Promise<string[]> {
  const { dockerode } = (await connectEngine()).container;
  return (await dockerode.listContainers({ all: true, filters: labelOf(environmentId) })).map(({ Id }) => Id);
}

const labelOf = (environmentId: string) => ({ label: [`${ENVIRONMENT_LABEL}=${environmentId}`] });
