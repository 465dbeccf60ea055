import { relative, resolve } from 'node:path';
import { afterAll, inject, test } from 'vitest';
import { describeError, type Environment, type Verdict } from '../../harness/index.ts';
import { casesOf, type KeyedCase } from '../ledger/ledger.ts';
import type { Requirement } from '../ledger/requirement.ts';
import { type CaseContext, type CasePlan, runCase } from './case.ts';
import { type EnvironmentChoices, SharedEnvironment } from './environment.ts';
import { currentRun } from './run.ts';
import type { Judgement } from './verdict.ts';

export interface CaseOptions {
  /** The case gets an environment of its own, made like this, instead of the file's. */
  environment?: EnvironmentChoices;
  /** It lasts as long as the run was told, in ms: its deadline is that much later. */
  lastsMs?: number;
  /** What it does is checked from the history's file, since it may be more than fits in memory. */
  checkedFromFile?: boolean;
}

/** Key of a case of some requirements: an id, or the id and a variant: `RES-01/killed`. */
type KeyOf<R extends readonly Requirement[]> = R[number]['id'] | `${R[number]['id']}/${string}`;

type Verify<R extends readonly Requirement[]> = (
  key: KeyOf<R>,
  title: string,
  body: (context: CaseContext) => Promise<void>,
  options?: CaseOptions,
) => void;

declare module 'vitest' {
  interface ProvidedContext {
    /** Keys of the cases that this project of the runner runs: those of some lanes. */
    cases: readonly string[];
  }
}

/** Nothing has to be done about these. */
const ACCEPTED: readonly Verdict[] = ['pass', 'skip', 'xfail'];

const CASE_TIMEOUT_MS = 60_000;
/** First use of an environment may fetch and prepare servers. */
const ENVIRONMENT_TIMEOUT_MS = 120_000;
/** More than a case needs to settle after its own deadline: this one must never be the first to strike. */
const MARGIN_MS = 30_000;
const STOP_TIMEOUT_MS = 60_000;
const A_DAY_MS = 86_400_000;

/**
 * Opens a file of cases: gives `verify(key, title, body)`, which declares a case of the subject's requirements. The cases
 * of a lane share one environment, started when the first selected one runs and stopped after the last; after a case that
 * did not pass, the next one gets a fresh environment.
 */
export function suite<const R extends readonly Requirement[]>(
  requirements: R,
  choices: EnvironmentChoices = {},
): Verify<R> {
  const cases = casesOf(requirements);
  const ofLane = inject('cases');
  const { context, signal, patienceMs } = currentRun();
  let shared = new SharedEnvironment(choices);
  const opened = [shared];
  afterAll(() => stopAll(opened), context.plan.keep ? A_DAY_MS : STOP_TIMEOUT_MS);

  return (key, title, body, options = {}) => {
    const entry = asInLedger(cases, key, title);
    if (!ofLane.includes(key)) return;
    const timeoutMs = (entry.timeoutMs ?? CASE_TIMEOUT_MS) + patienceMs + (options.lastsMs ?? 0);
    const plan: CasePlan = { ...entry, timeoutMs, body, checkedFromFile: options.checkedFromFile ?? false };

    const tryMs = timeoutMs + ENVIRONMENT_TIMEOUT_MS + MARGIN_MS;
    test(`${key}: ${title}`, { timeout: tryMs * (1 + context.plan.retries) }, async ({ task, skip }) => {
      demandInItsFile(entry, task.file.filepath);
      let earlier: Judgement | undefined;
      for (let tries = 0; ; tries++) {
        const own = options.environment && new SharedEnvironment({ ...choices, ...options.environment });
        if (own !== undefined) opened.push(own);
        const environment = own ?? shared;
        const getEnvironment = (): Promise<Environment> => environment.get(key);
        const judgement = await runCase(plan, { getEnvironment, earlier, attempt: tries + 1 });
        const { verdict, reason } = judgement;
        const well = ACCEPTED.includes(verdict);
        const last = well || verdict === 'flaky' || tries >= context.plan.retries || signal.aborted;
        if (!well && last && context.plan.keep) environment.keep();
        else if (!well || own !== undefined) await environment.stop();
        if (!well && own === undefined) {
          shared = new SharedEnvironment(choices);
          opened.push(shared);
        }
        if (!last) {
          earlier = judgement;
          continue;
        }
        if (verdict === 'skip') skip(reason);
        if (!well) throw failure(verdict, reason);
        return;
      }
    });
  };
}

/** What a file declares is what the ledger says: a title that differs would be told of another case than the one that ran. */
function asInLedger(cases: readonly KeyedCase[], key: string, title: string): KeyedCase {
  const entry = cases.find((each) => each.key === key);
  if (entry === undefined) throw new Error(`Expected ${key} to be a case of the subject's requirements`);
  if (entry.title === title) return entry;
  throw new Error(`Expected ${key} to be declared with the title of its requirement, ${entry.title}, got ${title}`);
}

/** The ledger decides which files a selection needs: a case in another file would not be found. */
function demandInItsFile({ key, file }: KeyedCase, path: string): void {
  const actual = relative(resolve(import.meta.dirname, '..'), path);
  if (actual !== file) throw new Error(`Expected ${key} to be declared in ${file}, as the ledger says, got ${actual}`);
}

/** Reports tell a failed expectation from a test that broke by the error's name. */
function failure(verdict: Verdict, reason = 'no reason was given'): Error {
  const error = new Error(`${verdict}: ${reason}`);
  error.name = verdict === 'fail' ? 'AssertionError' : 'Error';
  return error;
}

async function stopAll(environments: readonly SharedEnvironment[]): Promise<void> {
  const results = await Promise.allSettled(environments.map((environment) => environment.stop()));
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (errors.length > 0) throw new AggregateError(errors, errors.map(describeError).join('; '));
}
