import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type ServiceName, STANDARD_PORTS } from '../contract/names.ts';

/** Settings that are never shown, neither in errors nor by `/version`. */
const secrets = z.registry();

// The message of every issue is what was expected, in words.
const NOT_EMPTY = 'a text that is not empty';

/** Text of at least one character. */
export function text(fallback?: string): z.ZodType<string> {
  const schema = z.string(NOT_EMPTY).min(1, NOT_EMPTY);
  return fallback === undefined ? schema : schema.default(fallback);
}

/** Text that may be left out. */
export function optionalText(expected = NOT_EMPTY): z.ZodType<string | undefined> {
  return z.string().min(1, expected).optional();
}

/** A secret that may be left out. */
export function optionalSecret(): z.ZodType<string | undefined> {
  return optionalText().register(secrets);
}

/** Path of a file that holds a secret. */
export function optionalSecretFile(): z.ZodType<string | undefined> {
  return optionalText('a path that is not empty').register(secrets);
}

function numberSetting(form: RegExp, kind: string) {
  return ({ min, max, fallback }: { min: number; max: number; fallback: number }): z.ZodType<number> => {
    const expected = `${kind} from ${min} to ${max}`;
    const bounded = z.coerce.number<string>().min(min, expected).max(max, expected);
    return z.string().regex(form, expected).pipe(bounded).default(fallback);
  };
}

export const integer = numberSetting(/^-?\d{1,15}$/, 'an integer');

/** A decimal number, e.g. seconds with a fraction. */
export const decimal = numberSetting(/^\d{1,9}(\.\d{1,9})?$/, 'a number');

export function onOff(fallback: boolean): z.ZodType<boolean> {
  const words = { truthy: ['on', 'true', '1'], falsy: ['off', 'false', '0'] };
  return z.stringbool({ ...words, error: 'one of on, off' }).default(fallback);
}

export function choice<const C extends readonly [string, ...string[]]>(
  choices: C,
  fallback: C[number],
): z.ZodType<C[number]> {
  return z.enum(choices, `one of ${choices.join(', ')}`).default(fallback as never) as never;
}

const urlOf = (protocol: RegExp, expected: string) => z.url({ protocol, error: expected, abort: true });
const anyHttpUrl = () => urlOf(/^https?$/, 'an http:// or https:// URL');

/** An http(s) address; a trailing slash is taken off. */
export function httpUrl(fallback: string): z.ZodType<string> {
  return anyHttpUrl()
    .transform((value) => value.replace(/\/+$/, ''))
    .default(fallback);
}

/**
 * The address of a PostgreSQL, which may carry a password. TLS, if requested, is verified: every other `sslmode`
 * would accept any server.
 */
function databaseUrl(): z.ZodType<string> {
  const expected =
    'a postgres:// or postgresql:// URL, about TLS with nothing but sslmode=verify-full or sslmode=disable';
  const isAcceptable = (value: string): boolean =>
    [...new URL(value).searchParams].every(([name, given]) =>
      name === 'sslmode' ? given === 'disable' || given === 'verify-full' : !/ssl|uselibpqcompat/.test(name),
    );
  return urlOf(/^postgres(ql)?$/, expected)
    .refine(isAcceptable, expected)
    .register(secrets);
}

/**
 * The PEM text of a file with the certificates of one or more authorities; read once. Not shown: it is long, and not a
 * setting.
 */
function optionalAuthorityFile(): z.ZodType<string | undefined> {
  const schema = z.string().transform((path, context) => {
    try {
      const pem = readFileSync(path, 'utf8');
      return new X509Certificate(pem) && pem;
    } catch {
      context.addIssue('the path of a readable file with certificates in PEM form');
      return z.NEVER;
    }
  });
  return schema.optional().register(secrets);
}

/**
 * The address of a Redis, which may carry a password. Without parameters: they would override the services' options,
 * TLS included. In lower case: the client treats any other spelling of `rediss` as no TLS.
 */
function redisUrl(): z.ZodType<string> {
  const expected = 'a redis:// or rediss:// URL in lower case, without parameters';
  return urlOf(/^rediss?$/, expected)
    .refine((value) => /^rediss?:/.test(value) && new URL(value).search === '', expected)
    .register(secrets);
}

/**
 * How the services that use both reach Redis and PostgreSQL. A file of authorities enables TLS verified against them.
 */
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
  return { ADMIN_URL: httpUrl(`http://127.0.0.1:${STANDARD_PORTS.admin}`), JWKS_URL: anyHttpUrl().optional() };
}

export type CommonSettings = z.output<z.ZodObject<ReturnType<typeof commonSettings>>>;

/**
 * One or more settings are wrong. The message has one line per setting: its name, what was expected, what was given.
 */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/**
 * Reads settings from environment variables. An empty variable counts as absent.
 * @throws SettingsError naming every wrong variable, what was expected and what was given (never for secrets)
 */
export function loadSettings<Shape extends Record<string, z.ZodType>>(
  shape: Shape,
  environment: Record<string, string | undefined> = process.env,
): z.output<z.ZodObject<Shape>> {
  const given = Object.fromEntries(
    Object.keys(shape).map((name) => [name, environment[name] === '' ? undefined : environment[name]]),
  );
  const result = z.object(shape).safeParse(given);
  if (result.success) return result.data;
  const expected = new Map(result.error.issues.map(({ path, message }) => [String(path[0]), message]));
  const shown = (name: string): string => {
    if (given[name] === undefined) return 'nothing';
    return isSecret(shape[name]) ? 'a value that is not shown' : JSON.stringify(given[name]);
  };
  throw new SettingsError(
    Array.from(expected, ([name, what]) => `Expected ${name} to be ${what}, got ${shown(name)}`).join('\n'),
  );
}

function isSecret(schema: z.ZodType | undefined): boolean {
  return schema === undefined || secrets.has(schema);
}

/** The settings without those that may carry a secret, for `/version`. */
export function publicSettings(
  shape: Record<string, z.ZodType>,
  values: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !isSecret(shape[name])));
}

/** What `/version` says about the build. */
export function buildFacts(config: CommonSettings): { version: string; git_sha: string; built_at: string } {
  return { version: config.SERVICE_VERSION ?? packageVersion(), git_sha: config.GIT_SHA, built_at: config.BUILT_AT };
}
