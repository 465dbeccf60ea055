import { afterAll, beforeAll, expect, test } from 'vitest';
import { pollUntil } from '../../harness/core/time.ts';
import type { OwnEnvironment } from '../../harness/environment/common/environment.ts';
import { startReference } from '../../harness/environment/fixtures/reference.ts';
import { GuessLimit } from './auth-routes.ts';

const MAX = 5;
const WINDOW_S = 600;
let environment: OwnEnvironment;

beforeAll(async () => {
  environment = await startReference({
    deferred: ['ingester', 'storage', 'query'],
    settings: { admin: { AUTH_FAILURES_MAX: String(MAX), AUTH_FAILURES_WINDOW_S: String(WINDOW_S) } },
  });
}, 60_000);
afterAll(() => environment?.stop());

async function ask(clientId: string, secret: string): Promise<{ status: number; retryAfter: string | null }> {
  const answer = await fetch(`${environment.urls.admin}/api/v1/auth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: clientId, client_secret: secret }),
  });
  await answer.arrayBuffer();
  return { status: answer.status, retryAfter: answer.headers.get('retry-after') };
}

test('guesses end with 429 for a while, the right one included; others are not kept out', async () => {
  const { clientId, clientSecret } = environment.accounts.USER;
  for (let i = 0; i < MAX; i++) expect((await ask(clientId, `wrong ${i}`)).status).toBe(401);
  const refused = await ask(clientId, clientSecret);
  expect(refused.status).toBe(429);
  expect(Number(refused.retryAfter)).toBeGreaterThanOrEqual(1);
  expect(Number(refused.retryAfter)).toBeLessThanOrEqual(WINDOW_S);
  const { ADMIN } = environment.accounts;
  expect((await ask(ADMIN.clientId, ADMIN.clientSecret)).status).toBe(200);
});

test('they are listened to again when the window is over, and from elsewhere all the time', async () => {
  const guesses = new GuessLimit({ max: 1, windowS: 1 });
  await guesses.failed('here', 'me');
  await expect(guesses.demandLeft('here', 'me')).rejects.toMatchObject({ statusCode: 429 });
  await guesses.demandLeft('there', 'me');
  await guesses.demandLeft('here', 'somebody else');
  const open = () => guesses.demandLeft('here', 'me').then(() => true as const);
  await pollUntil(open, { what: 'the end of the window', timeoutMs: 5000 });
});

test('guesses side by side tell no more than one after the other', async () => {
  const { clientId, clientSecret } = environment.accounts.READONLY;
  const secrets = Array.from({ length: 40 }, (_, i) => (i === 39 ? clientSecret : `wrong ${i}`));
  const answers = await Promise.all(secrets.map((secret) => ask(clientId, secret)));
  // A 503 of a busy machine reveals nothing either.
  const told = answers.filter(({ status }) => status !== 429 && status !== 503);
  // Four are hashed at a time: so many may be under way when the limit is reached.
  expect(told.length).toBeLessThanOrEqual(MAX + 4);
  expect([429, 503]).toContain(answers.at(-1)?.status);
});

test('an unknown client is counted like a known one', async () => {
  for (let i = 0; i < MAX; i++) expect((await ask('nobody', 'x')).status).toBe(401);
  expect((await ask('nobody', 'x')).status).toBe(429);
});

test('an unknown client is answered no sooner than a wrong secret', async () => {
  const { clientId } = environment.accounts.ADMIN;
  const msOf = async (id: string): Promise<number> => {
    const begunAt = performance.now();
    expect((await ask(id, 'wrong')).status).toBe(401);
    return performance.now() - begunAt;
  };
  const known: number[] = [];
  const unknown: number[] = [];
  // In turns, then the shortest of each: delays of a busy machine are excluded.
  for (let i = 0; i < MAX; i++) {
    known.push(await msOf(clientId));
    unknown.push(await msOf(`unknown-${i}`));
  }
  // A hash takes tens of milliseconds, everything else a few.
  expect(Math.min(...unknown)).toBeGreaterThan(Math.min(...known) / 3);
});
