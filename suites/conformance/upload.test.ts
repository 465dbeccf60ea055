import {
  type FileEvent,
  type FileMetadata,
  fileEventSchema,
  fileMetadataSchema,
} from '../../harness/contract/events.ts';
import { type RegistryFile, registryFileSchema } from '../../harness/contract/http.ts';
import { microsecondsOf, pollUntil } from '../../harness/index.ts';
import { eventsOf, lastEventId, type StreamEntry } from '../support/events.ts';
import {
  awaitById,
  awaitSearchable,
  download,
  instant,
  randomBytes,
  registered,
  sha256,
  upload,
} from '../support/steps.ts';
import { suite } from '../support/suite.ts';
import { conforms, demand, demandEqual, promised } from '../support/violation.ts';

const verify = suite();

/** Bytes; around the sizes at which streams cut their chunks. */
const SIZES = [1, 1024, 65_535, 65_536, 65_537, 300_000];

verify('UP-01', async (t) => {
  const { pipeline, evidence, random, unique, signal } = t;
  const ids = new Set<string>();
  evidence.downloads = 0;
  for (const size of SIZES) {
    const content = randomBytes(random, size);
    const filename = `${unique}-${size}.bin`;
    const answer = await upload(pipeline, { filename, content, contentType: 'application/octet-stream' });
    const what = `The upload of ${size} bytes`;
    demandEqual(answer.file_size, size, `${what}: file_size`);
    demandEqual(answer.checksum, sha256(content), `${what}: checksum`);
    demandEqual(answer.original_filename, filename, `${what}: original_filename`);

    const file = await registered(pipeline, answer.file_id);
    demandEqual(
      {
        id: file.file_id,
        size: file.file_size,
        checksum: file.checksum_sha256,
        name: file.original_filename,
        storageName: file.storage_filename,
        element: file.storage_element_id,
        retention: file.retention_policy,
      },
      {
        id: answer.file_id,
        size,
        checksum: sha256(content),
        name: filename,
        storageName: answer.storage_filename,
        element: answer.storage_element_id,
        retention: answer.retention_policy,
      },
      `${what}: the registry's entry`,
    );
    ids.add(answer.file_id);

    await awaitSearchable(pipeline, answer.file_id, { signal });
    const stored = await download(pipeline, answer.file_id, signal);
    demand(content.equals(stored), () => `${what}: ${stored.length} bytes are handed out, and they are not the same`);
    evidence.downloads++;
  }
  demandEqual(ids.size, SIZES.length, 'Ids given to as many uploads');
  evidence.uploads = ids.size;
});

