/**
 * Loads a broken variant: `node --import file:///…/suites/mutants/loader.ts?mutant=ID services/admin/main.ts`.
 * The sources on disk stay as they are.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { mutatedSources } from './edits.ts';
import { mutantById } from './mutants.ts';

const id = new URL(import.meta.url).searchParams.get('mutant');
if (id === null) throw new Error('Expected the loader to be imported as loader.ts?mutant=ID');
const sources = mutatedSources(mutantById(id));

registerHooks({
  load(url, context, nextLoad) {
    const source = url.startsWith('file:') ? sources.get(fileURLToPath(url)) : undefined;
    return source === undefined ? nextLoad(url, context) : { format: 'module-typescript', source, shortCircuit: true };
  },
});
