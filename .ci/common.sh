# What .ci/run and its parts share. Each of them sources this file first, in the project's folder.
# shellcheck shell=bash
set -euo pipefail

# A real Apache Kafka for the tests, if one is available. The project does not depend on it.
KAFKA=../shared/kafka/kafka.sh
# The same for S3 stores.
STORES=../shared/s3/s3.sh
# The compiler's warnings are errors in every build.
export SWIFT_FLAGS='-Xswiftc -warnings-as-errors'

# The caller's own settings (a broker's address above all) must not change a check. .env.example lists those of the product; the rest
# are settings of the tests and of the Makefile.
forget_settings() {
  local name
  grep -q '^#TOPIC=' .env.example || { echo ".env.example does not list the settings any more" >&2; exit 1; }
  while IFS= read -r name; do unset "$name"; done < <(sed -n 's/^#\([A-Z][A-Z0-9_]*\)=.*/\1/p' .env.example | sort -u)
  unset "${!KAFKA_@}" "${!S3_@}" "${!AWS_@}" TEST_BOUNDS TEST_KAFKA TEST_PROGRAM TEST_SANITIZER TEST_STORE "${!CHAOS@}" "${!OUTAGE_@}" "${!FUZZ_@}" RUN_TESTS WRITE_DOCUMENTS \
    INPUT OUTPUT CONSUMERS COUNT SERVICES VARIANT SANITIZE TESTS PROGRAM_TESTS BENCH
}
forget_settings

# --- What a part reports ----------------------------------------------------------------------------------------------------------

step() { printf '\n-- [%d s] %s\n' "$SECONDS" "$*"; }
# What is not checked, and why. .ci/run finds it in the file that SKIPPED names.
skip() {
  printf 'skipped: %s\n' "$*"
  if [[ -n ${SKIPPED:-} ]]; then printf '%s\n' "$*" >>"$SKIPPED"; fi
}
# Nothing of this part can be checked.
skip_part() {
  skip "$@"
  exit 77
}
die() {
  printf '\n%s\n' "$*" >&2
  exit 1
}

# --- Clean-up on any exit ---------------------------------------------------------------------------------------------------------

SECONDS=0
# The parts' folders are in the one of .ci/run, which removes what a killed part leaves.
scratch=$(mktemp -d ${SCRATCH:+-p "$SCRATCH"})
# The command that runs now: a signal must not have to wait for its end.
running=

finish() {
  local status=$? broker store
  trap - EXIT
  trap '' INT TERM
  end_running
  # A part's own.
  if declare -F clean_up >/dev/null; then clean_up || true; fi
  for broker in "$scratch"/{,*/}kafka-*; do
    if [[ -d $broker ]]; then KAFKA_DIR=$broker timeout 60 "$KAFKA" clean >/dev/null 2>&1 || true; fi
  done
  for store in "$scratch"/{,*/}store-*; do
    if [[ -d $store ]]; then S3_DIR=$store timeout 60 "$STORES" clean >/dev/null 2>&1 || true; fi
  done
  rm -rf "$scratch"
  # Last, so that every exit has a last line.
  if declare -F report >/dev/null; then report "$status"; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

end_running() {
  [[ -n $running ]] || return 0
  kill "$running" 2>/dev/null || true
  wait "$running" 2>/dev/null || true
  running=
}

# --- Commands ---------------------------------------------------------------------------------------------------------------------

# limit SECONDS COMMAND...: ends the command with all that it started when its time is up, and when this script ends.
limit() {
  local status=0
  # Job control: without it the command would ignore SIGINT, and so would all that it starts.
  set -m
  timeout -k 30 "$@" </dev/null &
  running=$!
  set +m
  wait "$running" || status=$?
  running=
  if ((status == 124 || status == 137)); then echo "ended after $1 s: ${*:2}" >&2; fi
  return "$status"
}

# shown LOG SECONDS COMMAND...: the same, and its output is kept in LOG, too.
shown() {
  # shellcheck disable=SC2016 # The inner shell expands these.
  limit "$2" bash -c 'set -o pipefail; log=$1; shift; "$@" 2>&1 | tee "$log"' shown "$1" "${@:3}"
}

# logged LOG SECONDS COMMAND...: the same, but the output is shown only if the command fails.
logged() {
  limit "${@:2}" >"$1" 2>&1 || {
    local status=$?
    tail -n 80 "$1" >&2
    return "$status"
  }
}

# wait_until SECONDS WHAT COMMAND...
wait_until() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || die "not within its time: $what"
    sleep 0.5
  done
}

