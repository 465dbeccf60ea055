import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type ServiceName, STANDARD_PORTS } from '../contract/names.ts';

/** What a setting must be, in words, and whether its value must never be shown. Kept as metadata of its schema. */
interface SettingFacts {
  expected: string;
  secret: boolean;
}

const settingFacts = z.registry<SettingFacts>();

function setting<T>(schema: z.ZodType<T>, expected: string, secret = false): z.ZodType<T> {
  return schema.register(settingFacts, { expected, secret });
}

const INVALID = 'invalid';

/** Text of at least one character. */
export function text(fallback?: string): z.ZodType<string> {
  const schema = z.string().min(1);
  return setting(fallback === undefined ? schema : schema.default(fallback), 'a text that is not empty');
}

/** Text that may be left out. */
export function optionalText(): z.ZodType<string | undefined> {
  return setting(z.string().min(1).optional(), 'a text that is not empty');
}

/** A secret that may be left out; it is never shown, neither in errors nor by `/version`. */
export function optionalSecret(): z.ZodType<string | undefined> {
  return setting(z.string().min(1).optional(), 'a text that is not empty', true);
}

/** Path of a file that holds a secret; it is never shown, neither in errors nor by `/version`. */
export function optionalSecretFile(): z.ZodType<string | undefined> {
  return setting(z.string().min(1).optional(), 'a path that is not empty', true);
}

export function integer(bounds: { min: number; max: number; fallback: number }): z.ZodType<number> {
  const schema = z
    .string()
    .regex(/^-?\d{1,15}$/, INVALID)
    .transform(Number)
    .refine((value) => value >= bounds.min && value <= bounds.max, INVALID)
    .default(bounds.fallback);
  return setting(schema, `an integer from ${bounds.min} to ${bounds.max}`);
}

/** A decimal number, e.g. seconds with a fraction. */
export function decimal(bounds: { min: number; max: number; fallback: number }): z.ZodType<number> {
  const schema = z
    .string()
    .regex(/^\d{1,9}(\.\d{1,9})?$/, INVALID)
    .transform(Number)
    .refine((value) => value >= bounds.min && value <= bounds.max, INVALID)
    .default(bounds.fallback);
  return setting(schema, `a number from ${bounds.min} to ${bounds.max}`);
}

export function onOff(fallback: boolean): z.ZodType<boolean> {
  const schema = z
    .string()
    .toLowerCase()
    .refine((value) => ['on', 'off', 'true', 'false', '1', '0'].includes(value), INVALID)
    .transform((value) => value === 'on' || value === 'true' || value === '1')
    .default(fallback);
  return setting(schema, 'one of on, off');
}

export function choice<const C extends readonly [string, ...string[]]>(
  choices: C,
  fallback: C[number],
): z.ZodType<C[number]> {
  const schema: z.ZodType<C[number]> = z.enum(choices).default(fallback as never) as never;
  return setting(schema, `one of ${choices.join(', ')}`);
}

