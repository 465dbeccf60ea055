import type { Log } from '../common/log.ts';
import type { ReaderConnection } from './connection.ts';
import type { StreamEntry } from './events.ts';

export interface StreamNames {
  stream: string;
  group: string;
  consumer: string;
  deadLetter: string;
}

export interface DeadLetter {
  entry: StreamEntry;
  error: string;
  attempts: number;
}

export interface ClaimedPage {
  entries: StreamEntry[];
  /** Entries that are gone from the stream; Redis has taken them off the pending list, which is all there is to do. */
  deletedIds: string[];
  /** Where the next page begins; `0-0` after the last one. */
  cursor: string;
}

/** A command that does not block is answered within this time, or the connection is given up. */
const ANSWER_MS = 2000;
/** The dead-letter stream keeps about this many. */
const DEAD_LETTERS_MAX = 10_000;
/** Names and values of an entry that are kept: Lua cannot unpack a list of any length. */
const DEAD_LETTER_FIELDS_MAX = 2000;

/** One consumer of one group on one stream: the Redis commands it needs, with their answers read into types. */
export class EventStream {
  readonly names: StreamNames;
  readonly #connection: ReaderConnection;

  constructor(connection: ReaderConnection, names: StreamNames) {
    this.#connection = connection;
    this.names = names;
  }

  /**
   * Makes the group, and the stream if need be. It starts at 0: what was written before is not skipped.
   * @returns false when it existed already
   */
  async ensureGroup(): Promise<boolean> {
    try {
      await this.#call('XGROUP', 'CREATE', this.names.stream, this.names.group, '0', 'MKSTREAM');
      return true;
    } catch (error) {
      if (isReply(error, 'BUSYGROUP')) return false;
      throw error;
    }
  }

