import type { RegistryFile, SearchAnswer } from '../../services/contract/http.ts';
import { instant } from '../steps/steps.ts';
import { demand, demandEqual } from '../steps/violation.ts';

export const SEARCH_MODES = ['exact', 'partial', 'fulltext'] as const;
/** `relevance` has no value in the registry: its order can only be held against the scores of the answer itself. */
export const SORT_KEYS = ['created_at', 'updated_at', 'filename', 'file_size', 'relevance'] as const;

/** Body of POST /api/search. */
export interface SearchRequest {
  query?: string | undefined;
  mode?: (typeof SEARCH_MODES)[number] | undefined;
  filename?: string | undefined;
  file_extension?: string | undefined;
  tags?: string[] | undefined;
  username?: string | undefined;
  min_size?: number | undefined;
  max_size?: number | undefined;
  created_after?: string | undefined;
  created_before?: string | undefined;
  limit: number;
  offset: number;
  sort_by?: (typeof SORT_KEYS)[number] | undefined;
  sort_order?: 'asc' | 'desc' | undefined;
}

/** Whether a search must list a file, by the registry's entry alone. */
function matches(file: RegistryFile, request: SearchRequest): boolean {
  const { original_filename: name, file_size: size, created_at } = file;
  const createdAt = instant(created_at) ?? Number.NaN;
  const given = <T>(value: T | undefined, holds: (value: T) => boolean): boolean => value === undefined || holds(value);
  return (
    given(request.query, (query) => hasText(file, query, request.mode)) &&
    given(request.filename, (part) => contains(name, part)) &&
    given(request.file_extension, (extension) => name.toLowerCase().endsWith(`.${extension.toLowerCase()}`)) &&
    given(request.tags, (tags) => tags.every((tag) => file.tags?.includes(tag))) &&
    given(request.username, (username) => file.uploaded_by === username) &&
    given(request.min_size, (bytes) => size >= bytes) &&
    given(request.max_size, (bytes) => size <= bytes) &&
    given(request.created_after, (moment) => createdAt >= (instant(moment) ?? Number.NaN)) &&
    given(request.created_before, (moment) => createdAt <= (instant(moment) ?? Number.NaN))
  );
}

function hasText(file: RegistryFile, query: string, mode: SearchRequest['mode']): boolean {
  if (mode === 'exact') return file.original_filename === query;
  if (mode === 'partial') return contains(file.original_filename, query);
  const words = new Set([file.original_filename, file.description ?? '', ...(file.tags ?? [])].flatMap(wordsOf));
  return wordsOf(query).every((word) => words.has(word));
}

function contains(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase());
}

/** Anything but letters and digits separates words. */
function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** Holds an answer to the registry's files. @throws Violation that names the request */
export function demandRight(answer: SearchAnswer, request: SearchRequest, files: readonly RegistryFile[]): void {
  const what = `The search ${JSON.stringify(request)}`;
  const { results, total_count, limit, offset, has_more } = answer;
  const expected = files.filter((file) => matches(file, request));
  const listed = results.map(({ id }) => id);
  const wrong = results.find(({ id }) => !expected.some(({ file_id }) => file_id === id));
  demand(wrong === undefined, () => `${what} lists ${wrong?.id} (${wrong?.filename}), which does not match`);
  demandEqual(total_count, expected.length, `${what}: total_count`);
  demandEqual(new Set(listed).size, listed.length, `${what}: different files on one page`);
  const length = Math.max(0, Math.min(request.limit, expected.length - request.offset));
  demandEqual(listed.length, length, `${what}: results on the page`);
  demandEqual({ limit, offset }, { limit: request.limit, offset: request.offset }, what);
  demandEqual(has_more, request.offset + length < expected.length, `${what}: has_more`);
  demandOrdered(answer, request, expected, what);
}

function demandOrdered(
  { results }: SearchAnswer,
  { sort_by, sort_order, offset }: SearchRequest,
  expected: readonly RegistryFile[],
  what: string,
): void {
  if (sort_by === undefined || sort_order === undefined) return;
  const direction = sort_order === 'asc' ? 1 : -1;
  const compare = <T>(a: T, b: T): number => (a === b ? 0 : a < b ? -direction : direction);
  if (sort_by === 'relevance') {
    const scores = results.flatMap(({ relevance_score }) => relevance_score ?? []);
    demandEqual(scores, scores.toSorted(compare), `${what}: the order of relevance_score`);
    return;
  }
  const isTime = sort_by === 'created_at' || sort_by === 'updated_at';
  const value = (raw: string | number): string | number | null => (isTime ? instant(String(raw)) : raw);
  const keys = results.map((hit) => value(hit[sort_by]));
  const sorted = expected.map((file) => value(file[sort_by === 'filename' ? 'original_filename' : sort_by]));
  sorted.sort(compare);
  demandEqual(keys, sorted.slice(offset, offset + keys.length), `${what}: ${sort_by} of the page, in order`);
}
