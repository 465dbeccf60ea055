import { CONTRACT, type Requirement } from '../ledger/requirement.ts';

const file = 'search/search.test.ts';
const input = 'search/input.test.ts';

export const SEARCH = [
  {
    id: 'SRCH-01',
    level: 'MUST',
    tier: 'core',
    text: 'Exact, partial and full-text modes, every filter, every sort, total_count and has_more are right against a model computed in memory.',
    allowed: [
      'exact: the file name equals the query, case included. partial: the file name contains it, in any case. fulltext: file name, tags and description together have every word of it, in any case.',
      'Filters combine with AND: filename is contained in the name and file_extension ends it after a dot, in any case; all tags are there; username is the same; sizes and created_at are within their bounds, inclusive.',
      'sort_by is created_at, updated_at, filename, file_size or relevance; ties come in any order. Without it the order is free.',
      'total_count is the number of all matching files, has_more whether any comes after this page.',
    ],
    why: 'A search that leaves out one file in a thousand looks like one that works.',
    provoked:
      'A corpus of files with names, words, tags, sizes and owners in common, some updated, some deleted, and hundreds of generated searches over it.',
    troubleshooting:
      'The request that the reason names is the smallest that shows it: send it unchanged and compare the SQL.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      {
        file,
        needs: [],
        floor: { queries: 300, matching: 120, pages: 20, exact: 6, partial: 40, fulltext: 15 },
        seconds: 3,
        timeoutMs: 180_000,
      },
    ],
  },
  {
    id: 'SRCH-02',
    level: 'MUST',
    tier: 'core',
    text: 'Percent signs, underscores, backslashes, quotes and SQL fragments match literally in every parameter, and harm nothing.',
    allowed: [
      'Each text finds the files that have just this text, and no others; in full-text searches only its words count.',
      'A name with such a character may be refused at registration with 4xx.',
    ],
    why: 'A search for 100% must not find 1000, and no user input may become part of a statement.',
    provoked:
      'Files with such texts in name, extension, tags, owner and description, and searches for each of them and for generated ones in every parameter and mode.',
    troubleshooting:
      'How LIKE patterns are escaped, whether every value is bound, and which function turns user input into full-text queries.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file: input, needs: [], floor: { files: 30, searches: 300 }, seconds: 3, timeoutMs: 180_000 }],
  },
  {
    id: 'SRCH-03',
    level: 'MUST',
    tier: 'core',
    text: 'Paging through ties while rows change leaves no row out and shows none twice, of those that did not change.',
    allowed: [
      'Every file that does not change is on exactly one page, while the others are updated in place: same name, same size.',
    ],
    why: 'Otherwise a client that pages through a list to act on every entry misses some and acts twice on others.',
    provoked:
      'Files with one name and one size, half of them updated between two pages, then all the time, read page by page in both orders and with different page sizes.',
    troubleshooting: 'ORDER BY: whether a last column, unique in every row, decides between equals.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [
      { file, needs: [], floor: { walks: 12, pages: 50, changes: 20, moves: 16 }, seconds: 4, timeoutMs: 180_000 },
    ],
  },
  {
    id: 'SRCH-04',
    level: 'MUST',
    tier: 'core',
    text: 'A bad search parameter is answered with 4xx, and the answer names the parameter.',
    allowed: [
      '4xx with the name of the parameter somewhere in the body, as a word of its own.',
      '4xx where the body is not a request at all, or the path has no valid id.',
    ],
    why: 'A bad parameter that is ignored gives a wrong answer that looks right; one that is not named gives an hour of guessing.',
    provoked:
      'Each parameter with values of wrong types, out of range, unknown, or with SQL after a valid prefix; bodies that are not JSON; invalid ids.',
    troubleshooting: 'The schema of the request, and what happens to its findings on the way to the answer.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file: input, needs: [], floor: { named: 50, refused: 13 }, seconds: 1 }],
  },
] as const satisfies readonly Requirement[];
