// Node runs TypeScript, but not below node_modules, where an installed package lies. This hook strips the types of our
// own files there; a checkout does without it.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'amaro';

const root = new URL('../../', import.meta.url).href;

registerHooks({
  load(url, context, nextLoad) {
    const [file = ''] = url.split(/[?#]/, 1);
    if (!file.startsWith(root) || !file.endsWith('.ts') || file.slice(root.length).includes('node_modules/')) {
      return nextLoad(url, context);
    }
    const path = fileURLToPath(file);
    const { code } = transformSync(readFileSync(path, 'utf8'), { mode: 'strip-only', filename: path });
    return { format: 'module', source: code, shortCircuit: true };
  },
});
