import { z } from 'zod';
import { RUN_VERDICTS } from '../check/index.ts';
import { VERDICTS } from '../record/history.ts';

/**
 * `result.json`: everything a run found out, in one document. The HTML, JUnit and Markdown reports are drawn from
 * it alone, so what they show can be checked against it. Times are milliseconds; `…At` counts from the run's start.
 */

export const RESULT_SCHEMA_VERSION = 1;

const verdictSchema = z.enum(VERDICTS);
const count = z.int().nonnegative();
const ms = z.number();
const evidenceValue = z.union([z.number(), z.string()]);

/** A figure known only up to an interval: the true value is in (lowMs, highMs]. */
export const quantileSchema = z.object({
  lowMs: ms.nullable().describe('lower bound; null when the figure cannot be given'),
  highMs: ms.nullable().describe('upper bound; null when the figure cannot be given, or lies among censored samples'),
  reason: z.string().optional().describe('why a bound is missing, e.g. "n < 100"'),
});

const distribution = {
  n: count.describe('samples, censored ones included'),
  censored: count.describe('samples that had not happened when the wait ended'),
  p50: quantileSchema,
  p95: quantileSchema,
  p99: quantileSchema,
  max: quantileSchema,
  resolutionMs: ms
    .nullable()
    .describe('the widest interval that half of the samples are known to; null without samples'),
  resolutionMsMax: ms.nullable().describe('the widest interval of all that ended; null without samples'),
};

export const latencySeriesSchema = z.object({
  case: z.string().nullable(),
  phase: z.string(),
  ...distribution,
});

export const latencySampleSchema = z.object({
  at: ms.describe('when the write was meant to be sent'),
  case: z.string().nullable(),
  phase: z.string(),
  kind: z.enum(['created', 'updated', 'deleted']),
  fileId: z.string(),
  lowMs: ms.nullable().describe('latency at the last read that missed it; null when the first read already saw it'),
  highMs: ms.nullable().describe('latency at the first read that saw it; null when censored'),
  waitedMs: ms.describe('how long it was watched for: equals highMs, or where a censored sample ended'),
});

export const operationSeriesSchema = z.object({
  kind: z.string().describe('upload, search, read, …'),
  scope: z.enum(['steady', 'during-fault']).describe('whether a fault of the same case was on when it was due'),
  ok: count,
  refused: count.describe('answered with a definite no (4xx)'),
  failed: count.describe('5xx on a read, a refused connection: certainly not done'),
  unknown: count.describe('timed out or cut off: may have been done'),
  availability: z.number().min(0).max(1).nullable().describe('(ok + refused) / all'),
  ...distribution,
});

export const hopSchema = z.object({ from: z.string(), to: z.string(), ...distribution });

export const caseResultSchema = z.object({
  key: z.string(),
  title: z.string(),
  verdict: verdictSchema,
  durationMs: ms.nullable(),
  reason: z.string().optional(),
  evidence: z.record(z.string(), evidenceValue),
  floor: z.record(z.string(), z.number()),
  environments: z
    .array(z.string())
    .optional()
    .describe('ids of those that it ran in, or that could not be started for it; `logs/` has a folder of each'),
  evidenceFiles: z
    .array(z.string())
    .optional()
    .describe('what shows why it did not pass, of all its tries; relative to the folder of the run'),
});

export const requirementResultSchema = z.object({
  id: z.string(),
  level: z.string().optional(),
  tier: z.string().optional(),
  title: z.string(),
  verdict: verdictSchema.describe('the worst over its cases'),
  cases: z.array(caseResultSchema),
});

