import { dirname } from 'node:path';
import type { ControlHooks, Target } from '../../config/target.ts';
import { SyncproofError } from '../../core/errors.ts';
import type { Environment, Instance, ScalableService } from '../environment.ts';
import { expectStatus } from '../process/probes.ts';
import { guardWith } from './guard.ts';
import { commandsOf } from './hooks.ts';
import { addressOf, ExternalPart } from './part.ts';

interface Further extends AsyncDisposable {
  start: Environment['startInstance'];
}

/**
 * Further instances, by the commands of the target file: started when a case asks for one; ended when it is done with it,
 * at the latest when this is disposed, and by a watcher should this process be killed.
 */
export function furtherInstances(target: Target): Further {
  const started = new Map<string, Instance>();
  return {
    async start(service) {
      const all = target.services[service].more ?? [];
      const index = all.findIndex(({ url }) => !started.has(url));
      const entry = all[index];
      if (entry === undefined) throw new SyncproofError(`The target file names no more instances of ${service}`);
      const { url, ...hooks } = entry;
      const cwd = dirname(target.file);
      const part = partOf(service, { url, hooks, cwd, secrets: target.secrets });
      const guard = guardWith(hooks.stop, cwd);
      let ending: Promise<void> | undefined;
      const end = async (): Promise<void> => {
        try {
          await endPart(part);
        } finally {
          guard.dismiss();
          started.delete(url);
        }
      };
      const instance: Instance = {
        name: `${service}-${index + 2}`,
        service,
        url: url.replace(/\/+$/, ''),
        part,
        [Symbol.asyncDispose]: () => (ending ??= end()),
      };
      started.set(url, instance);
      await part.start();
      return instance;
    },
    async [Symbol.asyncDispose]() {
      await using all = new AsyncDisposableStack();
      for (const instance of started.values()) all.use(instance);
    },
  };
}

function partOf(
  name: ScalableService,
  { url, hooks, cwd, secrets }: { url: string; hooks: ControlHooks; cwd: string; secrets: readonly string[] },
): ExternalPart {
  return new ExternalPart({
    ...{ name, cwd, secrets, commands: commandsOf(hooks), address: addressOf(url), keptUp: false },
    timeoutMs: hooks.timeout_s * 1000,
    probe: async () => {
      await expectStatus(`${url.replace(/\/+$/, '')}/health/live`);
    },
  });
}

/** @throws DeadlineError when it had to be killed, SyncproofError when not even that ends it */
async function endPart(part: ExternalPart): Promise<void> {
  await part.restore();
  if (await part.running()) await part.stop();
}
