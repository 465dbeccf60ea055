import { randomUUID } from 'node:crypto';
import { type RegistryFile, registryFileSchema } from '../../harness/contract/http.ts';
import { type PipelineClient, pollUntil } from '../../harness/index.ts';
import { sha256 } from './steps.ts';
import { conforms, demand } from './violation.ts';

/** What a case asks of admin when it writes: files without bytes need no ingester and no storage. */
type Registrar = Pick<PipelineClient, 'register' | 'update' | 'remove' | 'registryFile'>;
type Answer = Awaited<ReturnType<Registrar['register']>>;

const BUSY_MS = 5000;

/** The body of a registration: a new id, a name, and what else there must be. */
export function registration(
  filename: string,
  more: Record<string, unknown> = {},
): Record<string, unknown> & { file_id: string } {
  const fileId = randomUUID();
  return {
    file_id: fileId,
    original_filename: filename,
    storage_filename: `${fileId}.txt`,
    file_size: filename.length,
    checksum_sha256: sha256(Buffer.from(filename)),
    content_type: 'text/plain',
    retention_policy: 'permanent',
    storage_element_id: 'storage-1',
    storage_path: `2026/01/${fileId}`,
    ...more,
  };
}

/**
 * Registers a new file at admin.
 * @throws Violation unless it is taken, in the contract's shape
 */
export async function register(
  admin: Registrar,
  filename: string,
  more: Record<string, unknown> = {},
): Promise<RegistryFile> {
  const body = registration(filename, more);
  let answer = await untilNotBusy(() => admin.register(body));
  // A try before this one was answered 503 and went through all the same.
  if (answer.status === 409) answer = await admin.registryFile(body.file_id);
  const { status, outcome, error } = answer;
  demand(outcome === 'ok', () => `The registration of ${filename} was answered ${status ?? outcome} ${error ?? ''}`);
  return conforms(registryFileSchema, answer.body, `The answer to the registration of ${filename}`);
}

/**
 * Gives a file another description.
 * @throws Violation unless the answer is 200 in the contract's shape
 */
export async function updateDescription(admin: Registrar, fileId: string, description: string): Promise<RegistryFile> {
  const { status, outcome, error, body } = await untilNotBusy(() => admin.update(fileId, { description }));
  demand(status === 200, () => `The update of ${fileId} was answered ${status ?? outcome} ${error ?? ''}`);
  return conforms(registryFileSchema, body, `The answer to the update of ${fileId}`);
}

/** Deletes a file. @throws Violation unless the answer is 200 */
export async function remove(admin: Registrar, fileId: string): Promise<void> {
  const { status, outcome, error } = await untilNotBusy(() => admin.remove(fileId));
  demand(status === 200, () => `The deletion of ${fileId} was answered ${status ?? outcome} ${error ?? ''}`);
}

/** A service on a busy machine may refuse with 503 what it takes a moment later: no matter where that is not judged. */
async function untilNotBusy(write: () => Promise<Answer>): Promise<Answer> {
  let answer: Answer | undefined;
  const probe = async (): Promise<Answer | undefined> => {
    answer = await write();
    return answer.status === 503 ? undefined : answer;
  };
  try {
    return await pollUntil(probe, { what: 'admin to take a write', timeoutMs: BUSY_MS });
  } catch (error) {
    if (answer === undefined) throw error;
    return answer;
  }
}