install() { # PROGRAM PACKAGE
  command -v "$1" >/dev/null && return
  command -v apt-get >/dev/null || return 1
  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  [[ $(id -u) == 0 ]] || as_root=(sudo -n "${as_root[@]}")
  {
    timeout 120 "${as_root[@]}" apt-get -qq update || true
    timeout 300 "${as_root[@]}" apt-get -qq -y -o DPkg::Lock::Timeout=240 install --no-install-recommends "$2" </dev/null
  } >"$scratch/apt.log" 2>&1 || true
  if ! command -v "$1" >/dev/null; then
    tail -n 5 "$scratch/apt.log"
    return 1
  fi
  echo "installed $2"
}

# The compiler's own warnings are errors. SwiftPM's and the C compiler's (a stray file, a shim) are in the log.
no_warnings() { # LOG
  if grep -E "^(warning: |[^ ]+:[0-9]+:[0-9]+: warning: )" "$1"; then die "the build has warnings (above)"; fi
}

# A filter that matches no test would pass.
any_tests() { # LOG WHAT
  if grep -q 'Test run with 0 tests' "$1"; then die "there are no tests $2"; fi
}

# Builds the tests. SwiftPM lets one command at a time use .build, and another part may need it while tests run: they run without
# SwiftPM.
build_tests() {
  logged "$scratch/build.log" 1200 make build-tests || die "the tests cannot be built"
  no_warnings "$scratch/build.log"
  export RUN_TESTS='env NO_COLOR=1 .build/debug/image-pipelinePackageTests.xctest --testing-library swift-testing'
}

# sanitize SANITIZER SUITE[/TEST] ...: of the tests that start programs only these; TEST is the beginning of a test's name. All of them, as
# in `make test-sanitize`, would take far longer.
sanitize() {
  local log=$scratch/sanitizer.log name filter=''
  for name in "${@:2}"; do
    grep -rqE "struct ${name%/*}\\b" Tests/ProgramTests || die "there is no suite ${name%/*}"
    [[ $name != */* ]] || grep -rqE "func ${name#*/}" Tests/ProgramTests || die "there is no test $name"
    if [[ $name != */* ]]; then name+=/; fi
    filter+="${filter:+|}$name"
  done
  PROGRAM_TESTS="^ProgramTests\.($filter)" limit 1500 make test-sanitize SANITIZE="$1" >"$log" 2>&1 || {
    # It may have failed before any test ran.
    grep -E 'SUMMARY|recorded an issue|error:' "$log" | head -n 40 || true
    tail -n 60 "$log"
    die "the $1 sanitizer finds something"
  }
  grep -E '^Building|^Skipped|Test run with' "$log"
  any_tests "$log" "$filter"
}

# --- Apache Kafka -----------------------------------------------------------------------------------------------------------------

have_kafka() { [[ -x $KAFKA ]]; }

# Starts a broker, or several, of this part's own.
start_kafka() { # NODES [SETTING ...]
  export KAFKA_PORT=${KAFKA_PORT:-0} KAFKA_DIR="$scratch/kafka-$1" KAFKA_NODES=$1
  # Each of its threads would keep a buffer of the largest message, outside of the heap.
  local -x JAVA_TOOL_OPTIONS=-Djdk.nio.maxCachedBufferSize=1000000
  # Another program may take a free port before the broker does, so a second try is fair.
  limit 600 "$KAFKA" start "${@:2}" >"$scratch/address" || {
    limit 60 "$KAFKA" clean
    limit 120 "$KAFKA" start "${@:2}" >"$scratch/address"
  } || die "Apache Kafka does not start"
  KAFKA_TEST_BOOTSTRAP_SERVERS=$(<"$scratch/address")
  export KAFKA_TEST_BOOTSTRAP_SERVERS
  echo "Apache Kafka on $KAFKA_TEST_BOOTSTRAP_SERVERS"
}

# The commands that the tests kill it with.
may_kill() {
  local kafka
  kafka="KAFKA_DIR='$KAFKA_DIR' '$(realpath "$KAFKA")'"
  export KAFKA_TEST_NODES=$KAFKA_NODES KAFKA_TEST_KILL="$kafka kill \$NODE" KAFKA_TEST_RESUME="$kafka resume \$NODE"
}

# --- S3 stores --------------------------------------------------------------------------------------------------------------------

have_stores() { [[ -x $STORES ]]; }

# Starts stores of this part's own, for the tests.
start_stores() { # SERVER ...
  local server endpoints=()
  for server; do
    S3_SERVER=$server S3_PORT=0 S3_DIR=$scratch/store-$server limit 900 "$STORES" start >"$scratch/endpoint" ||
      die "the store $server does not start"
    endpoints+=("$(<"$scratch/endpoint")")
  done
  export S3_TEST_ENDPOINTS="${endpoints[*]}" S3_TEST_BUCKET=images S3_TEST_KEYS=images:images-secret
  echo "S3 stores on $S3_TEST_ENDPOINTS"
}

# --- Images -----------------------------------------------------------------------------------------------------------------------

# Hash and name of each file below this folder, without dot-folders and README.md.
image_hashes() {
  find . -name '.?*' -prune -o -type f ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum
}
