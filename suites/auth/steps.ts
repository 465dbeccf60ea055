import { randomUUID } from 'node:crypto';
import { multipartBody, type PipelineClient } from '../../harness/index.ts';
import { ROLES, type Role, tokenAnswerSchema } from '../../services/contract/http.ts';
import type { ServiceName } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { plainRegistration } from '../steps/registrations.ts';
import { awaitSearchable, findByName, upload } from '../steps/steps.ts';
import { decodeToken, type PublishedKey } from '../steps/tokens.ts';
import { conforms, demand, demandEqual } from '../steps/violation.ts';

/** Who may read, write and delete, as the contract has it. */
const ALLOWED = { read: ROLES, write: ['ADMIN', 'USER'], delete: ['ADMIN'] } as const satisfies Record<
  string,
  readonly Role[]
>;

/** A call that needs a token. */
export interface ProtectedCall {
  what: string;
  service: ServiceName;
  method: string;
  path: string;
  kind: keyof typeof ALLOWED;
  body?: unknown;
  headers?: Record<string, string>;
}

/** What protected calls are about. */
export interface Subject {
  /** The file that is read, updated and deleted. */
  fileId: string;
  /** What is registered and uploaded beside it. */
  newId: string;
  newName: string;
}

/** Every protected call of the services that the target has. */
export function protectedCalls({ capabilities }: CaseContext['env'], subject: Subject): ProtectedCall[] {
  const { fileId, newId, newName } = subject;
  const file = `/api/v1/files/${fileId}`;
  const calls: Omit<ProtectedCall, 'what'>[] = [
    { service: 'admin', method: 'GET', path: '/api/v1/files?page=1&page_size=1', kind: 'read' },
    { service: 'admin', method: 'GET', path: file, kind: 'read' },
    {
      service: 'admin',
      method: 'POST',
      path: '/api/v1/files',
      kind: 'write',
      body: plainRegistration(newName, { file_id: newId }),
    },
    { service: 'admin', method: 'PUT', path: file, kind: 'write', body: { description: `of ${newName}` } },
    { service: 'admin', method: 'DELETE', path: file, kind: 'delete' },
    { service: 'query', method: 'POST', path: '/api/search', kind: 'read', body: { limit: 1 } },
    { service: 'query', method: 'GET', path: `/api/search/${fileId}`, kind: 'read' },
  ];
  if (capabilities.has('download')) {
    calls.push({ service: 'query', method: 'GET', path: `/api/download/${fileId}`, kind: 'read' });
  }
  if (capabilities.has('upload')) {
    const part = { filename: newName, contentType: 'text/plain', content: Buffer.from(newName) };
    const { body, contentType } = multipartBody({}, part);
    const headers = { 'content-type': contentType };
    calls.push({ service: 'ingester', method: 'POST', path: '/api/v1/files/upload', kind: 'write', body, headers });
  }
  // The calls of storage are the reference's own, no part of the contract.
  if (capabilities.has('custom-environment')) {
    const object = `/api/v1/objects/${newId}.txt`;
    const bytes = { body: Buffer.from(newName), headers: { 'content-type': 'application/octet-stream' } };
    calls.push(
      { service: 'storage', method: 'POST', path: `${object}/deletion-key`, kind: 'write' },
      { service: 'storage', method: 'PUT', path: object, kind: 'write', ...bytes },
      { service: 'storage', method: 'GET', path: object, kind: 'read' },
      { service: 'storage', method: 'DELETE', path: object, kind: 'delete' },
    );
  }
  return calls.map((call) => ({ ...call, what: `${call.method} ${call.path} of ${call.service}` }));
}

export function isAllowed({ kind }: ProtectedCall, role: Role): boolean {
  return (ALLOWED[kind] as readonly Role[]).includes(role);
}

/** Makes a call with this value of the Authorization header, or without one. */
export function callWith(
  pipeline: PipelineClient,
  { service, method, path, body, headers }: ProtectedCall,
  authorization: string | undefined,
): ReturnType<PipelineClient['request']> {
  const authorized = { ...headers, ...(authorization === undefined ? {} : { authorization }) };
  return pipeline.request(service, method, path, { authenticated: false, body, headers: authorized });
}

