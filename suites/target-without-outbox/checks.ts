import { Refusal } from './http.ts';

/** Says what is wrong with a value, undefined when nothing is. */
type Rule = (value: unknown) => string | undefined;
export type Rules = Readonly<Record<string, Rule>>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** PostgreSQL has no form for NUL, UTF-8 none for half a surrogate pair. */
export const text =
  (charactersMax: number, charactersMin = 0): Rule =>
  (value) => {
    if (typeof value !== 'string') return 'must be a text';
    if (value.includes('\0') || !value.isWellFormed()) return 'must be a text without NUL and lone surrogates';
    const characters = [...value].length;
    const fits = characters >= charactersMin && characters <= charactersMax;
    return fits ? undefined : `must have ${charactersMin} to ${charactersMax} characters`;
  };

export const integer =
  (min: number, max: number = Number.MAX_SAFE_INTEGER): Rule =>
  (value) =>
    Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max
      ? undefined
      : `must be an integer from ${min} to ${max}`;

export const oneOf =
  (...allowed: readonly string[]): Rule =>
  (value) =>
    allowed.includes(value as string) ? undefined : `must be one of ${allowed.join(', ')}`;

export const uuid: Rule = (value) =>
  typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)
    ? undefined
    : 'must be a UUID';

export const moment: Rule = (value) => {
  const date = typeof value === 'string' ? /^(\d{4}-\d\d-\d\d)T[\d:.]+(Z|[+-]\d\d:\d\d)$/.exec(value)?.[1] : undefined;
  const good = date !== undefined && isDay(date) && !Number.isNaN(Date.parse(value as string));
  return good ? undefined : 'must be a moment (ISO 8601)';
};

/** A day that its month does not have would be taken for one of the next. */
function isDay(date: string): boolean {
  const day = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date);
}

export const list =
  (rule: Rule, itemsMax: number): Rule =>
  (value) => {
    if (!Array.isArray(value)) return 'must be a list';
    if (value.length > itemsMax) return `must have at most ${itemsMax} items`;
    return value.map(rule).find((problem) => problem !== undefined);
  };

export const object: Rule = (value) => (isObject(value) ? undefined : 'must be an object');

/** Null says that there is none. */
export const nullable =
  (rule: Rule): Rule =>
  (value) =>
    value === null ? undefined : rule(value);

/** The known fields of a body. @throws Refusal (422) that names the first bad one */
export function checked(body: unknown, required: Rules, optional: Rules = {}): Record<string, unknown> {
  if (!isObject(body)) throw new Refusal(422, 'The body must be an object');
  for (const [name, rule] of Object.entries({ ...optional, ...required })) {
    const isThere = body[name] !== undefined;
    const problem = isThere ? rule(body[name]) : name in required ? 'must be there' : undefined;
    if (problem !== undefined) throw new Refusal(422, `${name} ${problem}`);
  }
  const known = Object.keys({ ...required, ...optional }).filter((name) => body[name] !== undefined);
  return Object.fromEntries(known.map((name) => [name, body[name]]));
}
