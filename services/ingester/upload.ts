import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { accountOf } from '../common/auth.ts';
import { badParameter, HttpProblem } from '../common/problem.ts';
import type { RegistryFile } from '../contract/http.ts';
import type { Cleanup, Leftover } from './cleanup.ts';
import type { RegistryClient, StorageClient, StoredObject } from './clients.ts';
import {
  FIELD_BYTES_MAX,
  FIELD_NAMES,
  fieldText,
  formProblem,
  originalFilename,
  parseFields,
  storageFilename,
} from './upload-form.ts';

/** Rejects, with the result of `problem`, once a body has more bytes than allowed by then. Never resolves. */
function bodyLimit(request: IncomingMessage, bytesMax: () => number, problem: () => Error): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  let bytes = 0;
  request.on('data', function count({ length }: Buffer) {
    bytes += length;
    if (bytes <= bytesMax()) return;
    request.off('data', count);
    reject(problem());
  });
  // Awaited by the reader of the body; without one, the rejection may be ignored.
  promise.catch(() => {});
  return promise;
}

/** What `items` gives, until `limit` rejects. */
async function* until<T>(items: AsyncIterableIterator<T>, limit: Promise<never>): AsyncGenerator<T> {
  for (;;) {
    const next = await Promise.race([items.next(), limit]);
    if (next.done === true) return;
    yield next.value;
  }
}

export interface UploadParts {
  storage: StorageClient;
  registry: RegistryClient;
  cleanup: Cleanup;
  fileBytesMax: number;
}

/** How much of the file has arrived. */
interface Progress {
  fileBytes: number;
}

interface ReceivedFile extends StoredObject {
  filename: string;
  contentType: string;
}

const DAY_MS = 86_400_000;
/** Boundaries, headers and fields beside the file: fields are held in memory until the request ends. */
const FORM_BYTES_MAX = 8 * 1024 * 1024;

/**
 * One upload, from its bytes to its registration. States:
 * receiving → stored → registered. Whatever fails before "registered" removes the object again; when it cannot be known
 * whether the file was registered, the object stays until that is known.
 */
export async function upload(parts: UploadParts, request: FastifyRequest): Promise<RegistryFile> {
  const account = accountOf(request);
  const fileId = randomUUID();
  if (Number(request.headers['content-length'] ?? 0) > parts.fileBytesMax + FORM_BYTES_MAX) throw tooLarge(parts);
  let leftover: Leftover | undefined;
  try {
    const raw: Record<string, string> = {};
    let received: ReceivedFile | undefined;
    const form = request.parts({ limits: { files: 1, fields: 50, fieldSize: FIELD_BYTES_MAX } });
    const progress: Progress = { fileBytes: 0 };
    const limit = bodyLimit(
      request.raw,
      () => progress.fileBytes + FORM_BYTES_MAX,
      () => new HttpProblem(413, `The form must not be larger than ${FORM_BYTES_MAX} bytes beside its file.`),
    );
    for await (const part of until(form, limit)) {
      if (part.type === 'field') {
        const text = (FIELD_NAMES as readonly string[]).includes(part.fieldname) ? fieldText(part) : '';
        if (text === '') continue;
        if (part.fieldname in raw) throw badParameter(part.fieldname, 'must be given once only');
        raw[part.fieldname] = text;
      } else {
        if (part.fieldname !== 'file') {
          throw badParameter(part.fieldname ?? 'file', 'the file must be the part named "file"');
        }
        const filename = originalFilename(part);
        const objectName = storageFilename(fileId, filename);
        const deletionKey = await parts.storage.deletionKey(objectName, account);
        leftover = { fileId, objectName, deletionKey, account };
        received = { filename, contentType: part.mimetype, ...(await store(parts, part, leftover, progress)) };
      }
    }
    if (received === undefined || leftover === undefined) throw badParameter('file', 'is missing');
    const registration = registrationOf(leftover, received, raw);
    return await register(parts, registration, leftover, request);
  } catch (error) {
    const unsure = error instanceof UnknownRegistration;
    if (leftover !== undefined && !unsure) await parts.cleanup.discard(leftover);
    if (leftover !== undefined && unsure) parts.cleanup.settle(leftover);
    throw unsure
      ? unavailable('The registry did not answer; the upload may or may not have happened.', error)
      : formProblem(error);
  } finally {
    // The rest of the body is read and discarded for a while; otherwise the client could not read the answer.
    request.raw.unpipe();
    request.raw.resume();
  }
}

