#!/bin/sh
# Stands in for pg_isready, which the binaries lack: the postmaster notes its state on the eighth line of its pid file.
[ "$(sed -n 8p "$PGDATA/postmaster.pid" 2>/dev/null | tr -d ' ')" = ready ]
