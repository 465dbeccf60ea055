import { readHistory } from '../../harness/index.ts';

/** Ids of the files whose upload or registration a case saw accepted, each once, from the history's file. */
export async function createdIn(historyPath: string, key: string): Promise<string[]> {
  const created = new Set<string>();
  for await (const record of readHistory(historyPath)) {
    if (record.type !== 'ok' || record.case !== key || record.fileId === undefined) continue;
    if (record.kind === 'upload' || record.kind === 'register') created.add(record.fileId);
  }
  return [...created];
}