verify('UP-02', async ({ pipeline, redis, evidence, unique, signal }) => {
  const before = await lastEventId(redis);
  const { file_id } = await upload(pipeline, {
    filename: `${unique}.txt`,
    content: Buffer.from('one change, one event'),
    contentType: 'text/plain',
    description: 'as uploaded',
    tags: ['first', 'second'],
    metadata: { project: 'syncproof', nested: { count: 3 } },
  });
  const created = await registered(pipeline, file_id);
  await awaitSearchable(pipeline, file_id, { signal });

  const update = await pipeline.update(file_id, { description: 'as updated' });
  demandEqual(update.status, 200, 'The answer to an update');
  const updated = await registered(pipeline, file_id);
  const isUpdated = (hit?: { description: string | null }): boolean => hit?.description === 'as updated';
  await awaitById(pipeline, file_id, 'the update searchable', isUpdated, { signal });

  const removalFrom = new Date().toISOString();
  const removal = await pipeline.remove(file_id);
  const removalUntil = new Date().toISOString();
  demandEqual(removal.status, 200, 'The answer to a deletion');
  const removed = conforms(registryFileSchema.pick({ deleted_at: true }), removal.body, 'The answer to a deletion');
  await awaitById(pipeline, file_id, 'the deletion searchable', (hit) => hit === undefined, { signal });

  // A second event for one of these changes would be on the stream before the event of a later upload.
  const marker = await upload(pipeline, { filename: `${unique}-marker.txt`, content: Buffer.from('later') });
  const markerSeen = async (): Promise<true | undefined> =>
    (await eventsOf(redis, marker.file_id, before)).length > 0 ? true : undefined;
  await promised(
    'An event for each upload',
    pollUntil(markerSeen, { what: 'the event of the later upload', timeoutMs: 5000, signal }),
  );

  const entries = await eventsOf(redis, file_id, before);
  const events = new Map<string, FileEvent>();
  for (const entry of entries) {
    const event = conforms(fileEventSchema, entry.fields, `The event ${entry.id}`);
    // Nothing is broken here, so no reply is lost, and the publisher has no reason to send an event again.
    demand(!events.has(event.event_type), `${event.event_type} of one change is on the stream twice`);
    events.set(event.event_type, event);
    demandComplete(entry);
    demandEqual(event.storage_element_id, created.storage_element_id, `storage_element_id of ${event.event_type}`);
  }
  demandEqual(
    [...events.keys()],
    ['file:created', 'file:updated', 'file:deleted'],
    'Events of an upload, an update and a deletion',
  );
  for (const [type, file] of [
    ['file:created', created],
    ['file:updated', updated],
  ] as const) {
    const event = events.get(type);
    demand(event !== undefined && 'metadata' in event, `${type} has no metadata`);
    demandEqual(comparable(event.metadata), comparable(file), `The metadata of ${type} against the registry`);
    demandWithin(event.timestamp, { from: file.updated_at, until: file.updated_at }, `timestamp of ${type}`);
  }
  const deleted = events.get('file:deleted');
  demand(deleted !== undefined && 'deleted_at' in deleted, 'file:deleted has no deleted_at');
  demandWithin(deleted.timestamp, { from: removalFrom, until: removalUntil }, 'timestamp of file:deleted');
  demandWithin(deleted.deleted_at, { from: removalFrom, until: removalUntil }, 'deleted_at of file:deleted');
  if (removed.deleted_at != null) {
    demandEqual(
      instant(deleted.deleted_at),
      instant(removed.deleted_at),
      'deleted_at against the answer to the deletion',
    );
  }
  const versions = [...events.values()].flatMap(({ version }) => version ?? []);
  demandEqual(
    versions,
    versions.toSorted((a, b) => a - b),
    'Versions in the order of the changes',
  );
  evidence.events = entries.length;
});

/** Microseconds: a clock that shows milliseconds cuts this much off. */
const CUT_US = 1000;
/** Microseconds from a change to the writing of its event. */
const WRITING_US = 1_000_000;

/** A moment that an event names: that of the change, or up to a second later. */
function demandWithin(moment: string, change: { from: string; until: string }, what: string): void {
  const [at, from, until] = [moment, change.from, change.until].map((text) => microsecondsOf(text));
  demand(
    at !== undefined && from !== undefined && until !== undefined && at > from - CUT_US && at <= until + WRITING_US,
    () => `${what}: expected ${change.from} to ${change.until}, or up to 1 s later, got ${moment}`,
  );
}

/** Every field that the contract names must be there, those without a value included. */
function demandComplete({ id, fields }: StreamEntry): void {
  const type = fields.event_type ?? 'unknown';
  const last = type === 'file:deleted' ? 'deleted_at' : 'metadata';
  const absent = ['event_type', 'timestamp', 'file_id', 'storage_element_id', last].filter((name) => !(name in fields));
  demand(absent.length === 0, `The event ${id} (${type}) lacks ${absent.join(', ')}`);
  if (fields.metadata === undefined) return;
  const metadata: Record<string, unknown> = JSON.parse(fields.metadata);
  const missing = Object.keys(fileMetadataSchema.shape).filter((name) => !(name in metadata));
  demand(missing.length === 0, `The metadata of ${id} (${type}) lacks ${missing.join(', ')}`);
}

/** What registry and event both say, timestamps as instants. */
function comparable(file: RegistryFile | FileMetadata): Record<string, unknown> {
  return {
    file_id: file.file_id,
    original_filename: file.original_filename,
    storage_filename: file.storage_filename,
    file_size: file.file_size,
    checksum_sha256: file.checksum_sha256,
    content_type: file.content_type ?? null,
    description: file.description ?? null,
    storage_element_id: file.storage_element_id,
    storage_path: file.storage_path,
    uploaded_by: file.uploaded_by ?? null,
    retention_policy: file.retention_policy,
    ttl_days: file.ttl_days ?? null,
    ttl_expires_at: instant(file.ttl_expires_at),
    user_metadata: file.user_metadata ?? null,
    tags: file.tags ?? null,
    created_at: instant(file.created_at),
    updated_at: instant(file.updated_at),
  };
}
