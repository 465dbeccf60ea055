import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { UsageError } from '../core/errors.ts';

/** What is broken in one round: one thing, or two that overlap. Times are ms from the round's start. */
export const roundSchema = z.strictObject({
  pauseMs: z.number().min(0).describe('before it begins'),
  disruptions: z
    .array(z.strictObject({ name: z.string(), startMs: z.number().min(0), holdMs: z.number().min(0) }))
    .min(1)
    .readonly(),
});
export type PlannedRound = z.output<typeof roundSchema>;

/** A soak that can be repeated: `shrink` writes it, `soak --plan` reads it. */
export const soakPlanSchema = z.strictObject({
  seed: z.int().min(0),
  ratePerSecond: z.number().positive(),
  rounds: z.array(roundSchema).min(1),
});
export type SoakPlan = z.output<typeof soakPlanSchema>;

/** @throws UsageError naming the file and what is wrong in it */
export function loadSoakPlan(path: string): SoakPlan {
  let data: unknown;
  try {
    data = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new UsageError(`Expected --plan to be a JSON file that can be read, got ${path}`, { cause });
  }
  const plan = soakPlanSchema.safeParse(data);
  if (plan.success) return plan.data;
  throw new UsageError(`${path} is no plan of a soak:\n${z.prettifyError(plan.error)}`);
}

/** How long rounds take, in ms, as far as that can be said. */
export function lengthOf(rounds: readonly PlannedRound[]): number {
  return rounds.reduce(
    (sum, { pauseMs, disruptions }) =>
      sum + pauseMs + Math.max(...disruptions.map(({ startMs, holdMs }) => startMs + holdMs)),
    0,
  );
}
