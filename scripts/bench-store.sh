#!/usr/bin/env bash
# Builds the measured programs and runs Benchmarks/store.py. Needs KAFKA_BOOTSTRAP_SERVERS, and an S3 store on this machine: S3_ENDPOINT,
# BENCH_BUCKET, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. Both with their data in memory: their disks are not measured.
#
#   scripts/bench-store.sh [--sizes 10k,60k] [--rounds 5] [--scale 0.1] ...      see Benchmarks/store.py --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -n ${KAFKA_BOOTSTRAP_SERVERS:-} ]] || { echo "set KAFKA_BOOTSTRAP_SERVERS to a Kafka with its data in memory" >&2; exit 2; }
[[ -n ${S3_ENDPOINT:-} ]] || { echo "set S3_ENDPOINT to a store on this machine" >&2; exit 2; }
source scripts/bench-python.sh
read -ra curl < <(pkg-config --cflags --libs libcurl)
cc -O2 -Wall -Wextra -o "$programs/store-ceiling" Benchmarks/store-ceiling.c "${curl[@]}"
cc -O2 -Wall -Wextra -o "$programs/measured" Benchmarks/measured.c
cp .build/release/image-pipeline "$programs/"
exec "$python" Benchmarks/store.py --programs "$programs" "$@"
