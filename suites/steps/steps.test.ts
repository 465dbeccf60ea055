import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../harness/core/random.ts';
import { registrationSchema } from '../../services/admin/file-schemas.ts';
import { inParallel } from './many.ts';
import { stepBack } from './reads.ts';
import { registration } from './registrations.ts';

describe('a registration', () => {
  test('is one that the reference takes, whatever the choices', () => {
    for (let seed = 0; seed < 200; seed++) {
      const body = registration(seededRandom(seed));
      expect(registrationSchema.safeParse(body).error).toBeUndefined();
    }
  });

  test('is the same for the same choices, but for its id', () => {
    const [one, other] = [1, 1].map((seed) => registration(seededRandom(seed)));
    expect(one?.file_id).not.toBe(other?.file_id);
    const ids = /[0-9a-f]{8}-[0-9a-f-]{27}|"storage_path":"../g;
    expect(JSON.stringify(one).replaceAll(ids, '')).toBe(JSON.stringify(other).replaceAll(ids, ''));
  });

  test('takes fields as they are given, and leaves out those that are undefined', () => {
    const body = registration(seededRandom(1), { original_filename: 'a', description: undefined, tags: null });
    expect(JSON.parse(JSON.stringify(body))).toMatchObject({ original_filename: 'a', tags: null });
    expect(JSON.stringify(body)).not.toContain('description');
  });

  test('has a time to live just when it is temporary', () => {
    const daysOf = (policy: 'temporary' | 'permanent') =>
      registration(seededRandom(1), { retention_policy: policy }).ttl_days;
    expect(daysOf('permanent')).toBeNull();
    expect(daysOf('temporary')).toBeGreaterThan(0);
  });
});

describe('a step back', () => {
  const look = (step: number, startedAt: number, endedAt: number) => ({ step, startedAt, endedAt });

  test('is an earlier state in a read that began after a later one had been shown', () => {
    const looks = [look(1, 0, 10), look(3, 5, 20), look(2, 21, 30), look(3, 31, 40)];
    expect(stepBack(looks)).toEqual({ earlier: looks[1], later: looks[2] });
    expect(stepBack(looks.toReversed())).toEqual({ earlier: looks[1], later: looks[2] });
  });

  test('is found although another read with an older state ended in between', () => {
    expect(stepBack([look(5, 0, 10), look(1, 2, 20), look(4, 30, 40)])?.later.step).toBe(4);
  });

  test('is none where the reads overlap, or nothing falls', () => {
    expect(stepBack([look(3, 0, 20), look(2, 10, 30), look(3, 31, 40)])).toBeUndefined();
    expect(stepBack([look(1, 0, 1), look(1, 2, 3), look(2, 4, 5)])).toBeUndefined();
    expect(stepBack([])).toBeUndefined();
  });
});

describe('acting on several at once', () => {
  test('keeps to the limit and to the order of the items', async () => {
    let [running, most] = [0, 0];
    const results = await inParallel([30, 10, 20, 0, 5], 2, async (ms, index) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, ms));
      running--;
      return `${index}:${ms}`;
    });
    expect(results).toEqual(['0:30', '1:10', '2:20', '3:0', '4:5']);
    expect(most).toBe(2);
  });

  test('begins nothing after an error, and waits for what is in progress', async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const acting = inParallel([0, 1, 2, 3], 2, async (item) => {
      begun.push(item);
      if (item === 0) throw new Error('the first');
      await new Promise((resolve) => setTimeout(resolve, 10));
      ended.push(item);
    });
    await expect(acting).rejects.toThrow('the first');
    expect(begun).toEqual([0, 1]);
    expect(ended).toEqual([1]);
  });
});
