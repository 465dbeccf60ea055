import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HistoryPartition, PARTS_MAX, runCheckers, unreadFiles } from '../check/index.ts';
import type { HistoryRecord } from '../record/history.ts';
import { readHistory } from '../record/writer.ts';

/** What of a history is held at once, in bytes of its file. */
const PART_BYTES = 24 * 2 ** 20;
const BUFFER_CHARACTERS = 256 * 1024;

interface Checked {
  findings: ReturnType<typeof runCheckers>;
  /** Acknowledged files whose final state is unknown, see `unreadFiles`. */
  unread: readonly string[];
}

interface CheckFileOptions {
  /** About how much of the file is held at once. */
  partBytes?: number;
  /** What follows these lines is left out. */
  linesMax?: number;
}

/**
 * Runs the checkers on what one case wrote to a history file, however long that is: file by file, from parts that it is
 * split into beside it. Findings are those that `runCheckers` has for the whole.
 * @throws BrokenHistoryError when the history cannot be read to its end
 */
export async function checkFile(
  path: string,
  key: string,
  { partBytes = PART_BYTES, linesMax = Number.POSITIVE_INFINITY }: CheckFileOptions = {},
): Promise<Checked> {
  const { size } = await stat(path);
  const count = Math.min(PARTS_MAX, Math.max(1, Math.ceil(size / partBytes)));
  await using resources = new AsyncDisposableStack();
  const folder = await mkdtemp(join(dirname(path), 'parts-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const paths = Array.from({ length: count }, (_, i) => join(folder, `${i}.jsonl`));
  await split(() => recordsOf(path, key, linesMax), paths);

  const findings = new Map<string, Checked['findings'][number]>();
  const unread: string[] = [];
  for (const part of paths) {
    const records: HistoryRecord[] = [];
    for await (const record of readHistory(part)) records.push(record);
    unread.push(...unreadFiles(records));
    for (const finding of runCheckers(records)) findings.set(JSON.stringify(finding), finding);
  }
  return { findings: [...findings.values()], unread };
}

async function split(read: () => AsyncIterable<HistoryRecord>, paths: readonly string[]): Promise<void> {
  const partition = new HistoryPartition(paths.length);
  for await (const record of read()) partition.learn(record);
  partition.forgetUnfinished();
  using parts = new DisposableStack();
  const writers = paths.map((part) => parts.use(bufferedWriter(part)));
  const write = ({ parts: wanted, records }: { parts: readonly number[]; records: readonly HistoryRecord[] }): void => {
    const text = records.map((record) => `${JSON.stringify(record)}\n`).join('');
    for (const index of wanted) writers[index]?.write(text);
  };
  for await (const record of read()) {
    const placed = partition.place(record);
    if (placed !== undefined) write(placed);
  }
  partition.unfinished().forEach(write);
}

async function* recordsOf(path: string, key: string, linesMax: number): AsyncGenerator<HistoryRecord> {
  for await (const record of readHistory(path, { linesMax })) if (record.case === key) yield record;
}

function bufferedWriter(path: string): { write(text: string): void } & Disposable {
  const descriptor = openSync(path, 'w');
  let buffer = '';
  const flush = (): void => {
    writeSync(descriptor, buffer);
    buffer = '';
  };
  return {
    write(text) {
      buffer += text;
      if (buffer.length >= BUFFER_CHARACTERS) flush();
    },
    [Symbol.dispose]() {
      flush();
      closeSync(descriptor);
    },
  };
}
