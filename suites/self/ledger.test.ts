import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CASE_FILES, CASE_KEYS, isSelected, requirementOf, selectedFiles } from '../spec/cases.ts';
import { CAPABILITIES, LEVELS, REQUIREMENTS, requirementById, TIERS } from '../spec/requirements.ts';

const SUITES = resolve(import.meta.dirname, '..');
const IDS = REQUIREMENTS.map(({ id }) => id);

/** Ids, variants included, that a file declares by literal `requirement('ID', { variant: 'x'` calls; tables are expanded by the registry's check at run time. */
function declaredIds(file: string): string[] {
  return [...readFileSync(join(SUITES, file), 'utf8').matchAll(/requirement\(\s*'([A-Z]+-\d+)'/g)].map(
    ([, id]) => id ?? '',
  );
}

describe('the requirements ledger', () => {
  test('has permanent ids, each once', () => {
    expect(new Set(IDS).size).toBe(IDS.length);
    for (const id of IDS) expect(id).toMatch(/^[A-Z]+-\d\d$/);
  });

  test.each(REQUIREMENTS.map((entry) => [entry.id, entry] as const))('%s says all that a case needs', (_id, entry) => {
    expect(LEVELS).toContain(entry.level);
    expect(TIERS).toContain(entry.tier);
    for (const need of entry.needs) expect(CAPABILITIES).toContain(need);
    expect(entry.allowed.length).toBeGreaterThan(0);
    expect(entry.text).toMatch(/^[A-Z].*\.$/);
  });

  test('has a case for every MUST', () => {
    const covered = new Set(CASE_KEYS.map(requirementOf));
    expect(REQUIREMENTS.filter(({ level, id }) => level === 'MUST' && !covered.has(id))).toEqual([]);
  });

  test('refuses an unknown id by name', () => {
    expect(() => requirementById('NOPE-01')).toThrow('NOPE-01');
  });
});

describe('the registry of cases', () => {
  test('names every case once, each with a requirement', () => {
    expect(new Set(CASE_KEYS).size).toBe(CASE_KEYS.length);
    for (const key of CASE_KEYS) expect(IDS).toContain(requirementOf(key));
  });

  test('names every suite file, and no other', () => {
    const present = globSync('{conformance,resilience}/*.test.ts', { cwd: SUITES });
    expect(CASE_FILES.map(({ file }) => file).sort()).toEqual(present.sort());
  });

  test.each(CASE_FILES.map(({ file, cases }) => [file, cases] as const))('%s declares its cases', (file, cases) => {
    expect([...new Set(declaredIds(file))].sort()).toEqual([...new Set(cases.map(requirementOf))].sort());
  });

  test('selects by requirement and by case, everything when nothing is asked for', () => {
    expect(isSelected('RES-01/killed', [])).toBe(true);
    expect(isSelected('RES-01/killed', ['RES-01'])).toBe(true);
    expect(isSelected('RES-01/killed', ['RES-01/killed'])).toBe(true);
    expect(isSelected('RES-01/killed', ['RES-01/paused'])).toBe(false);
    expect(isSelected('RES-01/killed', ['RES-0'])).toBe(false);
    expect(selectedFiles(['SYNC-01']).map(({ file }) => file)).toEqual(['conformance/sync.test.ts']);
    expect(selectedFiles([])[0]?.file).toBe('resilience/redis-killed-60s.test.ts');
  });
});
