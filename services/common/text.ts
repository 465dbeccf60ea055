import type { ParameterFault } from './problem.ts';

/**
 * A file name is at most this long in UTF-8, so that any database index can hold it, and every search can ask for it.
 */
export const FILENAME_BYTES_MAX = 2048;

/** Deeper values would overflow the stack of code that walks them, PostgreSQL's JSON parser included. */
const NESTING_MAX = 100;

/**
 * Finds the first text that PostgreSQL or Redis could not store unchanged: one with a NUL character (`text` refuses
 * it with 22021, `jsonb` with 22P05) or a lone surrogate (UTF-8 has no form for it). Keys of objects count, too.
 * Values nested too deeply are a fault as well.
 * @returns the fault with the path of the text, or undefined
 */
export function findUnstorableText(value: unknown, path = '', depth = 0): ParameterFault | undefined {
  if (typeof value === 'string') {
    const reason = unstorable(value);
    return reason === undefined ? undefined : { name: path === '' ? 'body' : path, reason };
  }
  if (typeof value !== 'object' || value === null || !isPlain(value)) return undefined;
  if (depth >= NESTING_MAX) return { name: path, reason: `must not be nested deeper than ${NESTING_MAX} levels` };
  for (const [key, item] of Object.entries(value)) {
    const inner = path === '' ? key : `${path}.${key}`;
    const reason = Array.isArray(value) ? undefined : unstorable(key);
    if (reason !== undefined) return { name: path === '' ? 'body' : path, reason: `a key ${reason}` };
    const fault = findUnstorableText(item, inner, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function unstorable(text: string): string | undefined {
  if (text.includes('\0')) return 'must not contain a NUL character';
  return text.isWellFormed() ? undefined : 'must be well-formed Unicode (it has a lone surrogate)';
}

/** True for what a JSON or query parser makes; false for streams and buffers. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Array.isArray(value);
}

/** JSON that would not be stored as it was sent. `name` is the key at fault. */
export class InexactJsonError extends Error {
  override readonly name = 'InexactJsonError';
  readonly key: string;

  constructor(key: string, reason: string) {
    super(reason);
    this.key = key;
  }
}

/**
 * Parses JSON and refuses what would silently become something else: integers that lose digits and numbers beyond
 * what a double can hold (RFC 8259, section 6), and the key `__proto__`, which is not an ordinary key.
 * @throws SyntaxError when it is not JSON; InexactJsonError
 */
export function parseExactJson(text: string): unknown {
  return JSON.parse(text, refuseInexact as (key: string, value: unknown) => unknown);
}

function refuseInexact(key: string, value: unknown, { source }: { source?: string }): unknown {
  if (key === '__proto__') throw new InexactJsonError(key, 'is not allowed as a key');
  if (typeof value !== 'number') return value;
  const lossy = !Number.isFinite(value) || (/^-?\d+$/.test(source ?? '') && !Number.isSafeInteger(value));
  if (lossy) throw new InexactJsonError(key, `is a number that cannot be kept exactly: ${source?.slice(0, 40)}`);
  return value;
}
