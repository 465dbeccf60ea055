import type { Mutant } from '../mutants/mutant.ts';

/** What the ingester tells the registry of an upload, and where. */
const REGISTERED = {
  description: 'description: fields.description,',
  tags: 'tags: fields.tags,',
  user_metadata: 'user_metadata: fields.metadata,',
  content_type: 'content_type: received.contentType,',
  uploaded_by: 'uploaded_by: account.clientId,',
} as const;

const upload = 'services/ingester/upload.ts';
const event = 'services/admin/outbox-store.ts';

/** The metadata of every event with something else in it than the registry has. */
const eventSays = (id: string, defect: string, instead: string): Mutant => ({
  id,
  defect,
  services: ['admin'],
  caughtBy: ['UP-02'],
  edits: [
    {
      file: event,
      find: "else fields.push('metadata', row.metadata);",
      replace: `else fields.push('metadata', JSON.stringify({ ...JSON.parse(row.metadata), ${instead} }));`,
    },
  ],
});

/** What can be wrong with uploads, what is registered of them and the events they leave. */
export const UPLOAD_MUTANTS: readonly Mutant[] = [
  ...Object.entries(REGISTERED).map(
    ([field, line]): Mutant => ({
      id: `upload-drops-${field.replaceAll('_', '-')}`,
      defect: `the ${field} of an upload is dropped, from registry, event and search alike`,
      services: ['ingester'],
      caughtBy: ['UP-01', 'UP-02'],
      edits: [{ file: upload, find: line, replace: '' }],
    }),
  ),
  eventSays('event-without-ttl', 'the event of a temporary file does not say how long it lives', 'ttl_days: null'),
  eventSays('event-claims-compression', 'the event says that the bytes were compressed', 'compressed: true'),
  eventSays('event-makes-up-size', 'the event tells an original size that is not the file’s', 'original_size: 1'),
  eventSays(
    'event-makes-up-address',
    'the event names an address that the registry does not',
    "upload_source_ip: '::'",
  ),
  {
    id: 'compression-without-algorithm',
    defect: 'files are registered as compressed, without the algorithm',
    services: ['ingester'],
    caughtBy: ['UP-02'],
    edits: [{ file: upload, find: 'tags: fields.tags,', replace: 'tags: fields.tags, compressed: true,' }],
  },
  {
    id: 'event-sent-again-later',
    defect: 'every batch of events is put on the stream a second time, 400 ms later',
    services: ['admin'],
    caughtBy: ['UP-02'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: '    options.onPublished(rows.length);',
        replace: `    options.onPublished(rows.length);
    setTimeout(() => void sendBatch(options, rows).catch(() => {}), 400);`,
      },
    ],
  },
  {
    id: 'event-published-twice',
    defect: 'every event is put on the stream twice',
    services: ['admin'],
    caughtBy: ['UP-02'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: 'for (const row of rows) transaction.xadd(',
        replace: 'for (const row of rows.flatMap((row) => [row, row])) transaction.xadd(',
      },
    ],
  },
  {
    id: 'wrong-checksum',
    defect: 'the checksum that is registered is not that of the bytes',
    services: ['ingester'],
    caughtBy: ['UP-01'],
    edits: [
      {
        file: 'services/ingester/upload.ts',
        find: 'checksum_sha256: received.checksum_sha256,',
        replace: "checksum_sha256: createHash('sha256').update(received.checksum_sha256).digest('hex'),",
      },
    ],
  },
  {
    id: 'bytes-thrown-away',
    defect: 'storage throws the bytes away after it received them all',
    services: ['storage'],
    caughtBy: ['UP-01'],
    edits: [
      {
        file: 'services/storage/object-store.ts',
        find: 'await link(draft, target);',
        replace: 'await rm(draft);',
      },
    ],
  },
  {
    id: 'event-timestamp-1970',
    defect: 'the timestamp of every event is the start of 1970',
    services: ['admin'],
    caughtBy: ['UP-02'],
    edits: [
      {
        file: 'services/admin/outbox-store.ts',
        find: `'timestamp',
    row.occurred_at,`,
        replace: `'timestamp',
    '1970-01-01T00:00:00.000000Z',`,
      },
    ],
  },
  {
    id: 'deleted-at-1970',
    defect: 'deleted_at of every deletion event is the start of 1970',
    services: ['admin'],
    caughtBy: ['UP-02'],
    edits: [
      {
        file: 'services/admin/outbox-store.ts',
        find: "fields.push('deleted_at', row.occurred_at)",
        replace: "fields.push('deleted_at', '1970-01-01T00:00:00.000000Z')",
      },
    ],
  },
  {
    id: 'failed-registration-ignored',
    defect: 'the bytes are stored, and the upload is accepted whether it could be registered or not',
    services: ['ingester'],
    caughtBy: ['UP-03/admin-stopped'],
    edits: [
      {
        file: upload,
        find: "throw unavailable('The registry is not available.', registered.cause);",
        replace: `return {
        ...registration,
        ttl_expires_at: null,
        created_at: new Date().toISOString(),
      } as unknown as RegistryFile;`,
      },
    ],
  },
  {
    id: 'unavailable-is-500',
    defect: 'what admin cannot do now is answered 500, as if it were not worth a retry',
    services: ['ingester'],
    caughtBy: ['UP-03/admin-stopped'],
    edits: [
      { file: upload, find: 'return new HttpProblem(503, detail,', replace: 'return new HttpProblem(500, detail,' },
    ],
  },
  {
    id: 'registered-without-bytes',
    defect: 'an upload that storage did not take is refused, and registered all the same',
    services: ['ingester'],
    caughtBy: ['UP-03/storage-killed'],
    edits: [
      {
        file: upload,
        find: '{ objectName, account }: Leftover,\n  progress: Progress,',
        replace: '{ fileId, objectName, account }: Leftover,\n  progress: Progress,',
      },
      {
        file: upload,
        find: '    if (broken !== undefined) throw broken;',
        replace: `    const registration = {
      file_id: fileId,
      original_filename: part.filename,
      storage_filename: objectName,
      file_size: size,
      checksum_sha256: hash.copy().digest('hex'),
      storage_element_id: 'storage-1',
      storage_path: objectName,
    };
    await parts.registry.register(registration, account, {});
    if (broken !== undefined) throw broken;`,
      },
    ],
  },
  {
    id: 'registered-before-stored',
    defect: 'an upload is registered first, and its bytes are given to storage afterwards',
    services: ['ingester'],
    caughtBy: ['UP-06', 'SOAK-01'],
    aims: ['ingester-killed-registering'],
    edits: [
      {
        file: upload,
        find: 'const DAY_MS = 86_400_000;',
        replace: `const DAY_MS = 86_400_000;
const later = new Map<string, () => Promise<StoredObject>>();`,
      },
      {
        file: upload,
        find: 'stored = await parts.storage.put(objectName, counted(), account);',
        replace: `const chunks: Buffer[] = [];
    for await (const chunk of counted()) chunks.push(chunk);
    later.set(objectName, () => parts.storage.put(objectName, (async function* () { yield* chunks; })(), account));
    stored = { storage_path: objectName, storage_element_id: 'storage-1', size, checksum_sha256: hash.copy().digest('hex') };`,
      },
      {
        file: upload,
        find: 'return await register(parts, registration, leftover, request);',
        replace: `const file = await register(parts, registration, leftover, request);
    await later.get(leftover.objectName)?.();
    later.delete(leftover.objectName);
    return file;`,
      },
    ],
  },
  {
    id: 'bytes-removed-when-unsure',
    defect: 'the bytes of an upload are removed when its registration has no answer, though it may still happen',
    services: ['ingester'],
    caughtBy: ['UP-03/admin-paused'],
    edits: [
      {
        file: upload,
        find: 'if (leftover !== undefined && !unsure) await',
        replace: 'if (leftover !== undefined) await',
      },
    ],
  },
  {
    id: 'storage-given-up',
    defect: 'once storage was unavailable, it is never called again',
    services: ['ingester'],
    caughtBy: ['UP-03/storage-killed'],
    edits: [
      {
        file: 'services/ingester/clients.ts',
        find: '    async deletionKey(name, { token }) {',
        replace: `    async deletionKey(name, { token }) {
      if (Reflect.get(globalThis, 'gone')) throw new HttpProblem(503, 'Storage is not available.');`,
      },
      {
        file: 'services/ingester/clients.ts',
        find: "      } catch (cause) {\n        throw new HttpProblem(503, 'Storage is not available.'",
        replace: `      } catch (cause) {
        Reflect.set(globalThis, 'gone', true);
        throw new HttpProblem(503, 'Storage is not available.'`,
      },
    ],
  },
  {
    id: 'limit-not-counted',
    defect: 'the size limit is checked against the announced length only, which allows for the form',
    services: ['ingester'],
    caughtBy: ['UP-04/too-large'],
    edits: [{ file: upload, find: 'if (size > parts.fileBytesMax)', replace: 'if (size < 0)' }],
  },
  {
    id: 'limit-off-by-one',
    defect: 'a file of exactly the size limit is refused',
    services: ['ingester'],
    caughtBy: ['UP-04/too-large'],
    edits: [{ file: upload, find: 'if (size > parts.fileBytesMax)', replace: 'if (size >= parts.fileBytesMax)' }],
  },
  {
    id: 'cut-at-the-limit',
    defect: 'a file is cut at the size limit and accepted',
    services: ['ingester'],
    caughtBy: ['UP-04/too-large'],
    edits: [
      {
        file: upload,
        find: '        size += chunk.length;\n',
        replace: `        if (size + chunk.length > parts.fileBytesMax) continue;
        size += chunk.length;
`,
      },
    ],
  },
  {
    id: 'too-large-is-400',
    defect: 'a length that is too large is answered 400',
    services: ['ingester'],
    caughtBy: ['UP-04/declared-limit', 'UP-04/too-large'],
    edits: [{ file: upload, find: 'return new HttpProblem(413,', replace: 'return new HttpProblem(400,' }],
  },
  {
    id: 'early-end-taken-for-the-end',
    defect: 'what had arrived when the form ended early is stored and registered as the whole file',
    services: ['ingester'],
    caughtBy: ['UP-04/vanished'],
    edits: [
      {
        file: upload,
        find: '      broken = error;\n      throw error;',
        replace: `      if (!(error instanceof HttpProblem)) return;
      broken = error;
      throw error;`,
      },
      {
        file: upload,
        find: '...(await store(parts, part, leftover, progress)) };',
        replace: '...(await store(parts, part, leftover, progress)) };\n        break;',
      },
    ],
  },
  {
    id: 'vanished-client-stored',
    defect: 'what had arrived when the client disconnected is stored and registered as the whole file',
    services: ['ingester'],
    caughtBy: ['UP-04/vanished'],
    edits: [
      {
        file: upload,
        find: '      broken = error;\n      throw error;',
        replace: `      if (!(error instanceof HttpProblem) && !/unexpected end/i.test(String(error))) return;
      broken = error;
      throw error;`,
      },
      {
        file: upload,
        find: '...(await store(parts, part, leftover, progress)) };',
        replace: '...(await store(parts, part, leftover, progress)) };\n        break;',
      },
    ],
  },
  {
    id: 'empty-object-not-kept',
    defect: 'an object of 0 bytes is accepted and not kept',
    services: ['storage'],
    caughtBy: ['UP-04/empty'],
    edits: [
      {
        file: 'services/storage/object-store.ts',
        find: 'await link(draft, target);',
        replace: 'if (written.size > 0) await link(draft, target);',
      },
    ],
  },
  {
    id: 'range-without-its-last-byte',
    defect: 'the last byte of a range is left out',
    services: ['storage'],
    caughtBy: ['UP-05'],
    edits: [
      {
        file: 'services/storage/app.ts',
        find: '{ start, end: Math.min(end, size - 1) }',
        replace: '{ start, end: Math.max(start, Math.min(end, size) - 1) }',
      },
    ],
  },
  {
    id: 'suffix-from-the-start',
    defect: 'the last n bytes are requested, and the first n are returned',
    services: ['storage'],
    caughtBy: ['UP-05'],
    edits: [
      {
        file: 'services/storage/app.ts',
        find: '{ start: size - length, end: size - 1 }',
        replace: '{ start: 0, end: length - 1 }',
      },
    ],
  },
  {
    id: 'range-not-handed-on',
    defect: 'a range is answered with the whole file',
    services: ['query'],
    caughtBy: ['UP-05'],
    edits: [{ file: 'services/query/download.ts', find: "['range', 'if-range']", replace: "['if-range']" }],
  },
  {
    id: 'if-range-not-handed-on',
    defect: 'a range of another version is answered with bytes of this one',
    services: ['query'],
    caughtBy: ['UP-05'],
    edits: [{ file: 'services/query/download.ts', find: "['range', 'if-range']", replace: "['range']" }],
  },
  {
    id: 'impossible-range-is-whole',
    defect: 'a range behind the end is answered with the whole file',
    services: ['storage'],
    caughtBy: ['UP-05'],
    edits: [
      {
        file: 'services/storage/app.ts',
        find: "start >= size ? 'unsatisfiable'",
        replace: 'start >= size ? undefined',
      },
    ],
  },
  {
    id: 'content-range-lost',
    defect: 'a part of a file does not say which part it is',
    services: ['query'],
    caughtBy: ['UP-05'],
    edits: [
      { file: 'services/query/download.ts', find: "'content-length', 'content-range',", replace: "'content-length'," },
    ],
  },
];
