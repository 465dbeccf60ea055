import { completeOperations, judgeRun, type RunFailure, recoveries, runCheckers } from '../check/index.ts';
import type { Found, HistoryRecord, RunFinished, RunStarted } from '../record/history.ts';
import { buildAvailability, buildFaults } from './build-faults.ts';
import { buildHops, buildMemory, buildOperations, buildSamples, buildSeries } from './build-figures.ts';
import { buildRequirements, buildTiers, countVerdicts, type RequirementText } from './build-requirements.ts';
import { type KillMatrix, RESULT_SCHEMA_VERSION, type RunResult } from './result.ts';

/**
 * What the checkers find in the records of each finished case, besides what the case itself wrote down: a report judges
 * from the history, not from what was claimed of it. A case that may be very large is left to `report --check`.
 */
function missedFindings(records: readonly HistoryRecord[]): Found[] {
  const large = new Set(
    records.flatMap((record) => (record.type === 'case-started' && record.checkedFromFile ? [record.case] : [])),
  );
  const byCase = Map.groupBy(records, (record) => record.case);
  return records
    .filter((record) => record.type === 'case-finished' && (record.verdict === 'pass' || record.verdict === 'fail'))
    .filter(({ case: key }) => key === undefined || !large.has(key))
    .flatMap(({ at, case: key }) => {
      const own = byCase.get(key) ?? [];
      const known = new Set(own.flatMap((record) => (record.type === 'finding' ? [nameOf(record)] : [])));
      return runCheckers(own)
        .filter((finding) => !known.has(nameOf(finding)))
        .map((finding): Found => ({ type: 'finding', at, case: key, ...finding }));
    });
}

const nameOf = ({ checker, message }: { checker: string; message: string }): string => `${checker} ${message}`;

export interface BuildOptions {
  /** False when the caller knows that the run was cut short. */
  complete: boolean;
  /** Why, when the history itself cannot say so: the harness broke, the target could not be reached. */
  failure?: RunFailure;
  /** Texts of the ledger; without one a requirement is titled by its first case. */
  requirements?: readonly RequirementText[];
  /** What is wrong with the history file itself, e.g. a broken line. */
  historyProblem?: string;
  /** What was seen of the broken variants with the same ledger. */
  killMatrix?: KillMatrix;
}

/** Folds a run's records into its result. Never throws for a torn or empty history: what is missing is said. */
export function buildResult(records: readonly HistoryRecord[], options: BuildOptions): RunResult {
  // One that another version recorded may have no plan.
  const started = records.find((record) => record.type === 'run-started');
  const finished = records.findLast((record) => record.type === 'run-finished');
  const incomplete = whyIncomplete(options, started, finished);
  const interrupted = finished?.interrupted === true || (!options.complete && options.failure === undefined);

  const findings = [...records.filter((record) => record.type === 'finding'), ...missedFindings(records)];
  const requirements = buildRequirements({
    records,
    findings,
    selected: started?.selected ?? [],
    texts: options.requirements ?? [],
    cutShort: incomplete === undefined ? undefined : { reason: incomplete, interrupted },
  });
  const cases = requirements.flatMap((requirement) => requirement.cases);
  const expected = new Set(cases.filter(({ verdict }) => verdict === 'xfail').map(({ key }) => key));
  const unexpectedFindings = findings.filter((found) => found.case === undefined || !expected.has(found.case)).length;
  const samples = buildSamples(records);
  const recovered = recoveries(records);
  const operations = completeOperations(records);

  return {
    schemaVersion: RESULT_SCHEMA_VERSION,
    run: {
      id: started?.runId ?? 'unknown',
      startedAt: started?.startedAt ?? null,
      durationMs: records.reduce((latest, record) => Math.max(latest, record.at), 0),
      seed: started?.plan?.seed ?? null,
      profile: started?.plan?.profile ?? null,
      environment: started?.plan?.environment ?? null,
      versions: versionsOf(records),
      command: started?.command ?? null,
      target: started?.target ?? null,
      suiteVersion: started?.suiteVersion ?? null,
      requirementsVersion: started?.requirementsVersion ?? null,
      complete: incomplete === undefined,
      reason: incomplete,
    },
    ...judgeRun({
      verdicts: cases.map(({ verdict }) => verdict),
      unexpectedFindings,
      failure: options.failure ?? brokenRunner(finished),
      interrupted,
      allowPartial: started?.plan?.allowPartial ?? false,
    }),
    tiers: buildTiers(options.requirements ?? [], requirements),
    counts: { requirements: countVerdicts(requirements), cases: countVerdicts(cases) },
    requirements,
    findings: findings.map(({ checker, case: key, fileId, message, at }) => ({
      checker,
      case: key ?? null,
      fileId,
      message,
      at,
    })),
    latency: { series: buildSeries(samples), samples },
    operations: buildOperations(records, operations),
    hops: buildHops(records),
    faults: buildFaults({ records, recovered, operations, requirements }),
    ...buildAvailability({ records, recovered, operations, requirements }),
    memory: buildMemory(records),
    figures: records
      .filter((record) => record.type === 'figure')
      .map(({ name, value, unit, detail, case: key }) => ({ name, value, unit, detail, case: key ?? null })),
    mutants: options.killMatrix ?? null,
  };
}

/** A run that gives a reason for its end, and was not interrupted, was ended by the harness's own failure. */
function brokenRunner(finished: RunFinished | undefined): RunFailure | undefined {
  if (finished?.reason === undefined || finished.interrupted) return undefined;
  return { kind: 'harness-error', reason: finished.reason };
}

function whyIncomplete(
  { complete, failure, historyProblem }: BuildOptions,
  started: RunStarted | undefined,
  finished: RunFinished | undefined,
): string | undefined {
  const reasons = [
    failure?.reason,
    finished?.reason ?? (finished?.interrupted ? 'interrupted' : undefined),
    historyProblem,
    started === undefined ? 'the history does not say that a run started' : undefined,
    complete && started !== undefined && finished === undefined
      ? 'the history does not say that the run ended'
      : undefined,
  ].filter((reason) => reason !== undefined);
  if (reasons.length > 0) return [...new Set(reasons)].join('; ');
  return complete ? undefined : 'interrupted';
}

function versionsOf(records: readonly HistoryRecord[]): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const record of records) if (record.type === 'environment') Object.assign(versions, record.versions);
  return versions;
}
