import { matchesGlob } from 'node:path';
import { FAULTS } from '../../harness/faults/catalogue.ts';
import type { Requirement } from '../ledger/requirement.ts';

export const SOAK = [
  {
    id: 'SOAK-01',
    // Faults are drawn at random, so a single run cannot be a MUST: what it finds is a violation all the same.
    level: 'SHOULD',
    tier: 'durable',
    text: 'Under mixed load, while a seeded nemesis breaks servers, services and wires, one or two at a time, nothing that was accepted is lost, undone or brought back, and an outage of Redis alone is no outage of the pipeline.',
    allowed: [
      'After the last fault every file is the same in the read model as in the registry, field by field, or in neither, within 30 s and the retry time.',
      'No read by id shows less than one that had ended before it began, and no deleted file comes back.',
      'Of a thousand operations that are due during an outage of Redis alone at most one fails; during any other fault any may.',
    ],
    why: 'Each fault alone is anticipated; what loses data is the second one, during the recovery from the first.',
    provoked:
      'Uploads, updates, deletions, reads and searches at a steady rate on two instances of query, and rounds of faults drawn from the run’s seed; every other round aims at one step of the write path: an ingester killed with half of a body sent, an admin with a commit in progress, a consumer with entries in hand, a commit that comes late, a creation that is delivered again after the deletion, and the like. 45 s by default, `syncproof soak` for as long as you like.',
    troubleshooting:
      'The fault bands around the time of the finding, in the report; then the requirement for the last fault before it.',
    since: '0.1.0',
    source: 'docs/guarantees.md',
    cases: [
      {
        file: 'soak/soak.test.ts',
        needs: ['redis', 'stop redis'],
        onDemand: true,
        floor: { faults: 5, kinds: 5, operations: 300, writes: 150, whileRedisAway: 20 },
        seconds: 65,
        timeoutMs: 300_000,
      },
    ],
  },
] as const satisfies readonly Requirement[];

/** The steps of the write path that a soak aims at, by name; `nemesis.ts` has them. */
export const AIM_TEXTS = {
  'killed-before-published': 'Changes are accepted during a Redis outage, and admin is killed before Redis recovers.',
  'delivered-again': 'Creations are delivered again, after an update of one file and the deletion of another.',
  'killed-while-holding': 'A consumer is killed with entries in hand that it cannot have committed.',
  'emptied-unread': 'Redis loses its data, unread creations, updates and deletions included.',
  'commit-held': 'A transaction commits after others that began later.',
  'clock-stepped-back': 'A file is written by a clock that is ahead, and changed once it is right.',
  'two-publishers': 'Two instances write in turns, without a fault.',
  'ingester-killed-uploading': 'The ingester is killed with half of an upload’s body sent.',
  'ingester-stopped-uploading': 'The ingester is stopped (SIGTERM) with half of an upload’s body sent.',
  'storage-killed-storing': 'Storage is killed while the bytes of an upload flow to it.',
  'ingester-killed-registering':
    'The ingester is killed when the bytes are stored and their registration hangs at its COMMIT.',
  'ingester-stopped-registering':
    'The ingester is stopped (SIGTERM) when the bytes are stored and their registration hangs at its COMMIT.',
  'admin-killed-committing': 'admin is killed while a change of a file hangs at its COMMIT.',
  'admin-stopped-committing': 'admin is stopped (SIGTERM) while a change of a file hangs at its COMMIT.',
  'admin-killed-publishing':
    'Events are on the stream, the reply to XADD is lost, and every publisher is killed: none is marked as published.',
  'query-killed-reading': 'Redis has delivered entries, the reply is lost, and every consumer is killed.',
  'query-stopped-while-holding': 'A consumer is stopped (SIGTERM) with entries in hand that it cannot have committed.',
  'query-killed-before-acknowledging':
    'Rows are committed, the acknowledgement does not arrive, and every consumer is killed.',
} as const;

/** What one round of a soak may hold. */
export interface SoakFault {
  name: string;
  sort: 'at random' | 'aimed';
  text: string;
}

/** @param ids names or globs of them; all when there are none */
export function soakFaults(ids: readonly string[] = []): SoakFault[] {
  const all = [
    ...Object.entries(FAULTS).map(([name, { text }]) => ({ name, sort: 'at random' as const, text })),
    ...Object.entries(AIM_TEXTS).map(([name, text]) => ({ name, sort: 'aimed' as const, text })),
  ];
  return all.filter(({ name }) => ids.length === 0 || ids.some((id) => matchesGlob(name, id)));
}
