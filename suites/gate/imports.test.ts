import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { importsIn, readImports } from './import-graph.ts';
import { breaches, type ImportLaw, LAW } from './import-law.ts';

const ROOT = join(import.meta.dirname, '../..');
const SOURCES = ['harness/**/*.{ts,js}', 'services/**/*.ts', 'suites/**/*.ts', '*.ts'];

test('every import of the project is allowed, every allowed one is used, and no files import each other', async () => {
  const edges = await readImports(ROOT, SOURCES);
  expect(edges.length).toBeGreaterThan(100);
  expect(breaches(edges, LAW)).toEqual([]);
});

test('the implementation that the suite is tried on has nothing in common with the reference and the harness', async () => {
  const edges = (await readImports(ROOT, SOURCES)).filter(({ from }) =>
    from.startsWith('suites/target-without-outbox/'),
  );
  expect(edges.length).toBeGreaterThan(10);
  expect(edges.filter(({ specifier }) => specifier === undefined || specifier.startsWith('..'))).toEqual([]);
});

test('every form of import is seen', () => {
  const source = `
    import type { A } from './a.ts';
    import './b.ts';
    export * from './c.ts';
    export { d } from './d.ts';
    const e = await import('./e.ts');
    type F = import('./f.ts').F;
    const g = await import(process.argv[2]);
    const text = "import './not-code.ts'"; // import './comment.ts'
  `;
  expect(importsIn('x.ts', source).map(({ specifier }) => specifier)).toEqual([
    './a.ts',
    './b.ts',
    './c.ts',
    './d.ts',
    './e.ts',
    './f.ts',
    undefined,
  ]);
});

/** A small law and a tree that keeps it; each violation below is planted into a copy of the tree. */
const SMALL_LAW: ImportLaw = {
  rooms: {
    'harness/core': [],
    'harness/net': ['harness/core'],
    'services/query': [],
    'suites/<subject>': ['harness/core'],
  },
  alike: { 'suites/one': 'suites/<subject>', 'suites/two': 'suites/<subject>' },
  libraries: { pg: ['services/query'] },
  computed: [],
};
const LAWFUL: Record<string, string> = {
  'harness/core/errors.ts': 'export const a = 1;',
  'harness/net/proxy.ts':
    "import { a } from '../core/errors.ts'; import { once } from 'node:events'; export { a, once };",
  'services/query/store.ts': "import pg from 'pg'; export { pg };",
  'suites/one/steps.ts': "import { a } from '../../harness/core/errors.ts'; export const one = a;",
  // A unit test may reach anything.
  'harness/core/errors.test.ts': "import { one } from '../../suites/one/steps.ts'; export { one };",
};

const VIOLATIONS: Record<string, { files: Record<string, string>; breach: RegExp; circle?: RegExp }> = {
  'a forbidden type import': {
    files: { 'harness/core/time.ts': "import type { P } from '../net/proxy.ts'; export type Q = P;" },
    breach: /core\/time\.ts:1: harness\/core may not import harness\/net/,
    circle: /folders import each other in a circle: harness\/(core|net) → /,
  },
  'a forbidden dynamic import': {
    files: { 'services/query/app.ts': "export const lazy = () => import('../../harness/core/errors.ts');" },
    breach: /services\/query may not import harness\/core/,
  },
  'a forbidden re-export': {
    files: { 'harness/core/door.ts': "export * from '../net/proxy.ts';" },
    breach: /harness\/core may not import harness\/net/,
    circle: /folders import each other in a circle: harness\/(core|net) → /,
  },
  'a computed import': {
    files: { 'harness/net/load.ts': 'export const load = (name: string) => import(name);' },
    breach: /net\/load\.ts:1 imports something that only running it would tell/,
  },
  'a room the table does not know': {
    files: { 'harness/extra/new.ts': "import { a } from '../core/errors.ts'; export { a };" },
    breach: /the table has no room harness\/extra/,
  },
  'a library outside its rooms': {
    files: { 'harness/net/db.ts': "import type { Pool } from 'pg'; export type { Pool };" },
    breach: /net\/db\.ts:1: pg may not be imported here/,
  },
  'a library without a room': {
    files: { 'harness/core/pad.ts': "import pad from 'left-pad'; export { pad };" },
    breach: /left-pad may not be imported here/,
  },
  'two files of one room that import each other': {
    files: {
      'harness/net/a.ts': "import { b } from './b.ts'; export const a = () => b;",
      'harness/net/b.ts': "import { a } from './a.ts'; export const b = () => a;",
    },
    breach: /circle: harness\/net\/a\.ts → harness\/net\/b\.ts → harness\/net\/a\.ts/,
  },
  'two folders that import each other': {
    files: {
      'harness/core/clock.ts': "export { once } from '../net/proxy.ts';",
      'harness/net/proxy.ts': "import { a } from '../core/errors.ts'; export const once = a;",
    },
    breach: /harness\/core may not import harness\/net/,
    circle: /folders import each other in a circle: harness\/(core|net) → /,
  },
  'a subject that imports another': {
    files: { 'suites/two/steps.ts': "import { one } from '../one/steps.ts'; export { one };" },
    breach: /suites\/two may not import suites\/one/,
  },
  'a source that imports a unit test': {
    files: {
      'harness/net/extra.ts': "import { a } from '../core/fixtures/some.ts'; export { a };",
      'harness/core/fixtures/some.ts': 'export const a = 1;',
    },
    breach: /net\/extra\.ts:1 imports what only tests/,
  },
  'an allowed edge that is gone': {
    files: { 'harness/net/proxy.ts': 'export {};' },
    breach: /stale entry: nothing in harness\/net imports harness\/core/,
  },
  'a library that is gone': {
    files: { 'services/query/store.ts': 'export {};' },
    breach: /stale entry: nothing in services\/query imports pg/,
  },
};

async function plant(files: Record<string, string>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'syncproof-law-'));
  onTestFinished(() => rm(root, { recursive: true }));
  for (const [path, source] of Object.entries({ ...LAWFUL, ...files })) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), source);
  }
  return breaches(await readImports(root, SOURCES), SMALL_LAW);
}

test('a lawful tree has no breach', async () => {
  expect(await plant({})).toEqual([]);
});

test.for(Object.entries(VIOLATIONS))('%s is caught', async ([, { files, breach, circle }]) => {
  const found = await plant(files);
  const expected = circle === undefined ? [breach] : [breach, circle];
  expect(found).toEqual(expected.map((each) => expect.stringMatching(each)));
});
