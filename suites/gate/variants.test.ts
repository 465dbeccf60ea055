import { expect, test } from 'vitest';
import { packageFacts } from '../../harness/config/settings.ts';
import { MUTANTS } from '../variants.ts';
import { digestOf, SHARES, selectVariants } from './variants.ts';

const { root } = packageFacts();
const killed = Object.fromEntries(MUTANTS.map((variant) => [variant.id, digestOf(variant, root)]));
const COMMITS = Array.from({ length: SHARES }, (_, i) => `0000000${i}${'f'.repeat(32)}`);

test('of variants that have not changed, each commit tries a share, and all shares together are all', () => {
  const selections = COMMITS.map((commit) => selectVariants(MUTANTS, { root, killed, commit }));
  expect(selections.map(({ share }) => share)).toEqual([1, 2, 3, 4]);
  expect(selections.flatMap(({ changed }) => changed)).toEqual([]);
  const tried = selections.flatMap(({ rotating }) => rotating.map(({ id }) => id));
  expect(tried.sort()).toEqual(MUTANTS.map(({ id }) => id).sort());
  for (const { rotating } of selections) expect(rotating.length).toBeGreaterThan(MUTANTS.length / SHARES / 2);
});

test('a variant that changed, or was never noted as killed, is tried every time', () => {
  const [first, second] = MUTANTS;
  const edited = MUTANTS.map((variant) => (variant === first ? { ...variant, caughtBy: ['SYNC-01'] } : variant));
  const { [second?.id ?? '']: _unknown, ...others } = killed;
  for (const commit of COMMITS) {
    const { changed, rotating } = selectVariants(edited, { root, killed: others, commit });
    expect(changed.map(({ id }) => id)).toEqual([first?.id, second?.id]);
    expect(rotating.some(({ id }) => id === first?.id || id === second?.id)).toBe(false);
  }
});

test('the digest of a variant changes with the sources that it edits', () => {
  const [variant] = MUTANTS.filter(({ edits }) => edits.length > 0);
  if (variant === undefined) throw new Error('Expected a variant with an edit');
  const elsewhere = { ...variant, edits: variant.edits.map((edit) => ({ ...edit, file: 'package.json' })) };
  expect(digestOf(elsewhere, root)).not.toBe(digestOf(variant, root));
  expect(digestOf(variant, root)).toBe(killed[variant.id]);
});
