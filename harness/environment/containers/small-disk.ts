import { BALLAST_FILE, type Disk, SMALL_DISK_BYTES } from '../disk.ts';
import { ENVIRONMENT_LABEL, type Engine } from './engine.ts';

const FOLDER = '/disk';

/** A small disk that containers can share by the name of a volume. */
export interface DiskVolume extends Disk {
  volume: string;
}

/**
 * Makes a volume in memory, and a container that does nothing but keep it: the daemon empties such a volume when the last
 * container that uses it ends. Both carry the environment's label, and go with its containers.
 * @param image of the keeper; it has `cat`, `rm` and a shell
 */
export async function createSmallDisk(engine: Engine, environmentId: string, image: string): Promise<DiskVolume> {
  const { dockerode } = engine.container;
  const labels = { [ENVIRONMENT_LABEL]: environmentId };
  const volume = `syncproof-${environmentId}-postgres`;
  // As open as /tmp: PostgreSQL is another user in each image.
  const options = { type: 'tmpfs', device: 'tmpfs', o: `size=${SMALL_DISK_BYTES},mode=1777` };
  await dockerode.createVolume({ Name: volume, Driver: 'local', DriverOpts: options, Labels: labels });
  const keeper = await dockerode.createContainer({
    name: `${volume}-disk`,
    Image: image,
    Labels: labels,
    // Waits for input that nobody gives it.
    Entrypoint: ['cat'],
    Cmd: [],
    OpenStdin: true,
    Healthcheck: { Test: ['NONE'] },
    HostConfig: { Binds: [`${volume}:${FOLDER}`], NetworkMode: 'none' },
  });
  await keeper.start();
  const shell = async (script: string): Promise<void> => {
    const { output, exitCode } = await engine.container.exec(keeper, ['sh', '-c', script]);
    if (exitCode !== 0) throw new Error(`${script}: ${output.trim()}`);
  };
  return {
    volume,
    fill: () => shell(`! cat /dev/zero >> ${FOLDER}/${BALLAST_FILE}`),
    relieve: () => shell(`rm -f ${FOLDER}/${BALLAST_FILE}`),
  };
}
