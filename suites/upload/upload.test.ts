import { randomUUID } from 'node:crypto';
import type { UploadInput } from '../../harness/index.ts';
import type { FileEvent } from '../../services/contract/events.ts';
import { type RegistryFile, registryFileSchema } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { lastEventId } from '../steps/events.ts';
import {
  accountNames,
  demandAsSent,
  demandHitAsSent,
  demandUploader,
  type SentFile,
  sentFile,
} from '../steps/sent-file.ts';
import {
  awaitById,
  awaitSearchable,
  download,
  instant,
  randomBytes,
  registered,
  sha256,
  upload,
} from '../steps/steps.ts';
import { conforms, demand, demandEqual } from '../steps/violation.ts';
import { UPLOAD } from './requirements.ts';
import { completeEvent, demandAsRegistered, demandExpiry, demandWithin, eventsOnceEach } from './steps.ts';

const verify = suite(UPLOAD);

verify(
  'UP-01',
  'An upload answers 201 with an id, the exact size and the SHA-256 of the bytes; the registry then holds exactly that, and a download gives the same bytes.',
  keepsTheBytes,
);
verify(
  'UP-02',
  'One committed change puts exactly one event on the stream, with every field of the event contract.',
  publishesOneEventPerChange,
);
verify(
  'UP-05',
  'A download returns the same bytes; a Range gives 206 with the right slice, an unsatisfiable one 416.',
  downloadsTheBytes,
);

/** Bytes; around the sizes at which streams cut their chunks. */
const SIZES = [1, 1024, 65_535, 65_536, 65_537, 300_000];

async function keepsTheBytes(t: CaseContext): Promise<void> {
  const { pipeline, env, evidence, random, unique, signal } = t;
  const names = await accountNames(pipeline);
  const ids = new Set<string>();
  const uploaders = new Set<string | null>();
  evidence.downloads = 0;
  for (const size of SIZES) {
    const content = randomBytes(random, size);
    const input: UploadInput = {
      filename: `${unique}-${size}.bin`,
      content,
      contentType: 'application/x-syncproof',
      description: `${size} bytes`,
      tags: [`size-${size}`, 'upload'],
      metadata: { size, nested: { list: [size] } },
    };
    const sent = sentFile(input);
    const answer = await upload(pipeline, input);
    const what = `The upload of ${size} bytes`;
    demandEqual(answer.file_size, size, `${what}: file_size`);
    demandEqual(answer.checksum, sha256(content), `${what}: checksum`);
    demandEqual(answer.original_filename, input.filename, `${what}: original_filename`);

    const file = await registered(pipeline, answer.file_id);
    demandAsSent(file, sent, `${what}: the registry's entry`);
    demandUploader(file.uploaded_by, names, `${what}: uploaded_by`);
    demandEqual(
      {
        id: file.file_id,
        storageName: file.storage_filename,
        element: file.storage_element_id,
        retention: file.retention_policy,
      },
      {
        id: answer.file_id,
        storageName: answer.storage_filename,
        element: answer.storage_element_id,
        retention: answer.retention_policy,
      },
      `${what}: the registry's entry against the answer`,
    );
    ids.add(answer.file_id);
    uploaders.add(file.uploaded_by);

    const hit = await awaitSearchable(pipeline, answer.file_id, { timeoutMs: env.limits.syncMs, signal });
    demandHitAsSent(hit, sent, `${what}: what search shows`);
    const stored = await download(pipeline, answer.file_id, signal);
    demand(content.equals(stored), () => `${what}: ${stored.length} bytes are downloaded, and they are not the same`);
    evidence.downloads++;
  }
  demandEqual(ids.size, SIZES.length, 'Ids given to as many uploads');
  demandEqual(uploaders.size, 1, 'Names under which one account uploads');
  evidence.uploads = ids.size;
}

const TTL_DAYS = 7;

