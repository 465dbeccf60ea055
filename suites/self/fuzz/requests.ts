import fc from 'fast-check';

/** What of an OpenAPI document says what a request looks like. */
export interface Schema {
  type?: string;
  format?: string;
  pattern?: string;
  enum?: readonly unknown[];
  anyOf?: readonly Schema[];
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  items?: Schema;
  minimum?: number;
  maximum?: number;
}

export interface Operation {
  method: string;
  path: string;
  parameters: readonly { in: string; name: string; schema?: Schema }[];
  body: Schema | undefined;
  /** A body that is well, where one is known. */
  good: (() => Record<string, unknown>) | undefined;
  takes: 'json' | 'multipart' | 'bytes' | 'nothing';
}

export interface FuzzRequest {
  method: string;
  /** Percent-encoded, with its query string. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body: string | Uint8Array | null;
}

/** Texts that have broken something somewhere: separators, nulls, lone surrogates, numbers that are none, paths. */
const HOSTILE = [
  ...['', ' ', '\0', 'a\0b', '\uD800', '\uFFFE', '\u202Eabc', '%', '%00', '_', '\\', "'", '"', '{}', '[]', 'null'],
  ...[
    '..',
    '../../etc/passwd',
    '..\\..\\x',
    '/etc/passwd',
    'C:\\x',
    '.',
    'CON',
    '-1',
    '0',
    '1e400',
    'NaN',
    '9'.repeat(30),
  ],
  ...["' OR 1=1 --", '$' + '{x}', '{{7*7}}', '<script>', '\r\nX-A: b', 'ä'.repeat(200), 'x'.repeat(5000), '__proto__'],
  ...['constructor', 'toString', '2026-13-45T99:99:99Z', '00000000-0000-0000-0000-000000000000', '1767225600000-0'],
] as const;

const text = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.uuid(),
  fc.string({ maxLength: 20 }),
);
const anything = fc.oneof(
  { weight: 3, arbitrary: text },
  fc.anything({
    maxDepth: 3,
    withNullPrototype: false,
    key: text,
    values: [text, fc.double(), fc.boolean(), fc.constant(null)],
  }),
);

const harmless = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 });

/** Values that fit; wild ones mostly, with hostile texts, and every so often something else altogether. */
function valueFor(schema: Schema, wild: boolean, depth = 0): fc.Arbitrary<unknown> {
  const fits = fitting(schema, wild, depth);
  return wild ? fc.oneof({ weight: 8, arbitrary: fits }, { weight: 1, arbitrary: anything }) : fits;
}

function fitting(schema: Schema, wild: boolean, depth: number): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined && schema.anyOf.length > 0) {
    return fc.oneof(...schema.anyOf.map((each) => valueFor(each, wild, depth + 1)));
  }
  if (schema.type === 'integer' || schema.type === 'number') {
    const within = fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 1e9, 1e9) });
    return wild ? fc.oneof(within, fc.integer(), fc.double()) : within;
  }
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'null') return fc.constant(null);
  if (schema.type === 'string') {
    if (schema.format === 'uuid') return fc.uuid({ version: 4 });
    if (schema.pattern !== undefined) return fc.stringMatching(new RegExp(schema.pattern));
    return wild ? text : harmless;
  }
  if (schema.type === 'array') return fc.array(valueFor(schema.items ?? {}, wild, depth + 1), { maxLength: 5 });
  if (schema.type === 'object' && depth < 5) {
    const properties = Object.entries(schema.properties ?? {});
    const known = fc.record(
      Object.fromEntries(properties.map(([name, each]) => [name, valueFor(each, wild, depth + 1)])),
      { requiredKeys: properties.map(([name]) => name).filter((name) => schema.required?.includes(name)) },
    );
    const extra = fc.option(fc.dictionary(text, anything, { maxKeys: 2 }), { freq: wild ? 8 : 1000, nil: {} });
    return fc.tuple(known, extra).map(([own, more]) => ({ ...more, ...own }));
  }
  return wild ? anything : fc.jsonValue();
}

/** A good body, of which one field may be something else. */
const spoilt = (good: () => Record<string, unknown>): fc.Arbitrary<string> =>
  fc.tuple(fc.nat(), fc.option(anything, { freq: 2, nil: undefined })).map(([nth, value]) => {
    const body = good();
    const names = Object.keys(body);
    return JSON.stringify(value === undefined ? body : { ...body, [names[nth % names.length] ?? '']: value });
  });

/** JSON that is sent as text: what has no place in JSON is left to JSON.stringify. */
const json = (schema: Schema, good?: () => Record<string, unknown>): fc.Arbitrary<string | Uint8Array> =>
  fc.oneof(
    { weight: good === undefined ? 0 : 12, arbitrary: spoilt(good ?? (() => ({}))) },
    { weight: 8, arbitrary: valueFor(schema, false).map((value) => JSON.stringify(value) ?? '') },
    { weight: 8, arbitrary: valueFor(schema, true).map((value) => JSON.stringify(value) ?? '') },
    {
      weight: 1,
      arbitrary: fc
        .tuple(valueFor(schema, true), fc.nat(50))
        .map(([v, cut]) => (JSON.stringify(v) ?? '').slice(0, cut)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
    { weight: 1, arbitrary: fc.nat(3000).map((depth) => '['.repeat(depth)) },
  );

const BOUNDARY = 'fuzz-boundary';
const END = `--${BOUNDARY}--\r\n`;
const FIELDS = ['file', 'description', 'tags', 'retention_policy', 'ttl_days', 'user_metadata', 'metadata', 'username'];

const part = fc
  .record({
    name: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...FIELDS) }, text),
    filename: fc.option(text, { freq: 2, nil: undefined }),
    type: fc.option(fc.constantFrom('text/plain', 'application/json', 'a/b; c', '\u0001', ''), { nil: undefined }),
    content: fc.oneof(text, fc.constant('{"a":1}'), fc.constant('["a"]'), fc.constant('permanent')),
  })
  .map(({ name, filename, type, content }) =>
    [
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"`,
      filename === undefined ? '' : `; filename="${filename}"`,
      type === undefined ? '' : `\r\nContent-Type: ${type}`,
      `\r\n\r\n${content}\r\n`,
    ].join(''),
  );