/** @throws Violation unless a permitted call got past token and role */
export async function demandAccepted(pipeline: PipelineClient, call: ProtectedCall, token: string): Promise<void> {
  const { status, outcome } = await callWith(pipeline, call, `Bearer ${token}`);
  const accepted = status !== undefined && status < 500 && status !== 401 && status !== 403;
  demand(accepted, () => `${call.what} was answered ${status ?? outcome} for ${roleIn(token)}, who may make it`);
}

/** @throws Violation unless a call that the role does not permit is answered 403 */
export async function demandForbidden(pipeline: PipelineClient, call: ProtectedCall, token: string): Promise<void> {
  const { status, outcome } = await callWith(pipeline, call, `Bearer ${token}`);
  demand(status === 403, () => `${call.what} was answered ${status ?? outcome} for ${roleIn(token)}, not 403`);
}

function roleIn(token: string): string {
  return `a token with the role ${String(decodeToken(token).claims.role)}`;
}

export function askForToken(pipeline: PipelineClient, body: unknown): ReturnType<PipelineClient['request']> {
  return pipeline.request('admin', 'POST', '/api/v1/auth/token', { body, authenticated: false });
}

/** A token of the account with this role. @throws Violation unless there is one for it */
export async function tokenOf({ env, pipeline }: CaseContext, role: Role): Promise<string> {
  const account = env.accounts[role];
  if (account === undefined) throw new Error(`The target has no account for a ${role}`);
  const { clientId, clientSecret } = account;
  const { status, outcome, body } = await askForToken(pipeline, { client_id: clientId, client_secret: clientSecret });
  demand(status === 200, `Right credentials of a ${role} were answered ${status ?? outcome}`);
  const answer = conforms(tokenAnswerSchema, body, `The token answer for a ${role}`);
  demand(answer.expires_in > 0, `The token of a ${role} expires in ${answer.expires_in} s`);
  return answer.access_token;
}

/** The key, of those that the issuer publishes, that a token names. @throws Violation when there is none */
export async function publishedKey({ pipeline }: CaseContext, token: string): Promise<PublishedKey> {
  const path = '/.well-known/jwks.json';
  const { status, outcome, body } = await pipeline.request('admin', 'GET', path, { authenticated: false });
  demand(status === 200, `GET ${path} was answered ${status ?? outcome}`);
  const { keys = [] } = (body ?? {}) as { keys?: PublishedKey[] };
  const { kid } = decodeToken(token).header;
  const key = keys.find((each) => each.kid === kid);
  demand(key?.kty === 'RSA', `${path} has no RSA key with the kid of a good token, ${String(kid)}`);
  return key;
}

/** What refused calls were about, and how it was before them. */
export interface UntouchedSubject extends Subject {
  /** What the registry showed of the file. */
  before: unknown;
}

/** A file that is there and searchable, for calls that must not touch it. */
export async function createSubject(t: CaseContext): Promise<UntouchedSubject> {
  const fileId = await createFile(t, 'subject');
  const { body: before } = await t.pipeline.registryFile(fileId);
  return { fileId, newId: randomUUID(), newName: `${t.unique}-refused.txt`, before };
}

/** @throws Violation when what was refused has happened all the same */
export async function demandUntouched(t: CaseContext, subject: UntouchedSubject): Promise<void> {
  const { pipeline } = t;
  const { fileId, newId, newName, before } = subject;
  demandEqual((await pipeline.registryFile(fileId)).body, before, 'A file after refused calls, against before');
  demandEqual((await pipeline.registryFile(newId)).status, 404, 'The registry about a refused registration');
  // What was accepted later is searchable: what was refused before would be, too.
  await createFile(t, 'later');
  const hits = await findByName(pipeline, newName);
  demand(hits.length === 0, `${newName}, which was refused, is found by search`);
}

async function createFile({ env, pipeline, unique, signal }: CaseContext, kind: string): Promise<string> {
  const filename = `${unique}-${kind}.txt`;
  const { file_id } = await upload(pipeline, { filename, content: Buffer.from(filename) });
  await awaitSearchable(pipeline, file_id, { timeoutMs: env.limits.syncMs, signal });
  return file_id;
}
