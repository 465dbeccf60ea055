import { connectRedis } from '../../clients/redis.ts';
import { CONTRACT_CALLS } from '../../contract/calls.ts';
import { EVENT_STREAM_NAME, SERVICE_NAMES, type ServiceName, STANDARD_PORTS } from '../../contract/names.ts';

const ANSWER_TIMEOUT_MS = 2000;
const REDIS_ADDRESS = { host: '127.0.0.1', port: 6379 };

/** What a service that runs says of itself. */
export interface FoundService {
  url: string;
  /** Its `/version`: version, git_sha and config; undefined where it has none. */
  version?: Readonly<Record<string, unknown>>;
  config: Readonly<Record<string, unknown>>;
  /** Calls of the contract that its `/openapi.json` has, e.g. `GET /api/search/{id}`; undefined without one. */
  calls?: ReadonlySet<string>;
  metrics: boolean;
}

export interface Discovery {
  services: Readonly<Partial<Record<ServiceName, FoundService>>>;
  /** Why nobody was found at an address. */
  missing: Readonly<Partial<Record<ServiceName, string>>>;
  /** A Redis on this machine that has the stream of events. */
  redisUrl?: string;
}

/** Where services are looked for when nobody says where they are. */
export function standardUrl(service: ServiceName): string {
  return `http://127.0.0.1:${STANDARD_PORTS[service]}`;
}

/** Asks services that run what they are and what they can do. Changes nothing, needs no credentials. */
export async function discover(urls: Readonly<Record<ServiceName, string>>): Promise<Discovery> {
  const services: Partial<Record<ServiceName, FoundService>> = {};
  const missing: Partial<Record<ServiceName, string>> = {};
  await Promise.all(
    SERVICE_NAMES.map(async (name) => {
      const url = urls[name].replace(/\/+$/, '');
      const live = await ask(`${url}/health/live`);
      if (live.status === 200) services[name] = await askService(url);
      else missing[name] = live.status === undefined ? live.why : `${url}/health/live answered ${live.status}`;
    }),
  );
  const redisUrl = await findRedis();
  return { services, missing, ...(redisUrl === undefined ? {} : { redisUrl }) };
}

async function askService(url: string): Promise<FoundService> {
  const [version, openapi, metrics] = await Promise.all([
    ask(`${url}/version`),
    ask(`${url}/openapi.json`),
    ask(`${url}/metrics`),
  ]);
  const facts = objectIn(version);
  const paths = objectIn(openapi)?.paths;
  return {
    url,
    ...(facts === undefined ? {} : { version: facts }),
    config: isObject(facts?.config) ? facts.config : {},
    ...(isObject(paths) ? { calls: callsOf(paths) } : {}),
    metrics: metrics.status === 200,
  };
}

/** The contract's calls among those of an OpenAPI document, whatever it calls the parameters of a path. */
function callsOf(paths: Readonly<Record<string, unknown>>): ReadonlySet<string> {
  const shape = (path: string): string => path.replaceAll(/\{[^}]*\}/g, '{}');
  const offered = Object.entries(paths).flatMap(([path, operations]) =>
    isObject(operations) ? Object.keys(operations).map((method) => `${method.toUpperCase()} ${shape(path)}`) : [],
  );
  return new Set(CONTRACT_CALLS.filter((call) => offered.includes(shape(call))));
}

type Asked = { status: number; body: string } | { status: undefined; why: string };

async function ask(url: string): Promise<Asked> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS), redirect: 'manual' });
    return { status: response.status, body: await response.text() };
  } catch {
    return { status: undefined, why: `nobody answers at ${url}` };
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function objectIn(asked: Asked): Record<string, unknown> | undefined {
  if (asked.status !== 200) return undefined;
  try {
    const value: unknown = JSON.parse(asked.body);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Only one that has the stream: any other Redis is somebody else's. */
async function findRedis(): Promise<string | undefined> {
  const redis = connectRedis(REDIS_ADDRESS, { answerTimeoutMs: ANSWER_TIMEOUT_MS });
  try {
    const found = await redis.exists(EVENT_STREAM_NAME);
    return found === 1 ? `redis://${REDIS_ADDRESS.host}:${REDIS_ADDRESS.port}` : undefined;
  } catch {
    return undefined;
  } finally {
    redis.disconnect();
  }
}
