import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { monotonicMs } from '../core/time.ts';
import type { HistoryRecord } from './history.ts';
import { openHistory, readHistory } from './writer.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'syncproof-record-'));
  path = join(folder, 'history.jsonl');
});

afterEach(() => rmSync(folder, { recursive: true }));

async function readAll(): Promise<HistoryRecord[]> {
  const records: HistoryRecord[] = [];
  for await (const record of readHistory(path)) records.push(record);
  return records;
}

describe('a history', () => {
  // What some readers of lines take for the end of one, a text longer than what is read at a time, and a lone surrogate.
  const texts = ['a\u2028b\u2029c\u0085d\r\n\v\f', 'é'.repeat(300_000), '\ud800', ''];

  test.each(texts.map((text) => [text.slice(0, 20), text] as const))(
    'gives back %j as it was written',
    async (_, text) => {
      using history = openHistory(path, monotonicMs());
      for (const phase of [text, 'after']) history.record({ type: 'phase', phase });
      expect(await readAll()).toMatchObject([{ phase: text }, { phase: 'after' }]);
    },
  );

  test('gives the plan of a run also where an older version recorded its facts beside each other', async () => {
    const target = { name: 'mine', file: 'target.yaml' };
    const facts = { seed: 7, profile: 'classic', environment: 'external', allowPartial: true, target };
    const started = {
      type: 'run-started',
      at: 0,
      runId: 'r',
      startedAt: '',
      command: '',
      selected: ['A-01'],
      ...facts,
    };
    appendFileSync(path, `${JSON.stringify(started)}\n`);
    const [read] = await readAll();
    const plan = {
      seed: 7,
      profile: 'classic',
      environment: 'external',
      allowPartial: true,
      retries: 0,
      cases: ['A-01'],
    };
    expect(read).toMatchObject({ type: 'run-started', plan: { ...plan, target: 'target.yaml' } });
  });

  test('leaves out a torn last line and refuses a broken earlier one', async () => {
    appendFileSync(path, '{"type":"phase","at":1,"phase":"a"}\r\n\n{"type":"pha');
    expect(await readAll()).toHaveLength(1);
    appendFileSync(path, '\n{"type":"phase","at":2,"phase":"b"}\n');
    await expect(readAll()).rejects.toThrow('history.jsonl:3 is not a history record');
  });
});
