import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fileTarget, importsIn } from '../gate/import-graph.ts';
import { CASE_KEYS, REQUIREMENTS } from '../requirements.ts';
import { AIMS } from '../soak/nemesis.ts';
import { MUTANTS, mutantsOf } from '../variants.ts';
import { applyEdit, mutatedSources } from './edits.ts';
import { judgeMutant } from './matrix.ts';
import type { Mutant } from './mutant.ts';

describe('the broken variants', () => {
  test('have ids of their own', () => {
    expect(new Set(MUTANTS.map(({ id }) => id)).size).toBe(MUTANTS.length);
    expect(() => mutantsOf(['no-such-mutant'])).toThrow('no-such-mutant');
  });

  test.each(MUTANTS.map((mutant) => [mutant.id, mutant] as const))('%s still fits the sources', (_id, mutant) => {
    expect(mutatedSources(mutant).size + Object.keys(mutant.sql ?? {}).length).toBeGreaterThan(0);
    for (const key of mutant.caughtBy) expect(CASE_KEYS).toContain(key);
  });

  test.each(MUTANTS.map((mutant) => [mutant.id, mutant] as const))('%s imports only what there is', (_id, mutant) => {
    for (const [path, source] of mutatedSources(mutant)) {
      const targets = importsIn(path, source).flatMap((edge) => fileTarget(edge) ?? []);
      expect(targets.filter((target) => !existsSync(target))).toEqual([]);
    }
  });

  test('that a soak must find say by which of its aims', () => {
    for (const { id, caughtBy, aims = [] } of MUTANTS) {
      expect(aims.length > 0, id).toBe(caughtBy.includes('SOAK-01'));
      for (const aim of aims) expect(Object.keys(AIMS)).toContain(aim);
    }
  });

  test('leave no requirement without one that it must catch', () => {
    const caught = MUTANTS.flatMap(({ caughtBy }) => caughtBy.map((key) => key.split('/')[0]));
    expect(REQUIREMENTS.map(({ id }) => id).filter((id) => !caught.includes(id))).toEqual([]);
  });

  test('must match exactly once', () => {
    const edit = { file: 'a.ts', find: 'x', replace: 'y' };
    expect(applyEdit('a x b', edit)).toBe('a y b');
    expect(() => applyEdit('a b', edit)).toThrow('found it 0 times');
    expect(() => applyEdit('x x', edit)).toThrow('found it 2 times');
  });

  test('are killed by a violation only', () => {
    const mutant: Mutant = { id: 'm', defect: 'd', services: [], caughtBy: ['SYNC-01', 'UP-02'], edits: [] };
    const finished = { type: 'case-finished', at: 1, requirement: 'SYNC-01', title: 't', durationMs: 1 } as const;
    const trials = judgeMutant(mutant, [
      { ...finished, case: 'SYNC-01', verdict: 'fail', reason: 'not found', evidence: {}, floor: {} },
      { ...finished, case: 'UP-02', verdict: 'error', reason: 'no environment', evidence: {}, floor: {} },
    ]);
    expect(trials.map(({ verdict, killed }) => [verdict, killed])).toEqual([
      ['fail', true],
      ['error', false],
    ]);
    expect(judgeMutant(mutant, []).map(({ verdict }) => verdict)).toEqual(['none', 'none']);
  });
});
