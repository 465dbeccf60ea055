import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CASES } from '../requirements.ts';
import { fileTarget, findCycle, type ImportEdge, libraryTarget } from './import-graph.ts';

/**
 * Who may import whom, as data. A room is a folder of the first two levels: `harness/core`, `services/query`,
 * `suites/ledger`; a file above them is a room of its own. Files of one room may import each other. An entry that no file
 * uses any more is stale and has to go. Unit tests lie beside their sources and may reach anything; nothing reaches them.
 */
export interface ImportLaw {
  /** Room → the rooms it may import from. */
  rooms: Readonly<Record<string, readonly string[]>>;
  /** Rooms that are alike share one entry, under this name: room → name. They may not import each other. */
  alike: Readonly<Record<string, string>>;
  /** Library → the folders, or single files, that may import it. */
  libraries: Readonly<Record<string, readonly string[]>>;
  /** Files that may import what only running them tells: modules that a user names. */
  computed: readonly string[];
}

/** Rooms that may reach anywhere; their targets are not listed, so they cannot be stale. */
const ANYWHERE = '*';

const SUBJECTS = readdirSync(join(import.meta.dirname, '..')).filter((name) =>
  existsSync(join(import.meta.dirname, '..', name, 'requirements.ts')),
);

/** From the bottom to the top: no entry names a room below itself, so no folders import each other in a circle. */
export const LAW: ImportLaw = {
  rooms: {
    // What goes over the wire. The reference reads it, and so does everything that judges a pipeline.
    'services/contract': [],
    'services/common': ['services/contract'],
    'services/admin': ['services/common', 'services/contract'],
    'services/ingester': ['services/common', 'services/contract'],
    'services/storage': ['services/common'],
    'services/query': ['services/common', 'services/contract'],
    'harness/core': [],
    'harness/config': ['harness/core', 'services/contract'],
    'harness/net': ['harness/core'],
    // A run records the plan that it follows.
    'harness/record': ['harness/core', 'harness/config', 'services/contract'],
    'harness/clients': ['harness/core', 'harness/record', 'services/contract'],
    'harness/check': ['harness/core', 'harness/record'],
    // What a target file claims is checked by the clients that will use it.
    'harness/environment': [
      'harness/core',
      'harness/config',
      'harness/net',
      'harness/record',
      'harness/clients',
      'services/contract',
    ],
    // Servers are made to misbehave by what they themselves take: settings, access rules, triggers, signals.
    'harness/faults': [
      'harness/core',
      'harness/config',
      'harness/record',
      'harness/clients',
      'harness/environment',
      'services/contract',
    ],
    // A recorder comes in as an argument: what a probe sees becomes a sample of the history.
    'harness/workload': [
      'harness/core',
      'harness/record',
      'harness/clients',
      'harness/environment',
      'harness/faults',
      'services/contract',
    ],
    'harness/report': ['harness/core', 'harness/record', 'harness/check'],
    'harness/index.ts': [ANYWHERE],
    // The ledger says what a case needs in the words in which an environment says what it offers.
    'suites/ledger': ['harness/config'],
    'suites/runner': [
      'harness/core',
      'harness/config',
      'harness/environment',
      'harness/index.ts',
      'services/contract',
      'suites/ledger',
    ],
    'suites/steps': ['harness/index.ts', 'services/contract', 'suites/runner'],
    'suites/mutants': ['harness/index.ts', 'harness/config', 'harness/report', 'services/contract', 'suites/runner'],
    // Each subject, complete by itself.
    'suites/<subject>': [
      'harness/config',
      'harness/faults',
      'harness/index.ts',
      'services/contract',
      'suites/ledger',
      'suites/runner',
      'suites/steps',
      'suites/mutants',
    ],
    // What all subjects have, gathered: requirements, broken variants, the documents that are made from them.
    'suites/requirements.ts': ['suites/ledger', 'suites/<subject>'],
    'suites/variants.ts': ['harness/index.ts', 'suites/mutants', 'suites/<subject>'],
    'suites/document.ts': [
      'harness/config',
      'harness/report',
      'suites/ledger',
      'suites/requirements.ts',
      'suites/<subject>',
    ],
    // The roof: commands know requirements and broken variants as data, and nothing imports a command.
    'harness/cli': [
      'harness/core',
      'harness/config',
      'harness/record',
      'harness/clients',
      'harness/check',
      'harness/environment',
      'harness/workload',
      'harness/report',
      'services/contract',
      'suites/ledger',
      'suites/runner',
      'suites/mutants',
      'suites/requirements.ts',
      'suites/variants.ts',
      'suites/<subject>',
    ],
    // What tries the project itself.
    'suites/gate': [ANYWHERE],
    'suites/browser': ['harness/core', 'harness/config'],
    // A pipeline that has nothing in common with the reference.
    'suites/target-without-outbox': [],
    'playwright.config.ts': ['harness/config', 'suites/browser'],
  },
  alike: Object.fromEntries(SUBJECTS.map((name) => [`suites/${name}`, 'suites/<subject>'])),
  libraries: {
    // Servers. Workloads take clients as arguments and name only their types.
    ioredis: [
      'harness/clients',
      'harness/faults',
      'harness/workload',
      'services/common',
      'suites/target-without-outbox',
    ],
    pg: [
      'harness/clients',
      'harness/faults',
      'harness/workload',
      'services/common',
      'services/admin',
      'suites/target-without-outbox',
    ],
    undici: ['harness/clients', 'services/common', 'services/ingester', 'services/query'],
    testcontainers: ['harness/environment/containers', 'harness/environment/common/docker.ts'],
    // Schemas.
    zod: [
      'harness/config',
      'harness/report',
      'harness/cli',
      'services/contract',
      'services/common',
      'services/admin',
      'services/ingester',
      'services/storage',
      'services/query',
      'suites/mutants',
      'suites/gate',
    ],
    // Services.
    fastify: [
      'services/common',
      'services/admin',
      'services/ingester',
      'services/query',
      'suites/target-without-outbox',
    ],
    '@fastify/multipart': ['services/ingester'],
    '@fastify/swagger': ['services/common'],
    'fastify-type-provider-zod': ['services/common'],
    jose: ['services/common', 'services/admin', 'suites/target-without-outbox'],
    'rate-limiter-flexible': ['services/admin'],
    pino: ['services/common'],
    'prom-client': ['services/common', 'services/admin', 'services/query'],
    // The command line and the reports.
    commander: ['harness/cli', 'suites/gate'],
    'd3-scale': ['harness/report'],
    'fast-xml-parser': ['harness/report'],
    // Node strips no types below node_modules, where an installed package lies.
    amaro: ['harness/cli', 'suites/mutants'],
    // Test runners, and what only tests need.
    vitest: ['suites/runner', 'suites/gate/vitest.config.ts'],
    '@playwright/test': ['suites/browser', 'playwright.config.ts'],
    'allure-js-commons': ['suites/runner'],
    'fast-check': ['suites/steps', 'suites/search', 'suites/data'],
    'oxc-parser': ['suites/gate'],
    yaml: ['harness/config'],
  },
  computed: ['harness/environment/external/driver.ts', 'suites/mutants/from.ts', 'suites/runner/suite.ts'],
};