export const faultResultSchema = z.object({
  id: z.string(),
  kind: z.string(),
  target: z.string(),
  case: z.string().nullable(),
  requestedAt: ms,
  effectiveAt: ms.nullable().describe('when a witness saw it from outside'),
  healedAt: ms.nullable(),
  witness: z.string().nullable(),
  detectedMs: ms.nullable().describe('effective → the pipeline said so'),
  round: count.nullable().describe('of a soak, from 1'),
  plannedAs: z
    .array(z.string())
    .describe('what that round was to break or aim at, as `syncproof list --faults` names it'),
  writesAgainMs: ms.nullable().describe('healed → first write answered with yes'),
  firstSuccessAfterMs: ms.nullable().describe('healed → first write visible'),
  backlogDrainedMs: ms.nullable().describe('healed → nothing pending and all of the backlog visible'),
  losses: count
    .nullable()
    .describe('acknowledged writes, due since it was on, that were lost; null when the case came to no verdict'),
  writes: z.object({ ok: count, notOk: count }).describe('writes due while it was on'),
});

const answered = {
  n: count,
  ok: count,
  refused: count.describe('answered with a definite no (4xx)'),
  failed: count,
  unknown: count,
  availability: z.number().min(0).max(1).nullable().describe('(ok + refused) / all; null when there were none'),
};

export const availabilitySchema = z.object({
  case: z.string().nullable(),
  kind: z.string().describe('upload, update, delete, read, search'),
  scope: z
    .enum(['outside', 'during', 'near'])
    .describe(
      'when it was due: while a fault was on (during); while one was requested and not seen yet, or was over with aftereffects possible (near); while nothing was broken (outside)',
    ),
  ...answered,
});

export const faultKindSchema = z.object({
  case: z.string().nullable(),
  kind: z.string(),
  target: z.string(),
  count: count.describe('how often'),
  unwitnessed: count.describe('of these, so many were begun and never witnessed'),
  recoveries: count.describe('of these, so many were healed and followed by a write that was answered with yes'),
  recoveryMedianMs: ms.nullable().describe('healed → first write answered with yes'),
  recoverySlowestMs: ms.nullable(),
  writesAlone: z
    .object(answered)
    .describe('due from the request of the fault until its aftereffects were over, while nothing else was broken'),
  readsAlone: z.object(answered).describe('the same for reads by id and searches'),
  lost: count.nullable().describe('acknowledged writes lost since; null when the case came to no verdict'),
  resurrected: count.nullable().describe('deleted files that came back since'),
});

const findingSchema = z.object({
  checker: z.string(),
  case: z.string().nullable(),
  fileId: z.string().optional(),
  message: z.string(),
  at: ms,
});

const bytes = z.int().nonnegative();
export const memoryResultSchema = z.object({
  case: z.string().nullable(),
  part: z.string().describe('a component, a further instance such as query-2, or the runner: the process that judges'),
  samples: count,
  startBytes: bytes.describe('resident memory of all its processes, of a container its anonymous memory'),
  mostBytes: bytes,
  mostAt: ms,
  endBytes: bytes,
});

const figureSchema = z.object({
  name: z.string(),
  value: z.number(),
  unit: z.string(),
  detail: z.string().optional(),
  case: z.string().nullable(),
});

const TIER_VERDICTS = ['conformant', 'violated', 'inconclusive', 'partial', 'unjudged'] as const;
export const tierResultSchema = z.object({
  tier: z.string(),
  verdict: z
    .enum(TIER_VERDICTS)
    .describe('partial: a MUST of it or below was skipped or not selected; unjudged: none was selected'),
  passed: count.describe('MUST requirements of this tier alone that passed'),
  total: count.describe('MUST requirements of this tier alone'),
});

export const killMatrixSchema = z.object({
  madeAt: z.string().describe('wall clock, ISO 8601 UTC'),
  suiteVersion: z.string(),
  requirementsVersion: z.string(),
  trials: z.array(
    z.object({
      mutant: z.string(),
      defect: z.string(),
      case: z.string().describe('named for it: must find it'),
      verdict: z.union([verdictSchema, z.literal('none')]).describe('none: the case gave no verdict at all'),
      killed: z.boolean().describe('only a violation kills: an error or too little evidence says nothing'),
      reason: z.string(),
      seconds: z.number().min(0),
    }),
  ),
});

