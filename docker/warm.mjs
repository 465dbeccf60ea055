// Run while an image is built: compiles what the services load into NODE_COMPILE_CACHE, so that they start in half the time.
import { flushCompileCache } from 'node:module';

for (const service of ['admin', 'storage', 'ingester', 'query']) await import(`../services/${service}/app.ts`);
flushCompileCache();
// Nothing was started, but what was loaded may hold timers.
process.exit(0);
