import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isMap, isNode, isScalar, LineCounter, parseDocument, stringify } from 'yaml';
import { z } from 'zod';
import { CONTRACT_CALLS } from '../../services/contract/http.ts';
import { EVENT_METRICS, type EventMetric, SERVER_NAMES, SERVICE_NAMES } from '../../services/contract/names.ts';
import { UsageError } from '../core/errors.ts';

/** What stands for an environment variable that is not set, at a place in the file. */
export type Unset = (name: string, keys: readonly (string | number)[], whole: boolean) => string;

/** @throws UsageError naming the variable and where it is wanted */
export const refuseUnset: Unset = (name, keys) => {
  throw new UsageError(
    `Expected the environment variable ${name}, which ${keys.join('.')} of the target file names, to be set`,
  );
};

/** For reading a target file without contacting anything: any value of the right form, and the name into `names`. */
export function noteUnset(names: Set<string>): Unset {
  return (name, keys, whole) => {
    names.add(name);
    // A part of a value, a password in an address, say, has no form of its own.
    if (!whole) return 'unset';
    if (keys[0] === 'postgres') return 'postgres://unset.invalid/unset';
    if (keys[0] === 'redis') return 'redis://unset.invalid';
    return keys.at(-1) === 'url' ? 'http://unset.invalid' : 'unset';
  };
}

interface Substitution {
  unset: Unset;
  /** Takes every value that came from the environment. */
  given: Set<string>;
}

/**
 * Replaces `${NAME}` in every text of plain data by the environment variable; `$${NAME}` stands for `${NAME}` itself.
 * @param keys where in the whole it stands
 */
export function substituted(value: unknown, keys: readonly (string | number)[], substitution: Substitution): unknown {
  if (typeof value === 'string') {
    const { unset, given } = substitution;
    return value.replaceAll(/(\$?)\$\{(\w+)\}/g, (whole, escaped: string, name: string) => {
      if (escaped !== '') return `\${${name}}`;
      const known = process.env[name];
      if (known === undefined) return unset(name, keys, whole === value);
      given.add(known);
      return known;
    });
  }
  if (Array.isArray(value)) return value.map((item, index) => substituted(item, [...keys, index], substitution));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, substituted(inner, [...keys, key], substitution)]),
  );
}

/** Goes to terminals as it is. */
const label = z
  .string()
  .min(1)
  .regex(/^\P{Cc}*$/u, 'must have no control characters');
const httpUrl = z.url({ protocol: /^https?$/ });
const positive = z.int().positive();
/** A day: longer than anything is waited for, and what timers can count. */
const seconds = positive.max(86_400);
const millis = positive.max(86_400_000);
function isDecodable(word: string): boolean {
  try {
    decodeURIComponent(word);
    return true;
  } catch {
    return false;
  }
}

/** What stands after the address would otherwise be ignored, silently. */
const withoutOptions = (url: string): boolean => (URL.parse(url)?.search ?? '') === '';

/** User and password are percent-encoded in it (RFC 3986, section 3.2.1). */
const serverUrl = (protocol: RegExp) =>
  z
    .url({ protocol })
    .refine((url) => {
      const { username = '', password = '' } = URL.parse(url) ?? {};
      return [username, password].every(isDecodable);
    }, 'must have a percent sign in user or password written as %25')
    .refine(withoutOptions, 'must have no options after a ?: they cannot be given here');

const metricName = z.string().regex(/^[A-Za-z_:][\w:]*$/, 'must be the name of a Prometheus metric');
const command = z.string().min(1).describe('run by /bin/sh -c; SYNCPROOF_PART and SYNCPROOF_VERB tell what for');

