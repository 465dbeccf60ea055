import { createPrivateKey } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  connectRedis,
  describeError,
  type Environment,
  type HistoryRecord,
  withoutSecrets,
} from '../../harness/index.ts';
import { CONSUMER_GROUP, DEAD_LETTER_STREAM_SUFFIX, EVENT_STREAM_NAME } from '../../services/contract/names.ts';

const LOG_LINES = 500;
const PENDING_MAX = 100;
const LAST_ENTRIES = 20;
/** A shorter last line of a key stands in too many words. */
const KEY_LINE_MIN = 16;
const UNCUT = { depth: null, maxArrayLength: null, maxStringLength: null, breakLength: 150 };

const DEAD_LETTERS = `${EVENT_STREAM_NAME}${DEAD_LETTER_STREAM_SUFFIX}`;
const STREAM_COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ['XINFO', 'STREAM', EVENT_STREAM_NAME],
  ['XINFO', 'GROUPS', EVENT_STREAM_NAME],
  ['XINFO', 'CONSUMERS', EVENT_STREAM_NAME, CONSUMER_GROUP],
  ['XPENDING', EVENT_STREAM_NAME, CONSUMER_GROUP],
  ['XPENDING', EVENT_STREAM_NAME, CONSUMER_GROUP, '-', '+', `${PENDING_MAX}`],
  ['XREVRANGE', EVENT_STREAM_NAME, '+', '-', 'COUNT', `${LAST_ENTRIES}`],
  ['XLEN', DEAD_LETTERS],
  ['XREVRANGE', DEAD_LETTERS, '+', '-', 'COUNT', `${LAST_ENTRIES}`],
];

/** What evidence is taken of. */
export interface Witnessed {
  env: Pick<Environment, 'parts' | 'redisAddress' | 'secrets' | 'signingKey'>;
  key: string;
  /** Which try of the case it was, from 1. */
  attempt: number;
  /** What the case recorded, in its order. */
  records: readonly HistoryRecord[];
}

/**
 * Writes what a person needs to see why a case failed: what it recorded, the state of stream and group, and the end of each
 * part's log, without secrets. What is unavailable is noted in its file; a file that cannot be written is left out.
 * @returns the paths of the files, relative to the run's folder
 */
export async function writeEvidence(runDirectory: string, witnessed: Witnessed): Promise<string[]> {
  const { env, key, attempt, records } = witnessed;
  const folder = evidenceFolder(key, attempt);
  const secrets = await secretsOf(env);
  const write = async (name: string, read: () => Promise<string>): Promise<string> => {
    const path = `${folder}/${name}`;
    await writeFile(join(runDirectory, path), `${withoutTokens(withoutSecrets(await orReason(read), secrets))}\n`);
    return path;
  };
  const recorded = records.map((record) => JSON.stringify({ ...record, case: key })).join('\n');
  try {
    await mkdir(join(runDirectory, folder), { recursive: true });
  } catch {
    return [];
  }
  const writes = await Promise.allSettled([
    write('history.jsonl', async () => recorded),
    write('stream.txt', () => streamState(env)),
    ...Object.values(env.parts).map((part) => write(`${part.name}.log`, async () => lastLines(await part.logs()))),
  ]);
  return writes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}

/** The folder of one try of a case, relative to the run's: `evidence/RES-01-killed`, later ones `evidence/RES-01-killed-try-2`. */
export function evidenceFolder(key: string, attempt: number): string {
  const name = key.replaceAll(/[^A-Za-z0-9_-]+/g, '-');
  return `evidence/${name}${attempt === 1 ? '' : `-try-${attempt}`}`;
}

async function streamState(env: Witnessed['env']): Promise<string> {
  const redis = connectRedis(env.redisAddress());
  try {
    const sections = STREAM_COMMANDS.map(async ([name, ...words]) => {
      const answer = await orReason(async () => inspect(await redis.call(name, ...words), UNCUT));
      return `${[name, ...words].join(' ')}\n${answer}`;
    });
    return (await Promise.all(sections)).join('\n\n');
  } finally {
    redis.disconnect();
  }
}

function lastLines(text: string): string {
  const lines = text.trimEnd().split('\n');
  if (text.trim() === '') return 'empty: it printed nothing, or its environment does not give what it prints';
  return lines.slice(-LOG_LINES).join('\n');
}

async function orReason(read: () => Promise<string>): Promise<string> {
  try {
    return await read();
  } catch (error) {
    return `unavailable: ${describeError(error)}`;
  }
}

/** Those of the environment and its signing key, also as they stand in JSON. */
async function secretsOf({ secrets, signingKey }: Witnessed['env']): Promise<string[]> {
  const key = await signingKey?.()
    .then(keyTexts)
    .catch(() => []);
  return [...secrets, ...(key ?? [])].flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]);
}

/** The lines of a private key in PEM, and what is secret of it as a JWK. */
function keyTexts(pem: string): string[] {
  const { d, p, q, dp, dq, qi } = createPrivateKey(pem).export({ format: 'jwk' });
  const lines = pem.split('\n').filter((line) => line.length >= KEY_LINE_MIN && !line.startsWith('-----'));
  return [...lines, d, p, q, dp, dq, qi].filter((text) => text !== undefined);
}

/** A token grants what it allows to any holder until it expires. */
const withoutTokens = (text: string): string => text.replaceAll(/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, '***');
