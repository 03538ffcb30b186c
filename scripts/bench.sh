#!/usr/bin/env bash
# Builds the measured programs and runs Benchmarks/bench.py. Needs KAFKA_BOOTSTRAP_SERVERS: an Apache Kafka with its data in memory,
# since the broker's disk is not measured.
#
#   scripts/bench.sh [--sizes 10k,60k] [--rounds 5] [--scale 0.1] ...      see Benchmarks/bench.py --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -n ${KAFKA_BOOTSTRAP_SERVERS:-} ]] || { echo "set KAFKA_BOOTSTRAP_SERVERS to a Kafka with its data in memory" >&2; exit 2; }
source scripts/bench-python.sh
read -ra rdkafka < <(pkg-config --cflags --libs rdkafka)
cc -O2 -Wall -Wextra -o "$programs/client-ceiling" Benchmarks/client-ceiling.c "${rdkafka[@]}"
cc -O2 -Wall -Wextra -o "$programs/disk-ceiling" Benchmarks/disk-ceiling.c -lpthread
cc -O2 -Wall -Wextra -o "$programs/measured" Benchmarks/measured.c
cp .build/release/image-pipeline "$programs/"
exec "$python" Benchmarks/bench.py --programs "$programs" "$@"