const hooksSchema = z
  .strictObject({
    kill: command.optional().describe('kills it (SIGKILL)'),
    stop: command.optional().describe('stops it gracefully (SIGTERM)'),
    start: command.optional().describe('starts it again, with its data, at its old address'),
    pause: command.optional().describe('suspends it (SIGSTOP)'),
    resume: command.optional().describe('continues it (SIGCONT)'),
    wipe: command.optional().describe('removes the data of a stopped server'),
    docker: z.string().min(1).optional().describe('name of a container: gives all of these but wipe'),
    compose: z
      .strictObject({ file: z.string().min(1), service: z.string().min(1), project: z.string().min(1).optional() })
      .optional()
      .describe('a service of docker compose: gives all of these but wipe'),
    kubectl: z
      .strictObject({
        workload: z
          .string()
          .regex(/^(deployment|statefulset)\/[\w.-]+$/, 'must be deployment/NAME or statefulset/NAME'),
        namespace: z.string().min(1).optional(),
        context: z.string().min(1).optional(),
        replicas: positive.default(1),
      })
      .optional()
      .describe('a workload of Kubernetes, ended and started by its number of replicas: gives kill, stop and start'),
    timeout_s: seconds.default(30).describe('how long one command may take, and then its effect'),
  })
  .superRefine((hooks, context) => {
    if (hooks.docker !== undefined || hooks.compose !== undefined || hooks.kubectl !== undefined) return;
    // A component that can be stopped but not started again is left alone, which the file's author would not expect.
    for (const verbs of [['kill', 'stop', 'start'] as const, ['pause', 'resume'] as const]) {
      const missing = verbs.filter((verb) => hooks[verb] === undefined);
      if (missing.length === 0 || missing.length === verbs.length) continue;
      const message = `${verbs.join(', ')} belong together; expected ${missing.join(' and ')} as well`;
      context.addIssue({ code: 'custom', message });
    }
  })
  .describe('how a component is stopped and started; commands given beside docker, compose or kubectl replace theirs');
export type ControlHooks = z.output<typeof hooksSchema>;

const furtherSchema = z
  .strictObject({
    url: httpUrl,
    start: command.describe('starts it; a case that needs it does so'),
    stop: command.describe('stops it gracefully (SIGTERM); so does the end of the case'),
    kill: command.describe('kills it (SIGKILL)'),
    pause: command.optional(),
    resume: command.optional(),
    timeout_s: seconds.default(30).describe('how long one command may take, and then its effect'),
  })
  .describe('a further instance, which does not run until a case needs it');

const accountSchema = z.strictObject({ client_id: z.string().min(1), client_secret: z.string().min(1) });

const callMappingSchema = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).optional(),
  path: z
    .string()
    .startsWith('/')
    .optional()
    .describe('with the parameters of the contract in braces: /files/{id}/meta'),
  request: z.record(z.string(), z.string()).optional().describe("the contract's field → the target's"),
  response: z.record(z.string(), z.string()).optional().describe("the contract's field → the target's"),
  status: z
    .record(z.string().regex(/^\d{3}$/), z.int().min(100).max(599))
    .optional()
    .describe("the target's status → the contract's"),
});

const xfailSchema = z.strictObject({
  requirement: z.string().min(1).describe('a requirement or one case of it: PUB-01, RES-02/killed-60s'),
  reason: z.string().min(1),
  link: z.url().optional().describe('the ticket'),
  expires: z.iso.date().describe('the last day on which the failure is still expected'),
});
export type ExpectedFailure = z.output<typeof xfailSchema>;

