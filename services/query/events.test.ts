import { describe, expect, it } from 'vitest';
import { type Change, failureKind, lastChangePerFile, parseEvent } from './events.ts';

const ID = '0b0f6b86-5d0e-4c55-9c66-5f5f0e8b8a11';
const OTHER = '0b0f6b86-5d0e-4c55-9c66-5f5f0e8b8a12';

function metadata(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    file_id: ID,
    original_filename: 'report.pdf',
    storage_filename: `${ID}.pdf`,
    file_size: 3,
    checksum_sha256: 'ab',
    storage_element_id: 'storage-1',
    storage_path: 'x',
    created_at: '2026-01-01T00:00:00.000Z',
    updated_at: '2026-01-01T00:00:00.000Z',
    ...changes,
  };
}

function fields(changes: Record<string, string> = {}): string[] {
  return Object.entries({
    event_type: 'file:created',
    timestamp: '2026-01-01T00:00:00.000Z',
    file_id: ID,
    storage_element_id: 'storage-1',
    metadata: JSON.stringify(metadata()),
    ...changes,
  }).flat();
}

function upsert(version: number | null, changes: Record<string, unknown> = {}): Change {
  const parsed = parseEvent(
    fields({
      file_id: String(changes.file_id ?? ID),
      metadata: JSON.stringify(metadata(changes)),
      ...(version === null ? {} : { version: String(version) }),
    }),
  );
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed.change;
}

function deletion(version: number | null): Change {
  return { kind: 'delete', id: ID, version, sequence: null, deletedAt: '2026-01-02T00:00:00.000Z' };
}

describe('parseEvent', () => {
  it('reads an event of a plain producer, which has no version', () => {
    expect(parseEvent(fields())).toMatchObject({ change: { kind: 'upsert', id: ID, version: null } });
  });

  it('reads a deletion with a version', () => {
    const parsed = parseEvent([
      ...['event_type', 'file:deleted', 'timestamp', '2026-01-01T00:00:00Z', 'file_id', ID.toUpperCase()],
      ...['storage_element_id', 's', 'deleted_at', '2026-01-01T00:00:00Z', 'version', '7'],
    ]);
    expect(parsed).toEqual({
      change: { kind: 'delete', id: ID, version: 7, sequence: null, deletedAt: '2026-01-01T00:00:00Z' },
    });
  });

  it.each([
    ['no fields', []],
    ['an odd number of fields', ['event_type']],
    ['an unknown type', fields({ event_type: 'file:renamed' })],
    ['metadata that is not JSON', fields({ metadata: '{' })],
    ['metadata without a name', fields({ metadata: JSON.stringify({ file_id: ID }) })],
    ['a NUL character', fields({ metadata: JSON.stringify(metadata({ description: 'a\0b' })) })],
    ['a lone surrogate in a tag', fields({ metadata: JSON.stringify(metadata({ tags: ['\ud800'] })) })],
    [
      'a size that no number holds',
      fields({ metadata: JSON.stringify(metadata()).replace('"file_size":3', '"file_size":9007199254740993') }),
    ],
    ['metadata of another file', fields({ metadata: JSON.stringify(metadata({ file_id: OTHER })) })],
    ['a version of zero', fields({ version: '0' })],
  ])('refuses %s', (_what, given) => {
    expect(parseEvent(given)).toHaveProperty('error');
  });

  it('lets a NUL pass where nothing of it is kept', () => {
    const given = fields({ metadata: JSON.stringify(metadata({ user_metadata: { note: 'a\0b' } })) });
    expect(parseEvent(given)).toHaveProperty('change');
  });
});

describe('lastChangePerFile', () => {
  it('keeps the highest version, in whichever order they came', () => {
    const changes = [upsert(2, { description: 'two' }), upsert(3, { description: 'three' }), upsert(1)];
    expect(lastChangePerFile(changes)).toEqual([changes[1]]);
    expect(lastChangePerFile(changes.toReversed())).toEqual([changes[1]]);
  });

  it('keeps the changes of different files apart', () => {
    expect(lastChangePerFile([upsert(1), upsert(1, { file_id: OTHER })])).toHaveLength(2);
  });

  it('lets a deletion win over all older versions', () => {
    expect(lastChangePerFile([deletion(3), upsert(1), upsert(2)])).toEqual([deletion(3)]);
    expect(lastChangePerFile([upsert(1), upsert(2), deletion(3)])).toEqual([deletion(3)]);
  });

  it('takes changes without a version in stream order, a deletion as final', () => {
    const second = upsert(null, { description: 'second' });
    expect(lastChangePerFile([upsert(null), second])).toEqual([second]);
    expect(lastChangePerFile([deletion(null), upsert(null)])).toEqual([deletion(null)]);
  });

  it('knows a redelivery without a version by its older time', () => {
    const newer = upsert(null, { updated_at: '2026-01-01T00:00:01.000Z' });
    expect(lastChangePerFile([newer, upsert(null)])).toEqual([newer]);
  });
});

describe('failureKind', () => {
  const failure = (code?: string) => Object.assign(new Error('refused'), code === undefined ? {} : { code });

  it.each(['22021', '22P05', '23514', '23502', '54000'])('blames the event for %s', (code) => {
    expect(failureKind(failure(code))).toBe('data');
  });

  it.each(['55P03', '40P01', '57014'])('blames a lock for %s', (code) => {
    expect(failureKind(failure(code))).toBe('contended');
  });

  it.each(['57P01', '08006', '53300', '25006', '42P01', 'ECONNREFUSED', undefined])(
    'never blames the event for %s',
    (code) => {
      expect(failureKind(failure(code))).toBe('outage');
    },
  );
});
