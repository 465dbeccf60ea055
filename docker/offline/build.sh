#!/bin/bash
# Builds the images of Redis, PostgreSQL and the services from this machine's own binaries, for machines whose Docker
# has no registry. Needs: Debian or a relative, `pnpm install` done, a Docker daemon; root or a cache of redis-server and
# busybox-static on this machine, else apt downloads them (nothing is installed).
#
#   docker/offline/build.sh
#
# Names of the images: SYNCPROOF_REDIS_IMAGE, SYNCPROOF_POSTGRES_IMAGE, SYNCPROOF_SERVICE_IMAGE.
set -euo pipefail

redis_image=${SYNCPROOF_REDIS_IMAGE:-syncproof/redis:offline}
postgres_image=${SYNCPROOF_POSTGRES_IMAGE:-syncproof/postgres:offline}
service_image=${SYNCPROOF_SERVICE_IMAGE:-syncproof/service:offline}

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Files are for the images' own users, whatever the caller's umask.
umask 022
mkdir "$work/debian"

say() { printf '%s\n' "$*" >&2; }

# Fetches what is not installed and unpacks it below $work/debian, without installing anything.
unpack_debian() {
  local archives=$work/archives
  mkdir -p "$archives/partial"
  say "Downloading $* from the distribution"
  apt-get -qq update
  apt-get -qq -y --no-install-recommends --download-only -o "Dir::Cache::archives=$archives" -o APT::Sandbox::User= \
    install "$@"
  local package
  for package in "$archives"/*.deb; do
    [ -e "$package" ] || continue
    dpkg -x "$package" "$work/debian"
  done
}

# Prints the path of a program: installed, or unpacked.
find_program() {
  local folder
  for folder in /usr/local/bin /usr/bin /bin "$work/debian/usr/bin" "$work/debian/bin"; do
    [ -x "$folder/$1" ] && printf '%s\n' "$folder/$1" && return
  done
  return 1
}

# copy_libraries ROOT FILE…: the shared libraries that the files need, the loader included, at the paths where they are
# looked up; those inside the program's own folder (a path with /native/) come with the program.
copy_libraries() {
  local root=$1 unpacked
  shift
  unpacked=$(find "$work/debian" -name '*.so*' -printf "%h\n" | sort -u | paste -sd:)
  LD_LIBRARY_PATH=$unpacked ldd "$@" | grep -o '/[^ ]*\.so[^ ]*' | grep -v /native/ | sort -u | while read -r library; do
    local target=${library#"$work/debian"}
    mkdir -p "$root$(dirname "$target")"
    cp -L "$library" "$root$target"
  done
}

# base ROOT USER ID: the common content of every image.
base() {
  local root=$1
  mkdir -p "$root/etc" "$root/tmp" "$root/usr/local/bin"
  chmod 1777 "$root/tmp"
  printf 'root:x:0:0:root:/:/bin/sh\n%s:x:%s:%s::/tmp:/bin/sh\n' "$2" "$3" "$3" >"$root/etc/passwd"
  printf 'root:x:0:\n%s:x:%s:\n' "$2" "$3" >"$root/etc/group"
  printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
}

# build IMAGE DOCKERFILE CONTEXT [ARGUMENT…]
build() {
  local image=$1 dockerfile=$2 context=$3
  shift 3
  cp "$here/$dockerfile" "$context/Dockerfile"
  local before
  before=$(docker image inspect -f '{{.Id}}' "$image" 2>/dev/null) || before=
  # The classic builder: it is part of every daemon, while BuildKit is an extra package for some clients.
  DOCKER_BUILDKIT=0 docker build -q --force-rm -t "$image" "$@" "$context" >/dev/null 2>"$work/build.log" || {
    cat "$work/build.log" >&2
    return 1
  }
  # The previous image of this name is removed, unless a container still uses it.
  [ "$before" = "$(docker image inspect -f '{{.Id}}' "$image")" ] || docker image rm "$before" >/dev/null 2>&1 || true
  say "Built $image ($(docker image inspect -f '{{.Size}}' "$image" | awk '{ printf "%.0f MB", $1 / 1e6 }'))"
}

build_redis() {
  local context=$work/redis
  local root=$context/root
  base "$root" redis 999
  mkdir -p "$context/data/data"
  local program
  for program in redis-server redis-cli; do
    cp -L "$(find_program "$program")" "$root/usr/local/bin/$program"
  done
  copy_libraries "$root" "$root/usr/local/bin"/*
  build "$redis_image" redis.Dockerfile "$context"
}

build_postgres() {
  local context=$work/postgres
  local root=$context/root native
  native=$(cd "$project" && node --input-type=module -e '
    import { realpathSync } from "node:fs";
    import { createRequire } from "node:module";
    import { dirname, join } from "node:path";
    const require = createRequire(createRequire(import.meta.resolve("embedded-postgres")).resolve("embedded-postgres"));
    const main = realpathSync(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`));
    console.log(join(dirname(dirname(main)), "native"));')
  base "$root" postgres 999
  mkdir -p "$root/usr/local/pgsql" "$root/docker-entrypoint-initdb.d" "$context/data/var/lib/postgresql"
  cp -a "$native/bin" "$native/lib" "$native/share" "$root/usr/local/pgsql/"
  rm -f "$root"/usr/local/pgsql/lib/*.a
  chmod -R a+rX "$root/usr/local/pgsql"
  copy_libraries "$root" "$native"/bin/*
  # The locale that databases are made with.
  mkdir -p "$root/usr/lib/locale"
  cp -a /usr/lib/locale/C.utf8 "$root/usr/lib/locale/"
  # initdb and the entrypoint need a shell.
  mkdir -p "$root/bin"
  cp -L "$(find_program busybox)" "$root/bin/busybox"
  local applet
  for applet in sh cat chmod cp env grep id ls mkdir ps rm sed tr; do ln -sf busybox "$root/bin/$applet"; done
  mkdir -p "$context/scripts"
  cp "$here/postgres-entrypoint.sh" "$context/scripts/docker-entrypoint.sh"
  cp "$here/pg_isready.sh" "$context/scripts/pg_isready"
  build "$postgres_image" postgres.Dockerfile "$context"
}

# What the image is built from, as one number: the harness refuses an image whose number is not that of its own tree.
sources_digest() {
  (
    cd "$project"
    find services docker/healthcheck.mjs docker/warm.mjs package.json pnpm-lock.yaml -type f \
      -not -path '*/fixtures/*' -not -name '*.test.ts' -not -name '*.bench.ts' -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
  )
}

build_service() {
  local context=$work/service
  local root=$context/node
  base "$root" node 1000
  cp -L "$(cd "$project" && node -p process.execPath)" "$root/usr/local/bin/node"
  copy_libraries "$root" "$root/usr/local/bin/node"
  mkdir -p "$context/data/data" "$context/data/var/cache/node" "$context/packages" "$context/sources/docker"
  cp "$project"/{package.json,pnpm-lock.yaml,pnpm-workspace.yaml} "$context/packages/"
  # From pnpm's own store: everything was downloaded when the project was installed.
  (cd "$context/packages" &&
    npx -y pnpm@12 install --prod --prefer-offline --frozen-lockfile --ignore-scripts --config.node-linker=hoisted) \
    >"$work/pnpm.log" 2>&1 || {
    cat "$work/pnpm.log" >&2
    return 1
  }
  # Files that differ between installations would invalidate the layer's cache.
  rm -f "$context"/packages/{pnpm-lock.yaml,pnpm-workspace.yaml} \
    "$context"/packages/node_modules/{.modules.yaml,.pnpm-workspace-state-v1.json}
  cp -r "$project/services" "$project/package.json" "$context/sources/"
  find "$context/sources/services" \( -name '*.test.ts' -o -name '*.bench.ts' -o -name fixtures \) -prune -exec rm -r {} +
  cp "$project"/docker/{healthcheck,warm}.mjs "$context/sources/docker/"
  chmod -R a+rX "$context/sources" "$context/packages"
  build "$service_image" service.Dockerfile "$context" --build-arg "SOURCES=$(sources_digest)"
}

PATH=$project/node_modules/.bin:$PATH
docker version >/dev/null 2>&1 || {
  say 'No Docker daemon answers; as root, docker/offline/dockerd.sh start may give you one'
  exit 1
}
missing=()
{ find_program redis-server && find_program redis-cli; } >/dev/null || missing+=(redis-server redis-tools)
find_program busybox >/dev/null || missing+=(busybox-static)
[ ${#missing[@]} -eq 0 ] || unpack_debian "${missing[@]}"
build_redis
build_postgres
build_service
