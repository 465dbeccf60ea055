/** The calls of the HTTP contract, as a mapping names them. */
export const CONTRACT_CALLS = [
  'POST /api/v1/auth/token',
  'GET /.well-known/jwks.json',
  'POST /api/v1/files',
  'GET /api/v1/files',
  'GET /api/v1/files/{id}',
  'PUT /api/v1/files/{id}',
  'DELETE /api/v1/files/{id}',
  'POST /api/v1/files/upload',
  'POST /api/search',
  'GET /api/search/{id}',
  'GET /api/download/{id}',
  'GET /health/live',
  'GET /health/ready',
  'GET /metrics',
  'GET /version',
] as const;
