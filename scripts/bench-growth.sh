#!/usr/bin/env bash
# Runs Benchmarks/growth.py. Needs KAFKA_BOOTSTRAP_SERVERS, 20 GB of disk (BENCH_DIR, else the folder for temporary files), and root for a
# file system of its own.
#
#   scripts/bench-growth.sh [--files 100000] [--rows 1000000] ...      see Benchmarks/growth.py --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -n ${KAFKA_BOOTSTRAP_SERVERS:-} ]] || { echo "set KAFKA_BOOTSTRAP_SERVERS to a Kafka with its data in memory" >&2; exit 2; }
source scripts/bench-python.sh
cp .build/release/image-pipeline "$programs/"
exec "$python" Benchmarks/growth.py --programs "$programs" "$@"
