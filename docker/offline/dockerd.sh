#!/bin/sh
# Starts a Docker daemon on a Debian machine without one (e.g. a CI runner), and stops it again. Needs root.
#
#   docker/offline/dockerd.sh start   installs docker.io when there is no dockerd, starts it, waits until it answers
#   docker/offline/dockerd.sh stop    stops the daemon that `start` started
#
# If a daemon answers already, `start` changes nothing.
set -eu

run=/run/syncproof-dockerd
pidfile=$run/dockerd.pid
log=$run/dockerd.log
# Seconds that one attempt to start the daemon may take.
patience=30

answers() {
  docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

install_docker() {
  command -v dockerd >/dev/null 2>&1 && return
  echo 'Installing docker.io from the distribution'
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  # This script starts the daemon: the package's own attempt would interfere.
  policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then policy=; else printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"; fi
  code=0
  apt-get -qq -y --no-install-recommends install docker.io >/dev/null || code=$?
  [ -z "$policy" ] || rm "$policy"
  return "$code"
}

# Starts dockerd with the given flags; fails when it exits or does not answer in time.
attempt() {
  setsid dockerd --pidfile "$pidfile" "$@" >>"$log" 2>&1 </dev/null &
  daemon=$!
  waited=0
  while [ "$waited" -lt $((patience * 5)) ]; do
    answers && return 0
    kill -0 "$daemon" 2>/dev/null || return 1
    sleep 0.2
    waited=$((waited + 1))
  done
  kill "$daemon" 2>/dev/null || true
  wait "$daemon" 2>/dev/null || true
  return 1
}

start() {
  if command -v docker >/dev/null 2>&1 && answers; then
    echo 'A Docker daemon answers already'
    return
  fi
  install_docker
  mkdir -p "$run"
  # On a machine whose init does not mount control groups.
  mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
  : >"$log"
  # Control groups at the root give each container the share of a process. Together in one group, as by default, dozens of
  # them would have the share of one process, and starve beside a test runner. systemd manages the groups itself.
  #
  # Kernel features are probed by trying: overlay file systems first, then plain copies, then no packet filter
  # (published ports then go through docker-proxy alone, which suffices here).
  attempt --cgroup-parent=/ || attempt || attempt --storage-driver=vfs || attempt --storage-driver=vfs --iptables=false --ip6tables=false || {
    echo "dockerd does not start; the end of $log:" >&2
    tail -n 20 "$log" >&2
    exit 1
  }
  docker info --format 'Docker {{.ServerVersion}} answers, storage driver {{.Driver}}'
}

stop() {
  [ -s "$pidfile" ] || return 0
  daemon=$(cat "$pidfile")
  kill "$daemon" 2>/dev/null || true
  waited=0
  while kill -0 "$daemon" 2>/dev/null && [ "$waited" -lt 100 ]; do
    sleep 0.2
    waited=$((waited + 1))
  done
  rm -rf "$run"
}

case "${1:-}" in
  start) start ;;
  stop) stop ;;
  *)
    echo "Usage: $0 start|stop" >&2
    exit 2
    ;;
esac
