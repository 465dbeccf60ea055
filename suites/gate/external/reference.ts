import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cachePath } from '../../../harness/environment/process/cache.ts';
import { writeClientsFile } from '../../../harness/environment/servers/credentials.ts';
import { planServices } from '../../../harness/environment/servers/services.ts';
import { memoryRecorder } from '../../../harness/record/writer.ts';
import type { StackPlan } from './stack.ts';

/** The reference as somebody would run it who has no harness. */
export const REFERENCE: StackPlan = {
  services: ['admin', 'storage', 'ingester', 'query'],
  async launch(service, { folder, accounts, keyFile, url, redisUrl, databaseUrl }) {
    const objectDirectory = join(folder, 'objects');
    await mkdir(objectDirectory, { recursive: true });
    const { services } = planServices({
      options: { kind: 'processes', profile: 'default', recorder: memoryRecorder() },
      address: (name) => ({ host: '127.0.0.1', port: Number(new URL(url(name)).port) }),
      compileCache: cachePath('compiled'),
      objectDirectory,
      keyFile,
      clientsFile: await writeClientsFile(folder, accounts),
      accounts,
      redisUrl: () => redisUrl,
      databaseUrl,
    });
    return services[service].launch();
  },
};
