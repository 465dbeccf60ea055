import type { ContractAnswer, ContractCall, Driver } from './transport.ts';

/** How one call of the contract looks on a target that differs in details. */
export interface CallMapping {
  method?: string | undefined;
  /** With the contract's own parameters in braces: `/files/{id}/meta`. */
  path?: string | undefined;
  /** The contract's field of the request → the target's. */
  request?: Readonly<Record<string, string>> | undefined;
  /** The contract's field of the answer → the target's. */
  response?: Readonly<Record<string, string>> | undefined;
  /** The target's status → the contract's. */
  status?: Readonly<Record<string, number>> | undefined;
}

/** `METHOD /path/{parameter}` of the contract → what the target does instead. */
export type ContractMapping = Readonly<Record<string, CallMapping>>;

interface Rule extends CallMapping {
  method: string;
  pattern: RegExp;
  parameters: readonly string[];
  target: CallMapping;
}

/** A driver that renames paths, methods, fields and statuses; what no rule names passes as it is. */
export function mappingDriver(mapping: ContractMapping): Driver {
  const rules = Object.entries(mapping).map(([key, target]) => ruleOf(key, target));
  return {
    async send(call, next) {
      const [pathname = '', query] = call.path.split('?', 2);
      const rule = rules.find(({ method, pattern }) => method === call.method && pattern.test(pathname));
      if (rule === undefined) return next(call);
      const answer = await next(mappedCall(call, rule, pathname, query));
      return mappedAnswer(answer, rule.target);
    },
  };
}

function ruleOf(key: string, target: CallMapping): Rule {
  const [method = '', path = ''] = key.split(' ', 2);
  const parameters = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name ?? '');
  const escaped = path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/\\\{\w+\\\}/g, '([^/]+)');
  return { method, pattern: new RegExp(`^${escaped}$`), parameters, target };
}

function mappedCall(call: ContractCall, rule: Rule, pathname: string, query: string | undefined): ContractCall {
  const { method = call.method, path = pathname, request } = rule.target;
  const values = rule.pattern.exec(pathname)?.slice(1) ?? [];
  const filled = rule.parameters.reduce((text, name, index) => text.replaceAll(`{${name}}`, values[index] ?? ''), path);
  const body = request === undefined ? call.body : renamedRequest(call, request);
  return { ...call, method, path: query === undefined ? filled : `${filled}?${query}`, body };
}

/** JSON by its keys; the parts of a form by their names. */
function renamedRequest(
  { body, headers }: ContractCall,
  names: Readonly<Record<string, string>>,
): ContractCall['body'] {
  if (body === null) return null;
  const type = headers['content-type'] ?? '';
  if (type.includes('json')) return renamedJson(body, names);
  if (!type.startsWith('multipart/form-data')) return body;
  // One byte per character and back, so that the file's bytes stay what they are.
  const text = Buffer.from(body).toString('latin1');
  const renamed = text.replaceAll(
    /(\r\nContent-Disposition: form-data; name=")(\w+)(")/g,
    (_whole, before: string, name: string, after: string) => before + (names[name] ?? name) + after,
  );
  return Buffer.from(renamed, 'latin1');
}

function mappedAnswer(answer: ContractAnswer, { response, status }: CallMapping): ContractAnswer {
  const mapped = status?.[String(answer.status)] ?? answer.status;
  if (response === undefined || !(answer.headers['content-type'] ?? '').includes('json')) {
    return { ...answer, status: mapped };
  }
  const names = Object.fromEntries(Object.entries(response).map(([ours, theirs]) => [theirs, ours]));
  return { ...answer, status: mapped, body: renamedJson(answer.body, names) };
}

/** Renames the keys of an object, and of the objects in its lists: the hits of a search, the files of a page. */
function renamedJson(body: string | Uint8Array, names: Readonly<Record<string, string>>): Uint8Array {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // No JSON after all: its reader reports that.
    return Buffer.from(body);
  }
  return Buffer.from(JSON.stringify(renamed(value, names)));
}

function renamed(value: unknown, names: Readonly<Record<string, string>>): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, names));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      names[key] ?? key,
      Array.isArray(inner) && inner.every(isObject) ? renamed(inner, names) : inner,
    ]),
  );
}

function isObject(value: unknown): boolean {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
