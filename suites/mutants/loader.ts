/**
 * Loads a broken variant: `node --import file:///…/suites/mutants/loader.ts?sources=FILE services/admin/main.ts`, where
 * FILE holds the changed sources as JSON, by path, without types. The sources on disk stay as they are.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const path = new URL(import.meta.url).searchParams.get('sources');
if (path === null) throw new Error('Expected the loader to be imported as loader.ts?sources=FILE');
const sources: Readonly<Record<string, string>> = JSON.parse(readFileSync(path, 'utf8'));

registerHooks({
  load(url, context, nextLoad) {
    const source = url.startsWith('file:') ? sources[fileURLToPath(url)] : undefined;
    if (source === undefined) return nextLoad(url, context);
    return { format: 'module', source, shortCircuit: true };
  },
});
