#!/bin/sh
# Installs Debian's PostgreSQL server for the tests, unless there is one. Starts no server:
# tests start throw-away ones of their own. Needs root (or sudo without a password).
set -u

say() { printf '%s\n' "$*" >&2; }

is_there() {
  for folder in ${GUOSUO_POSTGRESQL:+"$GUOSUO_POSTGRESQL"} /usr/lib/postgresql/*/bin; do
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then return 0; fi
  done
  command -v initdb >/dev/null 2>&1
}

if is_there; then
  say "PostgreSQL is installed already."
  exit 0
fi
command -v apt-get >/dev/null 2>&1 || {
  say "No apt-get here: install a PostgreSQL server, or set GUOSUO_POSTGRESQL to the folder of its initdb."
  exit 1
}
as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null || {
    say "Installing PostgreSQL needs root: sudo apt-get install postgresql"
    exit 1
  }
  as_root='sudo -n'
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

# RUNLEVEL=1: no service is started while packages are set up.
install_it() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y update >"$log" 2>&1 &&
    $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -y \
      -o Dpkg::Use-Pty=0 --no-install-recommends install postgresql >>"$log" 2>&1
}

say "Installing PostgreSQL with apt-get ..."
install_it || {
  tail -n 15 "$log" >&2
  say "Installing PostgreSQL failed; the last lines are above."
  exit 1
}
is_there || {
  say "PostgreSQL was installed, but no initdb is found."
  exit 1
}
say "PostgreSQL is installed."
