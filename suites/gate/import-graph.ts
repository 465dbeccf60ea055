import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, normalize, sep } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';

/** One `import`, `import type`, `export … from`, `import()` or `import('…')` type. */
export interface ImportEdge {
  /** Path of the importing file from the root, with forward slashes. */
  from: string;
  line: number;
  /** What is written; undefined for an `import()` whose target is computed. */
  specifier: string | undefined;
}

/** Every import in a source text, whatever form it takes. */
export function importsIn(file: string, source: string): ImportEdge[] {
  const { program, errors } = parseSync(file, source);
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]?.message}`);
  const edges: ImportEdge[] = [];
  const add = (node: { start: number }, target: unknown): void => {
    const line = source.slice(0, node.start).split('\n').length;
    edges.push({ from: file, line, specifier: literalOf(target) });
  };
  new Visitor({
    ImportDeclaration: (node) => add(node, node.source),
    ExportAllDeclaration: (node) => add(node, node.source),
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) add(node, node.source);
    },
    ImportExpression: (node) => add(node, node.source),
    TSImportType: (node) => add(node, node.source),
  }).visit(program);
  return edges;
}

function literalOf(node: unknown): string | undefined {
  const value = (node as { value?: unknown } | null)?.value;
  return typeof value === 'string' ? value : undefined;
}

/** The imports of every TypeScript file below `folders` (and of the named files), read from disk. */
export async function readImports(root: string, patterns: readonly string[]): Promise<ImportEdge[]> {
  const edges: ImportEdge[] = [];
  for await (const path of glob([...patterns], { cwd: root })) {
    const file = path.split(sep).join('/');
    if (file.includes('node_modules/')) continue;
    edges.push(...importsIn(file, readFileSync(join(root, path), 'utf8')));
  }
  return edges.sort((a, b) => a.from.localeCompare(b.from) || a.line - b.line);
}

/** The file an edge leads to, from the root; undefined when it leads to a library or to Node itself. */
export function fileTarget({ from, specifier }: ImportEdge): string | undefined {
  if (specifier === undefined || !specifier.startsWith('.')) return undefined;
  return normalize(join(dirname(from), specifier))
    .split(sep)
    .join('/');
}

/** The library an edge leads to, without the path inside it; undefined for files and for Node's own modules. */
export function libraryTarget({ specifier }: ImportEdge): string | undefined {
  if (specifier === undefined || specifier.startsWith('.') || isBuiltin(specifier)) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** One cycle of files, or of the rooms they live in, if there is any: `a → b → a`. */
export function findCycle(edges: readonly ImportEdge[], placeOf: (file: string) => string): string | undefined {
  const targets = new Map<string, Set<string>>();
  for (const edge of edges) {
    const file = fileTarget(edge);
    if (file === undefined) continue;
    const [from, to] = [placeOf(edge.from), placeOf(file)];
    // Files of one room may import each other; a file may not import itself.
    if (from === to && edge.from !== file) continue;
    targets.set(from, (targets.get(from) ?? new Set()).add(to));
  }
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string | undefined => {
    if (finished.has(file)) return undefined;
    const seenAt = path.indexOf(file);
    if (seenAt >= 0) return [...path.slice(seenAt), file].join(' → ');
    path.push(file);
    for (const next of targets.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    finished.add(file);
    return undefined;
  };
  for (const file of targets.keys()) {
    const cycle = visit(file);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
