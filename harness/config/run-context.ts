import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { PROFILE_NAMES, SERVICE_NAMES } from '../contract/names.ts';
import { roundSchema } from './soak-plan.ts';

/** What the command line hands to the processes that run the cases, as a JSON file named by SYNCPROOF_RUN_CONTEXT. */
export const runContextSchema = z.object({
  runId: z.string(),
  /** The run's start on the monotonic clock, in ms. */
  originMs: z.number(),
  seed: z.number().int(),
  profile: z.enum(PROFILE_NAMES),
  environment: z.enum(['containers', 'processes', 'external']),
  /** The target file, for `external`. */
  target: z.string().optional(),
  /** How often a case that did not pass is tried again; one that passes then is flaky. */
  retries: z.int().min(0).default(0),
  historyPath: z.string(),
  /** Folder that this run writes to. */
  outputDirectory: z.string(),
  keep: z.boolean(),
  /** Requirement or case ids; empty means all. */
  cases: z.array(z.string()),
  /** How the soak goes; without it a short one. */
  soak: z
    .object({
      /** Of faults. */
      seconds: z.number().positive(),
      /** Operations that are due. */
      ratePerSecond: z.number().positive(),
      /** Rounds of an earlier soak, in place of ones that are drawn. */
      rounds: z.array(roundSchema).optional(),
      /** Capabilities that its faults do without. */
      without: z.array(z.string()).optional(),
    })
    .optional(),
  /** Arguments for `node` before a service's main file, or for the processes that run the cases: how a broken variant gets in. */
  nodeArguments: z.partialRecord(z.enum([...SERVICE_NAMES, 'harness']), z.array(z.string())).optional(),
  /** Statements that are run in a service's database once it is up: how one gets in that no source holds. */
  sql: z.partialRecord(z.enum(['admin', 'query']), z.array(z.string())).optional(),
  /** What a service's user at Redis may do besides what the reference needs, for one that does more. */
  redisGrants: z.partialRecord(z.enum(['admin', 'query']), z.array(z.string())).optional(),
});
export type RunContext = z.infer<typeof runContextSchema>;

export const RUN_CONTEXT_VARIABLE = 'SYNCPROOF_RUN_CONTEXT';

/** The context of the run this process belongs to, or undefined when it was started by hand. */
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
