import { within } from '../common/backoff.ts';
import type { RedisClient } from '../common/redis.ts';
import { foldReply } from './stream.ts';

/** An event that could not be applied, with what is known of why. */
export interface DeadLetter {
  /** In the dead-letter stream. */
  id: string;
  /** Of the event on its own stream. */
  entry_id: string;
  error: string;
  attempts: number;
  dead_lettered_at: string;
  /** Names and values as they were published; not everything of an event of many thousand fields. */
  event: Record<string, string>;
}

/** What is said of the event comes first, as names and values; the event's own fields follow. */
const OWN_FIELDS = 5;
const ANSWER_MS = 2000;

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
        this.#redis.call('XREVRANGE', this.#letters, before === undefined ? '+' : `(${before}`, '-', 'COUNT', limit),
        this.#redis.xlen(this.#letters),
      ]),
    );
    return { letters: (entries as [string, string[]][]).map(toLetter), total };
  }

  /**
   * Publishes the event again, as its last one, and takes the letter away: both or neither.
   * @returns the new entry's id; undefined when there is no such letter
   * @throws when Redis does not answer; it may have done it all the same
   */
  async replay(id: string): Promise<string | undefined> {
    const entryId = await this.#answered(
      this.#redis.eval(REPLAY_SCRIPT, 2, this.#letters, this.#stream, id, 2 * OWN_FIELDS + 1),
    );
    return typeof entryId === 'string' ? entryId : undefined;
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
    attempts: Number(facts.attempts),
    dead_lettered_at: String(facts.dead_lettered_at),
    event: foldReply(fields.slice(2 * OWN_FIELDS)) as Record<string, string>,
  };
}

const REPLAY_SCRIPT = `
local letter = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not letter then return false end
local id = redis.call('XADD', KEYS[2], '*', unpack(letter[2], tonumber(ARGV[2])))
redis.call('XDEL', KEYS[1], ARGV[1])
return id`;
