import { fileTarget, findCycle, type ImportEdge, libraryTarget } from './import-graph.ts';

/**
 * Who may import whom, as data. A room is a folder: `harness/core`, `services/query`, `suites/spec`. Files of one room
 * may import each other. An entry that no file uses any more is stale and has to go.
 */
export interface ImportLaw {
  /** Room → the rooms it may import from. */
  rooms: Readonly<Record<string, readonly string[]>>;
  /** Library → the folders, or single files, that may import it. */
  libraries: Readonly<Record<string, readonly string[]>>;
  /** Files that may import what only running them tells: modules that a user names. */
  computed: readonly string[];
}

/** Rooms that may reach anywhere; their targets are not listed, so they cannot be stale. */
const ANYWHERE = '*';

export const LAW: ImportLaw = {
  rooms: {
    'harness/core': [],
    'harness/contract': [],
    'harness/config': ['harness/core', 'harness/contract'],
    'harness/net': ['harness/core'],
    'harness/record': ['harness/core', 'harness/contract'],
    'harness/clients': ['harness/core', 'harness/contract', 'harness/record'],
    'harness/check': ['harness/core', 'harness/record'],
    // A recorder comes in as an argument: what a probe sees becomes a sample of the history.
    'harness/probes': ['harness/core', 'harness/contract', 'harness/record', 'harness/clients'],
    'harness/report': ['harness/core', 'harness/record', 'harness/check'],
    // What a target file claims is checked by the clients that will use it.
    'harness/environment': [
      'harness/core',
      'harness/contract',
      'harness/config',
      'harness/net',
      'harness/record',
      'harness/clients',
    ],
    // Servers are made to misbehave by what they themselves take: settings, access rules, triggers, signals.
    'harness/faults': ['harness/core', 'harness/contract', 'harness/record', 'harness/clients', 'harness/environment'],
    'harness/scenario': [
      'harness/core',
      'harness/contract',
      'harness/record',
      'harness/clients',
      'harness/probes',
      'harness/environment',
      'harness/faults',
    ],
    // The command line knows the ledger and the broken variants, which are data: to check ids, to name them in reports.
    'harness/cli': [
      'harness/core',
      'harness/contract',
      'harness/config',
      'harness/record',
      'harness/clients',
      'harness/environment',
      'harness/scenario',
      'harness/report',
      'harness/check',
      'suites/spec',
      'suites/mutants',
    ],
    'harness/index.ts': [ANYWHERE],
    'services/common': ['harness/contract'],
    'services/admin': ['services/common', 'harness/contract'],
    'services/ingester': ['services/common', 'harness/contract'],
    'services/storage': ['services/common'],
    'services/query': ['services/common', 'harness/contract'],
    // The ledger says what a case needs in the words in which an environment says what it offers.
    'suites/spec': ['harness/contract'],
    // Finding a browser is about the machine, not about a pipeline, so it is not behind the public door.
    'suites/support': ['harness/index.ts', 'harness/contract', 'harness/config', 'harness/core', 'suites/spec'],
    'suites/conformance': ['harness/index.ts', 'harness/contract', 'suites/support'],
    'suites/resilience': ['harness/index.ts', 'harness/contract', 'suites/support'],
    'suites/browser': ['harness/core', 'harness/record', 'harness/report'],
    'suites/mutants': [ANYWHERE],
    'suites/self': [ANYWHERE],
    // Configurations of the test runners.
    'suites/vitest.config.ts': [ANYWHERE],
    'playwright.config.ts': [ANYWHERE],
  },
  libraries: {
    // Servers. Probes and scenarios take clients as arguments and name only their types.
    ioredis: [
      'harness/clients',
      'harness/probes',
      'harness/faults',
      'harness/scenario',
      'services/common',
      'suites/self/naive',
    ],
    pg: ['harness/clients', 'harness/faults', 'harness/scenario', 'services/common', 'services/admin', 'suites/self'],
    undici: ['harness/clients', 'services/common', 'services/ingester', 'services/query', 'suites/self'],
    testcontainers: ['harness/environment/containers'],
    // Schemas.
    zod: [
      'harness/contract',
      'harness/config',
      'harness/report',
      'services/common',
      'services/admin',
      'services/ingester',
      'services/storage',
      'services/query',
      'suites/mutants',
      'suites/self',
    ],
    // Services.
    fastify: ['services/common', 'services/admin', 'services/ingester', 'services/query'],
    '@fastify/multipart': ['services/ingester'],
    '@fastify/swagger': ['services/common'],
    'fastify-type-provider-zod': ['services/common'],
    jose: ['services/common', 'services/admin', 'suites/self'],
    'rate-limiter-flexible': ['services/admin'],
    pino: ['services/common'],
    'prom-client': ['services/common', 'services/admin', 'services/query'],
    // The command line and the reports.
    commander: ['harness/cli', 'suites/self'],
    'd3-scale': ['harness/report'],
    'fast-xml-parser': ['harness/report', 'suites/self'],
    // Node strips no types below node_modules, where an installed package lies.
    amaro: ['harness/cli', 'suites/mutants'],
    // Test runners, and what only tests need.
    vitest: ['suites/support', 'suites/mutants', 'suites/self', 'suites/vitest.config.ts'],
    '@playwright/test': ['suites/support', 'suites/browser', 'playwright.config.ts'],
    'allure-js-commons': ['suites/support'],
    ajv: ['suites/self'],
    'fast-check': ['suites/self', 'suites/support', 'suites/conformance'],
    'oxc-parser': ['suites/self'],
    yaml: ['harness/config', 'suites/self'],
  },
  computed: ['harness/environment/external/driver.ts', 'suites/mutants/from.ts'],
};

/** The room a file lives in: the first two folders of its path, or the file itself where it lives in none. */
function roomOf(file: string): string {
  const parts = file.split('/');
  return parts.length < 3 ? file : parts.slice(0, 2).join('/');
}

/** Everything that breaks the law, each as a sentence; empty when it holds. */
export function breaches(edges: readonly ImportEdge[], law: ImportLaw): string[] {
  const cycle = findCycle(edges);
  return [
    ...computedBreaches(edges, law.computed),
    ...roomBreaches(edges, law.rooms),
    ...libraryBreaches(edges, law.libraries),
    ...(cycle === undefined ? [] : [`files import each other in a circle: ${cycle}`]),
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

function roomBreaches(edges: readonly ImportEdge[], rooms: ImportLaw['rooms']): string[] {
  const used = new Set<string>();
  const found: string[] = [];
  for (const edge of edges) {
    const place = `${edge.from}:${edge.line}`;
    const target = fileTarget(edge);
    if (target === undefined) continue;
    const [from, to] = [roomOf(edge.from), roomOf(target)];
    const allowed = rooms[from];
    used.add(`${from} → ${to}`);
    if (allowed === undefined) found.push(`${place}: the table has no room ${from}`);
    else if (from !== to && !allowed.includes(to) && !allowed.includes(ANYWHERE))
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
