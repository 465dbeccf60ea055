import { Agent, request } from 'undici';

/** Connections to other services; close it at the end. */
export function createAgent(options: { connectionsMax?: number } = {}): Agent {
  return new Agent({
    connections: options.connectionsMax ?? 64,
    connect: { timeout: 2000 },
    headersTimeout: 15_000,
    bodyTimeout: 30_000,
    keepAliveTimeout: 4000,
  });
}

/** GETs a JSON document. @throws on anything but a 200 within `timeoutMs` */
export async function getJson(agent: Agent, url: string, timeoutMs: number): Promise<unknown> {
  const { statusCode, body } = await request(url, { dispatcher: agent, signal: AbortSignal.timeout(timeoutMs) });
  if (statusCode !== 200) {
    await body.dump();
    throw new Error(`GET ${url} answered ${statusCode}`);
  }
  return body.json();
}

/** True when a GET answers 200 within `timeoutMs`; for readiness. */
export async function answersOk(agent: Agent, url: string, timeoutMs: number): Promise<boolean> {
  try {
    const { statusCode, body } = await request(url, { dispatcher: agent, signal: AbortSignal.timeout(timeoutMs) });
    await body.dump();
    return statusCode === 200;
  } catch {
    // Whatever kept it from answering, the answer to the question is no.
    return false;
  }
}
