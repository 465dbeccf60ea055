import { describe, expect, test } from 'vitest';
import { InconclusiveError } from '../core/errors.ts';
import { fileState, WrittenHistory } from './fixtures/written-history.ts';
import { requireFinalReads, runCheckers, unreadFiles } from './index.ts';

const v = (version: number) => fileState('f', version);
const write = (): WrittenHistory => new WrittenHistory();

const GOOD: Record<string, WrittenHistory> = {
  'an empty history': write(),
  'uploaded, updated, read': write().upload('f').read('f', null).read('f', v(1)).update('f', 2).finals('f', v(2)),
  'an upload of unknown outcome, never seen': write().upload('f', 'unknown').search([]),
  'a registration of unknown outcome, seen': write().register('f', 'unknown').finals('f', v(1)),
  'a registration of unknown outcome, not seen': write().register('f', 'unknown').finals('f', null),
  'a deletion of unknown outcome, and gone': write().upload('f').remove('f', 'unknown').finals('f', null),
  'a deletion of unknown outcome, the registry marks it, the read model does not show it': write()
    .upload('f')
    .remove('f', 'unknown')
    .finals('f', v(2), null),
  'a refused deletion': write().upload('f').remove('f', 'fail').finals('f', v(1)),
  'deleted and gone': write().upload('f').read('f', v(1)).remove('f').read('f', v(1)).read('f', null).finals('f', null),
  'deleted, marked in the registry, gone from search': write().upload('f').remove('f').finals('f', v(2), null),
  'a creation applied after its deletion was acknowledged': write()
    .upload('f')
    .remove('f')
    .read('f', null)
    .read('f', v(1))
    .finals('f', null),
  'deleted and registered again': write().register('f').read('f', v(1)).remove('f').register('f').finals('f', v(1)),
  'absent at first, and no final read': write().upload('f').read('f', null),
  'a final read that failed': write()
    .upload('f')
    .act('read', { fileId: 'f', outcome: 'fail', invoke: { final: true } }),
  'a creation that was refused because it exists': write()
    .act('register', { fileId: 'f', outcome: 'fail', end: { status: 409 } })
    .finals('f', v(1)),
  'an existing id refused with 400': write()
    .register('f', 'fail', { status: 400, error: '{"detail":"File already exists"}' })
    .finals('f', v(1)),
  'files of other cases in the same environment': write().search(['x', 'y']).finals('x', fileState('x', 3)),
  'overlapping reads that answer in another order': write()
    .upload('f')
    .update('f', 2)
    .read('f', v(1), { forMs: 100 })
    .read('f', v(2))
    .finals('f', v(2)),
  'a read in flight while a newer one ends': write()
    .upload('f')
    .update('f', 2)
    .read('f', v(2), { forMs: 100 })
    .read('f', v(1))
    .finals('f', v(2)),
  'a later version with an earlier time, as the registry tells': write()
    .upload('f')
    .update('f', 2)
    .act('update', { fileId: 'f', end: { found: true, state: fileState('f', 3, { updatedAt: v(1).updatedAt }) } })
    .read('f', v(2))
    .finals('f', fileState('f', 3, { updatedAt: v(1).updatedAt })),
  'an unknown update may carry any time': write()
    .upload('f')
    .update('f', 9, 'unknown')
    .update('f', 2)
    .read('f', v(2))
    .read('f', fileState('f', 3, { updatedAt: '2024-06-07T09:30:00.500Z' })),
  'times cut to milliseconds, in another zone': write()
    .upload('f')
    .finals(
      'f',
      v(1),
      fileState('f', 1, { createdAt: '2024-06-07T11:30:00.000+02:00', updatedAt: '2024-06-07T09:30:00Z' }),
    ),
  'no tags and an empty list of them': write()
    .upload('f')
    .finals('f', fileState('f', 1, { tags: null }), fileState('f', 1, { tags: [] })),
  'a search that trails by-id reads before convergence': write()
    .upload('f')
    .read('f', v(1))
    .remove('f')
    .read('f', null)
    .search(['f'])
    .finals('f', v(2), null)
    .search([]),
  'a deleted file on another page, and by another search': write()
    .upload('f')
    .search(['f'])
    .remove('f')
    .search([], { totalCount: 1 })
    .search(['x'], { input: { query: 'other' } })
    .search(['f'])
    .finals('f', null),
  'updates that are applied late make it match again, and it is deleted then': write()
    .upload('f')
    .search(['f'])
    .update('f', 2)
    .update('f', 3)
    .remove('f')
    .search([])
    .search(['f'])
    .finals('f', null),
  'a registry that shows what it has marked as deleted': write()
    .upload('f')
    .registryRead('f', v(1))
    .remove('f')
    .registryRead('f', v(2))
    .registryRead('f', v(2)),
  'gone after a deletion of unknown outcome': write()
    .upload('f')
    .read('f', v(1))
    .remove('f', 'unknown')
    .read('f', null),
  'times that go back in events which the case wrote itself': write()
    .read('x', fileState('x', 2))
    .read('x', fileState('x', 1)),
  'another case deletes a file': write().read('x', fileState('x', 1)).read('x', null).read('x', fileState('x', 1)),
  'a name that an update of unknown outcome gave': write()
    .upload('f')
    .act('update', { fileId: 'f', outcome: 'unknown', invoke: { input: { original_filename: 'g.txt' } } })
    .read('f', fileState('f', 2, { filename: 'g.txt' })),
  'a checksum that the registry writes in its own way': write()
    .upload('f')
    .registryRead('f', fileState('f', 1, { checksum: 'C' }))
    .read('f', fileState('f', 1, { checksum: 'C' })),
  'values of a file that another case created': write()
    .act('register', { fileId: 'f', outcome: 'fail', invoke: { input: { checksum: 'd' } }, end: { status: 409 } })
    .read('f', v(1)),
  'fields that the creation did not set': write()
    .act('register', { fileId: 'f', invoke: { input: { checksum: 'c' } } })
    .read('f', fileState('f', 1, { filename: 'any', contentType: 'any' })),
  'tags sent as an empty list and shown as none': write()
    .act('upload', { fileId: 'f', invoke: { input: { tags: [] } } })
    .read('f', fileState('f', 1, { tags: null })),
  'one file in two searches, and two files in one': write().search(['x', 'y']).search(['x', 'y']),
  'an update between the final reads': write()
    .upload('f')
    .registryRead('f', v(1), { final: true })
    .update('f', 2)
    .read('f', v(2), { final: true }),
};

