import type { PipelineClient, UploadInput } from '../../harness/index.ts';
import type { FileMetadata } from '../../services/contract/events.ts';
import type { RegistryFile, SearchHit } from '../../services/contract/http.ts';
import { sha256 } from './steps.ts';
import { decodeToken } from './tokens.ts';
import { demand, demandEqual } from './violation.ts';

/** What was sent of a file, under the registry's names; the changes of an update can be laid over it. */
export type SentFile = Readonly<Record<string, unknown>>;

export function sentFile(input: UploadInput): SentFile {
  const { retentionPolicy, ttlDays = null } = input;
  return {
    original_filename: input.filename,
    file_size: input.content.byteLength,
    checksum_sha256: sha256(input.content),
    ...(input.contentType === undefined ? {} : { content_type: input.contentType }),
    description: input.description ?? null,
    tags: input.tags ?? null,
    user_metadata: input.metadata ?? null,
    ...(retentionPolicy === undefined ? {} : { retention_policy: retentionPolicy, ttl_days: ttlDays }),
  };
}

/** @throws Violation naming each field that a registry's entry, or an event, shows otherwise than it was sent */
export function demandAsSent(seen: RegistryFile | FileMetadata, sent: SentFile, what: string): void {
  const fields: Record<string, unknown> = { ...seen };
  demandEqual(tidy(Object.fromEntries(Object.keys(sent).map((name) => [name, fields[name]]))), tidy(sent), what);
}

/** Search's names for those that it shows. */
const HIT_NAMES = {
  original_filename: 'filename',
  file_size: 'file_size',
  checksum_sha256: 'sha256_hash',
  content_type: 'mime_type',
  description: 'description',
  tags: 'tags',
} as const satisfies Record<string, keyof SearchHit>;

/** The same of a search hit, which shows fewer fields. */
export function demandHitAsSent(hit: SearchHit, sent: SentFile, what: string): void {
  const shown = Object.entries(HIT_NAMES).filter(([name]) => name in sent);
  const seen = Object.fromEntries(shown.map(([name, hitName]) => [name, hit[hitName]]));
  demandEqual(tidy(seen), tidy(Object.fromEntries(shown.map(([name]) => [name, sent[name]]))), what);
}

/** None and empty are the same, and so are digits in either case. Form parsers drop the parameters of a media type. */
function tidy(file: SentFile): Record<string, unknown> {
  const tidied = Object.entries(file).map(([name, value]) => {
    if (value == null || (typeof value === 'object' && Object.keys(value).length === 0)) return [name, null];
    if (name === 'checksum_sha256') return [name, String(value).toLowerCase()];
    return [name, name === 'content_type' ? String(value).split(';', 1)[0]?.trim() : value];
  });
  return Object.fromEntries(tidied);
}

/** The names that the token of the client's account carries. */
export async function accountNames(pipeline: PipelineClient): Promise<readonly unknown[]> {
  const { claims } = decodeToken(await pipeline.token());
  return [claims.client_id, claims.name, claims.sub];
}

/** @throws Violation unless the uploader is one of the names that the account's token carries */
export function demandUploader(uploader: string | null | undefined, names: readonly unknown[], what: string): void {
  demand(
    uploader != null && names.includes(uploader),
    () => `${what}: expected one of ${JSON.stringify(names)}, which the account's token carries, got ${uploader}`,
  );
}
