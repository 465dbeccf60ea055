import { inject, test } from 'vitest';
import type { Environment, PlannedWorker, Verdict } from '../../harness/index.ts';
import { casesOf, type KeyedCase } from '../ledger/ledger.ts';
import type { Requirement } from '../ledger/requirement.ts';
import { type CaseContext, type CasePlan, runCase } from './case.ts';
import { type EnvironmentChoices, ownEnvironment, sharedEnvironment } from './environment.ts';
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
    /** What this worker runs. */
    files: PlannedWorker['files'];
  }
}

/** Nothing has to be done about these. */
const ACCEPTED: readonly Verdict[] = ['pass', 'skip', 'xfail'];

const CASE_TIMEOUT_MS = 60_000;
/** First use of an environment may fetch and prepare servers. */
const ENVIRONMENT_TIMEOUT_MS = 120_000;
/** More than a case needs to settle after its own deadline: this one must never be the first to strike. */
const MARGIN_MS = 30_000;

/** The file of cases that is being loaded. */
let loading: string | undefined;

/** Loads a file of cases, which declares those that this worker runs. @param file relative to `suites/` */
export async function declareCasesOf(file: string): Promise<void> {
  loading = file;
  await import(`../${file}`);
}

/**
 * Opens a file of cases: gives `verify(key, title, body)`, which declares a case of the subject's requirements. Cases that
 * want the same environment share one, started when the first of them runs and stopped after the worker's last; after a
 * case that did not pass, the next one gets a fresh environment.
 */
export function suite<const R extends readonly Requirement[]>(
  requirements: R,
  choices: EnvironmentChoices = {},
): Verify<R> {
  const file = loading;
  const cases = casesOf(requirements);
  const wanted = inject('files').find((each) => each.file === file)?.cases ?? [];
  const { context, signal, patienceMs } = currentRun();

  return (key, title, body, options = {}) => {
    const entry = asInLedger(cases, { key, title, file });
    if (!wanted.some((each) => each.key === key)) return;
    const timeoutMs = (entry.timeoutMs ?? CASE_TIMEOUT_MS) + patienceMs + (options.lastsMs ?? 0);
    const plan: CasePlan = { ...entry, timeoutMs, body, checkedFromFile: options.checkedFromFile ?? false };

    const tryMs = timeoutMs + ENVIRONMENT_TIMEOUT_MS + MARGIN_MS;
    test(`${key}: ${title}`, { timeout: tryMs * (1 + context.plan.retries) }, async ({ skip }) => {
      let earlier: Judgement | undefined;
      for (let tries = 0; ; tries++) {
        const environment =
          options.environment === undefined
            ? sharedEnvironment(choices)
            : ownEnvironment({ ...choices, ...options.environment });
        const getEnvironment = (): Promise<Environment> => environment.get(key);
        const judgement = await runCase(plan, { getEnvironment, earlier, attempt: tries + 1 });
        const { verdict, reason } = judgement;
        const well = ACCEPTED.includes(verdict);
        const last = well || verdict === 'flaky' || tries >= context.plan.retries || signal.aborted;
        if (!well && last && context.plan.keep) environment.keep();
        else if (!well || options.environment !== undefined) await environment.stop();
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
function asInLedger(
  cases: readonly KeyedCase[],
  { key, title, file }: { key: string; title: string; file: string | undefined },
): KeyedCase {
  const entry = cases.find((each) => each.key === key);
  if (entry === undefined) throw new Error(`Expected ${key} to be a case of the subject's requirements`);
  if (entry.file !== file) throw new Error(`Expected ${key} to be declared in ${entry.file}, got ${file}`);
  if (entry.title === title) return entry;
  throw new Error(`Expected ${key} to be declared with the title of the ledger, ${entry.title}, got ${title}`);
}

/** Reports tell a failed expectation from a test that broke by the error's name. */
function failure(verdict: Verdict, reason = 'no reason was given'): Error {
  const error = new Error(`${verdict}: ${reason}`);
  error.name = verdict === 'fail' ? 'AssertionError' : 'Error';
  return error;
}
