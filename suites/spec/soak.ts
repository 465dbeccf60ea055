import type { Requirement } from './requirement.ts';

export const SOAK = [
  {
    id: 'SOAK-01',
    // What is drawn by lot cannot be demanded of a single run: what it finds is a violation all the same.
    level: 'SHOULD',
    tier: 'durable',
    text: 'Under mixed load, while a seeded nemesis breaks servers, services and wires, one or two at a time, nothing that was accepted is lost, undone or brought back, and an outage of Redis alone is no outage.',
    allowed: [
      'After the last fault every file is in the read model what it is in the registry, field by field, or in neither, within 30 s and the retry time.',
      'No read by id shows less than one that had ended before it began, and no deleted file comes back.',
      'Of a thousand operations that are due while Redis alone is away at most one fails; while anything else is away any may.',
    ],
    why: 'Each fault alone is foreseen by somebody; what loses data is the second one, in the middle of the recovery from the first.',
    provoked:
      'Uploads, updates, deletions, reads and searches at a steady rate on two instances of query, and rounds of faults drawn from the run’s seed; every other round aims at one step of the write path: an ingester killed with half of a body sent, an admin with a commit under way, a consumer with entries in hand, a commit that comes late, a creation that is delivered again after the deletion, and the like. 45 s by default, `syncproof soak` for as long as you like.',
    look: 'The fault bands around the time of the finding, in the report; then the requirement for the last fault before it.',
    since: '0.1.0',
    source: 'docs/guarantees.md',
    cases: [
      {
        file: 'resilience/soak.test.ts',
        needs: ['redis', 'stop redis'],
        onDemand: true,
        floor: { faults: 5, kinds: 5, operations: 300, writes: 150, whileRedisAway: 20 },
        seconds: 65,
        timeoutMs: 300_000,
      },
    ],
  },
] as const satisfies readonly Requirement[];
