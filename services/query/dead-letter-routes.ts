import { z } from 'zod';
import type { Authenticator } from '../common/auth.ts';
import type { HttpService } from '../common/http.ts';
import { HttpProblem } from '../common/problem.ts';
import type { DeadLetterBox } from './dead-letters.ts';

const LIMIT_MAX = 1000;
/** Both halves of an id have 64 bits. */
const HALF_MAX = 2n ** 64n - 1n;
const letterId = z
  .string()
  .regex(/^\d{1,20}-\d{1,20}$/, { error: 'must be the id of a letter, as in 1767225600000-0', abort: true })
  .refine((id) => id.split('-').every((half) => BigInt(half) <= HALF_MAX), 'must be an id that there can be');

const letterSchema = z.object({
  id: z.string(),
  entry_id: z.string(),
  error: z.string(),
  attempts: z.number().nullable(),
  dead_lettered_at: z.string(),
  event: z.record(z.string(), z.string()),
});

const tags = ['dead letters'];
const security = [{ bearer: [] }];

/** For operators: events that could not be applied, and a second chance once the cause is mended. */
export function addDeadLetterRoutes(app: HttpService, letters: DeadLetterBox, auth: Authenticator): void {
  const onRequest = auth.requireRole('ADMIN');
  app.get(
    '/api/v1/dead-letters',
    {
      onRequest,
      schema: {
        tags,
        security,
        summary: 'Events that could not be applied, the newest first',
        querystring: z.strictObject({
          limit: z.coerce.number().int().min(1).max(LIMIT_MAX).default(100),
          before: letterId.optional().describe('The id of the last letter of the page before.'),
        }),
        response: { 200: z.object({ letters: z.array(letterSchema), total: z.number() }) },
      },
    },
    ({ query: { limit, before } }) => letters.list(limit, before).catch(redisAway),
  );
  app.post(
    '/api/v1/dead-letters/:id/replay',
    {
      onRequest,
      schema: {
        tags,
        security,
        summary: 'Publish such an event again, and take the letter away',
        params: z.object({ id: letterId }),
        response: { 200: z.object({ id: z.string(), entry_id: z.string() }) },
      },
    },
    async ({ params: { id } }) => {
      const entryId = await letters.replay(id).catch(redisAway);
      if (entryId === 'missing') throw new HttpProblem(404, `There is no dead letter ${id}.`);
      if (entryId === 'no-event')
        throw new HttpProblem(409, `The dead letter ${id} holds no event that can be published.`);
      return { id, entry_id: entryId };
    },
  );
}

function redisAway(cause: unknown): never {
  throw new HttpProblem(503, 'Redis cannot be asked for dead letters now.', { cause, headers: { 'retry-after': '1' } });
}
