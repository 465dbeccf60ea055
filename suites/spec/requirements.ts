/**
 * The requirements ledger: what a pipeline must do, as data. Ids are permanent, never reused, never renumbered.
 * Every entry says all the outcomes it allows; a case judges by these and by nothing else.
 */

export const LEVELS = ['MUST', 'SHOULD'] as const;
export type Level = (typeof LEVELS)[number];

/** Tiers build on each other: it syncs → it survives outages → nothing is ever lost or undone. */
export const TIERS = ['core', 'resilient', 'durable'] as const;
export type Tier = (typeof TIERS)[number];

/** What a case needs from its target. `control`: servers and services can be stopped, killed and paused. */
export const CAPABILITIES = ['http', 'redis', 'postgres', 'control'] as const;
export type Capability = (typeof CAPABILITIES)[number];

export interface Requirement {
  id: string;
  level: Level;
  tier: Tier;
  needs: readonly Capability[];
  text: string;
  /** Every outcome that conforms, in one sentence each. */
  allowed: readonly string[];
  /** The first version of this suite that holds targets to it. */
  since: string;
  /** Where the rule comes from. */
  source: string;
}

const CONTRACT = 'docs: HTTP and event contract';
const ORIGINAL = 'the five end-to-end tests this suite grew out of';

export const REQUIREMENTS = [
  {
    id: 'AUTH-01',
    level: 'MUST',
    tier: 'core',
    needs: ['http'],
    text: 'Right credentials get a token that every service accepts; wrong ones get 401 and learn nothing about which part was wrong.',
    allowed: [
      'Right credentials: 200 with a Bearer token, which no service answers with 401.',
      'A wrong secret and an unknown client: 401 with the same body, whichever it was.',
      'A malformed request: 4xx, and no token.',
    ],
    since: '0.1.0',
    source: CONTRACT,
  },
  {
    id: 'UP-01',
    level: 'MUST',
    tier: 'core',
    needs: ['http'],
    text: 'An upload answers 201 with an id, the exact size and the SHA-256 of the bytes; the registry then holds exactly that, and a download gives the same bytes.',
    allowed: [
      '201, the registry answers 200 for the id with the same size, checksum and names, and once the file is searchable its download answers 200 with every byte that was sent.',
    ],
    since: '0.1.0',
    source: CONTRACT,
  },
  {
    id: 'UP-02',
    level: 'MUST',
    tier: 'core',
    needs: ['http', 'redis'],
    text: 'One committed change puts exactly one event on the stream, with every field of the event contract.',
    allowed: [
      'One event per change while nothing is broken.',
      'timestamp is the moment of the change or up to 1 s later; deleted_at is what the answer to the deletion shows, or the moment of the deletion where it shows none.',
      'One more, identical in event type and version, where the reply to the first was lost and the publisher tried again.',
    ],
    since: '0.1.0',
    source: CONTRACT,
  },
  {
    id: 'SYNC-01',
    level: 'MUST',
    tier: 'core',
    needs: ['http'],
    text: 'An uploaded file becomes searchable by name and by id, under the same id.',
    allowed: ['Found by name and by id within 5 s of the answer to the upload, with one id.'],
    since: '0.1.0',
    source: ORIGINAL,
  },
  {
    id: 'SYNC-02',
    level: 'MUST',
    tier: 'core',
    needs: ['http', 'redis'],
    text: 'An update becomes visible, and every metadata field arrives byte-exact: names, descriptions, tags, JSON metadata, timestamps.',
    allowed: [
      'Search and event show what the registry shows; timestamps are the same instant to the microsecond, in any notation.',
    ],
    since: '0.1.0',
    source: CONTRACT,
  },
  {
    id: 'SYNC-03',
    level: 'MUST',
    tier: 'core',
    needs: ['http', 'redis'],
    text: 'A deleted file disappears from search and by id, and stays away.',
    allowed: ['Gone by name and by id within 5 s, and never seen again while later changes are applied.'],
    since: '0.1.0',
    source: CONTRACT,
  },
  {
    id: 'SYNC-05',
    level: 'MUST',
    tier: 'core',
    needs: ['http'],
    text: 'Of N concurrent uploads all N are found: none lost, none twice, and the count exact.',
    allowed: ['All N answer 201; search then shows each exactly once, and total_count is N.'],
    since: '0.1.0',
    source: ORIGINAL,
  },
  {
    id: 'SYNC-09',
    level: 'MUST',
    tier: 'core',
    needs: ['http', 'redis', 'control'],
    text: 'Whatever order the parts start in, the pipeline ends in sync without a restart.',
    allowed: [
      'Everything accepted is searchable within 15 s after the last part started; no process was started twice.',
    ],
    since: '0.1.0',
    source: CONTRACT,
  },
  {
    id: 'HLTH-01',
    level: 'MUST',
    tier: 'core',
    needs: ['http', 'control'],
    text: 'Liveness and readiness answer as the contract says, within 1 s, in every state of the servers.',
    allowed: [
      'live: 200 while the process runs.',
      'ready of query: 200 with cache degraded while Redis is away; 503 while PostgreSQL is away; 200 otherwise.',
    ],
    since: '0.1.0',
    source: CONTRACT,
  },
  {
    id: 'LAT-01',
    level: 'MUST',
    tier: 'core',
    needs: ['http'],
    text: 'Sync latency, upload time and search time are measured under open-loop load and stay within the declared thresholds.',
    allowed: ['Every declared threshold holds on at least its minimum of samples.'],
    since: '0.1.0',
    source: ORIGINAL,
  },
  {
    id: 'RES-01',
    level: 'MUST',
    tier: 'resilient',
    needs: ['http', 'redis', 'control'],
    text: 'While Redis is away uploads answer 2xx within 2 s, search answers, readiness says degraded, and nothing crashes.',
    allowed: ['Every upload 2xx within 2 s, every search 200, degraded within 10 s, every process still the same one.'],
    since: '0.1.0',
    source: ORIGINAL,
  },
  {
    id: 'RES-02',
    level: 'MUST',
    tier: 'resilient',
    needs: ['http', 'redis', 'control'],
    text: 'Once Redis is back, everything written before, during and after its outage becomes searchable within 10 s, without a restart.',
    allowed: [
      'No upload fails; all are searchable at most 10 s after Redis answered again; every process still the same one.',
    ],
    since: '0.1.0',
    source: ORIGINAL,
  },
  {
    id: 'RES-03',
    level: 'MUST',
    tier: 'resilient',
    needs: ['http', 'redis', 'control'],
    text: 'A consumer killed in the middle of a burst and started again resumes where it was; nothing is lost.',
    allowed: [
      'Everything accepted is searchable within 6 s after the restart, before a takeover could help, and the pending entries list is empty.',
    ],
    since: '0.1.0',
    source: 'Redis documentation, Streams: consumer groups and the pending entries list',
  },
  {
    id: 'RES-05',
    level: 'MUST',
    tier: 'resilient',
    needs: ['http', 'redis', 'control'],
    text: 'A part that stands still for 30 s (SIGSTOP) while writes go on costs nothing: all is applied at most 5 s after it continues.',
    allowed: ['Everything accepted, by then or while the part stood still, is searchable at most 5 s after SIGCONT.'],
    since: '0.1.0',
    source: 'POSIX signals: a stopped process keeps its sockets open and answers nothing',
  },
] as const satisfies readonly Requirement[];

export type RequirementId = (typeof REQUIREMENTS)[number]['id'];

/** @throws when the ledger has no such entry */
export function requirementById(id: string): Requirement {
  const found = REQUIREMENTS.find((entry) => entry.id === id);
  if (found === undefined) throw new Error(`The ledger has no requirement ${id}`);
  return found;
}
