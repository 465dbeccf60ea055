import { loadTarget, type Target } from '../config/target.ts';
import type { EnvironmentKind } from '../environment/environment.ts';
import { chooseEnvironmentKind } from '../environment/start.ts';
import { requireKnownFailures } from './cases.ts';
import type { EnvironmentChoice } from './options.ts';

/** What a command judges: a target, or the reference in the environment that was asked for. */
export interface Judged {
  kind: EnvironmentKind;
  /** Why this kind, for people. */
  reason: string;
  target?: Target;
}

/** @throws UsageError for a target file that is wrong */
export async function whatToJudge(env: EnvironmentChoice, targetFile: string | undefined): Promise<Judged> {
  if (targetFile === undefined) return chooseEnvironmentKind(env);
  const target = loadTarget(targetFile);
  requireKnownFailures(target);
  return { kind: 'external', reason: `as ${targetFile} says`, target };
}
