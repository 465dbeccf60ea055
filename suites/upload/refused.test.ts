import { type Fault, multipartBody } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { eventually } from '../steps/eventually.ts';
import { awaitSearchable, download, randomBytes, registered, sha256, upload } from '../steps/steps.ts';
import {
  ANSWER_MS_MAX,
  beginUpload,
  canSendSlowly,
  demandNothing,
  demandWhole,
  demandWholeOrNothing,
  type Interrupted,
  killIngesterRegistering,
  killIngesterUploading,
  MIB,
  uploadAndFind,
} from '../steps/uploads.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { UPLOAD } from './requirements.ts';

const verify = suite(UPLOAD);
const SMALL_LIMIT = 100_000;

verify(
  'UP-03/storage-killed',
  'Storage killed, an upload in progress: 503, nothing partial remains, and uploads succeed again once it recovers.',
  (t) => refusesWhile(t, AWAY['storage-killed']),
);
verify(
  'UP-03/admin-stopped',
  'Admin stopped, an upload in progress: 503, nothing partial remains, and uploads succeed again once it recovers.',
  (t) => refusesWhile(t, AWAY['admin-stopped']),
);
verify(
  'UP-03/admin-paused',
  'Admin suspended (SIGSTOP), an upload in progress: 503, and what it registers afterwards has all its bytes.',
  (t) => refusesWhile(t, AWAY['admin-paused']),
);
verify(
  'UP-04/too-large',
  'With a limit of 100 kB: a file of that size is accepted, one byte more is answered 413.',
  keepsToSetLimit,
  { environment: { settings: { ingester: { UPLOAD_MAX_BYTES: String(SMALL_LIMIT) } } } },
);
verify(
  'UP-04/declared-limit',
  'An upload of 16 MiB more than the declared limit is answered 413.',
  keepsToDeclaredLimit,
);
verify(
  'UP-04/vanished',
  'Clients that disconnect in the middle of an upload, and forms that end early, leave nothing.',
  vanishedLeaveNothing,
);
verify('UP-04/empty', 'A file of 0 bytes is stored or refused, never partly.', takesEmptyOrNot);
verify('UP-06', 'An upload whose ingester is killed happens completely or not at all.', diesWithWholeOrNothing);

/** Uploads work again this long after the failed component has recovered. */
const HEALED_MS_MAX = 10_000;
const TRIES = 3;

interface Away {
  provoke: (t: CaseContext) => Promise<Fault>;
  /** Size of the upload that is half way when the fault comes. */
  slowBytes: number;
}

const AWAY = {
  // Half of it is more than the buffers of a connection hold: once it is sent, storage is being given it.
  'storage-killed': { provoke: ({ faults }) => faults.storage.kill(), slowBytes: 24 * MIB },
  'admin-stopped': { provoke: ({ faults }) => faults.admin.stop(), slowBytes: MIB },
  // It may go on with a registration whose sender has given up.
  'admin-paused': { provoke: ({ faults }) => faults.admin.pause(), slowBytes: MIB },
} as const satisfies Record<string, Away>;

async function refusesWhile(t: CaseContext, { provoke, slowBytes }: Away): Promise<void> {
  const { pipeline, evidence, random, unique } = t;
  await uploadAndFind(t, 'before');
  const sent = new Map<string, Buffer>();
  const next = (length: number): [filename: string, content: Buffer] => {
    const filename = `${unique}-refused-${sent.size}.bin`;
    const content = Buffer.alloc(length, randomBytes(random, 1021));
    sent.set(filename, content);
    return [filename, content];
  };
  const [filename, content] = next(slowBytes);
  using slow = canSendSlowly(t.env) ? await beginUpload(t, { filename, size: slowBytes }) : undefined;
  await slow?.write(content.subarray(0, slowBytes / 2));
  await using fault = await provoke(t);
  await slow?.write(content.subarray(slowBytes / 2));
  slow?.end();
  const others = Array.from({ length: TRIES }, async () => {
    const [name, bytes] = next(100);
    const input = { filename: name, content: bytes };
    const { status, outcome, error } = await pipeline.upload(input, { timeoutMs: ANSWER_MS_MAX });
    return status ?? `${outcome} ${error}`;
  });
  const [underWay, ...answers] = await Promise.all([slow?.answer(ANSWER_MS_MAX), ...others]);
  for (const answer of answers) demand(answer === 503, `An upload while ${fault.kind}: expected 503, got ${answer}`);
  const broken = `An upload that was in progress while ${fault.kind}: expected 503, got ${underWay}`;
  demand(slow === undefined || underWay === 503, broken);
  evidence.refused = answers.length;
  evidence.underWay = slow === undefined ? 0 : 1;

  await fault.heal();
  const what = `Uploads accepted again after ${fault.kind}`;
  const accepted = async (): Promise<true | undefined> => {
    const { status } = await pipeline.upload({ filename: `${unique}-again.txt`, content: Buffer.from('again') });
    return status === 201 ? true : undefined;
  };
  await eventually(what, accepted, { timeoutMs: HEALED_MS_MAX, signal: t.signal });
  await uploadAndFind(t, 'after');
  evidence.accepted = 1;

  evidence.happenedAllTheSame = await demandWhole(t, sent);
}

