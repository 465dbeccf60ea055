import { ROLES, tokenAnswerSchema } from '../../harness/contract/http.ts';
import { SERVICE_NAMES, type ServiceName } from '../../harness/contract/names.ts';
import { monotonicMs, type PipelineClient } from '../../harness/index.ts';
import { suite } from '../support/suite.ts';
import { conforms, demand, demandEqual } from '../support/violation.ts';

const verify = suite();

const CLAIMS = ['sub', 'type', 'role', 'name', 'client_id', 'jti', 'iat', 'nbf', 'exp'];
const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';

/** A call of each service that needs a token and changes nothing; the object and the file it names do not exist. */
const PROTECTED: Record<ServiceName, { method: string; path: string; body?: unknown }> = {
  admin: { method: 'GET', path: '/api/v1/files?page=1&page_size=1' },
  storage: { method: 'GET', path: `/api/v1/objects/${UNKNOWN_ID}.bin` },
  ingester: { method: 'POST', path: '/api/v1/files/upload', body: {} },
  query: { method: 'POST', path: '/api/search', body: { limit: 1 } },
};

/** Bodies that are no credentials at all. */
const MALFORMED: Record<string, unknown> = {
  'an empty object': {},
  'no secret': { client_id: 'somebody' },
  'no client': { client_secret: 'something' },
  'a number for a secret': { client_id: 'somebody', client_secret: 7 },
  'an empty secret': { client_id: 'somebody', client_secret: '' },
  'a list': [],
};
const ROUNDS = 7;

verify('AUTH-01', async ({ env, pipeline, evidence }) => {
  evidence.tokens = 0;
  evidence.accepted = 0;
  evidence.refused = 0;

  for (const role of ROLES) {
    const account = env.accounts[role];
    if (account === undefined) continue;
    const answer = await askForToken(pipeline, { client_id: account.clientId, client_secret: account.clientSecret });
    demand(answer.status === 200, `Right credentials of a ${role} were answered ${answer.status}`);
    const { access_token, expires_in } = conforms(tokenAnswerSchema, answer.body, `The token answer for a ${role}`);
    demand(expires_in > 0, `The token of a ${role} expires in ${expires_in} s`);
    const { header, claims } = decode(access_token);
    demandEqual(header.alg, 'RS256', `The algorithm of the token of a ${role}`);
    const absent = CLAIMS.filter((claim) => !(claim in claims));
    demand(absent.length === 0, `The token of a ${role} lacks the claims ${absent.join(', ')}`);
    demandEqual(claims.role, role, `The role in the token of a ${role}`);
    demandEqual(claims.client_id, account.clientId, `The client in the token of a ${role}`);
    evidence.tokens++;

    for (const service of SERVICE_NAMES) {
      const call = PROTECTED[service];
      const request = { body: call.body, authenticated: false } as const;
      const without = await pipeline.request(service, call.method, call.path, request);
      demandEqual(without.status, 401, `${service} without a token`);
      const headers = { authorization: `Bearer ${access_token}` };
      const given = await pipeline.request(service, call.method, call.path, { ...request, headers });
      demand(
        given.status !== undefined && given.status !== 401 && given.status < 500,
        `${service} answered ${given.status ?? given.outcome} to a good token of a ${role}`,
      );
      evidence.accepted++;
    }
  }

  const { clientId, clientSecret } = env.accounts.ADMIN;
  const wrong = {
    'a wrong secret': { client_id: clientId, client_secret: `${clientSecret.slice(0, -1)}#` },
    'an unknown client': { client_id: 'nobody-by-this-name', client_secret: clientSecret },
    'both wrong': { client_id: 'nobody-by-this-name', client_secret: 'not-this-one' },
  };
  const bodies = new Map<string, unknown>();
  const tookMs = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [what, credentials] of Object.entries(wrong)) {
      const startedAt = monotonicMs();
      const answer = await askForToken(pipeline, credentials);
      tookMs.set(what, [...(tookMs.get(what) ?? []), monotonicMs() - startedAt]);
      demandEqual(answer.status, 401, `Credentials with ${what}`);
      bodies.set(what, answer.body);
      evidence.refused++;
    }
  }
  // Which part was wrong must not be told, neither in words …
  const reference = bodies.get('a wrong secret');
  for (const [what, body] of bodies) demandEqual(body, reference, `What ${what} is told, against a wrong secret`);
  // … nor by the clock: an unknown client that is refused without hashing shows by an order of magnitude.
  const [secretMs, clientMs] = [median(tookMs.get('a wrong secret')), median(tookMs.get('an unknown client'))];
  evidence.wrongSecretMs = Math.round(secretMs);
  evidence.unknownClientMs = Math.round(clientMs);
  const [quicker, slower] = [Math.min(secretMs, clientMs), Math.max(secretMs, clientMs)];
  demand(
    slower - quicker < 20 || slower < 3 * quicker,
    `A wrong secret takes ${secretMs.toFixed(0)} ms, an unknown client ${clientMs.toFixed(0)} ms: the time tells which it was`,
  );

  for (const [what, body] of Object.entries(MALFORMED)) {
    const answer = await askForToken(pipeline, body);
    const status = answer.status ?? 0;
    demand(status >= 400 && status < 500, `A token request with ${what} was answered ${status}`);
    demand(!JSON.stringify(answer.body).includes('access_token'), `A token request with ${what} got a token`);
    evidence.refused++;
  }
});

function askForToken(pipeline: PipelineClient, body: unknown): ReturnType<PipelineClient['request']> {
  return pipeline.request('admin', 'POST', '/api/v1/auth/token', { body, authenticated: false });
}

function decode(token: string): { header: Record<string, unknown>; claims: Record<string, unknown> } {
  const [header, claims] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  return { header: JSON.parse(header ?? '{}'), claims: JSON.parse(claims ?? '{}') };
}

function median(values: readonly number[] = []): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
