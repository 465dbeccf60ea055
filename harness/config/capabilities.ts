import { SERVER_NAMES, SERVICE_NAMES } from '../../services/contract/names.ts';

/**
 * What a target must offer for a case to be possible. `http` is what every target has. A case names what it needs, an
 * environment what it offers; what is missing is the reason of a skip.
 */
const PARTS = [...SERVER_NAMES, ...SERVICE_NAMES] as const;
type Part = (typeof PARTS)[number];

/** What a capability gives, in words: `syncproof plan` and skips show it. */
const MEANINGS = {
  http: 'the HTTP contract of admin and query',
  roles: 'an account of each role: ADMIN, USER, READONLY',
  upload: 'an ingester that takes multipart uploads; without one, writes are registrations at admin',
  download: 'downloads from query',
  metrics: '/metrics in the Prometheus format on every service',
  build: 'the expected build, to compare /version with',
  'upload limit': 'a known size limit of uploads',
  'signing key': 'the private key that signs tokens, to make expired and future ones',
  redis: 'a connection to Redis',
  'redis admin': 'CONFIG, ACL, DEBUG and REPLICAOF on Redis, to make it answer with errors',
  postgres: "a connection to the read model's database",
  registry: "a connection to the registry's database that may create triggers on its table of files",
  backends: 'terminating and suspending (SIGSTOP) single backends of PostgreSQL',
  'multiple-query-instances': 'starting two further instances of query',
  'multiple-admin-instances': 'starting a further instance of admin',
  'custom-environment': 'a pipeline with other settings, or with components that start later',
} as const;

export type Capability =
  | keyof typeof MEANINGS
  | `stop ${Part}`
  | `pause ${Part}`
  | 'wipe redis'
  | 'fill postgres'
  | `network ${Server}`;
type Server = (typeof SERVER_NAMES)[number];

const control = (verb: string, parts: readonly Part[], what: (part: Part) => string): [string, string][] =>
  parts.map((part) => [`${verb} ${part}`, what(part)]);

/** Every capability with its meaning. */
export const CAPABILITIES: ReadonlyMap<Capability, string> = new Map([
  ...Object.entries(MEANINGS),
  ...control('stop', PARTS, (part) => `stopping ${part} (SIGKILL, SIGTERM) and starting it again`),
  ...control('pause', PARTS, (part) => `SIGSTOP and SIGCONT of ${part}`),
  ['wipe redis', 'starting Redis without its data'],
  [
    'fill postgres',
    "PostgreSQL's data on a separate file system that can be filled; as processes, this needs root or user namespaces",
  ],
  ...control('network', SERVER_NAMES, (server) => `disturbing the network between the services and ${server}`),
] as [Capability, string][]);

/** The coarse kinds of access that the ledger speaks of. */
export const ACCESS_KINDS = ['http', 'redis', 'postgres', 'control'] as const;
export type AccessKind = (typeof ACCESS_KINDS)[number];

/** The kind of access that a capability belongs to. */
export function accessKindOf(capability: Capability): AccessKind {
  if (capability.startsWith('redis')) return 'redis';
  if (['postgres', 'registry', 'backends'].includes(capability)) return 'postgres';
  return /^(stop|pause|wipe|fill|network|multiple|custom)/.test(capability) ? 'control' : 'http';
}
