#!/bin/sh
# What this project uses of the official image's entrypoint: POSTGRES_PASSWORD, POSTGRES_INITDB_ARGS, PGDATA and the
# scripts in /docker-entrypoint-initdb.d. The SQL of these scripts runs in single-user mode, as there is no psql here.
set -eu

# docker_process_sql [--dbname NAME]: runs the statements on its standard input.
docker_process_sql() {
  database=postgres
  while [ $# -gt 0 ]; do
    case "$1" in
      --dbname)
        database=$2
        shift
        ;;
    esac
    shift
  done
  postgres --single -j -c exit_on_error=on -D "$PGDATA" "$database" >/dev/null
}

initialize() {
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA"
  printf '%s\n' "${POSTGRES_PASSWORD:?}" >/tmp/password
  # Unquoted on purpose: these are several arguments, as in the official image.
  # shellcheck disable=SC2086
  initdb -D "$PGDATA" -U postgres --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=trust \
    --no-instructions ${POSTGRES_INITDB_ARGS:-}
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  for script in /docker-entrypoint-initdb.d/*; do
    case "$script" in
      *.sh) . "$script" ;;
      *.sql) docker_process_sql <"$script" ;;
    esac
  done
  unset POSTGRES_PASSWORD
}

if [ "${1:-postgres}" = postgres ]; then
  [ -s "$PGDATA/PG_VERSION" ] || initialize
  [ $# -eq 0 ] || shift
  exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
fi
exec "$@"
