CREATE TABLE service_accounts (
  client_id text PRIMARY KEY,
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('ADMIN', 'USER', 'READONLY')),
  secret_hash text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE files (
  file_id uuid PRIMARY KEY,
  original_filename text NOT NULL,
  storage_filename text NOT NULL,
  file_size bigint NOT NULL CHECK (file_size >= 0),
  checksum_sha256 text NOT NULL,
  content_type text,
  description text,
  storage_element_id text NOT NULL,
  storage_path text NOT NULL,
  compressed boolean NOT NULL DEFAULT false,
  compression_algorithm text,
  original_size bigint CHECK (original_size >= 0),
  uploaded_by text,
  upload_source_ip text,
  retention_policy text NOT NULL CHECK (retention_policy IN ('temporary', 'permanent')),
  ttl_days integer CHECK (ttl_days > 0),
  ttl_expires_at timestamptz,
  -- json, not jsonb: nobody looks inside, and keys stay in their order.
  user_metadata json,
  tags text[],
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  deleted_at timestamptz,
  deletion_reason text,
  -- 1 when created, one more with each committed change, the deletion included.
  version integer NOT NULL DEFAULT 1
);
CREATE INDEX files_listed ON files (created_at DESC, file_id) WHERE deleted_at IS NULL;

-- Written in the statement that changes the file, after its row is locked: numbers of one file rise in commit order.
CREATE TABLE outbox (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL DEFAULT gen_random_uuid(),
  event_type text NOT NULL CHECK (event_type IN ('file:created', 'file:updated', 'file:deleted')),
  file_id uuid NOT NULL,
  version integer NOT NULL,
  storage_element_id text NOT NULL,
  occurred_at timestamptz NOT NULL,
  metadata text,
  traceparent text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- The relay looks for unpublished rows, not for rows behind a number: a number can commit late.
CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- ISO 8601 in UTC with microseconds.
CREATE FUNCTION utc_text(moment timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- The `metadata` field of created and updated events.
CREATE FUNCTION file_metadata(file files) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE
RETURN json_build_object(
  'file_id', file.file_id,
  'original_filename', file.original_filename,
  'storage_filename', file.storage_filename,
  'file_size', file.file_size,
  'checksum_sha256', file.checksum_sha256,
  'content_type', file.content_type,
  'description', file.description,
  'storage_element_id', file.storage_element_id,
  'storage_path', file.storage_path,
  'compressed', file.compressed,
  'compression_algorithm', file.compression_algorithm,
  'original_size', file.original_size,
  'uploaded_by', file.uploaded_by,
  'upload_source_ip', file.upload_source_ip,
  'created_at', utc_text(file.created_at),
  'updated_at', utc_text(file.updated_at),
  'retention_policy', file.retention_policy,
  'ttl_expires_at', utc_text(file.ttl_expires_at),
  'ttl_days', file.ttl_days,
  'user_metadata', file.user_metadata,
  'tags', to_json(file.tags)
);
