import { getSystemErrorMap } from 'node:util';

/** Base of every error the harness raises on purpose; `facts` go into reports, so they never carry a secret. */
export class SyncproofError extends Error {
  readonly facts: Record<string, unknown>;

  constructor(message: string, options: { cause?: unknown; facts?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.facts = options.facts ?? {};
  }
}

/** Wrong option, setting or case id: the message names it, what was expected and what was given. Exit code 4. */
export class UsageError extends SyncproofError {}

/** The target, or a server it needs, cannot be started or reached. Exit code 3. */
export class UnreachableError extends SyncproofError {}

/** A wait passed its deadline; the message says what was awaited and what was last seen. */
export class DeadlineError extends SyncproofError {}

/** The evidence does not suffice for a verdict: an unwitnessed fault or an unmet floor. Verdict `inconclusive`. */
export class InconclusiveError extends SyncproofError {}

/** A fault that is not applicable in this state, e.g. on a component that is down already: nothing was broken. */
export class NotNowError extends SyncproofError {}

/** A component of the target did not recover when it was started again: the target's failure, not the harness's. */
export class NotRestartedError extends SyncproofError {}

/** What an error stands for: of a failed disposal both what it hid and its own, the first thrown first. */
export function errorsIn(error: unknown): unknown[] {
  if (error instanceof SuppressedError) return [...errorsIn(error.suppressed), ...errorsIn(error.error)];
  return [error];
}

/** Text of an unknown thrown value, with its causes. */
export function describeError(error: unknown): string {
  return textOf(error, '');
}

/** @param said what was said of it already: a path that is in there is not repeated */
function textOf(error: unknown, said: string): string {
  // A disposal often fails with the very error that it hides.
  if (error instanceof SuppressedError) return [...new Set(errorsIn(error).map(describeError))].join('; then: ');
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? ` [${error.errors.map(describeError).join('; ')}]` : '';
  const own = fileProblem(error, said) ?? (error.message || (error as { code?: string }).code || error.name);
  return error.cause === undefined ? own + inner : `${own}${inner}: ${textOf(error.cause, own)}`;
}

/** What is wrong with a file or folder, in words; undefined for any other error. */
function fileProblem({ syscall, path, errno }: NodeJS.ErrnoException, said: string): string | undefined {
  if (syscall === undefined || syscall.startsWith('spawn') || path === undefined || errno === undefined)
    return undefined;
  const [code, reason] = getSystemErrorMap().get(errno) ?? [];
  if (code === undefined) return undefined;
  return `${said.includes(path) ? '' : `${path}: `}${reason} (${code})`;
}
