import { randomUUID } from 'node:crypto';
import { type RegistryFile, registryFileSchema } from '../../harness/contract/http.ts';
import type { PipelineClient, Random } from '../../harness/index.ts';
import { inParallel } from './parallel.ts';
import { patiently } from './steps.ts';
import { conforms, demand } from './violation.ts';

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

/** A type goes with its extension, as it does of files that somebody made. */
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

/** Registers a file. @throws Violation unless the answer is 201 in the contract's shape */
export async function register(pipeline: PipelineClient, body: Registration): Promise<RegistryFile> {
  const answer = await patiently(() => pipeline.register({ ...body }));
  demand(
    answer.status === 201,
    () =>
      `The registration of ${JSON.stringify(body.original_filename)} was answered ${answer.status ?? answer.outcome} ${answer.error ?? ''}`,
  );
  return conforms(registryFileSchema, answer.body, `The answer to the registration of ${body.original_filename}`);
}

/** Registers files, several at once, and gives the registry's answers in the order of the bodies. */
export function registerAll(pipeline: PipelineClient, bodies: readonly Registration[]): Promise<RegistryFile[]> {
  return inParallel(bodies, REGISTERED_AT_ONCE, (body) => register(pipeline, body));
}