const FIELDS_AND_OTHERS = [
  ['filename', 'other.txt'],
  ['storageFilename', 'other.bin'],
  ['fileSize', 2],
  ['checksum', 'd'],
  ['contentType', null],
  ['description', 'Version 1'],
  ['tags', ['b', 'a']],
  ['uploadedBy', 'you'],
  ['createdAt', '2024-06-07T09:30:00.000002Z'],
  ['storageElementId', 'storage-2'],
] as const;

const BAD: Record<string, [checker: string, history: WrittenHistory]> = {
  'an acknowledged upload is gone': ['lost', write().upload('f').finals('f', v(1), null)],
  'gone from both': ['lost', write().upload('f').finals('f', null)],
  'an acknowledged registration is gone, though it was seen': [
    'lost',
    write().register('f').read('f', v(1)).finals('f', v(1), null),
  ],
  'only a refused deletion': ['lost', write().upload('f').remove('f', 'fail').finals('f', v(1), null)],
  'a refused registration is readable': ['phantom', write().register('f', 'fail', { status: 422 }).read('f', v(1))],
  'a refused registration is in the registry': [
    'phantom',
    write().register('f', 'fail', { status: 403 }).registryRead('f', v(1)),
  ],
  'a registration that never reached the target is found by a search': [
    'phantom',
    write().register('f', 'fail').search(['x', 'f']),
  ],
  'a deleted file comes back for a moment': [
    'resurrected',
    write().upload('f').read('f', v(1)).remove('f').read('f', null).read('f', v(1)).finals('f', null),
  ],
  'a deleted file is there in the end': ['resurrected', write().upload('f').remove('f').finals('f', null, v(1))],
  'a deletion that was asked for twice, and undone': [
    'resurrected',
    write().upload('f').remove('f').remove('f').finals('f', v(3), v(1)),
  ],
  'a deleted file comes back in a search': [
    'resurrected',
    write().upload('f').search(['F']).remove('f').search([]).search(['f']).finals('f', null),
  ],
  'a deleted file is in the final search': [
    'resurrected',
    write().upload('f').remove('f').search(['f'], { final: true }).finals('f', null),
  ],
  'a deleted file is in a search after the final read that does not find it': [
    'resurrected',
    write().upload('f').update('f', 2).remove('f').finals('f', v(3), null).search(['f']),
  ],
  'a deleted file comes back in the registry': [
    'resurrected',
    write().upload('f').remove('f').registryRead('f', null).registryRead('f', v(1)).finals('f', null),
  ],
  'a file is not found for a moment, and was not deleted': [
    'vanished',
    write().upload('f').read('f', v(1)).read('f', null).read('f', v(1)).finals('f', v(1)),
  ],
  'a file is gone before it is deleted': [
    'vanished',
    write().upload('f').read('f', v(1)).remove('f', 'fail').read('f', null).remove('f').finals('f', null),
  ],
  'a registration of unknown outcome is seen, and gone': [
    'vanished',
    write().register('f', 'unknown').read('f', v(1)).finals('f', null),
  ],
  'a search lists a file twice': ['duplicated', write().search(['x', 'f', 'F']).search(['f', 'f'])],
  'a checksum that was never written, for a moment': [
    'phantom',
    write()
      .upload('f')
      .read('f', fileState('f', 1, { checksum: 'd' }))
      .finals('f', v(1)),
  ],
  'a size that was never written': [
    'phantom',
    write()
      .upload('f')
      .read('f', fileState('f', 1, { fileSize: 2 })),
  ],
  'a description that was never written': [
    'phantom',
    write()
      .act('upload', { fileId: 'f', invoke: { input: { description: 'as sent' } } })
      .read('f', fileState('f', 1, { description: null })),
  ],
  'tags in another order than they were sent': [
    'phantom',
    write()
      .act('register', { fileId: 'f', invoke: { input: { tags: ['b', 'a'] } } })
      .read('f', fileState('f', 1, { tags: ['a', 'b'] })),
  ],
  'a name that a refused update asked for': [
    'phantom',
    write()
      .upload('f')
      .act('update', { fileId: 'f', outcome: 'fail', invoke: { input: { original_filename: 'g.txt' } } })
      .read('f', fileState('f', 1, { filename: 'g.txt' })),
  ],
  'a read goes back by version': ['stale', write().upload('f').update('f', 2).read('f', v(2)).read('f', v(1))],
  'a read goes back by time alone': ['stale', write().upload('f').read('f', v(2)).read('f', v(1)).read('f', v(2))],
  'a read goes back among versions that the registry told': [
    'stale',
    write()
      .upload('f')
      .update('f', 2)
      .act('update', { fileId: 'f', end: { state: fileState('f', 3, { updatedAt: v(1).updatedAt }) } })
      .read('f', fileState('f', 3, { updatedAt: v(1).updatedAt }))
      .read('f', v(2)),
  ],
  'the final read lacks the last acknowledged update': [
    'stale',
    write().upload('f').update('f', 2).read('f', v(1), { final: true }),
  ],
  'the read model has what the registry never had': [
    'diverged',
    write().upload('f').remove('f', 'unknown').finals('f', null, v(1)),
  ],
  ...Object.fromEntries(
    FIELDS_AND_OTHERS.map(([field, other]) => [
      `another ${field} in the end`,
      [
        'diverged',
        write()
          .upload('f')
          .finals('f', v(1), fileState('f', 1, { [field]: other })),
      ],
    ]),
  ),
};