function tooLarge({ fileBytesMax }: UploadParts): HttpProblem {
  const reason = `must not be larger than ${fileBytesMax} bytes`;
  return new HttpProblem(413, `file: ${reason}`, { errors: [{ name: 'file', reason }] });
}

/** Not a HttpProblem: only `upload` sees it. */
class UnknownRegistration extends Error {
  override readonly name = 'UnknownRegistration';
}

function unavailable(detail: string, cause: unknown): HttpProblem {
  return new HttpProblem(503, detail, { cause, headers: { 'retry-after': '1' } });
}

/** Streams the bytes into storage, which must have stored exactly the bytes received. */
async function store(
  parts: UploadParts,
  part: MultipartFile,
  { objectName, account }: Leftover,
  progress: Progress,
): Promise<StoredObject> {
  const hash = createHash('sha256');
  let size = 0;
  let broken: unknown;
  async function* counted(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of part.file as AsyncIterable<Buffer>) {
        size += chunk.length;
        progress.fileBytes = size;
        if (size > parts.fileBytesMax) throw tooLarge(parts);
        hash.update(chunk);
        yield chunk;
      }
    } catch (error) {
      broken = error;
      throw error;
    }
  }
  let stored: StoredObject;
  try {
    stored = await parts.storage.put(objectName, counted(), account);
  } catch (error) {
    if (broken !== undefined) throw broken;
    throw error instanceof HttpProblem ? error : unavailable('Storage is not available.', error);
  }
  const checksum = hash.digest('hex');
  if (stored.size !== size || stored.checksum_sha256 !== checksum) {
    throw unavailable('Storage did not receive the bytes that were sent.', undefined);
  }
  return stored;
}

/** The body of the registration. @throws HttpProblem 400 when a field is wrong */
function registrationOf(
  { fileId, objectName, account }: Leftover,
  received: ReceivedFile,
  raw: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const fields = parseFields(raw);
  return {
    file_id: fileId,
    original_filename: received.filename,
    storage_filename: objectName,
    file_size: received.size,
    checksum_sha256: received.checksum_sha256,
    content_type: received.contentType,
    description: fields.description,
    retention_policy: fields.retention_policy,
    ttl_days: fields.ttl_days,
    ttl_expires_at:
      fields.ttl_days === undefined ? undefined : new Date(Date.now() + fields.ttl_days * DAY_MS).toISOString(),
    storage_element_id: received.storage_element_id,
    storage_path: received.storage_path,
    uploaded_by: account.clientId,
    user_metadata: fields.metadata,
    tags: fields.tags,
  };
}

/** @throws HttpProblem when it is certainly not registered, UnknownRegistration when that cannot be known */
async function register(
  { registry }: UploadParts,
  registration: Record<string, unknown>,
  { fileId, account }: Leftover,
  request: FastifyRequest,
): Promise<RegistryFile> {
  const { traceparent } = request.headers;
  const headers = { 'x-request-id': request.id, ...(typeof traceparent === 'string' ? { traceparent } : {}) };
  const registered = await registry.register(registration, account, headers);
  switch (registered.outcome) {
    case 'registered':
      return registered.file;
    case 'refused':
      throw new HttpProblem(registered.status, registered.detail);
    case 'absent':
      throw unavailable('The registry is not available.', registered.cause);
    case 'unknown': {
      request.log.warn({ err: registered.cause, fileId }, 'a registration got no answer, querying the registry');
      let file: RegistryFile | undefined;
      try {
        file = await registry.find(fileId, account);
      } catch (cause) {
        throw new UnknownRegistration('The registry does not answer', { cause });
      }
      if (file !== undefined) return file;
      throw new UnknownRegistration('The registry has no such file yet', { cause: registered.cause });
    }
  }
}
