/** A JSON Web Token (RFC 7519) taken apart; whether its signature holds is the target's matter. */
export interface DecodedToken {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
}

/** @throws SyntaxError when it is no JWT */
export function decodeToken(token: string): DecodedToken {
  const [header, claims] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  return { header: JSON.parse(header ?? '{}'), claims: JSON.parse(claims ?? '{}') };
}
