import type { ServerName, ServiceName } from '../../services/contract/names.ts';
import type { RunPlan } from '../config/run-plan.ts';

/**
 * The history: one JSON object per line, in the order of being written. It is the only source of a run's
 * verdicts, its report and its live progress, and checkers can be re-run on it offline.
 *
 * `at` is in milliseconds (fractional) since the run started, on the machine's monotonic clock, so records of
 * several worker processes share one time axis.
 */

export const VERDICTS = ['pass', 'fail', 'inconclusive', 'error', 'skip', 'xfail', 'xpass', 'flaky'] as const;
export type Verdict = (typeof VERDICTS)[number];

export type PartName = ServiceName | ServerName;
/** A part, or a further instance of a service: `query-2`. */
export type PartLabel = PartName | `${ServiceName}-${number}`;

/** What an operation does to the pipeline. Reads of the registry (admin) and of the read model (query) are told apart. */
export type OperationKind =
  | 'upload'
  | 'register'
  | 'update'
  | 'delete'
  | 'registry-read'
  | 'read'
  | 'search'
  | 'download'
  | 'ready';

/** The synced fields of a file, under the registry's names; what checkers compare. `version` where the target tells it. */
export interface FileState {
  fileId: string;
  filename: string;
  storageFilename: string;
  fileSize: number;
  checksum: string;
  contentType: string | null;
  description: string | null;
  tags: readonly string[] | null;
  uploadedBy: string | null;
  createdAt: string;
  updatedAt: string;
  storageElementId: string;
  version?: number;
}

interface Base {
  at: number;
  /** Key of the case that wrote the record, e.g. `RES-01/killed`; absent for what belongs to the run. */
  case?: string;
}

export interface RunStarted extends Base {
  type: 'run-started';
  runId: string;
  /** Wall clock, ISO 8601 UTC. */
  startedAt: string;
  plan: RunPlan;
  /** The command that repeats the run. */
  command: string;
  selected: readonly string[];
  /** Of the suite, and of the ledger that it judges by. */
  suiteVersion?: string;
  requirementsVersion?: string;
  /** The pipeline that is judged, where it is not the reference. */
  target?: { name: string; version?: string; file: string };
}

export interface RunFinished extends Base {
  type: 'run-finished';
  interrupted: boolean;
  /** Why the run ended before its cases did: a harness error, a signal. */
  reason?: string;
}

/** Its case is the one that it was started for; others may follow in it. */
export interface EnvironmentChanged extends Base {
  type: 'environment';
  environmentId: string;
  kind: string;
  status: 'starting' | 'part-ready' | 'ready' | 'stopping' | 'stopped' | 'failed' | 'kept';
  part?: PartLabel;
  /** Duration of what has just ended, in ms. */
  ms?: number;
  detail?: string;
  /** Versions of the parts, when ready: `{ redis: '7.0.15', postgres: '18.4', node: '24.21.0' }`. */
  versions?: Record<string, string>;
}

export interface CaseStarted extends Base {
  type: 'case-started';
  case: string;
  requirement: string;
  title: string;
  /** There may be more of it than fits in memory: it is checked file by file. */
  checkedFromFile?: boolean;
  environmentId?: string;
}

export interface CaseFinished extends Base {
  type: 'case-finished';
  case: string;
  requirement: string;
  title: string;
  verdict: Verdict;
  durationMs: number;
  /** Why it is not a pass: the violation, the unmet floor, the missing capability. */
  reason?: string;
  /** Counts and figures that the verdict rests on. */
  evidence: Record<string, number | string>;
  /** The least evidence that allows a verdict; same keys as `evidence`. */
  floor: Record<string, number>;
  /** Files that show why it did not pass, relative to the run's folder. */
  evidenceFiles?: readonly string[];
}

/** An operation begins. It ends with exactly one `Completed`, or never, when the harness died: then it is unknown. */
export interface Invoked extends Base {
  type: 'invoke';
  op: string;
  kind: OperationKind;
  fileId?: string;
  /** When the load was meant to send it (open loop); latency counts from here. */
  intendedAt: number;
  /** What is written: changed fields for an update, name, size and checksum for an upload. */
  input?: Record<string, unknown>;
  /** A read after healing and convergence; only these decide what was lost. */
  final?: boolean;
}

/**
 * `ok`: the target said yes (a read that finds nothing is ok with `found: false`). `fail`: it said no, and the
 * write certainly did not happen (4xx, or a refused connection before any byte was sent). `unknown`: a timeout,
 * a reset, a 3xx or 5xx on a write: it may have happened.
 */
