import { CONTRACT, type Requirement } from '../ledger/requirement.ts';

const file = 'auth/auth.test.ts';

export const AUTH = [
  {
    id: 'AUTH-01',
    level: 'MUST',
    tier: 'core',
    text: 'Valid credentials get a token that every service accepts; invalid ones get 401 without revealing which field was wrong.',
    allowed: [
      'Valid credentials: 200 with a Bearer token, with which no read call is answered 401 or 403, in any role.',
      'An upload with a valid token: 403 for a READONLY, and for no other role.',
      'A wrong secret and an unknown client: 401 with the same body, whichever it was.',
      'A malformed request: 4xx, and no token.',
    ],
    why: 'An attacker who can tell a wrong secret from an unknown client can enumerate clients first and guess secrets afterwards.',
    provoked:
      'Tokens for an account of each role, wrong secrets, unknown clients and malformed bodies, timed over several rounds.',
    troubleshooting: 'The token endpoint of admin, the clock of the services, and the keys at /.well-known/jwks.json.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: [], floor: { tokens: 1, accepted: 4, refused: 20 }, seconds: 3 }],
  },
  {
    id: 'AUTH-02',
    level: 'MUST',
    tier: 'core',
    text: 'Without a valid token every protected call of every service is answered 401 and changes nothing.',
    allowed: [
      '401 without a token, with garbage, alg none, HS256 signed with the public key, another key or issuer, one flipped bit, and outside its validity period.',
      'A token that differs from a valid one in a single bit is invalid, even where base64url leaves that bit unused.',
    ],
    why: 'Each service verifies tokens on its own: the one that verifies least is the way into all of them.',
    provoked:
      'Tokens forged in every known way, and correctly signed ones that are expired, not yet valid or of another issuer, on every protected call.',
    troubleshooting:
      'Which algorithm the verifier allows, which claims it requires, and whether every route is behind it.',
    since: '0.1.0',
    source: 'RFC 7519 (JWT), RFC 8725 (JWT best current practices)',
    cases: [
      {
        file,
        variant: 'forged',
        title: 'No token, garbage, forged and altered tokens: 401 on every protected call of every service.',
        needs: [],
        floor: { refused: 140 },
        seconds: 3,
      },
      {
        file,
        variant: 'times',
        title:
          'Correctly signed tokens that are expired, not yet valid or of another issuer: 401 on every protected call of every service.',
        needs: ['signing key'],
        floor: { refused: 14 },
        seconds: 2,
      },
    ],
  },
  {
    id: 'AUTH-03',
    level: 'MUST',
    tier: 'core',
    text: 'Roles are enforced: a USER cannot delete and a READONLY cannot write; each is answered 403, and nothing has changed.',
    allowed: [
      '403 for a USER who deletes, and for a READONLY who uploads, registers, updates or deletes.',
      'Everything else that a role may do is done.',
    ],
    why: 'Otherwise an account meant for reading can remove the files of other users.',
    provoked: 'Every protected call with a token of each role, on an existing file.',
    troubleshooting: 'Which roles each route names, and whether they are checked before the change.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: ['roles'], floor: { refused: 4, allowed: 12 }, seconds: 2 }],
  },
] as const satisfies readonly Requirement[];
