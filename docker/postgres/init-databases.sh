# Sourced by the entrypoint when the data directory is new; not a program, so not executable.
# One role and one database per service that uses PostgreSQL, with the least rights it needs: those in
# harness/environment/servers/rights.ts; a test compares this file with it. Passwords come from the environment.
#
# Statements are separated by an empty line, so that the offline image can feed them to PostgreSQL's single-user mode,
# which takes a semicolon and an empty line for the end of a statement.

docker_process_sql <<SQL
CREATE ROLE admin LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '${ADMIN_DB_PASSWORD:?}';

CREATE ROLE query LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '${QUERY_DB_PASSWORD:?}';

CREATE DATABASE admin STRATEGY file_copy;

CREATE DATABASE query STRATEGY file_copy;

REVOKE ALL ON DATABASE admin, query, postgres, template1 FROM PUBLIC;

GRANT CONNECT ON DATABASE admin TO admin;

GRANT CONNECT ON DATABASE query TO query;

SQL

docker_process_sql --dbname admin <<SQL
REVOKE ALL ON SCHEMA public FROM PUBLIC;

GRANT USAGE, CREATE ON SCHEMA public TO admin;

SQL

docker_process_sql --dbname query <<SQL
REVOKE ALL ON SCHEMA public FROM PUBLIC;

GRANT USAGE, CREATE ON SCHEMA public TO query;

CREATE EXTENSION pg_trgm;

SQL
