import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';
import { describe, expect, test } from 'vitest';
import { accessKindOf, CAPABILITIES } from '../../harness/config/capabilities.ts';
import {
  CASE_KEYS,
  CASES,
  caseByKey,
  REQUIREMENTS,
  RETIRED_IDS,
  requirementById,
  selectedLanes,
} from '../requirements.ts';
import { soakFaults } from '../soak/requirements.ts';
import { ledgerDocument } from './document.ts';
import { isSelected, planWorkers, requirementOf } from './ledger.ts';
import { accessOf, LEVELS, TIERS } from './requirement.ts';

const SUITES = resolve(import.meta.dirname, '..');
const IDS = REQUIREMENTS.map(({ id }) => id);
const FILES = Map.groupBy(CASES, ({ file }) => file);

/** The cases that a file declares: what is passed to `verify` as key and title. */
function declaredCases(file: string): { key: string; title: string }[] {
  const source = readFileSync(join(SUITES, file), 'utf8');
  const declared: { key: string; title: string }[] = [];
  new Visitor({
    CallExpression({ callee, arguments: [key, title] }) {
      if (callee.type !== 'Identifier' || callee.name !== 'verify') return;
      declared.push({ key: textOf(key), title: textOf(title) });
    },
  }).visit(parseSync(file, source).program);
  return declared;
}

const textOf = (node: unknown): string => String((node as { value?: unknown } | undefined)?.value);

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
    for (const sentence of [entry.text, entry.why, entry.provoked, entry.troubleshooting, ...entry.allowed]) {
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
    // Stale? `node suites/document.ts` writes it again.
    expect(written).toBe(ledgerDocument(REQUIREMENTS, soakFaults()));
  });
});

test('what starts, ends or arranges something is a matter of control', () => {
  const control = [...CAPABILITIES.keys()].filter((name) => accessKindOf(name) === 'control');
  expect(control).toEqual(expect.arrayContaining(['multiple-query-instances', 'custom-environment', 'stop redis']));
  expect(accessKindOf('roles')).toBe('http');
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

  test.each([...FILES])('of %s are declared there, with the titles of the ledger', (file, cases) => {
    const inLedger = cases.map(({ key, title }) => ({ key, title }));
    const byKey = (a: { key: string }, b: { key: string }): number => a.key.localeCompare(b.key);
    expect(declaredCases(file).sort(byKey)).toEqual(inLedger.sort(byKey));
  });

  test('are in no other file', () => {
    const files = globSync('*/*.test.ts', { cwd: SUITES });
    expect(files.length).toBeGreaterThan(FILES.size);
    expect(files.filter((file) => !FILES.has(file) && declaredCases(file).length > 0)).toEqual([]);
  });

  test('are selected by requirement and by case, all when nothing is asked for', () => {
    expect(isSelected(caseByKey('RES-01/killed'), [])).toBe(true);
    expect(isSelected(caseByKey('RES-01/killed'), ['RES-01'])).toBe(true);
    expect(isSelected(caseByKey('RES-01/killed'), ['RES-01/killed'])).toBe(true);
    expect(isSelected(caseByKey('RES-01/killed'), ['RES-01/paused'])).toBe(false);
    expect(isSelected(caseByKey('RES-01/killed'), ['RES-0'])).toBe(false);
    expect(selectedLanes(['SYNC-01']).map(({ file }) => file)).toEqual(['sync/sync.test.ts']);
  });

  test('of a lane are of one file, and the longest lane is the first', () => {
    const lanes = selectedLanes(['*']);
    expect(lanes.flatMap(({ cases }) => cases.map(({ key }) => key)).sort()).toEqual([...CASE_KEYS].sort());
    const seconds = lanes.map((lane) => lane.seconds);
    expect(seconds).toEqual(seconds.toSorted((a, b) => b - a));
    expect(lanes.filter(({ alone }) => alone).map(({ cases }) => cases.map(({ key }) => key))).toEqual([['LAT-01']]);
  });

  test('of a run are dealt out to workers whole, each once, and what measures time stands alone', () => {
    const workers = planWorkers(CASES, 4);
    expect(workers.map(({ name, alone }) => [name, alone])).toEqual([
      ['alone', true],
      ...[1, 2, 3, 4].map((number) => [`worker ${number}`, false]),
    ]);
    const keys = workers.flatMap(({ files }) => files.flatMap(({ cases }) => cases.map(({ key }) => key)));
    expect(keys.sort()).toEqual([...CASE_KEYS].sort());
    const seconds = workers.slice(1).map((worker) => worker.seconds);
    expect(Math.max(...seconds) - Math.min(...seconds)).toBeLessThan(Math.max(...seconds) / 2);
    const still = CASES.map((each) => (each.key === 'LAT-02' ? { ...each, lane: 'alone' } : each));
    expect(planWorkers(still, 4).filter(({ alone }) => alone)).toHaveLength(1);
    expect(planWorkers(CASES.slice(0, 1), 4)).toHaveLength(1);
  });
});