describe('the checkers', () => {
  test.each(Object.entries(GOOD))('find nothing in: %s', (_name, { records }) => {
    expect(runCheckers(records)).toEqual([]);
  });

  test.each(Object.entries(BAD))('find: %s', (_name, [checker, { records }]) => {
    const findings = runCheckers(records);
    expect(findings.map((finding) => [finding.checker, finding.fileId])).toEqual([[checker, 'f']]);
    expect(findings[0]?.message).toMatch(/\S/);
    expect(findings[0]?.message).not.toContain('\n');
  });

  test('a divergence names the field and both values, shortly', () => {
    const { records } = write()
      .upload('f')
      .finals('f', fileState('f', 1, { description: 'x'.repeat(500) }), fileState('f', 1, { description: null }));
    const [finding] = runCheckers(records);
    expect(finding?.message).toMatch(/^description: registry "x{10,}… \(502 characters\), read model null$/);
  });

  test('visibility records count as reads: seen, seen to be gone, and back', () => {
    const seen = { type: 'visibility', op: 'o', fileId: 'f', phase: 'baseline', case: 'CASE-01' } as const;
    const history = write().upload('f');
    history.records.push({ ...seen, at: 15, kind: 'created', intendedAt: 0, acceptedAt: 10, missAt: 11, hitAt: 15 });
    history.remove('f');
    history.records.push({ ...seen, at: 36, kind: 'deleted', intendedAt: 20, acceptedAt: 30, missAt: 31, hitAt: 36 });
    expect(runCheckers(history.read('f', v(1)).records).map(({ checker }) => checker)).toEqual(['resurrected']);
  });

  test('an operation that never ended is unknown', () => {
    const history = write().upload('f').remove('f');
    const { records } = history.finals('f', null);
    const withoutEnd = records.filter((record) => !(record.type === 'ok' && record.kind === 'delete'));
    expect(runCheckers(withoutEnd)).toEqual([]);
  });
});

describe('files without a final read', () => {
  const again = (history: WrittenHistory): WrittenHistory => history.registryRead('f', v(1), { final: true });
  const UNREAD: Record<string, WrittenHistory> = {
    'no final read': write().upload('f').registryRead('f', v(1)).read('f', v(1)),
    'only of the registry': again(write().upload('f')),
    'only of the read model': write().upload('f').read('f', null, { final: true }),
    'one that failed': again(write().upload('f')).act('read', {
      fileId: 'f',
      outcome: 'fail',
      invoke: { final: true },
    }),
    'one that finds the file and cannot say what it is': again(write().upload('f')).act('read', {
      fileId: 'f',
      invoke: { final: true },
      end: { found: true },
    }),
    'those before the last acknowledged write': write().upload('f').finals('f', v(1)).update('f', 2),
  };

  test.each(Object.entries(UNREAD))('are named: %s', (_name, { records }) => {
    expect(unreadFiles(records)).toEqual(['f']);
  });

  test('are none where both reads were answered, found or not, and where nothing was acknowledged', () => {
    expect(unreadFiles(write().upload('f').finals('f', v(1)).records)).toEqual([]);
    expect(unreadFiles(write().upload('f').remove('f').finals('f', null).records)).toEqual([]);
    expect(unreadFiles(write().upload('f', 'unknown').register('g', 'fail').records)).toEqual([]);
  });

  test('an acknowledgement without an id leaves a file that cannot be read', () => {
    const { records } = write().act('upload');
    expect(unreadFiles(records)).toEqual(['op-1']);
  });

  test('leave a history with final reads inconclusive, and one that promises none as it is', () => {
    const { records } = again(write().upload('f').upload('g').finals('g', fileState('g', 1)));
    expect(() => requireFinalReads(records)).toThrow(InconclusiveError);
    expect(() => requireFinalReads(records)).toThrow(/^1 acknowledged files .*, e\.g\. f$/);
    expect(() => requireFinalReads(write().upload('f').records)).not.toThrow();
  });
});
