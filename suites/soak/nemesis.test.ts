import { expect, test } from 'vitest';
import { CAPABILITIES, type Capability } from '../../harness/config/capabilities.ts';
import { seededRandom } from '../../harness/core/random.ts';
import { FAULTS } from '../../harness/faults/catalogue.ts';
import { AIMS, drawRounds, lackedBy } from './nemesis.ts';
import { AIM_TEXTS, soakFaults } from './requirements.ts';

const ALL: ReadonlySet<Capability> = new Set(CAPABILITIES.keys());
const AIMS_COUNT = Object.keys(AIMS).length;
const SEEDS = Array.from({ length: 50 }, (_, seed) => seed);

test('the same seed draws the same rounds, another one others', () => {
  expect(drawRounds(seededRandom(1), ALL, 60_000)).toEqual(drawRounds(seededRandom(1), ALL, 60_000));
  expect(drawRounds(seededRandom(1), ALL, 60_000)).not.toEqual(drawRounds(seededRandom(2), ALL, 60_000));
});

test.each(SEEDS)('seed %d: Redis alone comes first and lasts, the whole is as long as asked for', (seed) => {
  const rounds = drawRounds(seededRandom(seed), ALL, 120_000);
  const [first, ...others] = rounds;
  expect(first?.disruptions).toHaveLength(1);
  expect(first?.disruptions[0]?.name).toMatch(/^redis-/);
  expect(first?.disruptions[0]?.holdMs).toBeGreaterThanOrEqual(5000);
  expect(first?.disruptions[0]?.name).not.toBe('redis-restarted');
  for (const { disruptions } of others) expect([1, 2]).toContain(disruptions.length);
  const lengths = rounds.map(
    ({ pauseMs, disruptions }) => pauseMs + Math.max(...disruptions.map(({ startMs, holdMs }) => startMs + holdMs)),
  );
  const total = lengths.reduce((sum, ms) => sum + ms, 0);
  expect(total).toBeGreaterThanOrEqual(120_000);
  expect(total - (lengths.at(-1) ?? 0)).toBeLessThan(120_000);
});

test('every second round aims at a step of the write path, alone, and all aims come before one comes twice', () => {
  const rounds = drawRounds(seededRandom(4), ALL, 600_000);
  const aims = rounds
    .filter((_, i) => i % 2 === 1)
    .map(({ disruptions }) => disruptions.map(({ name }) => name).join());
  expect(new Set(aims.slice(0, AIMS_COUNT))).toEqual(new Set(Object.keys(AIMS)));
  const others = rounds.filter((_, i) => i % 2 === 0).flatMap(({ disruptions }) => disruptions.map(({ name }) => name));
  expect(others.filter((name) => name in AIMS)).toEqual([]);
});

test('all that is offered comes before anything comes twice, and nothing that is not offered', () => {
  const offered = new Set<Capability>(['http', 'redis', 'stop redis', 'pause redis', 'stop query']);
  const names = drawRounds(seededRandom(3), offered, 3_600_000).flatMap(({ disruptions }) =>
    disruptions.map(({ name }) => name),
  );
  const kinds = [
    'query-killed',
    'query-restarted',
    'query-stopped',
    'redis-killed',
    'redis-paused',
    'redis-restarted',
    'redis-stopped',
  ];
  expect([...new Set(names)].sort()).toEqual(['delivered-again', ...kinds]);
  const disruptions = names.filter((name) => !(name in AIMS));
  expect([...new Set(disruptions.slice(0, kinds.length))].sort()).toEqual(kinds);
  expect(drawRounds(seededRandom(3), new Set<Capability>(['http']), 60_000)).toEqual([]);
});

test('every fault and every aim has its sentence in the ledger, and none is left over', () => {
  expect(Object.keys(AIM_TEXTS).sort()).toEqual(Object.keys(AIMS).sort());
  expect(soakFaults()).toHaveLength(Object.keys(FAULTS).length + AIMS_COUNT);
  expect(soakFaults(['postgres-disk-*']).map(({ name }) => name)).toEqual(['postgres-disk-full']);
  for (const { name, text } of soakFaults()) expect(text, name).toMatch(/^[A-Za-z].*\.$/);
});

test('rounds that were drawn where more could be broken say what is lacking', () => {
  const rounds = drawRounds(seededRandom(5), ALL, 60_000);
  expect(lackedBy(rounds, ALL)).toEqual([]);
  expect(lackedBy(rounds, new Set<Capability>(['http', 'redis']))).toContain('stop redis');
});
