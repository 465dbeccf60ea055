import { z } from 'zod';
import { FILENAME_BYTES_MAX } from '../common/text.ts';

const SEARCH_MODES = ['exact', 'partial', 'fulltext'] as const;
export const SORT_KEYS = ['created_at', 'updated_at', 'filename', 'file_size', 'relevance'] as const;
export type SortKey = (typeof SORT_KEYS)[number];

const LIMIT_MAX = 1000;
const OFFSET_MAX = 1_000_000_000;

/** In characters, of which no name has more than bytes. */
const text = z.string().min(1).max(FILENAME_BYTES_MAX);
const size = z.number().int().nonnegative();
const timestamp = z.iso.datetime({ offset: true });

/** Body of POST /api/search. All conditions that are given must hold. */
export const searchRequestSchema = z
  .strictObject({
    query: text.optional().describe('What to look for, in the way that `mode` says. Absent: the filters alone decide.'),
    mode: z
      .enum(SEARCH_MODES)
      .default('partial')
      .describe(
        '`exact`: the file name is the query, case and all. `partial`: the file name contains the query, in any case. ' +
          '`fulltext`: file name, tags and description together have every word of the query, in any case; punctuation separates words.',
      ),
    filename: text.optional().describe('The file name contains this, in any case.'),
    file_extension: text.optional().describe('The file name ends with a dot and this, in any case.'),
    tags: z.array(text).min(1).max(100).optional().describe('The file has all of these tags.'),
    username: text.optional().describe('Uploaded by this account.'),
    min_size: size.optional().describe('Bytes, inclusive.'),
    max_size: size.optional().describe('Bytes, inclusive.'),
    created_after: timestamp.optional().describe('Inclusive.'),
    created_before: timestamp.optional().describe('Inclusive.'),
    limit: z.number().int().min(1).max(LIMIT_MAX).default(100),
    offset: z.number().int().min(0).max(OFFSET_MAX).default(0),
    sort_by: z
      .enum(SORT_KEYS)
      .default('created_at')
      .describe(
        'File names are sorted by code points. Ties are broken by id, so that pages neither overlap nor leave gaps.',
      ),
    sort_order: z.enum(['asc', 'desc']).default('desc'),
  })
  .refine(({ sort_by, query }) => sort_by !== 'relevance' || query !== undefined, {
    path: ['sort_by'],
    message: 'relevance needs a query',
  })
  .refine(({ min_size, max_size }) => min_size === undefined || max_size === undefined || min_size <= max_size, {
    path: ['min_size'],
    message: 'must not be larger than max_size',
  })
  .refine(
    ({ created_after: after, created_before: before }) =>
      after === undefined || before === undefined || Date.parse(after) <= Date.parse(before),
    { path: ['created_after'], message: 'must not be later than created_before' },
  );
export type SearchRequest = z.output<typeof searchRequestSchema>;
