import { createHash, randomUUID } from 'node:crypto';
import {
  type RegistryFile,
  type Role,
  registryFileSchema,
  type SearchHit,
  searchAnswerSchema,
  searchHitSchema,
  tokenAnswerSchema,
} from '../../services/contract/http.ts';
import type { ServiceName } from '../../services/contract/names.ts';
import { describeError, SyncproofError } from '../core/errors.ts';
import type { Completed, FileState, OperationKind } from '../record/history.ts';
import type { Recorder } from '../record/writer.ts';
import {
  createTransport,
  type Driver,
  multipartBody,
  type Outcome,
  outcomeOfError,
  outcomeOfStatus,
} from './transport.ts';

/** The `file_id` of an answer to an upload, where it has one. */
export function fileIdIn(body: unknown): string | undefined {
  return typeof body === 'object' && body !== null && 'file_id' in body ? String(body.file_id) : undefined;
}

/** The `cache` field of query's readiness: `ok`, `degraded`, or undefined when the answer has none. */
export function cacheOf({ body }: Pick<Answer, 'body'>): string | undefined {
  return typeof body === 'object' && body !== null && 'cache' in body ? String(body.cache) : undefined;
}

/** A registry entry in the form that checkers compare. */
function stateOfRegistryFile(file: RegistryFile): FileState {
  return {
    fileId: file.file_id,
    filename: file.original_filename,
    storageFilename: file.storage_filename,
    fileSize: file.file_size,
    checksum: file.checksum_sha256,
    contentType: file.content_type,
    description: file.description,
    tags: file.tags,
    uploadedBy: file.uploaded_by,
    createdAt: file.created_at,
    updatedAt: file.updated_at,
    storageElementId: file.storage_element_id,
    version: file.version,
  };
}

/** A search result in the form that checkers compare. */
function stateOfHit(hit: SearchHit & { version?: unknown }): FileState {
  return {
    fileId: hit.id,
    filename: hit.filename,
    storageFilename: hit.storage_filename,
    fileSize: hit.file_size,
    checksum: hit.sha256_hash,
    contentType: hit.mime_type,
    description: hit.description,
    tags: hit.tags,
    uploadedBy: hit.username,
    createdAt: hit.created_at,
    updatedAt: hit.updated_at,
    storageElementId: hit.storage_element_id,
  };
}

export interface UploadInput {
  filename: string;
  content: Uint8Array;
  contentType?: string;
  description?: string;
  tags?: readonly string[];
  metadata?: Record<string, unknown>;
  retentionPolicy?: 'temporary' | 'permanent';
  ttlDays?: number;
}

/**
 * The outcome of one request. `body` is the parsed JSON, or the text of another answer; a Buffer where bytes were asked
 * for. Times are the recorder's.
 */
export interface Answer {
  outcome: Outcome;
  status?: number;
  body?: unknown;
  /** Names in lower case. */
  headers?: Readonly<Record<string, string>>;
  error?: string;
  startedAt: number;
  endedAt: number;
  /** Id of the recorded operation; empty for a raw request, which is not recorded. */
  op: string;
}

/** The answer to a request. */
type Answered = Required<Pick<Answer, 'status' | 'headers'>> & Pick<Answer, 'body'>;

export interface OperationOptions {
  /** When an open-loop load meant to send it; now, when absent. */
  intendedAt?: number;
  /** A read after healing and convergence. */
  final?: boolean;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** False leaves the operation out of the history: for polls that a visibility record sums up. */
  recorded?: boolean;
}

export interface RawRequest {
  headers?: Record<string, string>;
  /** A string or bytes are sent as they are, anything else as JSON. */
  body?: unknown;
  /** Adds the client's bearer token; default true. */
  authenticated?: boolean;
  /** The body of a 2xx answer is wanted as it came, in a Buffer. */
  bytes?: boolean;
  timeoutMs?: number;
  signal?: AbortSignal;
}

