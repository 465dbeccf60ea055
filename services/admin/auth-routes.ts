import { RateLimiterMemory } from 'rate-limiter-flexible';
import { z } from 'zod';
import type { HttpService } from '../common/http.ts';
import type { Pool } from '../common/postgres.ts';
import { HttpProblem } from '../common/problem.ts';
import { tokenAnswerSchema, tokenRequestSchema } from '../contract/http.ts';
import { authenticate } from './accounts.ts';
import type { TokenIssuer } from './keys.ts';

/**
 * Wrong secrets, counted per client id and source address: after `max` within `windowS` seconds all further ones are
 * refused until the window ends, right secrets included. Other addresses are not affected. Each instance counts
 * separately.
 */
export class GuessLimit {
  readonly #failures: RateLimiterMemory;
  readonly #max: number;

  constructor({ max, windowS }: { max: number; windowS: number }) {
    this.#failures = new RateLimiterMemory({ points: max, duration: windowS });
    this.#max = max;
  }

  /** @throws HttpProblem 429 with the time after which to try again */
  async demandLeft(address: string, clientId: string): Promise<void> {
    const counted = await this.#failures.get(keyOf(address, clientId));
    if (counted === null || counted.consumedPoints < this.#max) return;
    const seconds = Math.max(1, Math.ceil(counted.msBeforeNext / 1000));
    throw new HttpProblem(429, 'Too many wrong secrets for this client id.', {
      headers: { 'retry-after': String(seconds) },
    });
  }

  async failed(address: string, clientId: string): Promise<void> {
    await this.#failures.penalty(keyOf(address, clientId));
  }
}

const keyOf = (address: string, clientId: string): string => JSON.stringify([address, clientId]);

const jwksAnswerSchema = z.object({ keys: z.array(z.record(z.string(), z.unknown())) });

interface AuthParts {
  pool: Pool;
  issuer: TokenIssuer;
  guesses: GuessLimit;
}

export function addAuthRoutes(app: HttpService, { pool, issuer, guesses }: AuthParts): void {
  app.post(
    '/api/v1/auth/token',
    { schema: { tags: ['auth'], body: tokenRequestSchema, response: { 200: tokenAnswerSchema } } },
    async (request, reply) => {
      const { client_id: clientId, client_secret: secret } = request.body;
      await guesses.demandLeft(request.ip, clientId);
      const subject = await authenticate(pool, clientId, secret);
      // Concurrent guesses learn no more than consecutive ones.
      await guesses.demandLeft(request.ip, clientId);
      // The same answer for an unknown client and a wrong secret.
      if (subject === undefined) {
        await guesses.failed(request.ip, clientId);
        throw new HttpProblem(401, 'The client id or the client secret is wrong.');
      }
      const { token, expiresInS, issuedAt } = await issuer.issue(subject);
      reply.header('cache-control', 'no-store');
      return {
        access_token: token,
        token_type: 'Bearer' as const,
        expires_in: expiresInS,
        issued_at: issuedAt.toISOString(),
      };
    },
  );
  app.get('/.well-known/jwks.json', { schema: { tags: ['auth'], response: { 200: jwksAnswerSchema } } }, async () => {
    const { keys } = await issuer.jwks();
    return { keys: keys.map((key) => ({ ...key })) };
  });
}
