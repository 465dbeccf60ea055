import { type AccessKind, accessKindOf, type Capability } from '../../harness/config/capabilities.ts';

export const LEVELS = ['MUST', 'SHOULD'] as const;
export type Level = (typeof LEVELS)[number];

/** Tiers build on each other: it syncs → it survives outages → nothing is ever lost or undone. */
export const TIERS = ['core', 'resilient', 'durable'] as const;
export type Tier = (typeof TIERS)[number];

/**
 * One entry of the ledger: what a pipeline must do, as data. Ids are permanent, never reused, never renumbered. An entry
 * says all the outcomes it allows; its cases judge by these and by nothing else.
 */
export interface Requirement {
  id: string;
  level: Level;
  tier: Tier;
  /** One sentence. */
  text: string;
  /** Every outcome that conforms, in one sentence each. */
  allowed: readonly string[];
  /** What goes wrong for users where it does not hold. */
  why: string;
  /** How the cases bring it about. */
  provoked: string;
  /** Where to look first when it fails. */
  troubleshooting: string;
  /** The first version of this suite that holds targets to it. */
  since: string;
  /** Where the rule comes from. */
  source: string;
  cases: readonly Case[];
}

/** One test of a requirement. */
export interface Case {
  /** Tells the cases of one requirement apart: `killed` gives the key `RES-01/killed`. */
  variant?: string;
  /** One line for people; the requirement's text when absent. */
  title?: string;
  /** The file that declares it, relative to `suites/`. */
  file: string;
  /**
   * Cases of one file and lane run one after the other; the lanes of a file may run side by side. The lane `alone` has
   * nothing beside it.
   */
  lane?: string;
  /** What it needs beside `http`. */
  needs: readonly Capability[];
  /** The least evidence that allows a pass, by the names used in `evidence`. */
  floor: Readonly<Record<string, number>>;
  /** About how long it takes: the longest lane starts first. */
  seconds: number;
  /** Runs only when it is asked for by its id: it takes long, and its faults are random. */
  onDemand?: true;
  /** How long it may take, the start of its environment not included; default 60 s. */
  timeoutMs?: number;
}

/** The kinds of access that a requirement's cases need, `http` first. */
export function accessOf({ cases }: Requirement): AccessKind[] {
  return [...new Set<AccessKind>(['http', ...cases.flatMap(({ needs }) => needs.map(accessKindOf))])];
}

/** Where rules come from, as far as several of them come from one place. */
export const CONTRACT = 'docs: HTTP and event contract';
export const ORIGINAL = 'the five end-to-end tests this suite grew out of';
export const STREAMS = 'Redis documentation, Streams: consumer groups and the pending entries list';
