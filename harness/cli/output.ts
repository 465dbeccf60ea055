import { DeadlineError, UnreachableError, UsageError } from '../core/errors.ts';

export const EXIT = {
  conformant: 0,
  violation: 1,
  inconclusive: 2,
  unreachable: 3,
  usage: 4,
  harnessError: 5,
} as const;

export const EXIT_CODES_HELP = `
Exit codes:
  0  conformant       every case passed, or failed as the target file expects
  1  violation        a requirement does not hold; outranks all the others
  2  inconclusive     the evidence does not suffice for a verdict, the run was interrupted, or cases were skipped
                      because the target lacks something (partial; --allow-partial makes that 0)
  3  unreachable      the pipeline, or a server it needs, could not be started or reached
  4  usage            a wrong option or setting, or nothing selected
  5  harness error    syncproof itself failed
Reports are written in every case once a run has begun.`;

/** The exit code for an error that ended a command. */
export function exitCodeForError(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof UnreachableError || error instanceof DeadlineError) return EXIT.unreachable;
  return EXIT.harnessError;
}

/** What a command that was asked for JSON answers, whole and alone on stdout. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Says on stderr what a command is called now that was called by the name it had before. */
export function noteFormerName(former: string, now: string): void {
  process.stderr.write(`\`syncproof ${former}\` is now \`syncproof ${now}\`\n`);
}