const CASE_FILES: ReadonlySet<string> = new Set(CASES.map(({ file }) => `suites/${file}`));

/** Whether a file only tries others: a unit test or a benchmark, with its fixtures. Files of cases are no unit tests. */
function isUnitTest(file: string): boolean {
  return /\.(test|bench|spec)\.ts$|\/fixtures\//.test(file) && !CASE_FILES.has(file);
}

/** The room a file lives in: the first two folders of its path, or the file itself where it lives in none. */
function roomOf(file: string): string {
  const parts = file.split('/');
  return parts.length < 3 ? file : parts.slice(0, 2).join('/');
}

/** Everything that breaks the law, each as a sentence; empty when it holds. */
export function breaches(edges: readonly ImportEdge[], law: ImportLaw): string[] {
  const cycle = findCycle(edges, (file) => file);
  const own = edges.filter(({ from }) => !isUnitTest(from));
  const folders = findCycle(own, dirname);
  return [
    ...computedBreaches(own, law.computed),
    ...roomBreaches(own, law),
    ...libraryBreaches(own, law.libraries),
    ...own.flatMap((edge) => {
      const target = fileTarget(edge);
      return target === undefined || !isUnitTest(target) ? [] : [`${edge.from}:${edge.line} imports what only tests`];
    }),
    ...(cycle === undefined ? [] : [`files import each other in a circle: ${cycle}`]),
    ...(folders === undefined ? [] : [`folders import each other in a circle: ${folders}`]),
  ];
}

function computedBreaches(edges: readonly ImportEdge[], allowed: ImportLaw['computed']): string[] {
  const computed = edges.filter(({ specifier }) => specifier === undefined);
  return [
    ...computed
      .filter(({ from }) => !allowed.includes(from))
      .map(({ from, line }) => `${from}:${line} imports something that only running it would tell`),
    ...allowed
      .filter((file) => !computed.some(({ from }) => from === file))
      .map((file) => `stale entry: ${file} computes no import any more`),
  ];
}

function roomBreaches(edges: readonly ImportEdge[], { rooms, alike }: ImportLaw): string[] {
  const used = new Set<string>();
  const found: string[] = [];
  for (const edge of edges) {
    const place = `${edge.from}:${edge.line}`;
    const target = fileTarget(edge);
    if (target === undefined) continue;
    const [from, to] = [roomOf(edge.from), roomOf(target)];
    if (from === to) continue;
    const [entry, wanted] = [alike[from] ?? from, alike[to] ?? to];
    const allowed = rooms[entry];
    used.add(`${entry} → ${wanted}`);
    if (allowed === undefined) found.push(`${place}: the table has no room ${from}`);
    else if (!allowed.includes(wanted) && !allowed.includes(ANYWHERE))
      found.push(`${place}: ${from} may not import ${to} (${edge.specifier})`);
  }
  const stale = Object.entries(rooms).flatMap(([from, allowed]) =>
    allowed
      .filter((to) => to !== ANYWHERE && !used.has(`${from} → ${to}`))
      .map((to) => `stale entry: nothing in ${from} imports ${to} any more`),
  );
  return [...found, ...stale];
}

function libraryBreaches(edges: readonly ImportEdge[], libraries: ImportLaw['libraries']): string[] {
  const used = new Set<string>();
  const found: string[] = [];
  for (const edge of edges) {
    const library = libraryTarget(edge);
    if (library === undefined) continue;
    const homes = libraries[library] ?? [];
    const home = homes.find((each) => each === edge.from || edge.from.startsWith(`${each}/`));
    if (home === undefined) found.push(`${edge.from}:${edge.line}: ${library} may not be imported here`);
    else used.add(`${library} in ${home}`);
  }
  const stale = Object.entries(libraries).flatMap(([library, homes]) =>
    homes
      .filter((home) => !used.has(`${library} in ${home}`))
      .map((home) => `stale entry: nothing in ${home} imports ${library} any more`),
  );
  return [...found, ...stale];
}
