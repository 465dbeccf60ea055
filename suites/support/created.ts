import { readHistory } from '../../harness/index.ts';

/**
 * Ids of the files whose upload or registration a case saw accepted, each once, from the history's file; not those of an
 * earlier try, which had an environment of its own.
 * @param since run time at which the try began, in ms
 */
export async function createdIn(historyPath: string, key: string, since: number): Promise<string[]> {
  const created = new Set<string>();
  for await (const record of readHistory(historyPath)) {
    if (record.type !== 'ok' || record.case !== key || record.at < since || record.fileId === undefined) continue;
    if (record.kind === 'upload' || record.kind === 'register') created.add(record.fileId);
  }
  return [...created];
}
