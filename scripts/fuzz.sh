#!/usr/bin/env bash
# Builds the fuzz targets (Fuzz/) and runs each for FUZZ_SECONDS, from the committed corpus and the inputs that earlier runs found
# here. Prints the number of executions of each. Exits with 1 if one crashes, and names the input.
#
#   scripts/fuzz.sh [TARGET ...]     all targets if none is named
#
# New inputs are stored in Fuzz/.build/found/TARGET, and inputs that crash in Fuzz/.build/crashes: a fix adds the input to
# Fuzz/corpus/TARGET.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../Fuzz"

seconds=${FUZZ_SECONDS:-30}
# Coverage and AddressSanitizer. `@testable`: some of the fuzzed functions are internal.
flags=(-c release -Xswiftc "-sanitize=fuzzer,address" -Xswiftc -enable-testing -Xswiftc -use-ld=lld)
targets=("$@")
((${#targets[@]} > 0)) || mapfile -t targets < <(cd corpus && printf '%s\n' *)

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Building the fuzz targets ..."
nice swift build --quiet "${flags[@]}" >"$log" 2>&1 || {
  # The linker has a line for each of AddressSanitizer's symbols.
  grep -v 'Cannot export local symbol' "$log" >&2
  exit 1
}
program=$(swift build "${flags[@]}" --show-bin-path 2>/dev/null)/fuzz

mkdir -p .build/crashes
failed=0
for target in "${targets[@]}"; do
  [[ -d corpus/$target ]] || { echo "there is no fuzz target $target: choose from $(ls -m corpus)" >&2; exit 2; }
  mkdir -p ".build/found/$target"
  dictionary=()
  if [[ -f dictionaries/$target ]]; then dictionary=("-dict=dictionaries/$target"); fi
  # Swift's own backtrace would catch the signal on which libFuzzer stores the input.
  if SWIFT_BACKTRACE=enable=no nice "$program" "$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 \
    -print_final_stats=1 -artifact_prefix=".build/crashes/$target-" "${dictionary[@]}" \
    ".build/found/$target" "corpus/$target" >"$log" 2>&1; then
    awk -v target="$target" -v seconds="$seconds" '
      /^stat::number_of_executed_units:/ { runs = $2 }
      /DONE/ { for (i = 1; i < NF; i++) if ($i == "cov:") cover = $(i + 1) }
      END { printf "%-9s %12d executions in %d s, %d edges covered\n", target, runs, seconds, cover }' "$log"
  else
    failed=1
    grep -vE '^#[0-9]+.*(NEW|REDUCE|pulse|RELOAD)' "$log" | tail -n 60 >&2
    echo "$target: found a failure; its input is Fuzz/$(sed -n 's/.*Test unit written to //p' <"$log" | tail -n 1)" >&2
  fi
done
exit "$failed"
