import { GenericContainer } from 'testcontainers';
import type { PartLabel } from '../../record/history.ts';
import { ENVIRONMENT_LABEL, type HostAccess } from './engine.ts';

/** Everything needed to create a part's container, again after a wipe. */
export interface PartRecipe {
  environmentId: string;
  /** Names the container, with the environment's id. */
  part: PartLabel;
  image: string;
  command: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** The port it listens on inside … */
  containerPort: number;
  /** … and the one it is published at, the same over restarts. */
  hostPort: number;
  publishOn: readonly string[];
  extraHosts: HostAccess['extraHosts'];
  /** Files put into it before it starts; secrets come this way, never as labels or arguments. */
  files: readonly { content: string; target: string }[];
  folders: readonly { source: string; target: string }[];
  volumes: readonly { name: string; target: string }[];
}

/** Readiness is probed from outside: many images have no shell, which the library's own port check needs. */
const NO_WAIT = {
  waitUntilReady: async () => {},
  withStartupTimeout: () => NO_WAIT,
  isStartupTimeoutSet: () => true,
  getStartupTimeout: () => 0,
};

/** A container of one part; its id is told before it starts. */
export class PartContainer extends GenericContainer {
  readonly #recipe: PartRecipe;
  readonly #onCreated: (id: string) => Promise<void>;

  constructor(recipe: PartRecipe, onCreated: (id: string) => Promise<void>) {
    super(recipe.image);
    this.#recipe = recipe;
    this.#onCreated = onCreated;
    this.withLabels({ [ENVIRONMENT_LABEL]: recipe.environmentId });
    this.withName(`syncproof-${recipe.environmentId}-${recipe.part}`);
    this.withCommand([...recipe.command]);
    this.withEnvironment({ ...recipe.environment });
    this.withExposedPorts({ container: recipe.containerPort, host: recipe.hostPort });
    this.withExtraHosts([...recipe.extraHosts]);
    this.withCopyContentToContainer(recipe.files.map((file) => ({ ...file, mode: 0o644 })));
    this.withCopyDirectoriesToContainer([...recipe.folders]);
    this.withBindMounts(recipe.volumes.map(({ name, target }) => ({ source: name, target })));
    this.withWaitStrategy(NO_WAIT);
    // The harness's own watchdog removes what is left; no further image is needed for that.
    this.withAutoCleanup(false);
  }

  protected override async beforeContainerCreated(): Promise<void> {
    const { containerPort, hostPort, publishOn } = this.#recipe;
    // Only where the harness and other containers look for it, instead of on every interface.
    this.hostConfig.PortBindings = {
      [`${containerPort}/tcp`]: publishOn.map((address) => ({ HostIp: address, HostPort: String(hostPort) })),
    };
    // An image's own health check would only cost processor time: the harness probes for itself.
    this.createOpts.Healthcheck = { Test: ['NONE'] };
  }

  protected override async containerCreated(id: string): Promise<void> {
    await this.#onCreated(id);
  }
}