async function keepsToSetLimit(t: CaseContext): Promise<void> {
  const { env, pipeline, evidence, unique } = t;
  const limit = env.limits.uploadBytesMax;
  await upload(pipeline, { filename: `${unique}-at-the-limit.bin`, content: Buffer.alloc(limit, 1) });
  evidence.accepted = 1;
  const refused: string[] = [];
  for (const excess of [1, limit, 16 * MIB]) {
    const filename = `${unique}-${excess}-more.bin`;
    const { status, outcome, error } = await pipeline.upload({ filename, content: Buffer.alloc(limit + excess, 1) });
    const what = `An upload of ${excess} bytes more than the limit of ${limit}`;
    demand(status === 413, `${what}: expected 413, got ${status ?? outcome} ${error ?? ''}`);
    refused.push(filename);
  }
  await demandNothing(t, refused);
  evidence.refused = refused.length;
}

async function keepsToDeclaredLimit(t: CaseContext): Promise<void> {
  const { env, evidence, unique } = t;
  const limit = env.limits.uploadBytesMax;
  const size = limit + 16 * MIB;
  const filename = `${unique}.bin`;
  using slow = await beginUpload(t, { filename, size });
  const chunk = Buffer.alloc(MIB, 1);
  let sent = 0;
  for (; sent < size && slow.answered === undefined; sent += chunk.length) {
    await slow.write(chunk.subarray(0, size - sent));
  }
  if (slow.answered === undefined) slow.end();
  const what = `An upload of ${size} bytes, where ${limit} are the most`;
  demandEqual(await slow.answer(ANSWER_MS_MAX), 413, what);
  await demandNothing(t, [filename]);
  evidence.refused = 1;
}

async function vanishedLeaveNothing(t: CaseContext): Promise<void> {
  const { pipeline, evidence, random, unique } = t;
  const content = Buffer.alloc(MIB, randomBytes(random, 1021));
  const vanished: string[] = [];
  for (const length of [0, 1, MIB / 2, MIB]) {
    const filename = `${unique}-vanished-after-${length}.bin`;
    using slow = await beginUpload(t, { filename, size: MIB });
    await slow.write(content.subarray(0, length));
    vanished.push(filename);
  }
  // The connection ends in order, the form does not.
  const filename = `${unique}-without-end.bin`;
  const part = { filename, contentType: 'application/octet-stream', content };
  const { body, contentType } = multipartBody({}, part);
  const cut = { headers: { 'content-type': contentType }, body: body.subarray(0, -10) };
  const { status = 0, outcome } = await pipeline.request('ingester', 'POST', '/api/v1/files/upload', cut);
  demand(status >= 400 && status < 500, `An upload without its end: expected 4xx, got ${status || outcome}`);
  await demandNothing(t, [...vanished, filename]);
  evidence.vanished = vanished.length;
}

async function takesEmptyOrNot(t: CaseContext): Promise<void> {
  const { env, pipeline, evidence, unique, signal } = t;
  const filename = `${unique}.txt`;
  const answer = await pipeline.upload({ filename, content: Buffer.alloc(0) });
  const { status = 0, outcome } = answer;
  evidence.status = status;
  if (status >= 400 && status < 500) {
    await demandNothing(t, [filename]);
  } else {
    demand(status === 201, `An upload of 0 bytes: expected 201 or 4xx, got ${status || outcome}`);
    const { file_id: fileId } = answer.body as { file_id: string };
    const { file_size, checksum_sha256 } = await registered(pipeline, fileId);
    const nothing = { size: 0, checksum: sha256(Buffer.alloc(0)) };
    demandEqual({ size: file_size, checksum: checksum_sha256 }, nothing, 'The registry about a file of 0 bytes');
    const hit = await awaitSearchable(pipeline, fileId, { timeoutMs: env.limits.syncMs, signal });
    demandEqual({ size: hit.file_size, checksum: hit.sha256_hash }, nothing, 'Search about a file of 0 bytes');
    demandEqual((await download(pipeline, fileId, signal)).length, 0, 'Bytes of a file of 0 bytes');
  }
  evidence.settled = 1;
}

async function diesWithWholeOrNothing(t: CaseContext): Promise<void> {
  const { evidence } = t;
  Object.assign(evidence, { killed: 0, happened: 0 });
  const judge = async (interrupted: Interrupted): Promise<boolean> => {
    const happened = await demandWholeOrNothing(t, interrupted, HEALED_MS_MAX);
    evidence.killed = Number(evidence.killed) + 1;
    evidence.happened = Number(evidence.happened) + Number(happened);
    return happened;
  };
  await judge(await killIngesterRegistering(t));
  if (!canSendSlowly(t.env)) return;
  const half = await killIngesterUploading(t);
  demand(!(await judge(half)), `${half.filename} is found, although only half of it was sent`);
}
