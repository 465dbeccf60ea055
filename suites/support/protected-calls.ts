import { ROLES, type Role } from '../../harness/contract/http.ts';
import type { ServiceName } from '../../harness/contract/names.ts';
import { multipartBody, type PipelineClient } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';
import { sha256 } from './steps.ts';
import { decodeToken } from './tokens.ts';
import { demand } from './violation.ts';

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

/** A registration's body, for a file without bytes. */
function registrationOf(fileId: string, filename: string): Record<string, unknown> {
  return {
    file_id: fileId,
    original_filename: filename,
    storage_filename: `${fileId}.txt`,
    file_size: filename.length,
    checksum_sha256: sha256(Buffer.from(filename)),
    content_type: 'text/plain',
    retention_policy: 'permanent',
    storage_element_id: 'storage-1',
    storage_path: `objects/${fileId}.txt`,
  };
}

/** Every protected call of the services that the target has. */
export function protectedCalls({ capabilities }: CaseContext['env'], subject: Subject): ProtectedCall[] {
  const { fileId, newId, newName } = subject;
  const file = `/api/v1/files/${fileId}`;
  const calls: Omit<ProtectedCall, 'what'>[] = [
    { service: 'admin', method: 'GET', path: '/api/v1/files?page=1&page_size=1', kind: 'read' },
    { service: 'admin', method: 'GET', path: file, kind: 'read' },
    { service: 'admin', method: 'POST', path: '/api/v1/files', kind: 'write', body: registrationOf(newId, newName) },
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
  if (capabilities.has('arrange')) {
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

/** @throws Violation unless a call of somebody who may make it got past token and role */
export async function demandAccepted(pipeline: PipelineClient, call: ProtectedCall, token: string): Promise<void> {
  const { status, outcome } = await callWith(pipeline, call, `Bearer ${token}`);
  const accepted = status !== undefined && status < 500 && status !== 401 && status !== 403;
  demand(accepted, () => `${call.what} was answered ${status ?? outcome} for ${roleIn(token)}, who may make it`);
}

/** @throws Violation unless a call of somebody whose role does not allow it is answered 403 */
export async function demandForbidden(pipeline: PipelineClient, call: ProtectedCall, token: string): Promise<void> {
  const { status, outcome } = await callWith(pipeline, call, `Bearer ${token}`);
  demand(status === 403, () => `${call.what} was answered ${status ?? outcome} for ${roleIn(token)}, not 403`);
}

function roleIn(token: string): string {
  return `a token with the role ${String(decodeToken(token).claims.role)}`;
}
