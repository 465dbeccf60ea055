import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunFailure } from '../check/index.ts';
import { describeError } from '../core/errors.ts';
import type { HistoryRecord } from '../record/history.ts';
import { readHistory } from '../record/writer.ts';
import { badgeOf, renderBadge } from './badge.ts';
import { buildResult } from './build.ts';
import type { RequirementText } from './build-requirements.ts';
import { renderHtml } from './html.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { type KillMatrix, killMatrixSchema, type RunResult, runResultSchema } from './result.ts';

/** The newest matrix lies in the folder of reports, beside the runs. */
export function killMatrixPath(reportDirectory: string): string {
  return join(reportDirectory, 'mutants.json');
}

/**
 * What was last seen of the broken variants, if it was with the very ledger of a run: another one proves nothing about
 * this one. Undefined too when there is none, or none that can be read.
 */
export async function readKillMatrix(
  reportDirectory: string,
  requirementsVersion: string,
): Promise<KillMatrix | undefined> {
  try {
    const matrix = killMatrixSchema.parse(JSON.parse(await readFile(killMatrixPath(reportDirectory), 'utf8')));
    return matrix.requirementsVersion === requirementsVersion ? matrix : undefined;
  } catch {
    return undefined;
  }
}

export interface ReportOptions {
  /** The run's `history.jsonl`; may be torn, empty or absent. */
  historyPath: string;
  /** Folder that the reports go to; made when absent. */
  outputDirectory: string;
  /** False when the run was cut short. */
  complete: boolean;
  /** What ended the run from outside its cases, when the history cannot know. */
  failure?: RunFailure;
  /** The ledger, for the requirements' order and texts. */
  requirements?: readonly RequirementText[];
  /** What was seen of the broken variants with the same ledger. */
  killMatrix?: KillMatrix;
}

/** Undefined: this run has no such report. */
const WRITERS: Record<string, (result: RunResult) => string | undefined> = {
  'result.json': (result) => `${JSON.stringify(runResultSchema.parse(result))}\n`,
  'index.html': renderHtml,
  'junit.xml': renderJunit,
  'summary.md': renderMarkdown,
  'badge.svg': (result) => {
    const badge = badgeOf(result);
    return badge === undefined ? undefined : renderBadge(badge);
  },
};

/**
 * Writes index.html, result.json, junit.xml and summary.md from a history, and gives the result they show.
 * Each file appears whole or not at all, and one that cannot be written does not stop the others.
 * @throws AggregateError when at least one file could not be written; the rest is there
 */
export async function writeReports(options: ReportOptions): Promise<RunResult> {
  const { records, problem } = await salvageHistory(options.historyPath);
  const result = buildResult(records, {
    complete: options.complete,
    failure: options.failure,
    requirements: options.requirements,
    killMatrix: options.killMatrix,
    historyProblem: problem,
  });
  await mkdir(options.outputDirectory, { recursive: true });
  const writes = Object.entries(WRITERS).map(async ([name, render]) => {
    try {
      const content = render(result);
      if (content !== undefined) await writeWhole(join(options.outputDirectory, name), content);
    } catch (cause) {
      throw new Error(`Could not write ${name}: ${describeError(cause)}`, { cause });
    }
  });
  const errors = (await Promise.allSettled(writes)).flatMap((write) =>
    write.status === 'rejected' ? [write.reason] : [],
  );
  if (errors.length > 0)
    throw new AggregateError(errors, `${errors.length} of ${writes.length} reports could not be written`);
  return result;
}

/**
 * Every record up to the first line that is none, and what is wrong with the rest. Of a case that may have very many, only
 * what figures are made of: its findings were made of the whole, and stand beside.
 */
async function salvageHistory(path: string): Promise<{ records: HistoryRecord[]; problem?: string }> {
  const records: HistoryRecord[] = [];
  const large = new Set<string>();
  const compact = compactor();
  try {
    for await (const record of readHistory(path)) {
      if (record.type === 'case-started' && record.checkedFromFile) large.add(record.case);
      records.push(record.case !== undefined && large.has(record.case) ? compact(record) : record);
    }
  } catch (error) {
    return { records, problem: `the history could not be read to its end: ${describeError(error)}` };
  }
  return { records };
}

/** Keeps of the operations of a large case what figures are made of, and each text once. */
function compactor(): (record: HistoryRecord) => HistoryRecord {
  const texts = new Map<string, string>();
  const once = (text: string): string => {
    const known = texts.get(text);
    if (known === undefined) texts.set(text, text);
    return known ?? text;
  };
  return (record) => {
    const { at, case: key = '' } = record;
    if (record.type === 'invoke') {
      const { type, op, kind, intendedAt, fileId, final } = record;
      const own = { type, at, case: once(key), op, kind, intendedAt };
      if (final !== undefined) return { ...own, final, ...(fileId === undefined ? {} : { fileId: once(fileId) }) };
      return fileId === undefined ? own : { ...own, fileId: once(fileId) };
    }
    if (record.type !== 'ok' && record.type !== 'fail' && record.type !== 'unknown') return record;
    const { type, op, kind, fileId, status } = record;
    const own = { type, at, case: once(key), op, kind };
    if (fileId === undefined) return status === undefined ? own : { ...own, status };
    return status === undefined ? { ...own, fileId: once(fileId) } : { ...own, status, fileId: once(fileId) };
  };
}

async function writeWhole(path: string, content: string): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await writeFile(partial, content);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
