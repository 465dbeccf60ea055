import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HistoryRecord } from '../record/history.ts';

const POLL_MS = 50;
const CHUNK_BYTES = 256 * 1024;

/**
 * Reads a history while others append to it, until `signal` aborts; then reads what is left and resolves.
 * Lines that are not JSON are left to the report, which names them.
 */
export async function followHistory(
  path: string,
  onRecord: (record: HistoryRecord) => void,
  signal: AbortSignal,
): Promise<void> {
  await using file = await open(path, 'r');
  const lines = lineReader(file);
  for (;;) {
    const last = signal.aborted;
    for await (const line of lines()) {
      const record = parse(line);
      if (record !== undefined) onRecord(record);
    }
    if (last) return;
    // Rejects when the run ends: that only means one last read.
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

function parse(line: string): HistoryRecord | undefined {
  try {
    return JSON.parse(line) as HistoryRecord;
  } catch {
    // Torn or broken: the report counts and names such lines.
    return undefined;
  }
}

/** Gives, at each call, the complete lines that have been appended since the call before. */
function lineReader(file: FileHandle): () => AsyncGenerator<string> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let position = 0;
  let rest: Buffer = Buffer.alloc(0);
  return async function* newLines() {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      let chunk = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10)) {
        yield chunk.toString('utf8', 0, end);
        chunk = chunk.subarray(end + 1);
      }
      rest = Buffer.from(chunk);
    }
  };
}
