import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CAPABILITIES } from '../../harness/contract/capabilities.ts';
import { ALONE, CASE_KEYS, caseByKey, isSelected, requirementOf, selectedFiles } from '../spec/cases.ts';
import { ledgerDocument } from '../spec/document.ts';
import { REQUIREMENTS, RETIRED_IDS, requirementById } from '../spec/ledger.ts';
import { accessOf, LEVELS, TIERS } from '../spec/requirement.ts';

const SUITES = resolve(import.meta.dirname, '..');
const IDS = REQUIREMENTS.map(({ id }) => id);
// Those on demand, too.
const FILES = selectedFiles(['*']);

/** The requirements whose cases a file declares; which cases of a requirement is checked when they run. */
function declaredIds(file: string): string[] {
  const source = readFileSync(join(SUITES, file), 'utf8');
  return [...source.matchAll(/\bverify\(\s*['`]([A-Z]+-\d+)/g)].map(([, id]) => id ?? '');
}

describe('the requirements ledger', () => {
  test('has permanent ids, each once', () => {
    expect(new Set(IDS).size).toBe(IDS.length);
    for (const id of IDS) expect(id).toMatch(/^[A-Z]+-\d\d$/);
    expect(IDS.filter((id) => RETIRED_IDS.includes(id))).toEqual([]);
  });

  test.each(REQUIREMENTS.map((entry) => [entry.id, entry] as const))('%s says all that is to be said', (_id, entry) => {
    expect(LEVELS).toContain(entry.level);
    expect(TIERS).toContain(entry.tier);
    expect(entry.allowed.length).toBeGreaterThan(0);
    for (const sentence of [entry.text, entry.why, entry.provoked, entry.look, ...entry.allowed]) {
      expect(sentence).toMatch(/^\S.*[.?]$/);
    }
    expect(entry.since).toMatch(/^\d+\.\d+\.\d+$/);
    expect(entry.source).not.toBe('');
    expect(accessOf(entry)).toContain('http');
  });

  test('has a case for every MUST', () => {
    expect(REQUIREMENTS.filter(({ level, cases }) => level === 'MUST' && cases.length === 0)).toEqual([]);
  });

  test('refuses an unknown id by name', () => {
    expect(() => requirementById('NOPE-01')).toThrow('NOPE-01');
    expect(() => caseByKey('RES-01/nope')).toThrow('RES-01/nope');
  });

  test('is what docs/requirements.md says', () => {
    const written = readFileSync(join(SUITES, '../docs/requirements.md'), 'utf8');
    // Stale? `node suites/spec/document.ts` writes it again.
    expect(written).toBe(ledgerDocument());
  });
});

describe('the cases', () => {
  test('have keys of their own', () => expect(new Set(CASE_KEYS).size).toBe(CASE_KEYS.length));

  test.each(CASE_KEYS)('%s asks only for what an environment can offer, and for some evidence', (key) => {
    const { needs, floor, title, requirement } = caseByKey(key);
    for (const need of needs) expect([...CAPABILITIES.keys()]).toContain(need);
    expect(Object.values(floor).filter((least) => least > 0)).not.toEqual([]);
    expect(title).not.toBe('');
    expect(requirementOf(key)).toBe(requirement.id);
  });

  test('are in the suite files, all of which the ledger names', () => {
    const present = globSync('{conformance,resilience}/*.test.ts', { cwd: SUITES });
    expect(FILES.map(({ file }) => file).sort()).toEqual(present.sort());
    for (const file of ALONE) expect(present).toContain(file);
  });

  test.each(FILES.map(({ file, cases }) => [file, cases] as const))('of %s are declared there', (file, cases) => {
    expect([...new Set(declaredIds(file))].sort()).toEqual(
      [...new Set(cases.map(({ key }) => requirementOf(key)))].sort(),
    );
  });

  test('are selected by requirement and by case, all when nothing is asked for', () => {
    expect(isSelected('RES-01/killed', [])).toBe(true);
    expect(isSelected('RES-01/killed', ['RES-01'])).toBe(true);
    expect(isSelected('RES-01/killed', ['RES-01/killed'])).toBe(true);
    expect(isSelected('RES-01/killed', ['RES-01/paused'])).toBe(false);
    expect(isSelected('RES-01/killed', ['RES-0'])).toBe(false);
    expect(selectedFiles(['SYNC-01']).map(({ file }) => file)).toEqual(['conformance/sync.test.ts']);
    const seconds = FILES.map((file) => file.seconds);
    expect(seconds).toEqual(seconds.toSorted((a, b) => b - a));
  });
});
