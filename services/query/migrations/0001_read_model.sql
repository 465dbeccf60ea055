CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Punctuation separates words, so that "annual" finds "annual_report-2024.pdf". Search takes its query through this, too.
CREATE FUNCTION file_search_words(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN translate(words, '._-/\()[]{}<>+,;:!?@#$%^&*=~|''"`', repeat(' ', 32));

-- What full-text search looks at. Texts are cut because a tsvector holds at most 1 MB (PostgreSQL documentation, 12.11).
-- Declared immutable: array_to_string is only "stable" because of element types other than text.
CREATE FUNCTION file_search_vector(filename text, description text, tags text[]) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN
  setweight(to_tsvector('simple'::regconfig, file_search_words(left(coalesce(filename, ''), 4000))), 'A')
  || setweight(to_tsvector('simple'::regconfig, file_search_words(left(coalesce(array_to_string(tags, ' '), ''), 20000))), 'B')
  || setweight(to_tsvector('simple'::regconfig, file_search_words(left(coalesce(description, ''), 50000))), 'C');

CREATE TABLE file_metadata_cache (
  id uuid PRIMARY KEY,
  filename text NOT NULL,
  storage_filename text NOT NULL,
  file_size bigint NOT NULL CHECK (file_size >= 0),
  mime_type text,
  -- Not unique: two files may have the same content.
  sha256_hash text NOT NULL,
  username text,
  tags text[],
  description text,
  storage_element_id text NOT NULL,
  storage_element_url text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  -- When this row was written, on the database's clock; not when its transaction began.
  cache_updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Of the event that wrote the row; null when a plain producer sent it.
  version bigint CHECK (version > 0),
  search_vector tsvector NOT NULL GENERATED ALWAYS AS (file_search_vector(filename, description, tags)) STORED
);

-- The pending list is what makes GIN writes cheap and its flush what makes some of them slow: 1 MB is the measured middle.
CREATE INDEX file_metadata_cache_filename_trgm ON file_metadata_cache
  USING gin (filename gin_trgm_ops) WITH (gin_pending_list_limit = 1024);
CREATE INDEX file_metadata_cache_search_vector ON file_metadata_cache
  USING gin (search_vector) WITH (gin_pending_list_limit = 1024);
CREATE INDEX file_metadata_cache_tags ON file_metadata_cache
  USING gin (tags) WITH (gin_pending_list_limit = 1024);
-- Exact names. A hash has no limit on the length of what it indexes; a btree entry ends at 2.7 kB.
CREATE INDEX file_metadata_cache_filename ON file_metadata_cache USING hash (filename);
CREATE INDEX file_metadata_cache_created_at ON file_metadata_cache (created_at, id);

-- Deleted files. Without them a redelivered or late creation would bring a file back.
CREATE TABLE file_tombstones (
  id uuid PRIMARY KEY,
  -- Of the deletion; null when a plain producer sent it: such a deletion is final.
  version bigint CHECK (version > 0),
  deleted_at timestamptz NOT NULL
);