export const runResultSchema = z.object({
  schemaVersion: z.literal(RESULT_SCHEMA_VERSION),
  run: z.object({
    id: z.string(),
    startedAt: z.string().nullable().describe('wall clock, ISO 8601 UTC'),
    durationMs: ms,
    seed: z.number().nullable(),
    profile: z.string().nullable(),
    environment: z.string().nullable(),
    versions: z.record(z.string(), z.string()),
    command: z.string().nullable().describe('repeats the run'),
    target: z
      .object({ name: z.string(), version: z.string().optional(), file: z.string() })
      .nullable()
      .describe('the pipeline that was judged; null for the reference'),
    suiteVersion: z.string().nullable(),
    requirementsVersion: z.string().nullable().describe('of the ledger: changes with any of its texts'),
    complete: z.boolean().describe('false when it was interrupted or its history is torn'),
    reason: z.string().optional().describe('why it is not complete'),
  }),
  verdict: z.enum(RUN_VERDICTS),
  exitCode: z.int().min(0).max(5),
  tiers: z
    .array(tierResultSchema)
    .describe('in the order in which they build on each other; every MUST of the ledger counts, selected or not'),
  counts: z.object({
    requirements: z.record(verdictSchema, count),
    cases: z.record(verdictSchema, count),
  }),
  requirements: z.array(requirementResultSchema),
  findings: z.array(findingSchema),
  latency: z.object({
    series: z.array(latencySeriesSchema),
    samples: z.array(latencySampleSchema),
  }),
  operations: z.array(operationSeriesSchema),
  hops: z.array(hopSchema),
  faults: z.array(faultResultSchema),
  soak: z.string().nullable().describe('the case that is a soak; null in a run without'),
  availability: z.array(availabilitySchema).describe('of soaks, and of cases with more than 20 faults'),
  faultKinds: z.array(faultKindSchema).describe('of the same cases: their faults, kind by kind'),
  memory: z.array(memoryResultSchema).describe('of the cases that looked at it: soaks'),
  figures: z.array(figureSchema),
  mutants: killMatrixSchema
    .nullable()
    .describe('how the suite itself was last tested, with this ledger; null when that was not seen'),
});

export type RunResult = z.infer<typeof runResultSchema>;
export type KillMatrix = z.infer<typeof killMatrixSchema>;
export type RunVerdict = RunResult['verdict'];
export type Quantile = z.infer<typeof quantileSchema>;
export type Distribution = { [K in keyof typeof distribution]: z.infer<(typeof distribution)[K]> };
export type LatencySeries = z.infer<typeof latencySeriesSchema>;
export type LatencySample = z.infer<typeof latencySampleSchema>;
export type OperationSeries = z.infer<typeof operationSeriesSchema>;
export type HopSeries = z.infer<typeof hopSchema>;
export type CaseResult = z.infer<typeof caseResultSchema>;
export type TierResult = z.infer<typeof tierResultSchema>;
export type RequirementResult = z.infer<typeof requirementResultSchema>;
export type FaultResult = z.infer<typeof faultResultSchema>;
export type MemoryResult = z.infer<typeof memoryResultSchema>;
export type AvailabilityResult = z.infer<typeof availabilitySchema>;
export type FaultKindResult = z.infer<typeof faultKindSchema>;

/** The published schema's place, from the project's root. */
export const RESULT_SCHEMA_PATH = 'reports/result.schema.json';

/** The JSON Schema (draft 2020-12) of `result.json`, as the text of the published file. */
export function resultJsonSchema(): string {
  const schema = {
    $id: `urn:syncproof:result:${RESULT_SCHEMA_VERSION}`,
    title: 'syncproof run result',
    ...z.toJSONSchema(runResultSchema, { target: 'draft-2020-12' }),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
