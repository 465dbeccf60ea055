import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { PROFILE_NAMES, SERVICE_NAMES } from '../../services/contract/names.ts';
import { roundSchema } from './soak-plan.ts';

/**
 * Everything that decides what a run does: made once, from the options of a command, then recorded in the history, handed
 * to the processes that run the cases, and read again when the run is repeated.
 */
export const runPlanSchema = z.object({
  /** What the pipeline runs in; `external` is not started by the harness. */
  environment: z.enum(['containers', 'processes', 'external']),
  /** Why there, for people. */
  reason: z.string(),
  profile: z.enum(PROFILE_NAMES),
  /** Source of every random choice. */
  seed: z.int(),
  /** Ids of requirements or cases, or globs of them; none means all but those on demand. */
  cases: z.array(z.string()),
  /** The target file, for `external`. */
  target: z.string().optional(),
  /** How often a case that did not pass is tried again; one that passes then is flaky. */
  retries: z.int().min(0).default(0),
  /** Whether skipped cases leave the exit code at 0. */
  allowPartial: z.boolean().default(false),
  /** Whether the environment of a failed case is left running. */
  keep: z.boolean().default(false),
  /** How the soak goes; without it a short one. */
  soak: z
    .object({
      /** Of faults. */
      seconds: z.number().positive(),
      /** Operations that are due. */
      ratePerSecond: z.number().positive(),
      /** Rounds of an earlier soak, in place of ones that are drawn. */
      rounds: z.array(roundSchema).optional(),
      /** The file that these were read from. */
      planFile: z.string().optional(),
      /** Capabilities that its faults do without. */
      without: z.array(z.string()).optional(),
    })
    .optional(),
});
export type RunPlan = z.output<typeof runPlanSchema>;

/** What one process of the runner does, case after case. */
const workerSchema = z.object({
  name: z.string(),
  /** It must run alone. */
  alone: z.boolean(),
  /** Files of cases, relative to `suites/`, and of each the cases that this worker runs. */
  files: z.array(z.object({ file: z.string(), cases: z.array(z.object({ key: z.string(), title: z.string() })) })),
  /** About how long it takes. */
  seconds: z.number(),
});
export type PlannedWorker = z.output<typeof workerSchema>;

/**
 * Cases mostly wait, for outages to pass and for data to arrive, so more of them fit than there are cores; of containers
 * fewer, since they cost more to start. A pipeline that is not ours is one for all: what breaks it, breaks it for every case.
 */
export const WORKERS = { processes: 4, containers: 3, external: 1 };

const nodeArguments = z.partialRecord(z.enum([...SERVICE_NAMES, 'harness']), z.array(z.string()));
const perDatabaseClient = z.partialRecord(z.enum(['admin', 'query']), z.array(z.string()));

/** What is handed to the processes that run the cases, as a JSON file named by SYNCPROOF_RUN_CONTEXT. */
export const runContextSchema = z.object({
  plan: runPlanSchema,
  workers: z.array(workerSchema).min(1),
  runId: z.string(),
  /** The run's start on the monotonic clock, in ms. */
  originMs: z.number(),
  historyPath: z.string(),
  /** Folder that this run writes to. */
  outputDirectory: z.string(),
  /** How a broken variant of the reference gets in. */
  variant: z
    .object({
      /** Arguments for `node` before a service's main file, or for the processes that run the cases. */
      nodeArguments: nodeArguments.default({}),
      /** Statements that are run in a service's database once it is up. */
      sql: perDatabaseClient.default({}),
      /** What a service's user at Redis may do besides what the reference needs. */
      redisGrants: perDatabaseClient.optional(),
    })
    .optional(),
});
export type RunContext = z.output<typeof runContextSchema>;

export const RUN_CONTEXT_VARIABLE = 'SYNCPROOF_RUN_CONTEXT';

/** The context of the run this process belongs to; undefined in a process that no run started. */
export function loadRunContext(): RunContext | undefined {
  const path = process.env[RUN_CONTEXT_VARIABLE];
  return path === undefined || path === '' ? undefined : runContextSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}

/** A file that says, beside a run's context, that the run is being stopped. */
export function stopMark(contextPath: string): string {
  return `${contextPath}.stop`;
}

/** Whether the run that this process belongs to is being stopped. */
export function isBeingStopped(): boolean {
  const path = process.env[RUN_CONTEXT_VARIABLE];
  return path !== undefined && path !== '' && existsSync(stopMark(path));
}
