import { runPlanSchema } from '../../harness/config/run-plan.ts';
import { type Random, seededRandom } from '../../harness/core/random.ts';
import type { HistoryRecord, OperationKind, Verdict, Visibility } from '../../harness/record/history.ts';

export interface SampleOptions {
  seed?: number;
  /** `violation` adds losses, an inconclusive case, an error and a skipped one. */
  outcome?: 'conformant' | 'violation';
  /** Uploads in the baseline case; the others have a quarter of it. */
  samples?: number;
  /** A name that turns up in titles, reasons, evidence and findings. */
  hostileName?: string;
}

interface SampleFault {
  kind: string;
  target: 'redis' | 'query';
  /** From the case's start, in ms. */
  fromMs: number;
  toMs: number;
  witness: string;
}

/**
 * A made-up history of a plausible run, for looking at the report: the same options give the same records.
 * Cases run side by side as they do in reality, each with servers of its own.
 */
export function sampleHistory(options: SampleOptions = {}): HistoryRecord[] {
  const { seed = 20_240_607, outcome = 'conformant', samples = 1200, hostileName } = options;
  const random = seededRandom(seed);
  const bad = outcome === 'violation';
  const killed = (fromMs: number, toMs: number): SampleFault => ({
    kind: 'redis-killed',
    target: 'redis',
    fromMs,
    toMs,
    witness: 'PING refused, pid 4711 gone',
  });
  const paused: SampleFault = { ...killed(4000, 14_000), kind: 'redis-paused', witness: 'PING unanswered for 500 ms' };
  const records: HistoryRecord[] = [
    {
      at: 0,
      type: 'run-started',
      runId: 'sample-run',
      startedAt: '2024-06-07T09:30:00.000Z',
      plan: runPlanSchema.parse({
        ...{ environment: 'processes', reason: 'made up', profile: 'default', seed, cases: [] },
      }),
      command: `pnpm test:e2e --env processes --seed ${seed}`,
      selected: [],
    },
    environment(2143),
    { at: 2380, type: 'figure', name: 'warm-start', value: 2380, unit: 'ms', detail: 'start → first upload accepted' },
  ];
  const add = (plan: CasePlan): void => {
    for (const record of caseRecords(plan, random.fork(plan.key))) records.push(record);
  };
  add({
    key: 'AUTH-01',
    title: 'right credentials get a token that every service accepts',
    startAt: 2400,
    lastsMs: 240,
  });
  add({
    key: 'UP-01',
    title: 'an upload answers with the exact size and SHA-256',
    startAt: 2500,
    lastsMs: 410,
    uploads: 3,
  });
  add({
    key: 'SYNC-01',
    title: hostileName === undefined ? 'uploaded, then searchable' : `uploaded as ${hostileName}, then searchable`,
    startAt: 2800,
    lastsMs: 350,
    uploads: 4,
    ...(hostileName === undefined ? {} : { evidence: { filename: hostileName } }),
  });
  add({
    key: 'SYNC-05',
    title: '200 concurrent uploads: all found, none twice',
    startAt: 3000,
    lastsMs: 2600,
    uploads: samples / 6,
    phase: 'burst',
  });
  add({
    key: 'LAT-01',
    title: 'sync latency at 100 uploads/s holds its threshold',
    startAt: 6000,
    lastsMs: 13_000,
    uploads: samples,
  });
  add({
    key: 'RES-01/killed',
    title: 'uploads go on while Redis is killed',
    startAt: 7000,
    lastsMs: 17_500,
    uploads: samples / 4,
    faults: [killed(4000, 14_000)],
  });
  add({
    key: 'RES-01/paused',
    title: 'uploads go on while Redis is paused',
    startAt: 9000,
    lastsMs: 18_500,
    uploads: samples / 4,
    faults: [paused],
  });
  add({
    key: 'RES-02/short',
    title: 'after two short outages everything becomes searchable',
    startAt: 12_000,
    lastsMs: 16_000,
    uploads: samples / 4,
    faults: [
      killed(3000, 4200),
      { ...killed(8000, 9100), kind: 'redis-refused', witness: 'proxy refused 3 connections' },
    ],
    ...(bad
      ? { lost: 3, verdict: 'fail' as const, reason: '3 of 300 acknowledged uploads never became searchable' }
      : {}),
  });
  add({
    key: 'RES-03',
    title: 'a consumer killed -9 mid-burst resumes where it was',
    startAt: 20_000,
    lastsMs: 9000,
    uploads: samples / 8,
    faults: [{ kind: 'query-killed', target: 'query', fromMs: 2500, toMs: 3400, witness: 'pid 4820 gone' }],
    ...(bad
      ? {
          verdict: 'inconclusive' as const,
          reason: 'only 12 operations were acknowledged before the fault, the floor is 20',
        }
      : {}),
  });
  if (bad) {
    add({
      key: 'LAT-02',
      title: 'propagation at idle',
      startAt: 21_000,
      lastsMs: 900,
      verdict: 'error',
      reason: 'DeadlineError: Waited 500 ms for the stream to exist',
    });
    add({
      key: 'SYNC-08',
      title: 'several query instances answer alike',
      startAt: 21_500,
      lastsMs: 1,
      verdict: 'skip',
      reason: 'needs the capability `control` of the target',
    });
  }
  records.sort((a, b) => a.at - b.at);
  records.push({ at: 31_000, type: 'run-finished', interrupted: false });
  return records;
}

function environment(readyAt: number): HistoryRecord {
  const versions = { redis: '7.0.15', postgres: '18.4', node: '24.21.0' };
  return {
    at: readyAt,
    type: 'environment',
    environmentId: 'env-1',
    kind: 'processes',
    status: 'ready',
    ms: readyAt,
    versions,
  };
}

