import { SyncproofError } from '../../core/errors.ts';
import type { RedisAddress } from '../environment.ts';
import { exchange, PROBE_TIMEOUT_MS } from './probes.ts';

/** @throws when Redis does not say PONG (an error reply such as LOADING included) */
export async function pingRedis(address: RedisAddress, timeoutMs = PROBE_TIMEOUT_MS): Promise<void> {
  const answer = await ask(address, 'PING', (text) => text.includes('\r\n'), timeoutMs);
  if (!answer.startsWith('+PONG')) throw new SyncproofError(`Redis said ${answer.trim()}`);
}

/** Redis' INFO section `server`, e.g. `redis_version` and `run_id` (new at every start). */
export async function redisServerInfo(address: RedisAddress): Promise<Record<string, string>> {
  const isWhole = (text: string): boolean => {
    const end = text.indexOf('\r\n');
    if (end < 0 || text[0] !== '$') return end >= 0;
    return text.length >= end + 2 + Number(text.slice(1, end)) + 2;
  };
  const text = await ask(address, 'INFO server', isWhole, PROBE_TIMEOUT_MS);
  if (!text.startsWith('$')) throw new SyncproofError(`Redis said ${text.trim()}`);
  return Object.fromEntries(
    text.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]];
    }),
  );
}

/** Logs in first where that is needed, on the same connection, and gives the reply to the command alone. */
async function ask(
  address: RedisAddress,
  command: string,
  isWhole: (text: string) => boolean,
  timeoutMs: number,
): Promise<string> {
  const { username, password } = address;
  const login =
    password === undefined ? '' : request(['AUTH', ...(username === undefined ? [] : [username]), password]);
  // The reply to a login is one line. One that failed says so again in the reply to the command.
  const reply = (bytes: Buffer): string => {
    const text = bytes.toString('latin1');
    if (login === '') return text;
    const end = text.indexOf('\r\n');
    return end < 0 ? '' : text.slice(end + 2);
  };
  const complete = (bytes: Buffer): boolean => isWhole(reply(bytes));
  return reply(await exchange(address, `${login}${command}\r\n`, complete, timeoutMs));
}

/** As the protocol has it, since a password may hold anything (Redis documentation, "Redis serialization protocol"). */
function request(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}
