import type { Requirement } from './requirement.ts';
import { CONTRACT } from './sources.ts';

const file = 'conformance/auth.test.ts';

export const AUTH = [
  {
    id: 'AUTH-01',
    level: 'MUST',
    tier: 'core',
    text: 'Right credentials get a token that every service accepts; wrong ones get 401 and learn nothing about which part was wrong.',
    allowed: [
      'Right credentials: 200 with a Bearer token, which no service answers with 401.',
      'A wrong secret and an unknown client: 401 with the same body, whichever it was.',
      'A malformed request: 4xx, and no token.',
    ],
    why: 'Whoever can tell a wrong secret from an unknown client can list the clients first and guess secrets after.',
    provoked:
      'Tokens for an account of each role, wrong secrets, unknown clients and malformed bodies, timed over several rounds.',
    look: 'The token endpoint of admin, the clock of the services, and the keys at /.well-known/jwks.json.',
    since: '0.1.0',
    source: CONTRACT,
    cases: [{ file, needs: [], floor: { tokens: 1, accepted: 2, refused: 20 }, seconds: 3 }],
  },
] as const satisfies readonly Requirement[];
