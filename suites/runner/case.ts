import { createHash } from 'node:crypto';
import {
  type CaseStarted,
  checkFile,
  connectRedis,
  createFaults,
  DeadlineError,
  describeError,
  type Environment,
  type Faults,
  type HistoryRecord,
  isOwn,
  missingFinalReads,
  monotonicMs,
  type PipelineClient,
  type Random,
  type Recorder,
  requireFinalReads,
  runCheckers,
  seededRandom,
  UnreachableError,
} from '../../harness/index.ts';
import type { KeyedCase } from '../ledger/ledger.ts';
import { attachFiles, describeCase } from './allure.ts';
import { clientOf, createdIn } from './client.ts';
import { type Witnessed, writeEvidence } from './evidence.ts';
import { currentRun } from './run.ts';
import { type Judgement, judge, withExpectation } from './verdict.ts';

/** What a case has at hand. Everything in it records under the case's key and is released after it. */
export interface CaseContext {
  env: Environment;
  /** A client with the role ADMIN. */
  pipeline: PipelineClient;
  /** An observer's connection to Redis itself, past the fault proxy. */
  redis: ReturnType<typeof connectRedis>;
  faults: Faults;
  recorder: Recorder;
  /** Everything the case has recorded so far; no operations in a case that is checked from the history's file. */
  records: readonly HistoryRecord[];
  /** Ids of the files whose upload or registration was accepted so far; none in a case that is checked from the file. */
  created: ReadonlySet<string>;
  /** Counts and figures that the verdict rests on; the floor is held against them. */
  evidence: Record<string, number | string>;
  /** The choices of this case, from the run's seed and the case's key. */
  random: Random;
  /** A name that no other case and no other run uses: for file names that search must tell apart. */
  unique: string;
  /** Aborts when the case's time is over or the run is interrupted. */
  signal: AbortSignal;
}

export interface CasePlan extends KeyedCase {
  timeoutMs: number;
  checkedFromFile: boolean;
  body: (context: CaseContext) => Promise<void>;
}

const SETTLE_MS = 15_000;
/** Files of a case that are removed at once. */
const REMOVERS = 8;

export interface CaseRun {
  getEnvironment: () => Promise<Environment>;
  /** How an earlier try ended; a pass is then no pass but a flake. */
  earlier?: Judgement | undefined;
  /** Which try it is, from 1. */
  attempt: number;
}

/** Runs one case to its verdict and records it. Throws nothing: what went wrong is the verdict's reason. */
export async function runCase(plan: CasePlan, { getEnvironment, earlier, attempt }: CaseRun): Promise<Judgement> {
  const { context, capabilities, target, history, signal } = currentRun();
  const { key, title, requirement, floor } = plan;
  await describeCase(plan);
  const { recorder, records, created } = tee(history.forCase(key), { operations: !plan.checkedFromFile });
  const evidence: Record<string, number | string> = {};
  const base = { case: key, requirement: requirement.id, title } as const;
  let startedAt = monotonicMs();
  const tookMs = (): number => Math.round(monotonicMs() - startedAt);
  const finish = (
    judged: Judgement,
    kept: { durationMs?: number; evidenceFiles?: readonly string[] } = {},
  ): Judgement => {
    const tried = earlier !== undefined && judged.verdict === 'pass' ? flaky(earlier) : judged;
    const judgement = withExpectation(key, tried, target?.xfail ?? [], new Date().toISOString().slice(0, 10));
    const { durationMs = tookMs(), ...files } = kept;
    const told = { durationMs, evidence, floor, ...files };
    history.write({ type: 'case-finished', at: history.now(), ...base, ...judgement, ...told });
    return judgement;
  };

  const missing = plan.needs.filter((need) => !capabilities.has(need));
  if (missing.length > 0)
    return finish({ verdict: 'skip', reason: `Unsupported by the target: ${missing.join(', ')}` });
  let env: Environment;
  try {
    env = await getEnvironment();
  } catch (error) {
    history.write({ type: 'case-started', at: history.now(), ...base });
    // A pipeline that is not ours and does not answer any more is no fault of the harness.
    const away = context.plan.environment === 'external' && error instanceof UnreachableError;
    return finish({ verdict: signal.aborted || away ? 'inconclusive' : 'error', reason: describeError(error) });
  }

  startedAt = monotonicMs();
  const { checkedFromFile: fromFile } = plan;
  const since = history.now();
  const started: CaseStarted = {
    ...{ type: 'case-started', at: since, ...base, environmentId: env.id },
    ...(fromFile ? { checkedFromFile: true } : {}),
  };
  history.write(started);
  const random = seededRandom(context.plan.seed).fork(key);
  const thrown = await runBody(plan, { env, recorder, records, created, evidence, random });
  const { found, error: untold } = plan.checkedFromFile
    ? await checkedFromFile(context.historyPath, key)
    : { found: runCheckers(records), error: undefined };
  const error = thrown ?? untold;
  const findings = tellOnce(found, records, recorder);
  const judgement: Judgement = signal.aborted
    ? { verdict: 'inconclusive', reason: describeError(signal.reason) }
    : judge({ error, findings, evidence, floor });
  const durationMs = tookMs();
  const keeps = judgement.verdict !== 'pass' && !signal.aborted;
  const evidenceFiles = keeps ? await keepEvidence({ env, key, attempt, records: [started, ...records] }) : undefined;
  if (!isOwn(env)) await removeFiles(env, fromFile ? await createdIn(context.historyPath, key, since) : created);
  return finish(judgement, { durationMs, ...(evidenceFiles === undefined ? {} : { evidenceFiles }) });
}

