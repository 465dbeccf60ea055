import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Mutant } from '../mutants/mutant.ts';
import { caseByKey } from '../requirements.ts';

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
 * A digest of everything that a variant and its cases are made of: the variant itself, the files that it edits, its cases as
 * the ledger has them, the files that declare them and the steps of their subject. What only people read is left out.
 */
export function digestOf(variant: Mutant, root: string): string {
  const cases = variant.caughtBy.map(caseByKey);
  const subjects = new Set(cases.map(({ file }) => join('suites', dirname(file))));
  const steps = [...subjects].flatMap((folder) =>
    globSync(`${folder}/*.ts`, { cwd: root }).filter((path) => !/(\.test|\/requirements|\/mutants\S*)\.ts$/.test(path)),
  );
  const files = [...variant.edits.map(({ file }) => file), ...cases.map(({ file }) => join('suites', file)), ...steps];
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
