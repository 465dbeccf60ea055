import { runPlanSchema } from '../../harness/config/run-plan.ts';
import { type Random, seededRandom } from '../../harness/core/random.ts';
import type { HistoryRecord, OperationKind, PartName } from '../../harness/record/history.ts';

export interface SoakHistoryOptions {
  seed?: number;
  operations?: number;
  faults?: number;
  ratePerSecond?: number;
  /** `violation` has a lost file and one that came back, `inconclusive` a load that was late. */
  outcome?: 'conformant' | 'violation' | 'inconclusive';
}

const CASE = 'SOAK-01';
const TITLE = 'Under mixed load, while a seeded nemesis breaks servers, services and wires, nothing is lost.';

interface FaultKind {
  kind: string;
  target: PartName;
  fails: readonly OperationKind[];
}
/** What is broken, where, and which operations fail meanwhile. */
const FAULTS: readonly [FaultKind, ...FaultKind[]] = [
  { kind: 'redis-killed', target: 'redis', fails: [] },
  { kind: 'redis-paused', target: 'redis', fails: [] },
  { kind: 'redis-blackholed', target: 'redis', fails: [] },
  { kind: 'redis-oom', target: 'redis', fails: [] },
  { kind: 'postgres-killed', target: 'postgres', fails: ['upload', 'update', 'delete', 'read', 'search'] },
  { kind: 'postgres-connections-forgotten', target: 'postgres', fails: ['upload', 'update', 'delete'] },
  { kind: 'admin-killed', target: 'admin', fails: ['upload', 'update', 'delete'] },
  { kind: 'admin-paused', target: 'admin', fails: ['upload', 'update', 'delete'] },
  { kind: 'query-killed', target: 'query', fails: ['read', 'search'] },
  { kind: 'query-stopped', target: 'query', fails: ['read', 'search'] },
  { kind: 'ingester-killed', target: 'ingester', fails: ['upload'] },
  { kind: 'storage-killed', target: 'storage', fails: ['upload'] },
];
/** Of a mixed load. */
const KINDS: readonly [OperationKind, ...OperationKind[]] = [
  ...(['upload', 'update', 'upload', 'update', 'upload', 'update', 'delete'] as const),
  ...(['read', 'search', 'read', 'search', 'read'] as const),
];
const PARTS = {
  redis: 12,
  postgres: 80,
  ingester: 90,
  storage: 85,
  admin: 130,
  query: 120,
  'query-2': 90,
  runner: 300,
};
const MIB = 2 ** 20;

/** A made-up history of a soak, record by record, for looking at its report and for measuring how long one takes. */
export function* soakHistory(options: SoakHistoryOptions = {}): Generator<HistoryRecord> {
  const { seed = 7, operations = 6000, faults = 60, ratePerSecond = 20, outcome = 'conformant' } = options;
  const random = seededRandom(seed);
  const lastsMs = (operations * 1000) / ratePerSecond;
  const base = { case: CASE, requirement: CASE, title: TITLE };
  yield {
    ...{ at: 0, type: 'run-started', runId: 'sample-soak', startedAt: '2024-06-07T09:30:00.000Z', selected: [CASE] },
    command: `pnpm syncproof soak --env processes --seed ${seed}`,
    plan: runPlanSchema.parse({
      ...{ environment: 'processes', reason: 'made up', profile: 'default', seed, cases: [CASE] },
      soak: { seconds: lastsMs / 1000, ratePerSecond },
    }),
  };
  yield { at: 1000, type: 'case-started', ...base, checkedFromFile: true };
  const rounds = Array.from({ length: faults }, (_, i) => ({
    pauseMs: 1500,
    disruptions: [{ name: `planned-${i + 1}`, startMs: 0, holdMs: 1000 }],
  }));
  yield { at: 1500, type: 'soak-planned', case: CASE, rounds };
  const planned = Array.from({ length: faults }, (_, i) =>
    faultAt(i, 2000 + (lastsMs * i) / faults, lastsMs / faults, random),
  );
  const pending = planned.flatMap(recordsOfFault(faults)).sort((a, b) => a.at - b.at);
  let [nextPending, nextMemoryAt] = [0, 1600];
  for (let i = 0; i < operations; i++) {
    const at = 2000 + (i * 1000) / ratePerSecond;
    for (let record = pending[nextPending]; record !== undefined && record.at <= at; record = pending[++nextPending])
      yield record;
    if (at >= nextMemoryAt) {
      yield memoryAt(at, at / (lastsMs + 2000), random);
      nextMemoryAt += Math.max(2000, lastsMs / 200);
    }
    const on = planned[Math.min(faults - 1, Math.floor(((at - 2000) / lastsMs) * faults))];
    yield* operation(i, at, on, random);
  }
  yield* pending.slice(nextPending);
  const endAt = lastsMs + 4000;
  if (outcome === 'violation') {
    const found = { at: endAt, type: 'finding', case: CASE } as const;
    yield {
      ...found,
      checker: 'lost',
      fileId: idOf(1),
      message: `${idOf(1)} was acknowledged and is absent from every final read`,
    };
    yield {
      ...found,
      checker: 'resurrected',
      fileId: idOf(12),
      message: `${idOf(12)} was read after its deletion had been acknowledged`,
    };
  }
  const verdicts = {
    conformant: { verdict: 'pass' },
    violation: {
      verdict: 'fail',
      reason: 'lost: a file was acknowledged and is absent from every final read; resurrected: another one came back',
    },
    inconclusive: {
      verdict: 'inconclusive',
      reason: 'An operation began 4200 ms after it was due: try a lower --rate',
    },
  } as const;
  yield {
    ...{ at: endAt, type: 'case-finished', ...base, ...verdicts[outcome], durationMs: endAt - 1000 },
    evidence: {
      generatorLateMs: 12,
      operations,
      writes: Math.floor(operations * 0.6),
      faults,
      kinds: FAULTS.length,
      files: 900,
      readAtEnd: 900,
      whileRedisAway: 800,
      failedWhileRedisAway: 0,
    },
    floor: { faults: 5, kinds: 5, operations: 300, writes: 150, whileRedisAway: 20 },
  };
  yield { at: endAt + 10, type: 'run-finished', interrupted: false };
}

