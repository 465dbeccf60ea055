import { relative, resolve } from 'node:path';
import { afterAll, test } from 'vitest';
import { describeError, type Verdict } from '../../harness/index.ts';
import { CASE_FILES, type CaseKey, isSelected } from '../spec/cases.ts';
import { type RequirementId, requirementById } from '../spec/requirements.ts';
import { type CaseContext, type CasePlan, runCase } from './case.ts';
import { currentRun } from './run.ts';
import { type EnvironmentChoices, SharedEnvironment } from './shared-environment.ts';

export interface CaseOptions {
  /** Tells the cases of one requirement apart: `killed` gives the case `RES-01/killed`. */
  variant?: string;
  /** One line for people; the requirement's text when absent. */
  title?: string;
  /** The least evidence that allows a pass, by the names used in `evidence`. */
  floor: Readonly<Record<string, number>>;
  /** How long the case itself may take; the start of its environment comes on top. */
  timeoutMs?: number;
  /** The case gets an environment of its own, made like this, instead of the file's. */
  environment?: EnvironmentChoices;
}

type Declare = (id: RequirementId, options: CaseOptions, body: (context: CaseContext) => Promise<void>) => void;

const CASE_TIMEOUT_MS = 60_000;
/** First use of an environment may fetch and prepare servers. */
const ENVIRONMENT_TIMEOUT_MS = 120_000;
/** More than a case needs to settle after its own deadline: this one must never be the first to strike. */
const MARGIN_MS = 30_000;
const STOP_TIMEOUT_MS = 60_000;
const A_DAY_MS = 86_400_000;

/**
 * Opens a suite file: gives `requirement(id, options, body)`, which declares a case. The cases of a file share one
 * environment, started when the first selected one runs and stopped after the last; after a case that did not pass,
 * the next one gets a fresh environment.
 */
export function suite(choices: EnvironmentChoices = {}): Declare {
  const { context } = currentRun();
  let shared = new SharedEnvironment(choices);
  const opened = [shared];
  afterAll(() => stopAll(opened), context.keep ? A_DAY_MS : STOP_TIMEOUT_MS);

  return (id, options, body) => {
    const key = caseKey(id, options.variant);
    if (!isSelected(key, context.cases)) return;
    const requirement = requirementById(id);
    const timeoutMs = options.timeoutMs ?? CASE_TIMEOUT_MS;
    const title = options.title ?? requirement.text;
    const plan: CasePlan = { key, requirement, title, floor: options.floor, timeoutMs, body };

    test(key, { timeout: timeoutMs + ENVIRONMENT_TIMEOUT_MS + MARGIN_MS }, async ({ task, skip }) => {
      demandRegistered(key, task.file.filepath);
      const own = options.environment && new SharedEnvironment({ ...choices, ...options.environment });
      if (own !== undefined) opened.push(own);
      const environment = own ?? shared;
      const { verdict, reason } = await runCase(plan, () => environment.get());
      const passed = verdict === 'pass' || verdict === 'skip';
      if (!passed && context.keep) environment.keep();
      else if (!passed || own !== undefined) await environment.stop();
      if (!passed && own === undefined) {
        shared = new SharedEnvironment(choices);
        opened.push(shared);
      }
      if (verdict === 'skip') skip(reason);
      if (!passed) throw failure(verdict, reason);
    });
  };
}

function caseKey(id: RequirementId, variant: string | undefined): CaseKey {
  return variant === undefined ? id : `${id}/${variant}`;
}

/** The registry decides which files a selection needs; a case it does not know would never be run by its id. */
function demandRegistered(key: CaseKey, path: string): void {
  const file = relative(resolve(import.meta.dirname, '..'), path);
  const registered = CASE_FILES.find(({ cases }) => cases.includes(key));
  if (registered?.file === file) return;
  throw new Error(`Expected suites/spec/cases.ts to name ${key} in ${file}, got ${registered?.file ?? 'nothing'}`);
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