export interface PipelineClient extends AsyncDisposable {
  /** The bearer token of the client's account. @throws SyncproofError when the token endpoint gives none */
  token(): Promise<string>;
  upload(input: UploadInput, options?: OperationOptions): Promise<Answer>;
  /** Registers a file at admin, without bytes. */
  register(file: Record<string, unknown>, options?: OperationOptions): Promise<Answer>;
  update(fileId: string, changes: Record<string, unknown>, options?: OperationOptions): Promise<Answer>;
  remove(fileId: string, options?: OperationOptions): Promise<Answer>;
  registryFile(fileId: string, options?: OperationOptions): Promise<Answer>;
  searchById(fileId: string, options?: OperationOptions): Promise<Answer>;
  search(body: Record<string, unknown>, options?: OperationOptions): Promise<Answer>;
  ready(service: ServiceName, options?: OperationOptions): Promise<Answer>;
  live(service: ServiceName, options?: OperationOptions): Promise<Answer>;
  /** Any request; not recorded. */
  request(service: ServiceName, method: string, path: string, request?: RawRequest): Promise<Answer>;
}

export interface PipelineClientOptions {
  /** Base URLs of the services that the target has. */
  urls: Readonly<Partial<Record<ServiceName, string>>>;
  accounts: Readonly<Partial<Record<Role, { clientId: string; clientSecret: string }>>>;
  /** What stands between the contract and the target, see `createTransport`. */
  drivers?: readonly Driver[];
  recorder: Recorder;
  /** Default ADMIN. */
  role?: Role;
  /** Bound of each request, default 10 s. */
  timeoutMs?: number;
}

/** A token is replaced when less than this is left of its life. */
const TOKEN_MARGIN_MS = 30_000;