interface CasePlan {
  key: string;
  title: string;
  startAt: number;
  lastsMs: number;
  uploads?: number;
  /** The phase of uploads before any fault. */
  phase?: string;
  faults?: readonly SampleFault[];
  /** How many uploads never become visible. */
  lost?: number;
  verdict?: Verdict;
  reason?: string;
  evidence?: Record<string, number | string>;
}

function caseRecords(plan: CasePlan, random: Random): HistoryRecord[] {
  const { key, title, startAt, lastsMs, uploads = 0, faults = [], lost = 0, verdict = 'pass', reason } = plan;
  const requirement = key.split('/')[0] ?? key;
  const records: HistoryRecord[] = [
    { at: startAt, type: 'case-started', case: key, requirement, title, environmentId: 'env-1' },
  ];
  for (const [index, fault] of faults.entries()) records.push(...faultRecords(fault, `${key}#${index + 1}`, plan));
  for (let index = 0; index < uploads; index++) {
    const intendedAt = startAt + 50 + ((lastsMs - 1500) * index) / uploads;
    // The lost ones are among those sent during an outage, as in reality.
    const isLost = index >= uploads * 0.22 && index < uploads * 0.22 + lost;
    records.push(...uploadRecords({ plan, index, intendedAt, isLost, random }));
  }
  records.push({
    at: startAt + lastsMs,
    type: 'case-finished',
    case: key,
    requirement,
    title,
    verdict,
    durationMs: lastsMs,
    ...(reason === undefined ? {} : { reason }),
    evidence: {
      ...(uploads > 0 ? { acknowledged: Math.ceil(uploads), searchable: Math.ceil(uploads) - lost } : {}),
      ...plan.evidence,
    },
    floor: uploads > 0 ? { acknowledged: Math.min(20, Math.ceil(uploads)) } : {},
    ...(verdict === 'pass' || verdict === 'skip' ? {} : { evidenceFiles: evidenceFiles(key) }),
  });
  return records;
}

function evidenceFiles(key: string): string[] {
  return ['history.jsonl', 'stream.txt', 'query.log'].map((name) => `evidence/${key.replace('/', '-')}/${name}`);
}

function faultRecords(fault: SampleFault, id: string, { startAt, key }: CasePlan): HistoryRecord[] {
  const { kind, target, fromMs, toMs, witness } = fault;
  const [from, to] = [startAt + fromMs, startAt + toMs];
  const change = { type: 'fault' as const, fault: id, kind, target, case: key };
  return [
    { ...change, at: from - 6, event: 'requested' },
    { ...change, at: from, event: 'effective', witness },
    { ...change, at: to - 30, event: 'healing' },
    { ...change, at: to, event: 'healed', witness: 'PONG' },
    { at: from + 210, type: 'mark', name: 'fault-detected', fault: id, case: key },
    { at: to + 64, type: 'mark', name: 'first-applied', fault: id, case: key },
    { at: to + 480, type: 'mark', name: 'backlog-drained', fault: id, case: key },
  ];
}

interface UploadPlan {
  plan: CasePlan;
  index: number;
  intendedAt: number;
  isLost: boolean;
  random: Random;
}

function uploadRecords({ plan, index, intendedAt, isLost, random }: UploadPlan): HistoryRecord[] {
  const { key, startAt, phase = 'baseline', faults = [] } = plan;
  const op = `${key}:upload:${index}`;
  const fileId = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const acceptedAt = intendedAt + 3 + 6 * random.next() ** 3;
  const during = faults.find(({ fromMs, toMs }) => within(intendedAt, startAt + fromMs, startAt + toMs));
  const after = faults.some(({ toMs }) => within(intendedAt, startAt + toMs, startAt + toMs + 1500));
  const syncMs = 2.5 + 5 * random.next() + 60 * random.next() ** 14;
  const seenAt = during === undefined ? acceptedAt + syncMs : startAt + during.toMs + 60 + 400 * random.next();
  const missAt = random.next() < 0.04 ? null : Math.max(acceptedAt, seenAt - 1.5 - 2 * random.next());
  const visibility: Visibility = {
    at: isLost ? startAt + plan.lastsMs - 200 : seenAt,
    type: 'visibility',
    case: key,
    op,
    fileId,
    kind: 'created',
    phase: during !== undefined ? 'outage' : after ? 'recovery' : phase,
    intendedAt,
    acceptedAt,
    missAt: isLost ? startAt + plan.lastsMs - 210 : missAt,
    hitAt: isLost ? null : seenAt,
    ...(during === undefined && !isLost ? { hops: { xadd: 0.6 + random.next(), rowCommitted: syncMs * 0.7 } } : {}),
  };
  const found = {
    type: 'finding' as const,
    checker: 'lost',
    fileId,
    message: 'acknowledged with 201, absent from every final read',
  };
  return [
    ...operation(op, 'upload', key, intendedAt, acceptedAt, fileId),
    ...operation(`${op}:search`, 'search', key, seenAt + 20, seenAt + 22 + 8 * random.next() ** 4),
    visibility,
    ...(isLost ? [{ ...found, case: key, at: startAt + plan.lastsMs - 100 }] : []),
  ];
}

function operation(
  op: string,
  kind: OperationKind,
  key: string,
  at: number,
  endAt: number,
  fileId?: string,
): HistoryRecord[] {
  const common = { op, kind, case: key, ...(fileId === undefined ? {} : { fileId }) };
  return [
    { ...common, at, type: 'invoke', intendedAt: at },
    { ...common, at: endAt, type: 'ok', status: kind === 'upload' ? 201 : 200 },
  ];
}

function within(value: number, from: number, to: number): boolean {
  return value >= from && value < to;
}