/** One that an upload can do with; others may come before and after it. */
const GOOD_PART = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc\r\n`;
const some = fc.oneof(fc.constant([]), fc.array(part, { maxLength: 3 }));
const parts = fc
  .tuple(some, fc.constantFrom(GOOD_PART, GOOD_PART, GOOD_PART, ''), some)
  .map(([before, good, after]) => [...before, good, ...after]);

const multipart = fc
  .tuple(parts, fc.constantFrom(END, END, END, '', '--', `--${BOUNDARY}`), fc.nat(9))
  .map(([all, end, cut]) => {
    const whole = Buffer.from(all.join('') + end, 'utf8');
    return cut === 0 ? whole.subarray(0, whole.length >> 1) : whole;
  });

const bodies: Record<Operation['takes'], (operation: Operation) => fc.Arbitrary<string | Uint8Array | null>> = {
  json: ({ body, good }) => json(body ?? {}, good),
  multipart: () =>
    fc.oneof({ weight: 4, arbitrary: fc.constant(GOOD_PART + END) }, { weight: 8, arbitrary: multipart }, json({})),
  bytes: () => fc.uint8Array({ maxLength: 2000 }),
  nothing: () => fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, json({})),
};
const TYPES: Record<Operation['takes'], string> = {
  json: 'application/json',
  multipart: `multipart/form-data; boundary=${BOUNDARY}`,
  bytes: 'application/octet-stream',
  nothing: 'application/json',
};

const ODD_HEADERS = {
  range: fc.constantFrom(
    'bytes=0-1',
    'bytes=-5',
    'bytes=5-1',
    'bytes=0-1,3-4',
    'bytes=99999999999999999999-',
    'lines=1-2',
    'bytes=a-b',
  ),
  'if-range': fc.constantFrom('"x"', 'W/"x"', 'Thu, 26 Nov 2026 00:00:00 GMT', '!'),
  'if-none-match': fc.constantFrom('*', '"x"', ''),
  accept: fc.constantFrom('*/*', 'text/html', 'a'.repeat(3000)),
  'x-request-id': fc.constantFrom('a', 'x'.repeat(3000), '../..'),
  'content-type': fc.constantFrom(
    'text/plain',
    'application/json; charset=utf-16',
    'multipart/form-data',
    'a',
    'application/x-www-form-urlencoded',
  ),
};

/**
 * Requests for one operation.
 * @param ids ids of files that are there
 * @param tokens values of the Authorization header; most requests carry one
 */
export function requestsOf(
  operation: Operation,
  { ids, tokens }: { ids: readonly string[]; tokens: readonly [string, ...string[]] },
): fc.Arbitrary<FuzzRequest> {
  const segment = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...ids) },
    fc.uuid(),
    text,
    fc.nat(5000).map(String),
  );
  const path = fc
    .array(segment, { minLength: 3, maxLength: 3 })
    .map((values) => operation.path.replace(/\{[^}]+\}/g, () => encoded(values.pop() ?? '')));
  const named = operation.parameters.filter((each) => each.in === 'query');
  const query = fc.record(
    Object.fromEntries(
      [...named, { name: 'other', schema: {} }].map(({ name, schema }) => [name, valueFor(schema ?? {}, true)]),
    ),
    { requiredKeys: [] },
  );
  const authorization = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...tokens) },
    fc.constantFrom('', 'Bearer', 'Bearer a.b.c', 'Basic YTpi', `Bearer ${'x'.repeat(4000)}`),
  );
  const odd = fc.record(ODD_HEADERS, { requiredKeys: [] });
  const sometimes = fc.option(odd, { freq: 3, nil: {} });
  return fc
    .record({ path, query, authorization, odd: sometimes, body: bodies[operation.takes](operation) })
    .map((given) => ({
      method: operation.method,
      path: given.path + queryString(given.query),
      headers: {
        ...(given.body === null ? {} : { 'content-type': TYPES[operation.takes] }),
        ...given.odd,
        ...(given.authorization === '' ? {} : { authorization: given.authorization }),
      },
      body: given.body,
    }));
}

function queryString(query: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(query).map(([name, value]) => {
    const written = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
    return `${encoded(name)}=${encoded(written)}`;
  });
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** Lone surrogates have no encoding: their bytes are sent as they would be if they had one. */
function encoded(value: string): string {
  return encodeURIComponent(value.replace(/\p{Surrogate}/gu, '')) + (/\p{Surrogate}/u.test(value) ? '%ED%A0%80' : '');
}
