import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { adminSettings } from '../admin/app.ts';
import {
  choice,
  decimal,
  httpUrl,
  integer,
  loadSettings,
  onOff,
  publicSettings,
  SettingsError,
  serverSettings,
  text,
} from './config.ts';
import { createAuthority } from './fixtures/tls/certificates.ts';

const shape = {
  PORT: integer({ min: 0, max: 65_535, fallback: 8000 }),
  TIMEOUT_S: decimal({ min: 0.1, max: 60, fallback: 5 }),
  ENABLED: onOff(true),
  LEVEL: choice(['info', 'debug'], 'info'),
  PEER_URL: httpUrl('http://127.0.0.1:1'),
  DATABASE_URL: serverSettings().DATABASE_URL,
  FOLDER: text(),
};
const right = { DATABASE_URL: 'postgres://u:hush@h/db', FOLDER: '/f' };

function messageOf(environment: Record<string, string>): string {
  try {
    loadSettings(shape, { ...right, ...environment });
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError);
    return (error as Error).message;
  }
  return 'accepted';
}

describe('settings', () => {
  test('have defaults, and an empty variable counts as absent', () => {
    expect(loadSettings(shape, { ...right, PORT: '', ENABLED: 'off', PEER_URL: 'http://peer:2/' })).toEqual({
      ...right,
      PORT: 8000,
      TIMEOUT_S: 5,
      ENABLED: false,
      LEVEL: 'info',
      PEER_URL: 'http://peer:2',
    });
  });

  test.each([
    ['PORT', 'abc', 'Expected PORT to be an integer from 0 to 65535, got "abc"'],
    ['PORT', '65536', 'Expected PORT to be an integer from 0 to 65535, got "65536"'],
    ['TIMEOUT_S', '-1', 'Expected TIMEOUT_S to be a number from 0.1 to 60, got "-1"'],
    ['ENABLED', 'maybe', 'Expected ENABLED to be one of on, off, got "maybe"'],
    ['LEVEL', 'loud', 'Expected LEVEL to be one of info, debug, got "loud"'],
    ['PEER_URL', 'ftp://x', 'Expected PEER_URL to be an http:// or https:// URL, got "ftp://x"'],
    ['FOLDER', '', 'Expected FOLDER to be a text that is not empty, got nothing'],
  ])('%s=%s is refused with the name, the expectation and the value', (name, value, message) => {
    expect(messageOf({ [name]: value })).toBe(message);
  });

  test('a wrong secret is named, not shown', () => {
    const message = messageOf({ DATABASE_URL: 'mysql://u:hush@h/db' });
    expect(message).toMatch(/^Expected DATABASE_URL to be a postgres:\/\/ .*, got a value that is not shown$/);
  });

  test('all wrong ones are told at once', () => {
    expect(messageOf({ PORT: 'x', LEVEL: 'y' }).split('\n')).toHaveLength(2);
  });

  test('what is public leaves out what may carry a password', () => {
    const shown = publicSettings(shape, loadSettings(shape, right));
    expect(JSON.stringify(shown)).not.toContain('hush');
    expect(shown).toHaveProperty('PORT', 8000);
  });

  test.each([
    ['', true],
    ['?sslmode=verify-full', true],
    ['?sslmode=disable', true],
    ['?application_name=a', true],
    ['?sslmode=require', false],
    ['?sslmode=prefer', false],
    ['?sslmode=no-verify', false],
    ['?sslmode=verify-full&uselibpqcompat=true', false],
    ['?ssl=no-verify', false],
    ['?sslmode=disable&sslmode=no-verify', false],
  ])('TLS to PostgreSQL is verified or not asked for: DATABASE_URL that ends in "%s"', (parameters, accepted) => {
    const environment = { DATABASE_URL: `postgres://u:hush@h/db${parameters}`, REDIS_URL: 'redis://h' };
    const load = (): unknown => loadSettings(adminSettings, environment);
    if (accepted) expect(load).not.toThrow();
    else expect(load).toThrow(/^Expected DATABASE_URL to be .*sslmode=verify-full.*, got a value that is not shown$/);
  });

  test.each([
    ['redis://u:hush@h:6379/0', true],
    ['rediss://u:hush@h', true],
    // The client would take it for no TLS.
    ['REDISS://u:hush@h', false],
    ['rediss://u:hush@h?tls=', false],
    ['redis://u:hush@h?enableOfflineQueue=true', false],
    ['http://u:hush@h', false],
  ])('nothing in it outranks how Redis is used: REDIS_URL %s', (url, accepted) => {
    const load = (): unknown => loadSettings(adminSettings, { DATABASE_URL: 'postgres://h/db', REDIS_URL: url });
    if (accepted) expect(load).not.toThrow();
    else expect(load).toThrow(/^Expected REDIS_URL to be a redis:.*, got a value that is not shown$/);
  });

  test('a file of authorities is read, and must hold certificates', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'syncproof-settings-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const load = (file: string) =>
      loadSettings(adminSettings, { DATABASE_URL: 'postgres://h/db', REDIS_URL: 'redis://h', REDIS_CA_FILE: file });
    const path = join(folder, 'authority.pem');
    const expected = 'Expected REDIS_CA_FILE to be the path of a readable file with certificates in PEM form';
    expect(() => load(path)).toThrow(expected);
    await writeFile(path, 'no certificate');
    expect(() => load(path)).toThrow(expected);
    const { certificate } = await createAuthority('a');
    await writeFile(path, certificate);
    const settings = load(path);
    expect(settings.REDIS_CA_FILE).toBe(certificate);
    expect(publicSettings(adminSettings, settings)).not.toHaveProperty('REDIS_CA_FILE');
  });

  test('the paths of files with secrets are not shown either', () => {
    const folder = { AUTH_PRIVATE_KEY_FILE: '/hush/key.pem', AUTH_CLIENTS_FILE: '/hush/clients.json' };
    const environment = { DATABASE_URL: 'postgres://h/db', REDIS_URL: 'redis://h', ...folder };
    const settings = loadSettings(adminSettings, environment);
    expect(settings).toMatchObject(folder);
    expect(JSON.stringify(publicSettings(adminSettings, settings))).not.toMatch(/hush|_FILE/);
  });
});