/** A target file. Every key that is not here is an error: a misspelt one would be ignored silently. */
export const targetSchema = z.strictObject({
  $schema: z.string().optional(),
  name: label.describe('for the report'),
  version: label.optional().describe('of the target, for the report and the badge'),
  services: z.strictObject({
    admin: z.strictObject({ url: httpUrl, more: z.array(furtherSchema).optional() }),
    query: z.strictObject({
      url: httpUrl,
      more: z.array(furtherSchema).optional().describe('cases need two'),
    }),
    ingester: z.strictObject({ url: httpUrl }).optional().describe('without one, writes are registrations at admin'),
    storage: z.strictObject({ url: httpUrl }).optional(),
  }),
  credentials: z
    .strictObject({ ADMIN: accountSchema, USER: accountSchema.optional(), READONLY: accountSchema.optional() })
    .describe('service accounts; cases write as ADMIN'),
  signing_key_file: z.string().min(1).optional().describe('private key (PEM) that signs tokens, relative to this file'),
  redis: z
    .strictObject({
      url: serverUrl(/^rediss?$/).refine(
        (url) => ['', '/', '/0'].includes(URL.parse(url)?.pathname ?? ''),
        'must name no other database than 0',
      ),
      admin: z.boolean().default(false).describe('may be made to answer with errors (CONFIG, ACL, DEBUG, REPLICAOF)'),
    })
    .optional(),
  postgres: z
    .strictObject({
      query: serverUrl(/^postgres(ql)?$/).describe("the read model's database"),
      admin: serverUrl(/^postgres(ql)?$/)
        .optional()
        .describe("the registry's, with the right to create triggers"),
      registry_table: z
        .string()
        .regex(/^[\w."]+$/)
        .default('files'),
      registry_name_column: z.string().regex(/^\w+$/).default('original_filename'),
    })
    .optional(),
  limits: z
    .strictObject({
      sync_ms: millis.default(5000).describe('a committed change is visible within this time while no fault is active'),
      pending_retry_ms: millis.default(60_000).describe('entries held for longer are taken over by another consumer'),
      stream_entries_max: positive.default(10_000),
      upload_bytes_max: positive.optional(),
    })
    .prefault({}),
  unsupported: z
    .array(z.enum(['download', 'metrics']))
    .default([])
    .describe('what of the contract this target does not support'),
  metrics: z
    .strictObject(
      Object.fromEntries(
        Object.entries(EVENT_METRICS).map(([metric, { service, name }]) => [
          metric,
          metricName.optional().describe(`in /metrics of ${service}; default ${name}`),
        ]),
      ) as Record<EventMetric, z.ZodOptional<typeof metricName>>,
    )
    .default({})
    .describe('how the metrics are named; series of one name are summed'),
  build: z
    .strictObject({ git_sha: z.string().min(1).optional(), version: z.string().min(1).optional() })
    .optional()
    .describe('what /version must answer'),
  control: z.partialRecord(z.enum([...SERVER_NAMES, ...SERVICE_NAMES]), hooksSchema).default({}),
  mapping: z
    .partialRecord(z.enum(CONTRACT_CALLS), callMappingSchema)
    .default({})
    .describe('calls that look different: METHOD /path → how'),
  driver: z.string().min(1).optional().describe('a module that says what mapping cannot, relative to this file'),
  xfail: z.array(xfailSchema).default([]),
  allow_partial: z.boolean().default(false).describe('a run that skipped cases for a missing capability exits with 0'),
});
export type Target = z.output<typeof targetSchema> & {
  /** Where it was read from: relative paths start there. */
  file: string;
  /** What must not appear in any message or report; the longest first. */
  secrets: readonly string[];
  /** What its author should know: keys that have another name now. */
  notes: readonly string[];
};

/**
 * Reads a target file. `${NAME}` in a value is replaced by the environment variable, so that secrets need not be in it.
 * @param options.unset called for a variable that is not set; refuses it by default
 * @throws UsageError naming the file, the key, what was expected and what was given, secrets left out
 */
export function loadTarget(path: string, { unset = refuseUnset }: { unset?: Unset } = {}): Target {
  const file = resolve(path);
  const text = readText(path, file);
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter });
  const [broken] = document.errors;
  if (broken?.code === 'MULTIPLE_DOCS') throw new UsageError(`Expected ${path} to be one YAML document, got several`);
  if (broken !== undefined) throw new UsageError(`Expected ${path} to be YAML: ${broken.message.split('\n')[0]}`);
  const given = new Set<string>();
  const { data, notes } = withNewNames(substituted(plainData(document, path), [], { unset, given }), path);
  const parsed = targetSchema.safeParse(data);
  if (parsed.success) return { ...parsed.data, file, secrets: secretsOf(parsed.data, given), notes };
  const problems = parsed.error.issues.flatMap((issue) =>
    describeIssue(issue, (keys) => lineOf(document, counter, keys)),
  );
  throw new UsageError(`${path} is no target file:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
}

/** Keys that were called something else before 0.2. */
const OLD_NAMES: Readonly<Record<string, string>> = { promises: 'limits', lacks: 'unsupported' };

/** The same data under today's names, and a note for each that is an old one. One that is given twice is left to the schema. */
function withNewNames(data: unknown, path: string): { data: unknown; notes: string[] } {
  if (typeof data !== 'object' || data === null) return { data, notes: [] };
  const notes: string[] = [];
  const entries = Object.entries(data).map(([key, value]) => {
    const name = Object.hasOwn(OLD_NAMES, key) ? OLD_NAMES[key] : undefined;
    if (name === undefined || Object.hasOwn(data, name)) return [key, value];
    notes.push(`${path}: \`${key}\` is called \`${name}\` now; the old name is still read`);
    return [name, value];
  });
  return { data: Array.isArray(data) ? data : Object.fromEntries(entries), notes };
}

