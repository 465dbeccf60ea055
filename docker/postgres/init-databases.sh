# Sourced by the entrypoint when the data directory is new; no program of its own, so not executable.
# One role and one database per service that has one; passwords come from the environment.
#
# Statements are separated by an empty line, so that the offline image can feed them to PostgreSQL's single-user mode,
# which takes a semicolon and an empty line for the end of a statement.

docker_process_sql <<SQL
CREATE ROLE admin LOGIN PASSWORD '${ADMIN_DB_PASSWORD:?}';

CREATE ROLE query LOGIN PASSWORD '${QUERY_DB_PASSWORD:?}';

GRANT pg_monitor, pg_signal_backend TO admin, query;

CREATE DATABASE admin OWNER admin;

CREATE DATABASE query OWNER query;

SQL

docker_process_sql --dbname query <<SQL
CREATE EXTENSION IF NOT EXISTS pg_trgm;

SQL
