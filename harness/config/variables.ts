import { UsageError } from '../core/errors.ts';

/** What stands for an environment variable that is not set, at a place in the file. */
export type Unset = (name: string, keys: readonly (string | number)[], whole: boolean) => string;

/** @throws UsageError naming the variable and where it is wanted */
export const refuseUnset: Unset = (name, keys) => {
  throw new UsageError(
    `Expected the environment variable ${name}, which ${keys.join('.')} of the target file names, to be set`,
  );
};

/** For whoever reads a target file and calls nobody: any value of the right form, and the name into `names`. */
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
