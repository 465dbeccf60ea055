import { expect, test } from 'vitest';
import { untilDecided } from './steps.ts';

test.each([
  { verdicts: ['pass'], rounds: 1 },
  { verdicts: ['fail', 'pass'], rounds: 1 },
  { verdicts: ['inconclusive', 'pass'], rounds: 2 },
  { verdicts: ['inconclusive', 'fail', 'pass'], rounds: 2 },
  { verdicts: ['inconclusive', 'inconclusive', 'inconclusive', 'pass'], rounds: 3 },
] as const)('measures until it is decided: $verdicts takes $rounds', async ({ verdicts, rounds }) => {
  const measured: number[] = [];
  const took = await untilDecided(
    async (round) => void measured.push(round),
    () => ['pass', verdicts[measured.length - 1] ?? 'pass'],
  );
  expect(took).toBe(rounds);
  expect(measured).toHaveLength(rounds);
});