/** Evidence that cannot be kept costs neither the verdict nor what follows it. */
async function keepEvidence(witnessed: Witnessed): Promise<string[] | undefined> {
  const { outputDirectory } = currentRun().context;
  try {
    const files = await writeEvidence(outputDirectory, witnessed);
    await attachFiles(outputDirectory, files);
    return files;
  } catch (error) {
    process.stderr.write(`The evidence of ${witnessed.key} cannot be kept: ${describeError(error)}\n`);
    return undefined;
  }
}

function flaky({ verdict, reason }: Judgement): Judgement {
  return { verdict: 'flaky', reason: `It passed when tried again; before: ${verdict}: ${reason ?? 'no reason'}` };
}

/** What a case leaves behind in a foreign pipeline is removed; a failure to do so is not the case's verdict. */
async function removeFiles(env: Environment, created: Iterable<string>): Promise<void> {
  const silent: Recorder = { now: () => 0, record: () => {}, forCase: () => silent };
  await using pipeline = clientOf(env, { recorder: silent });
  const remaining = [...created];
  const worker = async (): Promise<void> => {
    for (let id = remaining.pop(); id !== undefined; id = remaining.pop())
      await pipeline.remove(id, { recorded: false });
  };
  await Promise.all(Array.from({ length: REMOVERS }, worker));
}

/** Gives what the case threw, undefined when it came to its end. */
async function runBody(
  plan: CasePlan,
  given: Pick<CaseContext, 'env' | 'recorder' | 'records' | 'created' | 'evidence' | 'random'>,
): Promise<unknown> {
  const { signal: interrupted, context } = currentRun();
  const { env, recorder } = given;
  const over = new AbortController();
  const deadline = new DeadlineError(`The case took longer than its ${plan.timeoutMs} ms`);
  const timer = setTimeout(() => over.abort(deadline), plan.timeoutMs);
  const signal = AbortSignal.any([interrupted, over.signal]);
  try {
    await using resources = new AsyncDisposableStack();
    const pipeline = resources.use(clientOf(env, { recorder }));
    const faults = createFaults(env, recorder);
    let redis: CaseContext['redis'] | undefined;
    resources.defer(() => redis?.disconnect());
    const body = plan.body({
      ...{ ...given, pipeline, faults, unique: uniqueName(plan.key, context.runId), signal },
      // Not every target lets us in: who needs it says so, and opens it by asking.
      get redis() {
        redis ??= connectRedis(env.redisAddress());
        return redis;
      },
    });
    await Promise.race([body, rejectAfterAbort(signal, body)]);
    requireFinalReads(given.records);
    return undefined;
  } catch (error) {
    return error ?? new Error('The case threw nothing that says why');
  } finally {
    clearTimeout(timer);
  }
}

/** For one case of one run: a pipeline that is not ours keeps what earlier runs left. */
function uniqueName(key: string, runId: string): string {
  const hash = createHash('sha256').update(`${runId} ${key}`).digest('hex').slice(0, 8);
  return `${key.replaceAll(/[^A-Za-z0-9]+/g, '-').toLowerCase()}-${hash}`;
}

/** Rejects once the signal has aborted and the body has had time to heal what it broke. */
function rejectAfterAbort(signal: AbortSignal, body: Promise<void>): Promise<never> {
  return new Promise((_resolve, reject) => {
    const onAbort = async (): Promise<void> => {
      const settled = body.then(
        () => {},
        () => {},
      );
      const grace = AbortSignal.timeout(SETTLE_MS);
      await Promise.race([settled, new Promise((resolve) => grace.addEventListener('abort', resolve, { once: true }))]);
      reject(signal.reason);
    };
    if (signal.aborted) void onAbort();
    else signal.addEventListener('abort', () => void onAbort(), { once: true });
  });
}

/** @returns an error when the history does not tell enough */
async function checkedFromFile(
  historyPath: string,
  key: string,
): Promise<{ found: ReturnType<typeof runCheckers>; error?: unknown }> {
  try {
    const { findings, unread } = await checkFile(historyPath, key);
    return { found: findings, ...(unread.length > 0 ? { error: missingFinalReads(unread) } : {}) };
  } catch (error) {
    return { found: [], error };
  }
}

/** What the case reported itself is not reported twice. */
function tellOnce(
  found: ReturnType<typeof runCheckers>,
  records: readonly HistoryRecord[],
  recorder: Recorder,
): { checker: string; message: string }[] {
  const reported = records.filter((record) => record.type === 'finding');
  const known = new Set(reported.map(({ checker, message }) => `${checker} ${message}`));
  const fresh = found.filter(({ checker, message }) => !known.has(`${checker} ${message}`));
  for (const finding of fresh) recorder.record({ type: 'finding', ...finding });
  return [...reported, ...fresh];
}

const OPERATIONS: ReadonlySet<string> = new Set(['invoke', 'ok', 'fail', 'unknown']);

/**
 * A recorder that also keeps what it writes: for the checkers, and as evidence of a failure.
 * @param kept whether operations, and the files that they created, are kept, too: of very many they are in the history
 */
function tee(
  target: Recorder,
  kept: { operations: boolean },
): { recorder: Recorder; records: HistoryRecord[]; created: ReadonlySet<string> } {
  const records: HistoryRecord[] = [];
  const created = new Set<string>();
  const recorder: Recorder = {
    now: () => target.now(),
    forCase: (key) => target.forCase(key),
    record(entry) {
      const timed = { ...entry, at: entry.at ?? target.now() };
      target.record(timed);
      if (!kept.operations && OPERATIONS.has(timed.type)) return;
      if (timed.type === 'ok' && (timed.kind === 'upload' || timed.kind === 'register') && timed.fileId !== undefined) {
        created.add(timed.fileId);
      }
      records.push(timed as HistoryRecord);
    },
  };
  return { recorder, records, created };
}
