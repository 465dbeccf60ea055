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
 * what a double can hold (RFC 8259, section 6), and the key `__proto__`, which is no ordinary key of an object.
 * @throws SyntaxError when it is no JSON; InexactJsonError
 */
export function parseExactJson(text: string): unknown {
  return JSON.parse(text, refuseInexact as (key: string, value: unknown) => unknown);
}

function refuseInexact(key: string, value: unknown, { source }: { source?: string }): unknown {
  if (key === '__proto__') throw new InexactJsonError(key, 'is no name that an object can have here');
  if (typeof value !== 'number') return value;
  const lossy = !Number.isFinite(value) || (/^-?\d+$/.test(source ?? '') && !Number.isSafeInteger(value));
  if (lossy) throw new InexactJsonError(key, `is a number that cannot be kept exactly: ${source?.slice(0, 40)}`);
  return value;
}
