#!/usr/bin/env bash
# Builds what is measured and runs Benchmarks/bench.py. Needs KAFKA_BOOTSTRAP_SERVERS: an Apache Kafka whose data lies in memory,
# since it is not the broker's disk that is measured.
#
#   scripts/bench.sh [--sizes 10k,60k] [--rounds 5] [--scale 0.1] ...      see Benchmarks/bench.py --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -n ${KAFKA_BOOTSTRAP_SERVERS:-} ]] || { echo "set KAFKA_BOOTSTRAP_SERVERS to a Kafka whose data lies in memory" >&2; exit 2; }
programs=$PWD/.build/bench
python=$programs/python/bin/python
mkdir -p "$programs"
if ! "$python" -c 'import confluent_kafka, pandas, pybase64' 2>/dev/null; then
  echo "Installing confluent-kafka, pandas and pybase64 from PyPI (.build/bench/python) ..."
  rm -rf "$programs/python"
  python3 -m venv "$programs/python"
  "$python" -m pip install --quiet --disable-pip-version-check --only-binary :all: 'confluent-kafka>=2.3,<3' pandas pybase64
fi
read -ra rdkafka < <(pkg-config --cflags --libs rdkafka)
cc -O2 -Wall -Wextra -o "$programs/client-ceiling" Benchmarks/client-ceiling.c "${rdkafka[@]}"
cc -O2 -Wall -Wextra -o "$programs/disk-ceiling" Benchmarks/disk-ceiling.c -lpthread
cc -O2 -Wall -Wextra -o "$programs/measured" Benchmarks/measured.c
cp .build/release/image-pipeline "$programs/"
exec "$python" Benchmarks/bench.py --programs "$programs" "$@"