export interface Completed extends Base {
  type: 'ok' | 'fail' | 'unknown';
  op: string;
  kind: OperationKind;
  fileId?: string;
  status?: number;
  error?: string;
  found?: boolean;
  state?: FileState;
  /** Ids that a search returned. */
  ids?: readonly string[];
  totalCount?: number;
  /** `ready` answers of query: the value of `cache`. */
  cache?: string;
}

/**
 * When a committed write was seen by a reader: some moment in (missAt, hitAt]. `hitAt` is null when it was
 * never seen before the deadline (censored: counted, not dropped).
 */
export interface Visibility extends Base {
  type: 'visibility';
  op: string;
  fileId: string;
  kind: 'created' | 'updated' | 'deleted';
  /** Where the sample belongs, e.g. `baseline`, `outage`, `recovery`. */
  phase: string;
  intendedAt: number;
  acceptedAt: number;
  /** Send time of the last read that did not show it; null when the first read already did. */
  missAt: number | null;
  hitAt: number | null;
  /** Hops in ms since `acceptedAt` (may be negative: before the client had its answer), where the target lets them be seen. */
  hops?: { xadd?: number; rowCommitted?: number };
}

export interface FaultChanged extends Base {
  type: 'fault';
  fault: string;
  /** E.g. `redis-killed`, `redis-paused`, `redis-refused`, `redis-blackholed`, `query-killed`. */
  kind: string;
  target: PartLabel;
  event: 'requested' | 'effective' | 'healing' | 'healed' | 'unwitnessed';
  /** What proved it from outside: "PING refused", "pid 4711 gone", "run_id changed". */
  witness?: string;
}

/** A moment that the report shows on the recovery table. */
export interface Marked extends Base {
  type: 'mark';
  name: 'fault-detected' | 'first-applied' | 'backlog-drained' | 'first-upload-accepted';
  fault?: string;
  detail?: string;
}

export interface PhaseChanged extends Base {
  type: 'phase';
  phase: string;
}

/** A finding of a checker: a violated guarantee, with the file and the records that show it. */
export interface Found extends Base {
  type: 'finding';
  checker: string;
  fileId?: string;
  message: string;
}

/** A measured figure that is no per-operation sample: `warm-start-ms`. */
export interface Measured extends Base {
  type: 'figure';
  name: string;
  value: number;
  unit: string;
  detail?: string;
}

/** What a soak is going to break: rounds that another run can be given. */
export interface SoakPlanned extends Base {
  type: 'soak-planned';
  rounds: readonly { pauseMs: number; disruptions: readonly { name: string; startMs: number; holdMs: number }[] }[];
}

/** How much memory each part has at a moment, in bytes; the runner is the process that judges. What is not there does not run. */
export interface MemorySampled extends Base {
  type: 'memory';
  bytes: Readonly<Record<string, number>>;
}

/** What a round of a soak broke, or may have broken. Times are run time, in ms. */
export interface Broken {
  name: string;
  /** From 1. */
  round: number;
  requestedAt: number;
  healedAt: number;
  /** How long after its healing operations may still fail because of it. */
  lingersMs: number;
  /** It concerns Redis alone: uploads and searches have nothing to do with it. */
  ofRedis: boolean;
  /** A witness saw it in effect. An unwitnessed one may have been active, too: it proves nothing. */
  seen: boolean;
}

/** A round of a soak begins to break things, or all of it was healed. */
export interface RoundChanged extends Base {
  type: 'round';
  /** From 1. */
  round: number;
  /** How many there are. */
  of: number;
  event: 'began' | 'ended';
  /** At its end. */
  broken?: readonly Broken[];
}

export type HistoryRecord =
  | RunStarted
  | RunFinished
  | EnvironmentChanged
  | CaseStarted
  | CaseFinished
  | Invoked
  | Completed
  | Visibility
  | FaultChanged
  | Marked
  | PhaseChanged
  | Found
  | Measured
  | SoakPlanned
  | RoundChanged
  | MemorySampled;

type WithoutTime<R> = R extends HistoryRecord ? Omit<R, 'at' | 'case'> & { at?: number } : never;
/** A record as its author writes it: the writer adds the time (unless given) and the case. */
export type NewRecord = WithoutTime<Exclude<HistoryRecord, CaseStarted | CaseFinished>>;
