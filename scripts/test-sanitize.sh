#!/usr/bin/env bash
# Runs the tests, and the programs that they start, under sanitizers. Each sanitizer has a build of its own (.build-thread,
# .build-address), next to the usual one.
#
#   scripts/test-sanitize.sh [thread|address ...]     both if none is named
#
# TESTS=regex: only tests that match. PROGRAM_TESTS=regex: the tests within the tests' own process, and of those that start programs
# (ProgramTests, most of the time) only those that match.
#
# Findings are printed with the tests' output and make the tests fail: a program with a finding exits with 66 or 67, which no test
# expects, and the tests look for the reports of programs that are killed before they exit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Suites of a single thread, without "Tests" at the end: ThreadSanitizer has nothing to find in them. All other suites run, new ones
# included.
PURE='Base64|Base64Fault|WallClockParsing|Compressibility|CSVLine|DoctorReport|DoctorSizeLimits|Envelope|EnvelopeFuzz|EnvelopeReader'
PURE+='|EnvironmentExample|EnvironmentReader|Escape|FileFilter|IdentitySet|ImageHeaders|ImageName|ImageNameAlternatives|ImageProbe'
PURE+='|KafkaProperties|KafkaDisposition|MetricsText|PassedPositions|PathPattern|Quantity|Receipt|SHA256|ServerList|SettingText|SizeProblem|SystemError|WireFormat'

# A name that is none would skip nothing, and hide that the suite of that name has gone.
for name in ${PURE//|/ }; do
  grep -rqE --include='*.swift' "struct ${name}Tests\\b" Tests || { echo "PURE names a suite that does not exist: ${name}Tests" >&2; exit 1; }
done

sanitizers=("$@")
((${#sanitizers[@]} > 0)) || sanitizers=(thread address)
# The tests read TEST_SANITIZER: a wait may take longer, and memory is not measured.
export SWIFT_BACKTRACE=enable=no

run() { # SANITIZER ARGUMENTS...
  # XCTest has no test here, and leaks what it allocates at its start.
  env TEST_SANITIZER="$1" swift test --disable-xctest --skip-build --sanitize="$1" --scratch-path ".build-$1" "${@:2}"
}

for sanitizer in "${sanitizers[@]}"; do
  case $sanitizer in
    thread | address) ;;
    *) echo "there is no sanitizer $sanitizer here: thread or address" >&2; exit 2 ;;
  esac
  echo "Building the tests with the sanitizer $sanitizer ..."
  log=$(mktemp)
  swift build --quiet --build-tests --sanitize="$sanitizer" --scratch-path ".build-$sanitizer" >"$log" 2>&1 || {
    # The linker has a line for each of AddressSanitizer's symbols.
    grep -v 'Cannot export local symbol' "$log" >&2
    rm -f "$log"
    exit 1
  }
  rm -f "$log"
  skip='^ProgramTests\.'
  if [[ $sanitizer == thread ]]; then
    skip+="|\.($PURE)Tests/"
    if [[ -z ${TESTS:-} ]]; then echo "Skipped: $(wc -w <<<"${PURE//|/ }") suites that use a single thread (PURE in $0)"; fi
    # The toolchain's clang: it knows Swift's calling convention.
    clang=$(dirname "$(readlink -f "$(command -v swift)")")/clang
    preload=$PWD/.build-thread/sanitizer.so
    "$clang" -shared -fPIC -O2 -Wall -Wextra -Werror -o "$preload" Tests/Sanitizer/*.c
    options=("TSAN_OPTIONS=exitcode=66:history_size=4:suppressions='$PWD/Tests/Sanitizer/thread.suppressions'" "LD_PRELOAD=$preload")
  else
    options=(ASAN_OPTIONS=exitcode=67:detect_leaks=1)
  fi
  (
    export "${options[@]}"
    if [[ -n ${TESTS:-} ]]; then
      run "$sanitizer" --filter "$TESTS"
    else
      # In two steps, as `make test` does.
      run "$sanitizer" --skip "$skip"
      run "$sanitizer" --filter "${PROGRAM_TESTS:-^ProgramTests\.}"
    fi
  )
done
