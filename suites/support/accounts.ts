import { type Role, tokenAnswerSchema } from '../../harness/contract/http.ts';
import type { PipelineClient } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';
import { decodeToken, type PublishedKey } from './tokens.ts';
import { conforms, demand } from './violation.ts';

export function askForToken(pipeline: PipelineClient, body: unknown): ReturnType<PipelineClient['request']> {
  return pipeline.request('admin', 'POST', '/api/v1/auth/token', { body, authenticated: false });
}

/** A token of the account with this role. @throws Violation unless there is one for it */
export async function tokenOf({ env, pipeline }: CaseContext, role: Role): Promise<string> {
  const account = env.accounts[role];
  if (account === undefined) throw new Error(`The target has no account for a ${role}`);
  const { clientId, clientSecret } = account;
  const { status, outcome, body } = await askForToken(pipeline, { client_id: clientId, client_secret: clientSecret });
  demand(status === 200, `Right credentials of a ${role} were answered ${status ?? outcome}`);
  const answer = conforms(tokenAnswerSchema, body, `The token answer for a ${role}`);
  demand(answer.expires_in > 0, `The token of a ${role} expires in ${answer.expires_in} s`);
  return answer.access_token;
}

/** The key, of those that the issuer publishes, that a token names. @throws Violation when there is none */
export async function publishedKey({ pipeline }: CaseContext, token: string): Promise<PublishedKey> {
  const path = '/.well-known/jwks.json';
  const { status, outcome, body } = await pipeline.request('admin', 'GET', path, { authenticated: false });
  demand(status === 200, `GET ${path} was answered ${status ?? outcome}`);
  const { keys = [] } = (body ?? {}) as { keys?: PublishedKey[] };
  const { kid } = decodeToken(token).header;
  const key = keys.find((each) => each.kid === kid);
  demand(key?.kty === 'RSA', `${path} has no RSA key with the kid of a good token, ${String(kid)}`);
  return key;
}
