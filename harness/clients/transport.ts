import { Pool } from 'undici';
import type { ServiceName } from '../contract/names.ts';
import { SyncproofError } from '../core/errors.ts';

/** One call of the HTTP contract, in the contract's own words: path, field names, methods. */
export interface ContractCall {
  service: ServiceName;
  method: string;
  /** With its query string. */
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array | null;
  signal: AbortSignal;
}

export interface ContractAnswer {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

export type Send = (call: ContractCall) => Promise<ContractAnswer>;

/**
 * Stands between the suite, which speaks the contract, and a target that speaks something else. It may change the call
 * and the answer, or answer by itself; `next` sends a call over HTTP. What it throws counts as no answer.
 */
export interface Driver {
  send(call: ContractCall, next: Send): Promise<ContractAnswer>;
}

export interface Transport extends AsyncDisposable {
  send: Send;
}

const CONNECTIONS_MAX = 256;
const CONNECT_TIMEOUT_MS = 3000;

/**
 * HTTP to the services of a target.
 * @param drivers each stands in front of those after it
 */
export function createTransport(
  urls: Readonly<Partial<Record<ServiceName, string>>>,
  drivers: readonly Driver[] = [],
): Transport {
  const pools = new Map<ServiceName, { pool: Pool; prefix: string }>();

  function poolOf(service: ServiceName): { pool: Pool; prefix: string } {
    const existing = pools.get(service);
    if (existing !== undefined) return existing;
    const url = urls[service];
    if (url === undefined) throw new SyncproofError(`The target has no ${service}`);
    const { origin, pathname } = new URL(url);
    const pool = new Pool(origin, {
      connections: CONNECTIONS_MAX,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      pipelining: 1,
    });
    const made = { pool, prefix: pathname.replace(/\/+$/, '') };
    pools.set(service, made);
    return made;
  }

  const http: Send = async ({ service, method, path, headers, body, signal }) => {
    const { pool, prefix } = poolOf(service);
    const answer = await pool.request({ method, path: prefix + path, headers, body, signal });
    return {
      status: answer.statusCode,
      headers: Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value ?? '')])),
      body: new Uint8Array(await answer.body.arrayBuffer()),
    };
  };

  return {
    send: drivers.reduceRight<Send>((next, driver) => (call) => driver.send(call, next), http),
    async [Symbol.asyncDispose]() {
      // Not `close`: requests that a fault left without an answer would be waited for.
      await Promise.all([...pools.values()].map(({ pool }) => pool.destroy()));
    },
  };
}
