#!/usr/bin/env bash
# Runs Benchmarks/codecs.py on what `make bench-codecs` has built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source scripts/bench-python.sh
exec "$python" Benchmarks/codecs.py --program Benchmarks/.build/release/bench-codecs "$@"
