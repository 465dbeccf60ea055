import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { requirementOf } from '../ledger/ledger.ts';
import { REQUIREMENTS } from '../requirements.ts';
import { MUTANTS } from '../variants.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/guarantees.md'), 'utf8');

const rows = PAGE.split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| -') && !line.startsWith('| Holds'))
  .map((line) => line.split('|').slice(1, -1));
const quoted = (cell = ''): string[] => Array.from(cell.matchAll(/`([^`]+)`/g), ([, word]) => word ?? '');

test('the page of guarantees has rows', () => {
  expect(rows.length).toBeGreaterThan(20);
});

test.each(rows.map((cells) => [cells[0]?.trim() ?? '', cells] as const))('%s', (_holds, cells) => {
  const [, , files, tested = '', proved] = cells;
  expect(quoted(files)).not.toEqual([]);
  for (const file of quoted(files)) expect(existsSync(join(ROOT, file)), file).toBe(true);
  const ids = tested.split(',').map((id) => id.trim());
  for (const id of ids) expect(REQUIREMENTS.map((requirement) => requirement.id)).toContain(id);
  expect(quoted(proved)).not.toEqual([]);
  for (const variant of quoted(proved)) {
    const caughtBy = MUTANTS.find(({ id }) => id === variant)?.caughtBy.map(requirementOf) ?? [];
    expect(
      caughtBy.some((id) => ids.includes(id)),
      `${variant} is caught by ${caughtBy}`,
    ).toBe(true);
  }
});

test('every requirement of the durable tier is named by a guarantee', () => {
  const named = new Set(rows.flatMap(([, , , tested = '']) => tested.split(',').map((id) => id.trim())));
  const durable = REQUIREMENTS.filter(({ tier }) => tier === 'durable').map(({ id }) => id);
  expect(durable.filter((id) => !named.has(id))).toEqual([]);
});
