import { randomUUID } from 'node:crypto';
import { finalReads, type PipelineClient, type Random, type UploadInput } from '../../harness/index.ts';
import { type RegistryFile, registryFileSchema } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { inParallel } from './many.ts';
import { awaitSearchable, patiently, sha256 } from './steps.ts';
import { conforms, demand } from './violation.ts';

/** What a case asks of admin when it writes: files without bytes need no ingester and no storage. */
type Registrar = Pick<PipelineClient, 'register' | 'update' | 'remove' | 'registryFile'>;

/** Body of POST /api/v1/files. */
export interface Registration {
  file_id: string;
  original_filename: string;
  storage_filename: string;
  file_size: number;
  checksum_sha256: string;
  storage_element_id: string;
  storage_path: string;
  retention_policy: 'temporary' | 'permanent';
  ttl_days?: number | null;
  content_type?: string | null;
  description?: string | null;
  uploaded_by?: string | null;
  user_metadata?: Record<string, unknown> | null;
  tags?: string[] | null;
}

/** A type matches its extension, as in real files. */
const TYPES = [
  { extension: 'pdf', contentType: 'application/pdf' },
  { extension: 'txt', contentType: 'text/plain; charset=utf-8' },
  { extension: 'jpg', contentType: 'image/jpeg' },
  { extension: 'tar.gz', contentType: 'application/gzip' },
] as const;
const TAGS = ['draft', 'final', '2024', 'with space', 'ärger', '签名'] as const;
const WORDS = ['budget', 'minutes', 'contract', 'photo', 'résumé', 'план'] as const;
const OWNERS = ['alice', 'bob', 'scanner-7'] as const;
const REGISTERED_AT_ONCE = 8;

/**
 * A valid body of POST /api/v1/files, for targets and cases that do without bytes: every field is given, and its value
 * is a choice of `random`. Only the id is not, so that the same choices can be registered again.
 * @param overrides replace fields; one that is `undefined` is left out of the body
 */
export function registration(random: Random, overrides: Partial<Registration> = {}): Registration {
  const id = overrides.file_id ?? randomUUID();
  const { extension, contentType } = random.pick<(typeof TYPES)[number]>(TYPES);
  const words = [random.pick(WORDS), random.pick(WORDS)];
  const name = `${words.join('-')}-${random.integer(0, 9999)}.${extension}`;
  const stored = `${id}.${extension}`;
  const policy = overrides.retention_policy ?? random.pick(['temporary', 'permanent']);
  return {
    file_id: id,
    original_filename: name,
    storage_filename: stored,
    file_size: random.integer(0, 5_000_000),
    checksum_sha256: checksum(random),
    storage_element_id: 'storage-1',
    storage_path: `${id.slice(0, 2)}/${stored}`,
    retention_policy: policy,
    ttl_days: policy === 'temporary' ? random.integer(1, 365) : null,
    content_type: contentType,
    description: `${words.join(' and ')}, page ${random.integer(1, 99)}`,
    uploaded_by: random.pick(OWNERS),
    user_metadata: { source: random.pick(OWNERS), pages: random.integer(1, 500), nested: { list: [1, null, 'two'] } },
    tags: TAGS.filter(() => random.next() < 0.3),
    ...overrides,
  };
}

/** 64 hexadecimal digits that no content has. */
function checksum(random: Random): string {
  return Array.from({ length: 8 }, () => random.integer(0, 0xffff_ffff).toString(16).padStart(8, '0')).join('');
}

/** The same by hand: what there must be, for cases in which nothing but the name matters. */
export function plainRegistration(filename: string, overrides: Partial<Registration> = {}): Registration {
  const id = overrides.file_id ?? randomUUID();
  return {
    file_id: id,
    original_filename: filename,
    storage_filename: `${id}.txt`,
    file_size: filename.length,
    checksum_sha256: sha256(Buffer.from(filename)),
    content_type: 'text/plain',
    retention_policy: 'permanent',
    storage_element_id: 'storage-1',
    storage_path: `2026/01/${id}`,
    ...overrides,
  };
}

