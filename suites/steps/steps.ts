import { createHash } from 'node:crypto';
import { microsecondsOf, type PipelineClient, pollUntil, type Random, type UploadInput } from '../../harness/index.ts';
import {
  type RegistryFile,
  registryFileSchema,
  type SearchAnswer,
  type SearchHit,
  searchAnswerSchema,
  searchHitSchema,
  type UploadAnswer,
  uploadAnswerSchema,
} from '../../services/contract/http.ts';
import { eventually } from './eventually.ts';
import { conforms, demand } from './violation.ts';

/** How long a service may be too busy where that is not judged: longer than it waits for one half-open connection. */
const BUSY_MS = 12_000;

interface Waiting {
  timeoutMs: number;
  signal: AbortSignal;
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

export function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.integer(0, 255)));
}

/** Uploads a file. @throws Violation unless the answer is 201 in the contract's shape */
export async function upload(pipeline: PipelineClient, input: UploadInput): Promise<UploadAnswer> {
  const answer = await pipeline.upload(input);
  demand(
    answer.status === 201,
    () => `The upload of ${input.filename} was answered ${answer.status ?? answer.outcome} ${answer.error ?? ''}`,
  );
  return conforms(uploadAnswerSchema, answer.body, `The answer to the upload of ${input.filename}`);
}

/**
 * Asks again while the answer is 503, which means later (RFC 9110, section 15.6.4): for cases in which it matters what is
 * refused, and not when.
 */
export async function patiently<A extends { status?: number }>(ask: () => Promise<A>): Promise<A> {
  let answer: A | undefined;
  const probe = async (): Promise<A | undefined> => {
    answer = await ask();
    return answer.status === 503 ? undefined : answer;
  };
  try {
    return await pollUntil(probe, { what: 'another answer than 503', timeoutMs: BUSY_MS });
  } catch (error) {
    if (answer === undefined) throw error;
    return answer;
  }
}

/** The registry's entry. @throws Violation unless the answer is 200 in the contract's shape */
export async function registered(pipeline: PipelineClient, fileId: string): Promise<RegistryFile> {
  const answer = await pipeline.registryFile(fileId);
  demand(answer.status === 200, () => `The registry answered ${answer.status ?? answer.outcome} for ${fileId}`);
  return conforms(registryFileSchema, answer.body, `The registry's entry ${fileId}`);
}

/** The read model's entry by id, undefined when there is none. @throws Violation for any other answer */
export async function findById(pipeline: PipelineClient, fileId: string): Promise<SearchHit | undefined> {
  const answer = await pipeline.searchById(fileId);
  if (answer.status === 404) return undefined;
  demand(answer.status === 200, () => `GET /api/search/${fileId} was answered ${answer.status ?? answer.outcome}`);
  return conforms(searchHitSchema, answer.body, `The read model's entry ${fileId}`);
}

/** The bytes of a file, as query hands them out. @throws Violation unless the answer is 200 */
export async function download(pipeline: PipelineClient, fileId: string, signal: AbortSignal): Promise<Buffer> {
  const path = `/api/download/${encodeURIComponent(fileId)}`;
  const { status, outcome, error, body } = await pipeline.request('query', 'GET', path, { bytes: true, signal });
  demand(status === 200, () => `GET ${path} was answered ${status ?? outcome} ${error ?? ''}`);
  demand(Buffer.isBuffer(body), `GET ${path} was answered without bytes`);
  return body;
}

/** One page of a search. @throws Violation unless the answer is 200 in the contract's shape */
export async function search(pipeline: PipelineClient, body: Record<string, unknown>): Promise<SearchAnswer> {
  const answer = await pipeline.search(body);
  demand(
    answer.status === 200,
    () =>
      `POST /api/search was answered ${answer.status ?? answer.error ?? answer.outcome}: ${JSON.stringify(body).slice(0, 300)}`,
  );
  return conforms(searchAnswerSchema, answer.body, 'The answer to a search');
}

/** What search finds under exactly this name. */
export async function findByName(pipeline: PipelineClient, filename: string): Promise<SearchHit[]> {
  const { results } = await search(pipeline, { filename, mode: 'exact', limit: 100 });
  return results.filter((hit) => hit.filename === filename);
}

/** All results of a search, page by page, and each page's total. `between` runs before each page but the first. */
export async function searchAll(
  pipeline: PipelineClient,
  body: Record<string, unknown>,
  pageSize = 50,
  between: (listed: readonly SearchHit[]) => Promise<void> = async () => {},
): Promise<{ hits: SearchHit[]; totals: number[] }> {
  const hits: SearchHit[] = [];
  const totals: number[] = [];
  for (;;) {
    const page = await search(pipeline, { ...body, limit: pageSize, offset: hits.length });
    hits.push(...page.results);
    totals.push(page.total_count);
    if (!page.has_more || page.results.length === 0) return { hits, totals };
    await between(hits);
  }
}

/** Waits until the by-id read satisfies `accept`. @throws Violation when it never does */
export function awaitById(
  pipeline: PipelineClient,
  fileId: string,
  what: string,
  accept: (hit: SearchHit | undefined) => boolean,
  { timeoutMs, signal }: Waiting,
): Promise<SearchHit | undefined> {
  const probe = async (): Promise<{ hit: SearchHit | undefined } | undefined> => {
    const hit = await findById(pipeline, fileId);
    return accept(hit) ? { hit } : undefined;
  };
  return eventually(what, probe, { timeoutMs, signal }).then(({ hit }) => hit);
}

/** Waits until a file can be read by id. @throws Violation when it cannot in time */
export async function awaitSearchable(pipeline: PipelineClient, fileId: string, waiting: Waiting): Promise<SearchHit> {
  const what = `${fileId} searchable`;
  const hit = await awaitById(pipeline, fileId, what, (found) => found !== undefined, waiting);
  demand(hit !== undefined, what);
  return hit;
}

/** Microseconds since the epoch: one instant in two notations is the same, one that lost its last digits is not. */
export function instant(text: string | null | undefined): number | null {
  return text === null || text === undefined ? null : microsecondsOf(text);
}
