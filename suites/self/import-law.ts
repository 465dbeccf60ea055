import { fileTarget, findCycle, type ImportEdge, libraryTarget } from './import-graph.ts';

/**
 * Who may import whom, as data. A room is a folder: `harness/core`, `services/query`, `suites/spec`. Files of one room
 * may import each other. An entry that no file uses any more is stale and has to go.
 */
export interface ImportLaw {
  /** Room → the rooms it may import from. */
  rooms: Readonly<Record<string, readonly string[]>>;
  /** Library → the rooms, or single files, that may import it. */
  libraries: Readonly<Record<string, readonly string[]>>;
}

/** Rooms that may reach anywhere; their targets are not listed, so they cannot be stale. */
const ANYWHERE = '*';

const SERVICES = ['admin', 'ingester', 'storage', 'query'].map((name) => `services/${name}`);

export const LAW: ImportLaw = {
  rooms: {
    'harness/core': [],
    'harness/contract': [],
    'harness/config': ['harness/core', 'harness/contract'],
    'harness/net': ['harness/core'],
    'harness/record': ['harness/core', 'harness/contract'],
    'harness/clients': ['harness/core', 'harness/contract', 'harness/record'],
    'harness/check': ['harness/core', 'harness/record'],
    'harness/probes': ['harness/core', 'harness/contract', 'harness/clients'],
    'harness/report': ['harness/core', 'harness/record', 'harness/check'],
    'harness/environment': ['harness/core', 'harness/contract', 'harness/config', 'harness/net', 'harness/record'],
    'harness/faults': ['harness/core', 'harness/net', 'harness/record', 'harness/environment'],
    'harness/scenario': [
      'harness/core',
      'harness/record',
      'harness/clients',
      'harness/check',
      'harness/probes',
      'harness/environment',
      'harness/faults',
    ],
    // The command line knows the ledger, which is data, to check ids and to name requirements in reports.
    'harness/cli': [
      'harness/core',
      'harness/contract',
      'harness/config',
      'harness/record',
      'harness/environment',
      'harness/report',
      'suites/spec',
    ],
    'harness/index.ts': [ANYWHERE],
    'services/common': ['harness/contract'],
    ...Object.fromEntries(SERVICES.map((room) => [room, ['services/common', 'harness/contract']])),
    'suites/spec': [],
    'suites/support': ['harness/index.ts', 'harness/contract', 'suites/spec'],
    'suites/conformance': ['harness/index.ts', 'suites/support'],
    'suites/resilience': ['harness/index.ts', 'suites/support'],
    'suites/browser': [ANYWHERE],
    'suites/mutants': [ANYWHERE],
    'suites/self': [ANYWHERE],
    // Configurations of the test runners.
    'suites/vitest.config.ts': [ANYWHERE],
    'playwright.config.ts': [ANYWHERE],
  },
  libraries: {
    commander: ['harness/cli'],
    testcontainers: ['harness/environment/containers/engine.ts', 'harness/environment/containers/recipe.ts'],
  },
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
    ...roomBreaches(edges, law.rooms),
    ...libraryBreaches(edges, law.libraries),
    ...(cycle === undefined ? [] : [`files import each other in a circle: ${cycle}`]),
  ];
}

function roomBreaches(edges: readonly ImportEdge[], rooms: ImportLaw['rooms']): string[] {
  const used = new Set<string>();
  const found: string[] = [];
  for (const edge of edges) {
    const place = `${edge.from}:${edge.line}`;
    if (edge.specifier === undefined) found.push(`${place} imports something that only running it would tell`);
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
    const home = homes.find((each) => each === edge.from || each === roomOf(edge.from));
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
