import type { ServiceName } from '../../harness/contract/names.ts';
import type { CaseKey } from '../spec/cases.ts';

/** One exact change of a source file. */
export interface Edit {
  /** Relative to the project's folder. */
  file: string;
  /** Occurs exactly once in the file. */
  find: string;
  replace: string;
}

/** A broken variant of the reference: small, exact, applied when a service loads, never a flag in its own code. */
export interface Mutant {
  id: string;
  /** What is wrong with it. */
  defect: string;
  /** The services that load it; the others run as they are. */
  services: readonly ServiceName[];
  /** Each of these must answer it with the verdict `fail`. */
  caughtBy: readonly CaseKey[];
  edits: readonly Edit[];
  /**
   * It compares nothing with the registry either. For defects that lose events: the reference would notice and mend what
   * they lost, so that from outside nothing is wrong.
   */
  unrepaired?: true;
}
