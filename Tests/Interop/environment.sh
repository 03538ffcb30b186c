#!/usr/bin/env bash
# Prints the path of a Python that has confluent-kafka, for the interoperability tests:
#
#   environment.sh CACHE_FOLDER
#
# The first call makes a virtual environment in that folder, later ones find it there. Where Python, its venv module or PyPI is
# absent it prints why in one line and exits with 3: the tests are then skipped for that reason.
set -euo pipefail

PACKAGE='confluent-kafka>=2.3,<3'
INSTALL_SECONDS=240

unavailable() {
  echo "$*"
  exit 3
}

[[ $# == 1 && -n $1 ]] || {
  echo "usage: environment.sh CACHE_FOLDER" >&2
  exit 2
}
mkdir -p "$1"
environment=$(cd "$1" && pwd)/python-interop
python=$environment/bin/python

works() { "$python" -c 'import confluent_kafka' >/dev/null 2>&1; }

# Two tests at once must not build it in each other's way. The lock goes with this process.
if command -v flock >/dev/null; then
  exec 9>"$environment.lock"
  flock -w $((INSTALL_SECONDS + 60)) 9 || unavailable "another process holds $environment.lock"
fi

if works; then
  echo "$python"
  exit 0
fi

command -v python3 >/dev/null || unavailable "there is no python3 on PATH"
# Debian has venv's second half, ensurepip, in a package of its own.
python3 -c 'import venv, ensurepip' >/dev/null 2>&1 ||
  unavailable "python3 has no venv module (Debian: apt-get install python3-venv)"

# Also what a killed call or an upgraded Python left behind.
rm -rf "$environment"
log=$environment.log
timeout 120 python3 -m venv "$environment" >"$log" 2>&1 9>&- ||
  unavailable "python3 could not make a virtual environment: $(tail -n 1 "$log")"
# Only a ready-made wheel: compiling would need a compiler and a librdkafka of the package's own version.
timeout "$INSTALL_SECONDS" "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 2 --timeout 15 \
  --only-binary :all: "$PACKAGE" >"$log" 2>&1 9>&- ||
  unavailable "confluent-kafka could not be installed from PyPI: $(tail -n 1 "$log")"
works || unavailable "confluent-kafka was installed, but cannot be imported: $("$python" -c 'import confluent_kafka' 2>&1 | tail -n 1)"
echo "$python"