/** A client of all four services that records what it does. */
export function createPipelineClient(options: PipelineClientOptions): PipelineClient {
  const { urls, recorder, role = 'ADMIN', timeoutMs = 10_000 } = options;
  const transport = createTransport(urls, options.drivers);
  let token: { value: Promise<string>; untilMs: number } | undefined;
  let opNumber = 0;
  const opPrefix = randomUUID().slice(0, 8);

  async function send(service: ServiceName, method: string, path: string, request: RawRequest): Promise<Answered> {
    const headers: Record<string, string> = { ...request.headers };
    if (request.authenticated !== false) headers.authorization ??= `Bearer ${await client.token()}`;
    let payload: string | Uint8Array | null = null;
    if (typeof request.body === 'string' || request.body instanceof Uint8Array) payload = request.body;
    else if (request.body !== undefined) {
      payload = JSON.stringify(request.body);
      headers['content-type'] ??= 'application/json';
    }
    const limitMs = request.timeoutMs ?? timeoutMs;
    const expired = AbortSignal.timeout(limitMs);
    const signal = request.signal === undefined ? expired : AbortSignal.any([expired, request.signal]);
    const answer = await transport.send({ service, method, path, headers, body: payload, signal });
    const { status, headers: given } = answer;
    const bytes = Buffer.from(answer.body.buffer, answer.body.byteOffset, answer.body.byteLength);
    if (request.bytes === true && status < 300) return { status, headers: given, body: bytes };
    const text = bytes.toString();
    const json = (given['content-type'] ?? '').includes('json');
    return { status, headers: given, body: json && text !== '' ? parseJson(text) : text };
  }

  async function raw(service: ServiceName, method: string, path: string, request: RawRequest = {}): Promise<Answer> {
    return attempt(method === 'GET' || method === 'HEAD' ? 'read' : 'update', '', () =>
      send(service, method, path, request),
    );
  }

  async function attempt(kind: OperationKind, op: string, act: () => Promise<Answered>): Promise<Answer> {
    const startedAt = recorder.now();
    try {
      const answered = await act();
      return { outcome: outcomeOfStatus(kind, answered.status), ...answered, startedAt, endedAt: recorder.now(), op };
    } catch (error) {
      const endedAt = recorder.now();
      return { outcome: outcomeOfError(kind, error), error: describeError(error), startedAt, endedAt, op };
    }
  }

  async function operate(
    kind: OperationKind,
    call: { service: ServiceName; method: string; path: string } & RawRequest,
    options: OperationOptions = {},
    details: { fileId?: string; input?: Record<string, unknown> } = {},
    readAnswer: (answer: Answer) => Partial<Completed> = () => ({}),
  ): Promise<Answer> {
    const op = `${opPrefix}-${++opNumber}`;
    const { intendedAt = recorder.now(), final, recorded = true, signal, timeoutMs: limitMs } = options;
    const { service, method, path, ...request } = call;
    if (recorded) {
      recorder.record({ type: 'invoke', op, kind, intendedAt, ...details, final: final || undefined });
    }
    const answer = await attempt(kind, op, () =>
      send(service, method, path, { ...request, signal, timeoutMs: limitMs }),
    );
    if (recorded) {
      recorder.record({
        type: answer.outcome,
        at: answer.endedAt,
        op,
        kind,
        fileId: details.fileId,
        status: answer.status,
        error: answer.error ?? (answer.outcome === 'fail' ? problemText(answer.body) : undefined),
        ...readAnswer(answer),
      });
    }
    return answer;
  }

  const client: PipelineClient = {
    token() {
      if (token === undefined || Date.now() > token.untilMs) {
        const value = fetchToken();
        const entry = { value, untilMs: Date.now() + TOKEN_MARGIN_MS };
        token = entry;
        value.catch(() => {
          // The caller sees the error; the next call asks again.
          if (token === entry) token = undefined;
        });
      }
      return token.value;
    },
    upload(input, operation) {
      if (urls.ingester === undefined) return registerInstead(input, operation);
      const { body, contentType } = multipartBody(
        {
          description: input.description,
          retention_policy: input.retentionPolicy,
          ttl_days: input.ttlDays?.toString(),
          metadata: input.metadata && JSON.stringify(input.metadata),
          tags: input.tags && JSON.stringify(input.tags),
        },
        { ...input, contentType: input.contentType ?? 'application/octet-stream' },
      );
      const call = {
        service: 'ingester',
        method: 'POST',
        path: '/api/v1/files/upload',
        headers: { 'content-type': contentType },
        body,
      } as const;
      const details = {
        input: {
          filename: input.filename,
          fileSize: input.content.byteLength,
          checksum: createHash('sha256').update(input.content).digest('hex'),
          description: input.description,
          tags: input.tags,
        },
      };
      return operate('upload', call, operation, details, ({ outcome, body: answer }) => ({
        fileId: outcome === 'ok' ? fileIdIn(answer) : undefined,
      }));
    },
    register(file, operation) {
      const fileId = typeof file.file_id === 'string' ? file.file_id : undefined;
      const input = {
        filename: file.original_filename,
        fileSize: file.file_size,
        checksum: file.checksum_sha256,
        description: file.description,
        tags: file.tags,
      };
      const call = { service: 'admin', method: 'POST', path: '/api/v1/files', body: file } as const;
      return operate('register', call, operation, { fileId, input }, registryState);
    },
    update(fileId, changes, operation) {
      const call = { service: 'admin', method: 'PUT', path: filePath(fileId), body: changes } as const;
      return operate('update', call, operation, { fileId, input: changes }, registryState);
    },
    remove(fileId, operation) {
      const call = { service: 'admin', method: 'DELETE', path: filePath(fileId) } as const;
      return operate('delete', call, operation, { fileId });
    },
    registryFile(fileId, operation) {
      const call = { service: 'admin', method: 'GET', path: filePath(fileId) } as const;
      return operate('registry-read', call, operation, { fileId }, registryState);
    },
    searchById(fileId, operation) {
      const path = `/api/search/${encodeURIComponent(fileId)}`;
      return operate('read', { service: 'query', method: 'GET', path }, operation, { fileId }, (answer) => {
        if (answer.outcome !== 'ok') return {};
        const hit = searchHitSchema.safeParse(answer.body);
        return hit.success ? { found: true, state: stateOfHit(hit.data) } : { found: answer.status !== 404 };
      });
    },
    search(body, operation) {
      const call = { service: 'query', method: 'POST', path: '/api/search', body } as const;
      return operate('search', call, operation, { input: body }, (answer) => {
        const page = searchAnswerSchema.safeParse(answer.body);
        if (answer.outcome !== 'ok' || !page.success) return {};
        return { ids: page.data.results.map(({ id }) => id), totalCount: page.data.total_count };
      });
    },
    ready(service, operation) {
      const call = { service, method: 'GET', path: '/health/ready', authenticated: false } as const;
      return operate('ready', call, operation, { input: { service } }, (answer) => ({ cache: cacheOf(answer) }));
    },
    live(service, operation) {
      return raw(service, 'GET', '/health/live', { authenticated: false, ...operation });
    },
    request: raw,
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };

  /** On a target without an ingester a file is created by its registration; the answer is that to an upload. */
  async function registerInstead(input: UploadInput, operation: OperationOptions | undefined): Promise<Answer> {
    const answer = await client.register(registrationOf(input), operation);
    const file = registryFileSchema.safeParse(answer.body);
    if (answer.outcome !== 'ok' || !file.success) return answer;
    const { checksum_sha256: checksum, created_at: uploadedAt, ...rest } = file.data;
    return { ...answer, status: 201, body: { ...rest, checksum, uploaded_at: uploadedAt } };
  }

  async function fetchToken(): Promise<string> {
    const account = options.accounts[role];
    if (account === undefined) throw new SyncproofError(`The target has no account for a ${role}`);
    const { clientId, clientSecret } = account;
    const answer = await send('admin', 'POST', '/api/v1/auth/token', {
      authenticated: false,
      body: { client_id: clientId, client_secret: clientSecret },
    });
    const parsed = tokenAnswerSchema.safeParse(answer.body);
    if (!parsed.success) throw new SyncproofError(`The request for a token was answered ${answer.status}`);
    if (token !== undefined) token.untilMs = Date.now() + parsed.data.expires_in * 1000 - TOKEN_MARGIN_MS;
    return parsed.data.access_token;
  }

  return client;
}

