#!/usr/bin/env bash
# Builds the working tree and another revision, and measures them in turn with Benchmarks/compare.py.
#
#   scripts/bench-compare.sh REVISION [--sizes 10k,60k] [--rounds 6] ...      see Benchmarks/compare.py --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -n ${1:-} ]] || { echo "name the other revision: make bench-compare BASE=HEAD~1" >&2; exit 2; }
[[ -n ${KAFKA_BOOTSTRAP_SERVERS:-} ]] || { echo "set KAFKA_BOOTSTRAP_SERVERS to a Kafka with its data in memory" >&2; exit 2; }
revision=$(git rev-parse --verify --quiet "$1^{commit}") || { echo "there is no revision $1 here: git fetch, or name another" >&2; exit 2; }
name=$1
shift
source scripts/bench-python.sh
cc -O2 -Wall -Wextra -o "$programs/measured" Benchmarks/measured.c
cp .build/release/image-pipeline "$programs/"

base=$programs/base
tree=$base/$revision
if [[ ! -x $tree/image-pipeline ]]; then
  echo "Building $name ..."
  # The same place for each revision, so that only what differs is built again.
  rm -rf "$base/source"
  mkdir -p "$base/source" "$tree"
  git archive "$revision" | tar -x -C "$base/source"
  swift build --quiet -c release --product image-pipeline --package-path "$base/source" --scratch-path "$base/build"
  cp "$base/build/release/image-pipeline" "$tree/partial"
  mv "$tree/partial" "$tree/image-pipeline"
fi
cp "$programs/measured" "$tree/"
exec "$python" Benchmarks/compare.py --programs "$programs" --base "$tree" --base-name "$name" "$@"
