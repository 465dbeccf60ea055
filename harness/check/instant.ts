interface Instant {
  /** Microseconds since the epoch. */
  micros: number;
  /** Decimal digits of the second that the text shows, at most 6. */
  digits: number;
}

const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?$/i;

function parse(text: string): Instant | undefined {
  const [, date, time, fraction = '', zone = 'Z'] = ISO.exec(text) ?? [];
  const seconds = Date.parse(`${date}T${time}${zone}`);
  if (Number.isNaN(seconds)) return undefined;
  return { micros: seconds * 1000 + Number(fraction.slice(0, 6).padEnd(6, '0')), digits: Math.min(fraction.length, 6) };
}

/**
 * Compares two ISO 8601 timestamps as instants, to the microsecond, as far as both show them: a reader that cuts to
 * milliseconds is not wrong. Without a zone a text is UTC.
 * @returns negative when `a` is earlier, 0 when they are one instant, positive when later; NaN when one is no timestamp
 */
export function compareInstants(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  if (left === undefined || right === undefined) return Number.NaN;
  const unit = 10 ** (6 - Math.min(left.digits, right.digits));
  return Math.floor(left.micros / unit) - Math.floor(right.micros / unit);
}

/** Microseconds since the epoch; digits that a text does not show are 0. NaN when it is no ISO 8601 timestamp. */
export function microsecondsOf(text: string): number {
  return parse(text)?.micros ?? Number.NaN;
}