async function publishesOneEventPerChange(t: CaseContext): Promise<void> {
  const { pipeline, env, redis, evidence, unique, signal } = t;
  const waiting = { timeoutMs: env.limits.syncMs, signal };
  const before = await lastEventId(redis);
  const names = await accountNames(pipeline);
  const permanent: UploadInput = {
    filename: `${unique}.txt`,
    content: Buffer.from('one change, one event'),
    contentType: 'text/plain',
    description: 'as uploaded',
    tags: ['first', 'second'],
    metadata: { project: 'syncproof', nested: { count: 3 } },
    retentionPolicy: 'permanent',
  };
  const { file_id } = await upload(pipeline, permanent);
  const created = await registered(pipeline, file_id);
  await awaitSearchable(pipeline, file_id, waiting);

  const changes = { description: 'as updated', tags: ['third'], user_metadata: { updated: true } };
  const update = await pipeline.update(file_id, changes);
  demandEqual(update.status, 200, 'The answer to an update');
  const updated = await registered(pipeline, file_id);
  const isUpdated = (hit?: { description: string | null }): boolean => hit?.description === 'as updated';
  await awaitById(pipeline, file_id, 'the update searchable', isUpdated, waiting);

  const temporary: UploadInput = {
    filename: `${unique}-temporary.txt`,
    content: Buffer.from('gone in a week'),
    retentionPolicy: 'temporary',
    ttlDays: TTL_DAYS,
  };
  const shortLived = await upload(pipeline, temporary);
  const passing = await registered(pipeline, shortLived.file_id);
  demandEqual(instant(shortLived.ttl_expires_at), instant(passing.ttl_expires_at), 'ttl_expires_at of the answer');
  demandExpiry(passing, TTL_DAYS);

  const removalFrom = new Date().toISOString();
  const removal = await pipeline.remove(file_id);
  const removalUntil = new Date().toISOString();
  demandEqual(removal.status, 200, 'The answer to a deletion');
  const removed = conforms(registryFileSchema.pick({ deleted_at: true }), removal.body, 'The answer to a deletion');
  await awaitById(pipeline, file_id, 'the deletion searchable', (hit) => hit === undefined, waiting);

  const entries = await eventsOnceEach(t, [file_id, shortLived.file_id], { after: before, count: 4 });
  const events = entries.map(completeEvent);
  const ofFile = events.filter((event) => event.file_id === file_id);
  demandEqual(
    ofFile.map(({ event_type }) => event_type),
    ['file:created', 'file:updated', 'file:deleted'],
    'Events of an upload, an update and a deletion',
  );
  const [creation, change, deleted] = ofFile;
  const passed = events.find((event) => event.file_id === shortLived.file_id);
  // Who registers a file says itself who uploaded it.
  const hasIngester = env.capabilities.has('upload');
  const told: [event: FileEvent | undefined, file: RegistryFile, sent: SentFile][] = [
    [creation, created, sentFile(permanent)],
    [change, updated, { ...sentFile(permanent), ...changes }],
    [passed, passing, sentFile(temporary)],
  ];
  for (const [event, file, sent] of told) {
    const what = `${event?.event_type} of ${file.original_filename}`;
    demand(event !== undefined && 'metadata' in event, `${what} has no metadata`);
    demandAsSent(event.metadata, sent, `The metadata of ${what} against what was sent`);
    if (hasIngester) demandUploader(event.metadata.uploaded_by, names, `uploaded_by of ${what}`);
    demandAsRegistered(event.metadata, file, `The metadata of ${what} against the registry`);
    demandEqual(event.storage_element_id, file.storage_element_id, `storage_element_id of ${what}`);
    demandWithin(event.timestamp, { from: file.updated_at, until: file.updated_at }, `timestamp of ${what}`);
  }
  demand(deleted !== undefined && 'deleted_at' in deleted, 'file:deleted has no deleted_at');
  demandEqual(deleted.storage_element_id, created.storage_element_id, 'storage_element_id of file:deleted');
  demandWithin(deleted.timestamp, { from: removalFrom, until: removalUntil }, 'timestamp of file:deleted');
  demandWithin(deleted.deleted_at, { from: removalFrom, until: removalUntil }, 'deleted_at of file:deleted');
  if (removed.deleted_at != null) {
    demandEqual(
      instant(deleted.deleted_at),
      instant(removed.deleted_at),
      'deleted_at against the answer to the deletion',
    );
  }
  const versions = ofFile.flatMap(({ version }) => version ?? []);
  demandEqual(
    versions,
    versions.toSorted((a, b) => a - b),
    'Versions in the order of the changes',
  );
  evidence.events = entries.length;
}

