#!/bin/sh
# Installs Node.js and npm from the distribution's packages, if they are missing: for CI.
set -eu

if command -v node >/dev/null && command -v npm >/dev/null &&
  node -e 'process.exit(process.versions.node.split(".")[0] >= 18 ? 0 : 1)'; then
  echo "Node.js $(node --version) is there."
  exit 0
fi
command -v apt-get >/dev/null || {
  echo 'install_node.sh: no apt-get here; install Node.js 18 or newer by hand.' >&2
  exit 1
}
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends nodejs npm
echo "Installed Node.js $(node --version)."
