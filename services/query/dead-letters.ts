import { z } from 'zod';
import type { Authenticator } from '../common/auth.ts';
import { within } from '../common/backoff.ts';
import type { HttpService } from '../common/http.ts';
import { HttpProblem } from '../common/problem.ts';
import type { RedisClient } from '../common/redis.ts';
import { foldReply } from './stream.ts';

/** An event that could not be applied, with what is known of the cause. */
export interface DeadLetter {
  /** In the dead-letter stream. */
  id: string;
  /** Of the event on its own stream. */
  entry_id: string;
  error: string;
  /** Null where it does not say. */
  attempts: number | null;
  dead_lettered_at: string;
  /** Names and values as they were published; not everything of an event of many thousand fields. */
  event: Record<string, string>;
}

/** What is said of the event comes first, as names and values; the event's own fields follow. */
const OWN_FIELDS = 5;
const ANSWER_MS = 2000;
/** More names and values than a letter of ours has; Lua cannot unpack a list of any length. */
const VALUES_MAX = 4000;

/** The dead-letter stream of a stream: what is on it, and a way back. */
export class DeadLetterBox {
  readonly #redis: RedisClient;
  readonly #stream: string;
  readonly #letters: string;

  /** @param redis a client that never blocks */
  constructor(redis: RedisClient, { stream, deadLetter }: { stream: string; deadLetter: string }) {
    this.#redis = redis;
    this.#stream = stream;
    this.#letters = deadLetter;
  }

  /**
   * The newest first, those before the letter `before` only.
   * @throws when Redis does not answer
   */
  async list(limit: number, before?: string): Promise<{ letters: DeadLetter[]; total: number }> {
    const [entries, total] = await this.#answered(
      Promise.all([
        // Nothing precedes the first id, and Redis rejects that range.
        before !== undefined && /^0+-0+$/.test(before)
          ? []
          : this.#redis.call(
              'XREVRANGE',
              this.#letters,
              before === undefined ? '+' : `(${before}`,
              '-',
              'COUNT',
              limit,
            ),
        this.#redis.xlen(this.#letters),
      ]),
    );
    return { letters: (entries as [string, string[]][]).map(toLetter), total };
  }

  /**
   * Publishes the event again, as its last one, and removes the letter: both or neither.
   * @returns the new entry's id; `missing` when there is no such letter, `no-event` when it holds none, or one too
   * large
   * @throws when Redis does not answer; it may have done so nevertheless
   */
  async replay(id: string): Promise<string> {
    const answer = this.#redis.eval(REPLAY_SCRIPT, 2, this.#letters, this.#stream, id, 2 * OWN_FIELDS, VALUES_MAX);
    return String(await this.#answered(answer));
  }

  #answered<T>(answer: Promise<T>): Promise<T> {
    return within(ANSWER_MS, 'the dead-letter stream', answer);
  }
}

function toLetter([id, fields]: [string, string[]]): DeadLetter {
  const facts = foldReply(fields.slice(0, 2 * OWN_FIELDS));
  return {
    id,
    entry_id: String(facts.entry_id),
    error: String(facts.error),
    attempts: /^\d{1,9}$/.test(String(facts.attempts)) ? Number(facts.attempts) : null,
    dead_lettered_at: String(facts.dead_lettered_at),
    event: foldReply(fields.slice(2 * OWN_FIELDS)) as Record<string, string>,
  };
}

const REPLAY_SCRIPT = `
local letter = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not letter then return 'missing' end
local own, values = tonumber(ARGV[2]), #letter[2]
if values <= own or values - own > tonumber(ARGV[3]) then return 'no-event' end
local id = redis.call('XADD', KEYS[2], '*', unpack(letter[2], own + 1))
redis.call('XDEL', KEYS[1], ARGV[1])
return id`;

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

/** For operators: events that could not be applied, and a second attempt once the cause is fixed. */
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
        summary: 'Publish such an event again, and remove the letter',
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
