#!/bin/sh
# Replaces pg_isready, which the binaries lack: the postmaster writes its state to the eighth line of its pid file.
[ "$(sed -n 8p "$PGDATA/postmaster.pid" 2>/dev/null | tr -d ' ')" = ready ]
