import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mutant } from '../mutants/mutant.ts';
import { caseByKey } from '../requirements.ts';
import { fileTarget, importsIn } from './import-graph.ts';

/** Of the variants that have not changed, one in so many is tried each time. */
export const SHARES = 4;

/** What each variant was made of when it was last seen killed, by id: a digest, see `digestOf`. */
export type Killed = Readonly<Record<string, string>>;

export interface Selection {
  /** Something of which they are made is not what it was when they were last seen killed. */
  changed: readonly Mutant[];
  /** The share of the others whose turn it is. */
  rotating: readonly Mutant[];
  /** Which share that is, from 1 to `SHARES`. */
  share: number;
}

/**
 * Which variants a change has to be tried on: all that it touches, and a share of the others that another commit rotates.
 * @param commit hash in hexadecimal digits
 */
export function selectVariants(
  variants: readonly Mutant[],
  { root, killed, commit }: { root: string; killed: Killed; commit: string },
): Selection {
  const turn = Number.parseInt(commit.slice(0, 8), 16) % SHARES;
  const isChanged = (variant: Mutant): boolean => killed[variant.id] !== digestOf(variant, root);
  const changed = variants.filter(isChanged);
  const rotating = variants.filter((variant) => !changed.includes(variant) && shareOf(variant) === turn);
  return { changed, rotating, share: turn + 1 };
}

function shareOf({ id }: Mutant): number {
  return createHash('sha256').update(id).digest().readUInt32BE() % SHARES;
}

/**
 * A digest of what a variant and its cases are made of: the variant itself, the files that it edits, its cases as the ledger
 * has them, the files that declare them and every step that these use. What only people read is left out, and so are the
 * runner and the harness, which all variants have in common: the rotating share covers these.
 */
export function digestOf(variant: Mutant, root: string): string {
  const cases = variant.caughtBy.map(caseByKey);
  const declared = cases.flatMap(({ file }) => [...withSteps(join('suites', file), root)]);
  const files = [...variant.edits.map(({ file }) => file), ...declared];
  const { defect: _defect, ...acting } = variant;
  const judging = cases.map(({ key, file, lane, needs, floor, timeoutMs }) => ({
    key,
    file,
    lane,
    needs,
    floor,
    timeoutMs,
  }));
  const hash = createHash('sha256').update(JSON.stringify([acting, judging]));
  for (const file of [...new Set(files)].sort()) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest('hex').slice(0, 12);
}

const NO_STEPS = /^suites\/(ledger|runner|mutants)\/|\/requirements\.ts$/;
const known = new Map<string, ReadonlySet<string>>();

/** A file of cases, and the files of steps that it imports, directly or through others. */
function withSteps(file: string, root: string): ReadonlySet<string> {
  const earlier = known.get(`${root} ${file}`);
  if (earlier !== undefined) return earlier;
  const found = new Set<string>();
  const waiting = [file];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    const targets = importsIn(next, readFileSync(join(root, next), 'utf8')).flatMap((edge) => fileTarget(edge) ?? []);
    waiting.push(...targets.filter((target) => target.startsWith('suites/') && !NO_STEPS.test(target)));
  }
  known.set(`${root} ${file}`, found);
  return found;
}
