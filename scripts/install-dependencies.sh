#!/usr/bin/env bash
# Makes sure that the program can be built here: checks the Swift toolchain, and installs missing C libraries with apt-get. If nothing
# is missing it prints nothing and changes nothing.
set -euo pipefail

# Debian package, and the name of its library in pkg-config, which decides as it does for `swift build`: libraries that were built by
# hand or come from a distribution without apt count, too. The versions are Debian 12's, the oldest that are tested.
LIBRARIES=(
  "librdkafka-dev: rdkafka >= 2.0.2"
  "libsqlite3-dev: sqlite3 >= 3.40"
  "libssl-dev: libcrypto >= 3.0"
  "libevent-dev: libevent_extra >= 2.1"
  "libcurl4-openssl-dev: libcurl >= 7.88"
  "libexpat1-dev: expat >= 2.5"
)
SWIFT_OLDEST=6.0
LOCK_SECONDS=300    # how long to wait for another apt or dpkg
INSTALL_SECONDS=900 # for the whole download and installation

say() { printf 'deps: %s\n' "$*" >&2; }
die() {
  say "$@"
  exit 1
}

# First: nothing should be installed on a machine without a usable toolchain.
check_swift() {
  local fix="install Swift $SWIFT_OLDEST or newer from https://www.swift.org/install/ and put its usr/bin folder on PATH"
  command -v swift >/dev/null || die "there is no Swift toolchain on PATH: $fix"
  local output version
  output=$(swift --version 2>&1) || die "'swift --version' fails ($(head -n 1 <<<"$output")): $fix"
  version=$(sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)*).*/\1/p' <<<"$output" | head -n 1)
  [[ -n $version ]] || die "'swift --version' names no version ($(head -n 1 <<<"$output")): $fix"
  at_least "$version" "$SWIFT_OLDEST" || die "Swift $version on PATH is too old: $fix"
}

at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# The packages that are missing or too old, one a line.
missing() {
  local library
  if ! command -v pkg-config >/dev/null; then
    # Without pkg-config all are listed: apt-get skips those that are installed.
    echo pkg-config
    printf '%s\n' "${LIBRARIES[@]%%:*}"
    return
  fi
  for library in "${LIBRARIES[@]}"; do
    pkg-config --exists "${library#*: }" || echo "${library%%:*}"
  done
}

# A broken package source of another product must not stop this: only the installation counts. The lock of the package lists is the
# one that apt-get does not wait for by itself.
update_lists() {
  local output end=$((SECONDS + LOCK_SECONDS))
  until output=$(timeout --foreground "$INSTALL_SECONDS" "${as_root[@]}" apt-get -qq -o Acquire::Retries=3 update 2>&1); do
    if ((SECONDS < end)) && grep -q 'Could not get lock' <<<"$output"; then
      sleep 3
    else
      say "apt-get update failed; continuing with the present package lists:"
      tail -n 5 <<<"$output" >&2
      return
    fi
  done
}

install() {
  local log
  log=$(mktemp)
  if ! timeout --foreground "$INSTALL_SECONDS" "${as_root[@]}" apt-get -qq -y -o "DPkg::Lock::Timeout=$LOCK_SECONDS" \
    -o Acquire::Retries=3 install --no-install-recommends "$@" </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get could not install: $*"
  fi
  rm -f "$log"
}

check_swift
mapfile -t packages < <(missing)
((${#packages[@]} > 0)) || exit 0
by_hand="install by hand, then try again: ${packages[*]} (Debian's names; elsewhere the development files of librdkafka, SQLite,
      OpenSSL and libevent, and pkg-config)"

command -v apt-get >/dev/null || die "there is no apt-get here; $by_hand"
as_root=(env DEBIAN_FRONTEND=noninteractive)
if [[ $(id -u) != 0 ]]; then
  command -v sudo >/dev/null || die "missing: ${packages[*]}. This is not root and there is no sudo; as root run
      apt-get update && apt-get install ${packages[*]}"
  sudo=(sudo)
  # Without a terminal no password can be typed.
  [[ -t 0 ]] || sudo+=(-n)
  as_root=("${sudo[@]}" "${as_root[@]}")
fi

say "missing: ${packages[*]}; running now:"
say "  ${as_root[*]} apt-get update"
say "  ${as_root[*]} apt-get install --no-install-recommends ${packages[*]}"
# Tried first, so that a refusal is not mistaken for a failure of apt-get.
if [[ -n ${sudo:-} ]]; then
  "${sudo[@]}" true || die "sudo refuses; $by_hand"
fi
update_lists
install "${packages[@]}"

mapfile -t packages < <(missing)
((${#packages[@]} == 0)) || die "installed, but pkg-config does not find the libraries of: ${packages[*]}
      ($(printf '%s; ' "${LIBRARIES[@]#*: }")for example in Debian 12 or Ubuntu 24.04)"
say "everything that is needed is installed"