/**
 * Registers a file.
 * @throws Violation unless it is taken, in the contract's shape
 */
export async function register(admin: Registrar, body: Registration): Promise<RegistryFile> {
  const asked = await patiently(() => admin.register({ ...body }));
  // A try before this one was answered 503 and went through all the same.
  const answer = asked.status === 409 ? await admin.registryFile(body.file_id) : asked;
  const { status, outcome, error } = answer;
  const what = `registration of ${JSON.stringify(body.original_filename)}`;
  demand(outcome === 'ok', () => `The ${what} was answered ${status ?? outcome} ${error ?? ''}`);
  return conforms(registryFileSchema, answer.body, `The answer to the ${what}`);
}

/** Registers a file of which only the name matters. */
export function registerPlain(
  admin: Registrar,
  filename: string,
  overrides: Partial<Registration> = {},
): Promise<RegistryFile> {
  return register(admin, plainRegistration(filename, overrides));
}

/** Registers files, several at once, and gives the registry's answers in the order of the bodies. */
export function registerAll(admin: Registrar, bodies: readonly Registration[]): Promise<RegistryFile[]> {
  return inParallel(bodies, REGISTERED_AT_ONCE, (body) => register(admin, body));
}

/**
 * Gives a file another description.
 * @throws Violation unless the answer is 200 in the contract's shape
 */
export async function updateDescription(admin: Registrar, fileId: string, description: string): Promise<RegistryFile> {
  const { status, outcome, error, body } = await patiently(() => admin.update(fileId, { description }));
  demand(status === 200, () => `The update of ${fileId} was answered ${status ?? outcome} ${error ?? ''}`);
  return conforms(registryFileSchema, body, `The answer to the update of ${fileId}`);
}

/** Deletes a file. @throws Violation unless the answer is 200 */
export async function remove(admin: Registrar, fileId: string): Promise<void> {
  const { status, outcome, error } = await patiently(() => admin.remove(fileId));
  demand(status === 200, () => `The deletion of ${fileId} was answered ${status ?? outcome} ${error ?? ''}`);
}

/** A way in which a file comes into being. */
export interface Way {
  how: 'upload' | 'registration';
  /** Throws nothing for what the target answers. A field that `input` lacks is not sent. */
  create(input: UploadInput): ReturnType<PipelineClient['upload']>;
}

/** Every way that the target has: registrations always, uploads where there is an ingester. */
export function waysOf({ env, pipeline, random }: Pick<CaseContext, 'env' | 'pipeline' | 'random'>): Way[] {
  const byRegistration: Way = {
    how: 'registration',
    create: ({ filename, content, contentType, description, tags, metadata, retentionPolicy, ttlDays }) =>
      pipeline.register({
        // A fork of its own: creations at once must not depend on which is asked first.
        ...registration(random.fork(filename), {
          original_filename: filename,
          file_size: content.byteLength,
          checksum_sha256: sha256(content),
          content_type: contentType,
          description,
          tags: tags === undefined ? undefined : [...tags],
          user_metadata: metadata,
          retention_policy: retentionPolicy ?? 'permanent',
          ttl_days: ttlDays,
        }),
      }),
  };
  const byUpload: Way = { how: 'upload', create: (input) => pipeline.upload(input) };
  return env.capabilities.has('upload') ? [byRegistration, byUpload] : [byRegistration];
}

/**
 * Registers one more file and waits until it can be found. Then the pipeline lives, and whatever was published before has
 * had its turn.
 */
export async function awaitMarker(t: CaseContext, when: string): Promise<void> {
  const { pipeline, env, random, records, unique, signal } = t;
  const name = `marker of ${unique}, ${when}`;
  const marker = await register(pipeline, registration(random.fork(name), { original_filename: name }));
  await awaitSearchable(pipeline, marker.file_id, { timeoutMs: env.limits.syncMs, signal });
  // A case that reads its files at the end has promised that of every file.
  const readsAtTheEnd = records.some((record) => record.type === 'invoke' && record.final === true);
  if (readsAtTheEnd) await finalReads(pipeline, [marker.file_id], { signal });
}