/** Bytes; several chunks of any stream, and no round number. */
const RANGED_BYTES = 200_003;
const LAST = RANGED_BYTES - 1;

/** Ranges (RFC 9110, section 14.1.2) and the first and last byte that they mean. */
const RANGES: Record<string, [first: number, last: number]> = {
  'bytes=0-99': [0, 99],
  'bytes=0-0': [0, 0],
  'bytes=65530-131080': [65_530, 131_080],
  'bytes=100000-': [100_000, LAST],
  'bytes=-7': [RANGED_BYTES - 7, LAST],
  [`bytes=${LAST}-${LAST}`]: [LAST, LAST],
  [`bytes=${LAST - 9}-${RANGED_BYTES + 1000}`]: [LAST - 9, LAST],
  [`bytes=-${RANGED_BYTES + 1000}`]: [0, LAST],
};

const IMPOSSIBLE = [`bytes=${RANGED_BYTES}-`, `bytes=${RANGED_BYTES + 1000}-${RANGED_BYTES + 2000}`, 'bytes=-0'];

async function downloadsTheBytes(t: CaseContext): Promise<void> {
  const { pipeline, env, evidence, random, unique, signal } = t;
  const content = randomBytes(random, RANGED_BYTES);
  const { file_id } = await upload(pipeline, { filename: `${unique}.bin`, content });
  await awaitSearchable(pipeline, file_id, { timeoutMs: env.limits.syncMs, signal });
  const read = (headers: Record<string, string>) =>
    pipeline.request('query', 'GET', `/api/download/${file_id}`, { headers, bytes: true, signal });
  const demandBytes = (
    answer: Awaited<ReturnType<typeof read>>,
    status: number,
    wanted: Buffer,
    what: string,
  ): void => {
    const { status: seen, outcome, body } = answer;
    demand(seen === status, `${what}: expected ${status}, got ${seen ?? outcome}`);
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    demand(bytes.equals(wanted), `${what}: expected ${wanted.length} bytes, got ${bytes.length}, or others`);
  };

  demandBytes(await read({}), 200, content, 'A download');
  evidence.slices = 0;
  for (const [range, [first, last]] of Object.entries(RANGES)) {
    const answer = await read({ range });
    demandBytes(answer, 206, content.subarray(first, last + 1), `A download of ${range}`);
    const { 'content-range': told } = answer.headers ?? {};
    demandEqual(told, `bytes ${first}-${last}/${RANGED_BYTES}`, `Content-Range of ${range}`);
    evidence.slices++;
  }
  evidence.impossible = 0;
  for (const range of IMPOSSIBLE) {
    const { status, outcome } = await read({ range });
    demand(status === 416, `A download of ${range}: expected 416, got ${status ?? outcome}`);
    evidence.impossible++;
  }
  // What was read in part before has changed: RFC 9110, section 13.1.5.
  for (const condition of ['"of-another-version"', 'Thu, 01 Jan 1970 00:00:00 GMT']) {
    const answer = await read({ range: 'bytes=10-19', 'if-range': condition });
    demandBytes(answer, 200, content, `A download of a range if it is still ${condition}`);
  }
  const { headers } = await read({ range: 'bytes=10-19' });
  const etag = headers?.etag;
  if (etag?.startsWith('"') === true) {
    const answer = await read({ range: 'bytes=10-19', 'if-range': etag });
    demandBytes(answer, 206, content.subarray(10, 20), `A download of a range if it is still ${etag}`);
  }
  const unknown = await pipeline.request('query', 'GET', `/api/download/${randomUUID()}`, { signal });
  demandEqual(unknown.status, 404, 'A download of a file that was never uploaded');
}
