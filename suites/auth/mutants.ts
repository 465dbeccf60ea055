import type { Edit, Mutant } from '../mutants/mutant.ts';

const common = 'services/common/auth.ts';

/** For variants that look into a token themselves. Anything that is no JSON is as empty. */
const decodedBeside: Edit = {
  file: common,
  find: 'function unauthorized(): HttpProblem {',
  replace: `function decoded(token: string, part: number): Record<string, any> {
  try {
    return JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString());
  } catch {
    return {};
  }
}
function unauthorized(): HttpProblem {`,
};

/** What can be wrong with tokens and roles. */
export const AUTH_MUTANTS: readonly Mutant[] = [
  {
    id: 'unknown-client-told',
    defect: 'the 401 says that the client is unknown',
    services: ['admin'],
    caughtBy: ['AUTH-01'],
    edits: [
      {
        file: 'services/admin/accounts.ts',
        find: '  const [account] = rows;',
        replace: `  const [account] = rows;
  if (account === undefined) throw Object.assign(new Error('There is no such client.'), { statusCode: 401 });`,
      },
    ],
  },
  {
    id: 'unknown-client-not-hashed',
    defect: 'an unknown client is refused without hashing, so the time tells that it is unknown',
    services: ['admin'],
    caughtBy: ['AUTH-01'],
    edits: [
      {
        file: 'services/admin/accounts.ts',
        find: '  const [account] = rows;',
        replace: `  const [account] = rows;
  if (account === undefined) return undefined;`,
      },
    ],
  },
  {
    id: 'reading-for-admins-only',
    defect: 'files can be read by ADMINs only',
    services: ['admin', 'query'],
    caughtBy: ['AUTH-01'],
    edits: [
      {
        file: 'services/query/app.ts',
        find: 'const guarded = { onRequest: auth.requireRole() };',
        replace: "const guarded = { onRequest: auth.requireRole('ADMIN') };",
      },
      {
        file: 'services/admin/file-routes.ts',
        find: 'const anyone = auth.requireRole();',
        replace: "const anyone = auth.requireRole('ADMIN');",
      },
    ],
  },
  {
    id: 'upload-open-to-all',
    defect: 'every role that may read may upload',
    services: ['ingester', 'storage', 'admin'],
    caughtBy: ['AUTH-01', 'AUTH-03'],
    edits: [
      { file: 'services/ingester/app.ts', find: "auth.requireRole('ADMIN', 'USER')", replace: 'auth.requireRole()' },
      {
        file: 'services/storage/app.ts',
        find: "url,\n    {\n      onRequest: auth.requireRole('ADMIN', 'USER')",
        replace: 'url,\n    {\n      onRequest: auth.requireRole()',
      },
      {
        file: 'services/storage/app.ts',
        find: "/deletion-key`,\n    {\n      onRequest: auth.requireRole('ADMIN', 'USER')",
        replace: '/deletion-key`,\n    {\n      onRequest: auth.requireRole()',
      },
      {
        file: 'services/admin/file-routes.ts',
        find: "const writer = auth.requireRole('ADMIN', 'USER');",
        replace: 'const writer = auth.requireRole();',
      },
    ],
  },
  {
    id: 'alg-none-accepted',
    defect: 'a token with alg none is accepted without a signature',
    services: ['query'],
    caughtBy: ['AUTH-02/forged'],
    edits: [
      {
        file: common,
        find: '    const key = await keyOf(token);',
        replace: `    if (decoded(token, 0).alg === 'none') {
      const { client_id: clientId, name, role } = claimsSchema.parse(decoded(token, 1));
      return { clientId, name, role, token };
    }
    const key = await keyOf(token);`,
      },
      decodedBeside,
    ],
  },
  {
    id: 'hs256-with-public-key',
    defect: 'the token chooses the algorithm, and the public key is used as a shared secret',
    services: ['admin', 'ingester'],
    caughtBy: ['AUTH-02/forged'],
    edits: [
      {
        file: common,
        find: '    const key = await keyOf(token);',
        replace: `    const { alg, kid } = decoded(token, 0);
    if (alg === 'HS256') {
      const { createHmac, KeyObject } = await import('node:crypto');
      const shared = await keys(kid);
      const secret = shared instanceof KeyObject ? shared : KeyObject.from(shared as never);
      const [head, payload, signature] = token.split('.');
      const mac = createHmac('sha256', secret.export({ type: 'spki', format: 'pem' }));
      if (mac.update(head + '.' + payload).digest('base64url') !== signature) throw unauthorized();
      const { client_id: clientId, name, role } = claimsSchema.parse(decoded(token, 1));
      return { clientId, name, role, token };
    }
    const key = await keyOf(token);`,
      },
      decodedBeside,
    ],
  },
  {
    id: 'signature-not-checked',
    defect: 'query reads tokens without checking what signed them',
    services: ['query'],
    caughtBy: ['AUTH-02/forged'],
    edits: [
      {
        file: common,
        find: '({ payload } = await jwtVerify(token, key, { algorithms: [TOKEN_ALGORITHM], issuer, requiredClaims }));',
        replace: 'payload = decoded(token, 1);',
      },
      decodedBeside,
    ],
  },
  {
    id: 'key-out-of-the-token',
    defect: 'a key embedded in the token is used to verify it',
    services: ['admin'],
    caughtBy: ['AUTH-02/forged'],
    edits: [
      {
        file: common,
        find: '    const key = await keyOf(token);',
        replace: `    const { jwk } = decoded(token, 0);
    const key = jwk === undefined ? await keyOf(token) : ((await importJWK(jwk, TOKEN_ALGORITHM)) as VerificationKey);`,
      },
      decodedBeside,
    ],
  },
  {
    id: 'unused-bits-accepted',
    defect: 'bits that base64url leaves unused are ignored: one token has several spellings',
    services: ['storage'],
    caughtBy: ['AUTH-02/forged'],
    edits: [{ file: common, find: 'if (!isCanonical(token)) throw unauthorized();', replace: '' }],
  },
  {
    id: 'times-not-checked',
    defect: 'tokens are valid for ever, and before their time',
    services: ['query', 'storage'],
    caughtBy: ['AUTH-02/times'],
    edits: [
      { file: common, find: 'issuer, requiredClaims }', replace: 'issuer, requiredClaims, clockTolerance: 1e9 }' },
    ],
  },
  {
    id: 'not-before-not-checked',
    defect: 'tokens are valid before their time',
    services: ['query'],
    caughtBy: ['AUTH-02/times'],
    edits: [
      {
        file: common,
        find: 'issuer, requiredClaims }',
        replace:
          'issuer, requiredClaims, currentDate: new Date(Math.max(Date.now(), (decoded(token, 1).nbf ?? 0) * 1000)) }',
      },
      decodedBeside,
    ],
  },
  {
    id: 'issuer-not-checked',
    defect: 'a token of any issuer is accepted',
    services: ['admin'],
    caughtBy: ['AUTH-02/times'],
    edits: [{ file: common, find: 'issuer, requiredClaims }', replace: 'requiredClaims }' }],
  },
  {
    id: 'by-id-without-token',
    defect: 'single files can be read without a token',
    services: ['query'],
    caughtBy: ['AUTH-02/forged'],
    edits: [
      {
        file: 'services/query/app.ts',
        find: "'/api/search/:id',\n    {\n      ...guarded,",
        replace: "'/api/search/:id',\n    {",
      },
    ],
  },
  {
    id: 'user-deletes',
    defect: 'a USER can delete',
    services: ['admin'],
    caughtBy: ['AUTH-03'],
    edits: [
      {
        file: 'services/admin/file-routes.ts',
        find: "const admin = auth.requireRole('ADMIN');",
        replace: "const admin = auth.requireRole('ADMIN', 'USER');",
      },
    ],
  },
  {
    id: 'reader-updates',
    defect: 'a READONLY can update',
    services: ['admin'],
    caughtBy: ['AUTH-03'],
    edits: [
      {
        file: 'services/admin/file-routes.ts',
        find: 'onRequest: writer,\n      schema: { tags, security, params: fileParamsSchema, body: changesSchema',
        replace: 'onRequest: anyone,\n      schema: { tags, security, params: fileParamsSchema, body: changesSchema',
      },
    ],
  },
  {
    id: 'role-checked-too-late',
    defect: 'the role is checked after the file is deleted',
    services: ['admin'],
    caughtBy: ['AUTH-03'],
    edits: [
      {
        file: 'services/admin/file-routes.ts',
        find: '      onRequest: admin,',
        replace: `      preSerialization: async (request: never, _reply: unknown, payload: unknown) => {
        await admin(request);
        return payload;
      },`,
      },
    ],
  },
];