/** The registration that an ingester would have sent, of bytes that are stored nowhere. */
function registrationOf(input: UploadInput): Record<string, unknown> {
  const fileId = randomUUID();
  const extension = /\.[A-Za-z0-9]{1,16}$/.exec(input.filename)?.[0] ?? '';
  return {
    file_id: fileId,
    original_filename: input.filename,
    storage_filename: `${fileId}${extension}`,
    file_size: input.content.byteLength,
    checksum_sha256: createHash('sha256').update(input.content).digest('hex'),
    storage_element_id: 'syncproof',
    storage_path: `syncproof/${fileId}${extension}`,
    retention_policy: input.retentionPolicy ?? 'permanent',
    content_type: input.contentType,
    description: input.description,
    ttl_days: input.ttlDays,
    user_metadata: input.metadata,
    tags: input.tags,
  };
}

function filePath(fileId: string): string {
  return `/api/v1/files/${encodeURIComponent(fileId)}`;
}

function registryState(answer: Answer): Partial<Completed> {
  if (answer.outcome !== 'ok') return {};
  const file = registryFileSchema.safeParse(answer.body);
  if (!file.success) return { found: answer.status !== 404 };
  return { found: true, fileId: file.data.file_id, state: stateOfRegistryFile(file.data) };
}

function problemText(body: unknown): string {
  return (typeof body === 'string' ? body : JSON.stringify(body ?? '')).slice(0, 300);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Said to be JSON and is not: the caller's schema will say so about the text.
    return text;
  }
}