/** @throws UsageError for aliases that lead nowhere, in a circle, or to far too much */
function plainData(document: Document, path: string): unknown {
  try {
    const data: unknown = document.toJS();
    JSON.stringify(data);
    return data;
  } catch (cause) {
    throw new UsageError(`Expected ${path} to be YAML whose aliases can be resolved`, { cause });
  }
}

/** The text of a target file. */
export function targetText(target: z.input<typeof targetSchema>): string {
  return stringify(target);
}

/** A path in a target file, from where the file is. */
export function besideTarget({ file }: Target, path: string): string {
  return resolve(dirname(file), path);
}

function readText(path: string, file: string): string {
  try {
    if (statSync(file).isFile()) return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`Expected --target to be a file that can be read, got ${path}`, { cause });
  }
  // Every test runner reads it again; a pipe would give it once, or never.
  throw new UsageError(`Expected --target to be a regular file, got ${path}`);
}

/** What must not be disclosed: what came from the environment, and secrets that stand in the file. */
function secretsOf(
  { credentials, redis, postgres }: z.output<typeof targetSchema>,
  given: ReadonlySet<string>,
): string[] {
  const urls = [redis?.url, postgres?.query, postgres?.admin].flatMap((url) => (url === undefined ? [] : [url]));
  const passwords = urls.map((url) => new URL(url).password).flatMap((word) => [word, decodeURIComponent(word)]);
  const accounts = Object.values(credentials).flatMap((account) => account?.client_secret ?? []);
  return [...new Set([...given, ...passwords, ...accounts])]
    .filter((secret) => secret.length >= SECRET_LENGTH_MIN)
    .sort((a, b) => b.length - a.length);
}

/** Shorter ones stand in too many words. */
const SECRET_LENGTH_MIN = 4;

type Document = ReturnType<typeof parseDocument>;

/** Where the key itself stands, or the innermost of those around it that stands anywhere. */
function lineOf(document: Document, counter: LineCounter, keys: readonly PropertyKey[]): string {
  for (let length = keys.length; length > 0; length--) {
    const around = document.getIn(keys.slice(0, length - 1), true);
    const key = String(keys[length - 1]);
    const pair = isMap(around)
      ? around.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
      : undefined;
    const node = pair?.key ?? document.getIn(keys.slice(0, length), true);
    if (isNode(node) && node.range) return `line ${counter.linePos(node.range[0]).line}: `;
  }
  return '';
}

function describeIssue(issue: z.core.$ZodIssue, line: (keys: readonly PropertyKey[]) => string): string[] {
  const name = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const whole = [...issue.path, key];
      return `${line(whole)}${whole.map(String).join('.')}: there is no such key${suggestion(issue.path)}`;
    });
  }
  return [`${line(issue.path)}${name || 'the file'}: ${issue.message}`];
}

/** The keys that may stand there. */
function suggestion(path: readonly PropertyKey[]): string {
  let node: z.core.JSONSchema.BaseSchema | undefined = z.toJSONSchema(targetSchema, { io: 'input' });
  for (const key of path) {
    const next: unknown =
      typeof key === 'number' ? node?.items : (node?.properties?.[String(key)] ?? node?.additionalProperties);
    node = typeof next === 'object' ? (next as z.core.JSONSchema.BaseSchema) : undefined;
  }
  const keys = Object.keys(node?.properties ?? {});
  return keys.length === 0 ? '' : `; keys are ${keys.join(', ')}`;
}

/** The published schema's place, from the project's root: editors check and complete target files with it. */
export const TARGET_SCHEMA_PATH = 'docs/target.schema.json';

/** The JSON Schema (draft 2020-12) of a target file, as the text of the published file. */
export function targetJsonSchema(): string {
  const schema = {
    $id: 'urn:syncproof:target:1',
    title: 'syncproof target file',
    ...z.toJSONSchema(targetSchema, { target: 'draft-2020-12', io: 'input' }),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