  /**
   * Distinguishes this server, with this history of data, from any other: its run id, new with every start, and its
   * replication id, new with every failover. Undefined when this user may not ask for it.
   */
  async identity(): Promise<string | undefined> {
    try {
      // One by one: servers before 7.0 give one section at a time.
      const [server, replication] = [await this.#call('INFO', 'server'), await this.#call('INFO', 'replication')];
      const facts = [
        /^run_id:(\w+)/m.exec(String(server))?.[1],
        /^master_replid:(\w+)/m.exec(String(replication))?.[1],
      ];
      return facts.join('/');
    } catch (error) {
      if (isReply(error, 'NOPERM')) return undefined;
      throw error;
    }
  }

  /** The id by which CLIENT UNBLOCK knows this connection; undefined when this user may not ask for it. */
  async clientId(): Promise<number | undefined> {
    try {
      return Number(await this.#call('CLIENT', 'ID'));
    } catch (error) {
      if (isReply(error, 'NOPERM')) return undefined;
      throw error;
    }
  }

  /** Waits up to `blockMs` for entries that no consumer of the group has seen. */
  async readNew(count: number, blockMs: number): Promise<StreamEntry[]> {
    const { stream, group, consumer } = this.names;
    const args = ['GROUP', group, consumer, 'COUNT', count, 'BLOCK', blockMs, 'STREAMS', stream, '>'];
    return parseRead(await this.#connection.call(blockMs + ANSWER_MS, 'XREADGROUP', ...args));
  }

  /** Entries that this consumer was given earlier and has not acknowledged, after the id `after`. */
  async readOwnPending(count: number, after: string): Promise<StreamEntry[]> {
    const { stream, group, consumer } = this.names;
    return parseRead(
      await this.#call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, after),
    );
  }

  /**
   * Takes over entries that any consumer has held for `idleMs` or longer. The scan must continue at the returned cursor.
   */
  async claimIdle(idleMs: number, cursor: string, count: number): Promise<ClaimedPage> {
    const { stream, group, consumer } = this.names;
    const reply = asList(await this.#call('XAUTOCLAIM', stream, group, consumer, idleMs, cursor, 'COUNT', count));
    return {
      cursor: String(reply[0]),
      entries: parseEntries(reply[1]),
      deletedIds: asList(reply[2] ?? []).map(String),
    };
  }

  async acknowledge(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#call('XACK', this.names.stream, this.names.group, ...ids);
  }

  /** Moves an entry to the dead-letter stream and acknowledges it, both or neither. */
  async deadLetter({ entry, error, attempts }: DeadLetter): Promise<void> {
    const { stream, group, consumer, deadLetter } = this.names;
    const facts = { error, attempts, entry_id: entry.id, consumer, dead_lettered_at: new Date().toISOString() };
    const fields = [...Object.entries(facts).flat(), ...(entry.fields ?? []).slice(0, DEAD_LETTER_FIELDS_MAX)];
    await this.#call('EVAL', DEAD_LETTER_SCRIPT, 2, stream, deadLetter, group, entry.id, DEAD_LETTERS_MAX, ...fields);
  }

  /** All consumers of the group. */
  async consumers(): Promise<{ name: string; pending: number; idleMs: number }[]> {
    const reply = await this.#call('XINFO', 'CONSUMERS', this.names.stream, this.names.group);
    return asList(reply).map((item) => {
      const facts = foldReply(item);
      return { name: String(facts.name), pending: Number(facts.pending), idleMs: Number(facts.idle) };
    });
  }

  /** Names of all connections to the server. */
  async connectionNames(): Promise<Set<string>> {
    const list = String(await this.#call('CLIENT', 'LIST'));
    return new Set(Array.from(list.matchAll(/ name=(\S+)/g), (match) => match[1] as string));
  }

  /** Removes a consumer if it holds nothing: XGROUP DELCONSUMER would discard what it held. */
  async removeIdleConsumer(name: string): Promise<boolean> {
    const { stream, group } = this.names;
    return Number(await this.#call('EVAL', REMOVE_CONSUMER_SCRIPT, 1, stream, group, name)) === 1;
  }

  #call(command: string, ...args: (string | number)[]): Promise<unknown> {
    return this.#connection.call(ANSWER_MS, command, ...args);
  }
}

const DEAD_LETTER_SCRIPT = `
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 4))
return redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])`;

export const REMOVE_CONSUMER_SCRIPT = `
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  if consumer[2] == ARGV[2] and consumer[4] == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1
  end
end
return 0`;

/** True for an error answer of Redis with one of these codes, e.g. NOGROUP. */
export function isReply(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && error.name === 'ReplyError' && codes.includes(error.message.split(' ', 1)[0] ?? '');
}

function asList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`Expected a list from Redis, got ${typeof value}`);
  return value;
}

export function foldReply(value: unknown): Record<string, unknown> {
  const list = asList(value);
  const folded: Record<string, unknown> = {};
  for (let index = 0; index + 1 < list.length; index += 2) folded[String(list[index])] = list[index + 1];
  return folded;
}

/** `[[stream, entries]]`, or null when nothing arrived in time. */
function parseRead(reply: unknown): StreamEntry[] {
  if (reply === null) return [];
  return asList(reply).flatMap((ofStream) => parseEntries(asList(ofStream)[1]));
}

/**
 * An entry that was trimmed while pending has null in place of its fields; older servers give null for the whole entry.
 */
function parseEntries(reply: unknown): StreamEntry[] {
  return asList(reply)
    .filter((item) => item !== null)
    .map((item) => {
      const [id, fields] = asList(item);
      return { id: String(id), fields: fields === null ? null : asList(fields).map(String) };
    });
}

/** Consumers of this service are named `query-module-{uuid}`, and so are their connections. */
export const CONSUMER_NAME_PREFIX = 'query-module-';

/**
 * Removes consumers of this service that are gone: they hold nothing, have done nothing for `idleMs`, and the server
 * has no connection of their name. Their entries must be taken over first; the server checks again, atomically with the
 * removal, that they hold none. If one is alive after all, its next delivery creates it again.
 */
export async function removeDeadConsumers(stream: EventStream, idleMs: number, log: Log): Promise<void> {
  const { consumer } = stream.names;
  const suspects = (await stream.consumers()).filter(
    ({ name, pending, idleMs: idle }) =>
      name !== consumer && name.startsWith(CONSUMER_NAME_PREFIX) && pending === 0 && idle >= idleMs,
  );
  if (suspects.length === 0) return;
  try {
    const connected = await stream.connectionNames();
    for (const { name } of suspects) {
      if (!connected.has(name) && (await stream.removeIdleConsumer(name)))
        log.info({ name }, 'removed a dead consumer');
    }
  } catch (error) {
    // Without the permission to list connections no consumer is known to be dead; a few stale names are harmless.
    if (!isReply(error, 'NOPERM')) throw error;
    log.debug({ err: error }, 'dead consumers are not removed');
  }
}