function hasProtocol(value: string, protocols: readonly string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

/** An http(s) address; a trailing slash is taken off. */
export function httpUrl(fallback?: string): z.ZodType<string> {
  const schema = z
    .string()
    .refine((value) => hasProtocol(value, ['http:', 'https:']), INVALID)
    .transform((value) => value.replace(/\/+$/, ''));
  return setting(fallback === undefined ? schema : schema.default(fallback), 'an http:// or https:// URL');
}

function optionalHttpUrl(): z.ZodType<string | undefined> {
  const schema = z.string().refine((value) => hasProtocol(value, ['http:', 'https:']), INVALID);
  return setting(schema.optional(), 'an http:// or https:// URL');
}

/**
 * The address of a PostgreSQL, which may carry a password and is never shown. TLS, where it is asked for, is verified:
 * every other `sslmode` would talk to anybody.
 */
function databaseUrl(): z.ZodType<string> {
  const isAcceptable = (value: string): boolean =>
    hasProtocol(value, ['postgres:', 'postgresql:']) &&
    [...new URL(value).searchParams].every(([name, given]) =>
      name === 'sslmode' ? given === 'disable' || given === 'verify-full' : !/ssl|uselibpqcompat/.test(name),
    );
  const expected =
    'a postgres:// or postgresql:// URL, about TLS with nothing but sslmode=verify-full or sslmode=disable';
  return setting(z.string().refine(isAcceptable, INVALID), expected, true);
}

/** The PEM text of a file with the certificates of one or more authorities; read once. Not shown: it is long, and no setting. */
function optionalAuthorityFile(): z.ZodType<string | undefined> {
  const schema = z
    .string()
    .transform((path, context) => {
      try {
        const pem = readFileSync(path, 'utf8');
        return new X509Certificate(pem) && pem;
      } catch {
        // What was expected is said with the setting's name.
        context.addIssue({ code: 'custom', message: INVALID });
        return z.NEVER;
      }
    })
    .optional();
  return setting(schema, 'the path of a readable file with certificates in PEM form', true);
}

/**
 * The address of a Redis, which may carry a password and is never shown. Without parameters: they would outrank how the
 * services use it, TLS included. In small letters: the client takes any other way to write `rediss` for no TLS.
 */
function redisUrl(): z.ZodType<string> {
  const isAcceptable = (value: string): boolean =>
    /^rediss?:/.test(value) && hasProtocol(value, ['redis:', 'rediss:']) && new URL(value).search === '';
  return setting(
    z.string().refine(isAcceptable, INVALID),
    'a redis:// or rediss:// URL in small letters, without parameters',
    true,
  );
}

/** How the services that use both reach Redis and PostgreSQL. A file of authorities asks for TLS that they vouch for. */
export function serverSettings() {
  return {
    DATABASE_URL: databaseUrl(),
    DATABASE_CA_FILE: optionalAuthorityFile(),
    REDIS_URL: redisUrl(),
    REDIS_CA_FILE: optionalAuthorityFile(),
  };
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return z.object({ version: z.string() }).parse(manifest).version;
}

/** Settings of every service. */
export function commonSettings(service: ServiceName) {
  return {
    HOST: text('127.0.0.1'),
    PORT: integer({ min: 0, max: 65_535, fallback: STANDARD_PORTS[service] }),
    LOG_LEVEL: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
    SERVICE_VERSION: optionalText(),
    GIT_SHA: text('unknown'),
    BUILT_AT: text('unknown'),
    AUTH_ISSUER: text('syncproof'),
  };
}

/** Settings of the services that verify tokens with the keys of another one. */
export function verifierSettings() {
  return { ADMIN_URL: httpUrl(`http://127.0.0.1:${STANDARD_PORTS.admin}`), JWKS_URL: optionalHttpUrl() };
}

export type CommonSettings = z.output<z.ZodObject<ReturnType<typeof commonSettings>>>;

/** One or more settings are wrong. The message has one line per setting: its name, what was expected, what was given. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** The environment of this process. No other file of the services reads it. */
function processEnvironment(): Record<string, string | undefined> {
  return process.env;
}

/**
 * Reads settings from environment variables. An empty variable counts as absent.
 * @throws SettingsError naming every wrong variable, what was expected and what was given (never for secrets)
 */
export function loadSettings<Shape extends Record<string, z.ZodType>>(
  shape: Shape,
  environment: Record<string, string | undefined> = processEnvironment(),
): z.output<z.ZodObject<Shape>> {
  const given = Object.fromEntries(
    Object.keys(shape).map((name) => [name, environment[name] === '' ? undefined : environment[name]]),
  );
  const result = z.object(shape).safeParse(given);
  if (result.success) return result.data;
  const wrong = new Set(result.error.issues.map((issue) => String(issue.path[0])));
  throw new SettingsError([...wrong].map((name) => describeWrong(name, shape[name], given[name])).join('\n'));
}

function describeWrong(name: string, schema: z.ZodType | undefined, value: string | undefined): string {
  const facts = schema === undefined ? undefined : settingFacts.get(schema);
  const shown = value === undefined ? 'nothing' : facts?.secret ? 'a value that is not shown' : JSON.stringify(value);
  return `Expected ${name} to be ${facts?.expected ?? 'valid'}, got ${shown}`;
}

/** The settings without those that may carry a secret, for `/version`. */
export function publicSettings(
  shape: Record<string, z.ZodType>,
  values: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).filter(([name]) => {
      const schema = shape[name];
      return schema !== undefined && settingFacts.get(schema)?.secret === false;
    }),
  );
}

/** What `/version` says about the build. */
export function buildFacts(config: CommonSettings): { version: string; git_sha: string; built_at: string } {
  return {
    version: config.SERVICE_VERSION ?? packageVersion(),
    git_sha: config.GIT_SHA,
    built_at: config.BUILT_AT,
  };
}