type PlannedFault = FaultKind & { index: number; fromAt: number; toAt: number };

function faultAt(index: number, roundAt: number, roundMs: number, random: Random): PlannedFault {
  const fault = random.pick(FAULTS);
  const fromAt = roundAt + roundMs * 0.3;
  return { ...fault, index, fromAt, toAt: fromAt + roundMs * (0.1 + 0.3 * random.next()) };
}

const recordsOfFault =
  (of: number) =>
  ({ index, kind, target, fromAt, toAt }: PlannedFault): HistoryRecord[] => {
    const change = { type: 'fault' as const, case: CASE, fault: `${kind}-${index}`, kind, target };
    const round = { type: 'round' as const, case: CASE, round: index + 1, of };
    const lingersMs = kind.endsWith('forgotten') ? 12_000 : 2000;
    const broken = {
      name: kind,
      requestedAt: fromAt - 5,
      healedAt: toAt,
      lingersMs,
      ofRedis: target === 'redis',
      seen: true,
    };
    return [
      { ...round, at: fromAt - 6, event: 'began' },
      { ...change, at: fromAt - 5, event: 'requested' },
      { ...change, at: fromAt, event: 'effective', witness: `${target} is silent for 300 ms` },
      { ...change, at: toAt - 2, event: 'healing' },
      { ...change, at: toAt, event: 'healed', witness: 'PONG' },
      { ...round, at: toAt + 1, event: 'ended', broken: [{ ...broken, round: index + 1 }] },
    ];
  };

function* operation(index: number, at: number, on: PlannedFault | undefined, random: Random): Generator<HistoryRecord> {
  const kind = random.pick(KINDS);
  const fails = on?.fails.includes(kind) === true && at >= on.fromAt && at < on.toAt + 300;
  const common = { op: idOf(index + 1e9), kind, case: CASE };
  // Of an upload, the id is known from its answer; the others are of a file that was uploaded not long before.
  const fileId = idOf(kind === 'upload' ? index : Math.max(0, index - random.integer(1, 200)));
  const endAt = at + (fails ? 900 : 3 + 20 * random.next() ** 4);
  const input = kind === 'search' ? { query: `file-${index}`, mode: 'exact' } : undefined;
  yield {
    ...{ ...common, at: at + 0.4, type: 'invoke', intendedAt: at },
    ...(kind === 'upload' || kind === 'search' ? {} : { fileId }),
    ...(input === undefined ? {} : { input }),
  };
  if (fails)
    yield { ...common, at: endAt, type: kind === 'read' || kind === 'search' ? 'fail' : 'unknown', status: 503 };
  else
    yield {
      ...common,
      at: endAt,
      type: 'ok',
      status: kind === 'upload' ? 201 : 200,
      ...(kind === 'search' ? { ids: [fileId], totalCount: 1 } : { fileId }),
    };
  if (kind !== 'upload' || fails || index % 20 !== 0) return;
  const hitAt =
    endAt +
    4 +
    30 * random.next() ** 6 +
    (on?.target === 'redis' && at >= on.fromAt && at < on.toAt ? on.toAt - at : 0);
  yield {
    ...{ ...common, type: 'visibility', at: hitAt, fileId, kind: 'created', phase: 'soak' },
    ...{ intendedAt: at, acceptedAt: endAt, missAt: hitAt - 2, hitAt },
  };
}

function memoryAt(at: number, share: number, random: Random): HistoryRecord {
  const bytes = Object.entries(PARTS).map(([part, mib]) => [
    part,
    Math.round((mib + 10 * share + 3 * random.next()) * MIB),
  ]);
  return { at, type: 'memory', case: CASE, bytes: Object.fromEntries(bytes) };
}

const idOf = (index: number): string => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
