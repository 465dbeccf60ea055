/** The target broke a requirement: verdict `fail`. The message is one line that says what was expected and what was seen. */
export class Violation extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    // The name that assertion libraries share: reports show a failed expectation, not a broken test.
    this.name = 'AssertionError';
  }
}

/** @throws Violation with `message` unless `condition` holds */
export function demand(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new Violation(typeof message === 'string' ? message : message());
}

/** @throws Violation unless both are the same JSON value; of objects it names only what differs */
export function demandEqual(actual: unknown, expected: unknown, what: string): void {
  const [seen, wanted] = [canonical(actual), canonical(expected)];
  demand(seen === wanted, () => {
    if (!isRecord(actual) || !isRecord(expected)) return `${what}: expected ${brief(wanted)}, got ${brief(seen)}`;
    const names = [...new Set([...Object.keys(expected), ...Object.keys(actual)])];
    const differing = names.filter((name) => canonical(actual[name]) !== canonical(expected[name]));
    const fields = differing.map(
      (name) => `${name} expected ${brief(canonical(expected[name]))}, got ${brief(canonical(actual[name]))}`,
    );
    return `${what}: ${fields.join('; ')}`;
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

interface Schema<T> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: T }
    | { success: false; error: { issues: readonly { path: PropertyKey[]; message: string }[] } };
}

/** @throws Violation naming each field of `value` that does not have the contract's shape */
export function conforms<T>(schema: Schema<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${path.map(String).join('.') || 'it'}: ${message}`);
  throw new Violation(`${what} is not as the contract says: ${issues.join('; ')}`);
}

/** JSON with sorted keys, so that the order of fields makes no difference. */
function canonical(value: unknown): string {
  const sort = (_key: string, inner: unknown): unknown =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner;
  return JSON.stringify(value, sort) ?? 'undefined';
}

function brief(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
