import { randomUUID } from 'node:crypto';
import { monotonicMs } from '../../harness/index.ts';
import { ROLES, type Role } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { badAuthorizations, decodeToken, signedTokens } from '../steps/tokens.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { AUTH } from './requirements.ts';
import {
  askForToken,
  callWith,
  createSubject,
  demandAccepted,
  demandForbidden,
  demandUntouched,
  isAllowed,
  protectedCalls,
  publishedKey,
  tokenOf,
} from './steps.ts';

const verify = suite(AUTH);

verify(
  'AUTH-01',
  'Valid credentials get a token that every service accepts; invalid ones get 401 without revealing which field was wrong.',
  givesTokens,
);
verify(
  'AUTH-02/forged',
  'No token, garbage, forged and altered tokens: 401 on every protected call of every service.',
  refusesForged,
);
verify(
  'AUTH-02/times',
  'Correctly signed tokens that are expired, not yet valid or of another issuer: 401 on every protected call of every service.',
  refusesUntimely,
);
verify(
  'AUTH-03',
  'Roles are enforced: a USER cannot delete and a READONLY cannot write; each is answered 403, and nothing has changed.',
  keepsToRoles,
);

const CLAIMS = ['sub', 'type', 'role', 'name', 'client_id', 'jti', 'iat', 'nbf', 'exp'];

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

async function givesTokens(t: CaseContext): Promise<void> {
  const { env, pipeline, evidence, unique } = t;
  evidence.tokens = 0;
  evidence.accepted = 0;
  evidence.refused = 0;

  const subject = { fileId: randomUUID(), newId: randomUUID(), newName: `${unique}.txt` };
  const calls = protectedCalls(env, subject).filter(({ kind, service }) => kind === 'read' || service === 'ingester');
  for (const call of calls) {
    demandEqual((await callWith(pipeline, call, undefined)).status, 401, `${call.what} without a token`);
  }
  for (const role of rolesOf(env)) {
    const token = await tokenOf(t, role);
    const { header, claims } = decodeToken(token);
    demandEqual(header.alg, 'RS256', `The algorithm of the token of a ${role}`);
    const absent = CLAIMS.filter((claim) => !(claim in claims));
    demand(absent.length === 0, `The token of a ${role} lacks the claims ${absent.join(', ')}`);
    demandEqual(claims.role, role, `The role in the token of a ${role}`);
    demandEqual(claims.client_id, env.accounts[role]?.clientId, `The client in the token of a ${role}`);
    evidence.tokens++;

    for (const call of calls) {
      if (isAllowed(call, role)) await demandAccepted(pipeline, call, token);
      else await demandForbidden(pipeline, call, token);
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
  // Which field was wrong must not be revealed, neither in words …
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
}

function median(values: readonly number[] = []): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function rolesOf({ accounts }: CaseContext['env']): Role[] {
  return ROLES.filter((role) => accounts[role] !== undefined);
}

async function refusesForged(t: CaseContext): Promise<void> {
  const good = await tokenOf(t, 'ADMIN');
  await allRefused(t, good, badAuthorizations(good, await publishedKey(t, good)));
}

async function refusesUntimely(t: CaseContext): Promise<void> {
  const key = await t.env.signingKey?.();
  demand(key !== undefined, 'The environment offers a signing key and gives none');
  const { right, bad } = signedTokens(await tokenOf(t, 'ADMIN'), key);
  const authorizations = Object.entries(bad).map(([what, token]) => [`a token ${what}`, `Bearer ${token}`]);
  await allRefused(t, right, Object.fromEntries(authorizations));
}

/** Every protected call is refused with each of these, changes nothing, and is accepted with a good token. */
async function allRefused(
  t: CaseContext,
  good: string,
  authorizations: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { env, pipeline, evidence } = t;
  const subject = await createSubject(t);
  const calls = protectedCalls(env, subject);
  const reads = calls.filter(({ kind }) => kind === 'read');
  for (const call of reads) await demandAccepted(pipeline, call, good);
  evidence.refused = 0;
  evidence.calls = calls.length;
  for (const [what, authorization] of Object.entries(authorizations)) {
    const statuses = calls.map(async (call) => {
      const { status, outcome } = await callWith(pipeline, call, authorization);
      demand(status === 401, `${call.what} was answered ${status ?? outcome} for ${what}, not 401`);
    });
    await Promise.all(statuses);
    evidence.refused += statuses.length;
  }
  await demandUntouched(t, subject);
  // A service that refuses everything by now has proved nothing.
  for (const call of reads) await demandAccepted(pipeline, call, good);
}

async function keepsToRoles(t: CaseContext): Promise<void> {
  const { env, pipeline, evidence } = t;
  const subject = await createSubject(t);
  const calls = protectedCalls(env, subject);
  evidence.refused = 0;
  for (const role of ROLES) {
    const token = await tokenOf(t, role);
    for (const call of calls.filter((each) => !isAllowed(each, role))) {
      await demandForbidden(pipeline, call, token);
      evidence.refused++;
    }
  }
  await demandUntouched(t, subject);

  evidence.allowed = 0;
  for (const role of ['READONLY', 'USER', 'ADMIN'] as const) {
    const token = await tokenOf(t, role);
    const own = protectedCalls(env, { ...subject, newId: randomUUID() });
    for (const call of own.filter((each) => isAllowed(each, role))) {
      const { status, outcome } = await callWith(pipeline, call, `Bearer ${token}`);
      const done = status !== undefined && status < 300;
      // What an ADMIN has just deleted is gone, and there is no object but what a writer has just put there.
      demand(
        done || (status === 404 && call.kind === 'read'),
        `${call.what} was answered ${status ?? outcome} for a ${role}`,
      );
      evidence.allowed++;
    }
  }
}
