import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { registrationSchema } from '../admin/file-schemas.ts';
import { attachment } from './download.ts';
import { escapeLike, searchRequestSchema, searchStatement, shortTimestamp } from './search.ts';

/** What PostgreSQL's LIKE does with a pattern whose escape character is the backslash. */
function like(text: string, pattern: string): boolean {
  let source = '';
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index] as string;
    if (character === '%') source += '[^]*';
    else if (character === '_') source += '[^]';
    else {
      const literal = character === '\\' ? (pattern[++index] ?? '') : character;
      source += literal.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    }
  }
  return new RegExp(`^${source}$`).test(text);
}

describe('escapeLike', () => {
  const wild = fc.string({ unit: fc.constantFrom('%', '_', '\\', "'", '"', 'a', 'b') });

  it('makes a pattern that matches the text and nothing else', () => {
    fc.assert(fc.property(wild, wild, (text, other) => like(other, escapeLike(text)) === (text === other)));
    fc.assert(fc.property(wild, (text) => like(text, escapeLike(text))));
  });

  it('escapes each special character', () => {
    expect(escapeLike('100%_a\\b')).toBe('100\\%\\_a\\\\b');
  });
});

describe('searchRequestSchema', () => {
  it('has defaults for everything', () => {
    const expected = { mode: 'partial', limit: 100, offset: 0, sort_by: 'created_at', sort_order: 'desc' };
    expect(searchRequestSchema.parse({})).toEqual(expected);
  });

  it.each([
    ['limit', { limit: 0 }],
    ['limit', { limit: 1001 }],
    ['limit', { limit: 1.5 }],
    ['offset', { offset: -1 }],
    ['sort_by', { sort_by: 'id; DROP TABLE file_metadata_cache' }],
    ['sort_by', { sort_by: 'relevance' }],
    ['sort_order', { sort_order: 'up' }],
    ['mode', { mode: 'fuzzy' }],
    ['query', { query: '' }],
    ['tags', { tags: [] }],
    ['min_size', { min_size: 2, max_size: 1 }],
    ['created_after', { created_after: 'yesterday' }],
    ['created_after', { created_after: '2026-01-02T00:00:00Z', created_before: '2026-01-01T00:00:00Z' }],
  ])('names %s in %j', (name, body) => {
    const result = searchRequestSchema.safeParse(body);
    expect(result.error?.issues.map((issue) => issue.path.join('.'))).toContain(name);
  });

  it('takes every name that the registry takes', () => {
    const name = 'n'.repeat(2048);
    expect(registrationSchema.shape.original_filename.safeParse(name).success).toBe(true);
    expect(registrationSchema.shape.original_filename.safeParse(`${name}n`).success).toBe(false);
    expect(searchRequestSchema.safeParse({ query: name, mode: 'exact', filename: name }).success).toBe(true);
  });

  it('refuses what it does not know', () => {
    expect(searchRequestSchema.safeParse({ file_extention: 'pdf' }).error?.issues[0]?.message).toContain(
      'file_extention',
    );
  });
});

describe('searchStatement', () => {
  const build = (body: unknown) => searchStatement(searchRequestSchema.parse(body));

  it('puts what the caller sent into values, never into the text', () => {
    const evil = "'; DROP TABLE file_metadata_cache; --";
    for (const mode of ['exact', 'partial', 'fulltext']) {
      const { text, values } = build({
        query: evil,
        mode,
        filename: evil,
        username: evil,
        tags: [evil],
        file_extension: evil,
      });
      expect(text).not.toContain('DROP');
      expect(JSON.stringify(values)).toContain('DROP');
    }
  });

  it('binds as many values as it has placeholders', () => {
    const { text, values } = build({
      query: 'a',
      mode: 'fulltext',
      filename: 'b',
      file_extension: 'c',
      tags: ['d'],
      username: 'e',
      min_size: 1,
      max_size: 2,
      created_after: '2026-01-01T00:00:00Z',
      created_before: '2026-01-02T00:00:00Z',
    });
    const used = new Set(Array.from(text.matchAll(/\$(\d+)/g), (match) => Number(match[1])));
    expect([...used].sort((a, b) => a - b)).toEqual(values.map((_value, index) => index + 1));
  });

  it('breaks every tie by id, in the direction of the sort', () => {
    expect(build({ sort_by: 'file_size', sort_order: 'asc' }).text).toContain('ORDER BY file_size ASC, id ASC');
    expect(build({ sort_by: 'filename' }).text).toContain('ORDER BY filename COLLATE "C" DESC, id DESC');
  });

  it('takes an extension with or without its dot', () => {
    expect(build({ file_extension: '.PDF' }).values).toEqual(build({ file_extension: 'PDF' }).values);
  });
});

describe('shortTimestamp', () => {
  it('drops microseconds that are not there and keeps those that are', () => {
    expect(shortTimestamp('2026-01-01T00:00:00.120000Z')).toBe('2026-01-01T00:00:00.120Z');
    expect(shortTimestamp('2026-01-01T00:00:00.123456Z')).toBe('2026-01-01T00:00:00.123456Z');
  });
});

describe('attachment', () => {
  it('is plain ASCII without quotes or line breaks, whatever the name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) =>
        /^attachment; filename\*=UTF-8''[\w.%~!-]*$/.test(attachment(name)),
      ),
    );
  });
});
