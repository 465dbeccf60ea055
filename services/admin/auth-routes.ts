import { z } from 'zod';
import { tokenAnswerSchema, tokenRequestSchema } from '../../harness/contract/http.ts';
import type { HttpService } from '../common/http.ts';
import type { Pool } from '../common/postgres.ts';
import { HttpProblem } from '../common/problem.ts';
import { authenticate } from './accounts.ts';
import type { GuessLimit } from './guesses.ts';
import type { TokenIssuer } from './keys.ts';

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
      // Of guesses that are sent side by side no more are told than of those one after the other.
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
