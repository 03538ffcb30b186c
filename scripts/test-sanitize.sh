#!/usr/bin/env bash
# Runs the tests, and the programs that they start, under sanitizers. Each has a build of its own (.build-thread,
# .build-address), beside the usual one.
#
#   scripts/test-sanitize.sh [thread|address ...]     both where none is named
#
# TESTS=regex: only tests that match. PROGRAM_TESTS=regex: all that run within the tests' own process, and of those that start
# programs (ProgramTests, most of the time) only those that match.
#
# What is found is printed with the tests' output and makes the tests fail: a program that a sanitizer has something to say
# about ends with 66 or 67, which no test expects, and the tests look for the reports of those that are killed before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sanitizers=("$@")
((${#sanitizers[@]} > 0)) || sanitizers=(thread address)
# Tests read this: a wait may take longer, and memory says nothing.
export SWIFT_BACKTRACE=enable=no

run() { # SANITIZER ARGUMENTS...
  # XCTest, which has no test here, leaks what it begins with.
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
    exit 1
  }
  rm -f "$log"
  if [[ $sanitizer == thread ]]; then
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
      # In two parts, as `make test` does.
      run "$sanitizer" --skip '^ProgramTests\.'
      run "$sanitizer" --filter "${PROGRAM_TESTS:-^ProgramTests\.}"
    fi
  )
done
