import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPipelineClient, memoryRecorder, type PipelineClient } from '../../harness/index.ts';

export interface LocalRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** A status and a JSON body; `reset` breaks the connection off, `hang` never answers. */
export type LocalAnswer = { status: number; body?: unknown; headers?: Record<string, string> } | 'reset' | 'hang';

export interface LocalTarget extends AsyncDisposable {
  pipeline: PipelineClient;
  recorder: ReturnType<typeof memoryRecorder>;
  url: string;
  /** What the client must not reveal. */
  secrets: readonly string[];
}

const TOKEN = 'eyJ.token-that-nobody-may-see.sig';
const SECRET = 'client-secret-that-nobody-may-see';

/** A real HTTP server that plays all four services, and a pipeline client of it. It gives tokens by itself. */
export async function startLocalTarget(
  answer: (request: LocalRequest) => LocalAnswer | Promise<LocalAnswer>,
  { token = TOKEN }: { token?: string } = {},
): Promise<LocalTarget> {
  const server = createServer((message, response) => {
    reply(message, response).catch((error: unknown) => response.destroy(error as Error));
  });
  async function reply(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const { method = '', url: path = '', headers } = message;
    const given =
      path === '/api/v1/auth/token'
        ? tokenAnswer(token)
        : await answer({ method, path, headers, body: Buffer.concat(chunks) });
    if (given === 'hang') return;
    if (given === 'reset') {
      message.socket.resetAndDestroy();
      return;
    }
    response.writeHead(given.status, { 'content-type': 'application/json', ...given.headers });
    response.end(given.body === undefined ? '' : JSON.stringify(given.body));
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const recorder = memoryRecorder();
  const account = { clientId: 'client', clientSecret: SECRET };
  const pipeline = createPipelineClient({
    urls: { admin: url, ingester: url, storage: url, query: url },
    accounts: { ADMIN: account, USER: account, READONLY: account },
    recorder,
  });
  return {
    pipeline,
    recorder,
    url,
    secrets: [token, SECRET],
    async [Symbol.asyncDispose]() {
      await pipeline[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function tokenAnswer(token: string): LocalAnswer {
  const body = { access_token: token, token_type: 'Bearer', expires_in: 3600, issued_at: '2024-06-07T09:30:00Z' };
  return { status: 200, body };
}

/** A search hit of this file in the contract's shape. */
export function hitOf(id: string): Record<string, unknown> {
  return {
    id,
    filename: 'a.txt',
    storage_filename: `${id}.txt`,
    file_size: 1,
    mime_type: null,
    sha256_hash: 'c',
    username: null,
    tags: null,
    description: null,
    created_at: '2024-06-07T09:30:00Z',
    updated_at: '2024-06-07T09:30:00Z',
    storage_element_id: 'storage-1',
  };
}

/** The registry's entry of the same file. */
export function entryOf(id: string): Record<string, unknown> {
  return {
    file_id: id,
    original_filename: 'a.txt',
    storage_filename: `${id}.txt`,
    file_size: 1,
    checksum_sha256: 'c',
    content_type: null,
    description: null,
    retention_policy: 'permanent',
    ttl_days: null,
    ttl_expires_at: null,
    storage_element_id: 'storage-1',
    storage_path: `/${id}.txt`,
    uploaded_by: null,
    user_metadata: null,
    tags: null,
    created_at: '2024-06-07T09:30:00Z',
    updated_at: '2024-06-07T09:30:00Z',
    version: 1,
  };
}
