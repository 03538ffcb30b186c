# Python for the benchmarks, in a folder of its own. Sets `programs`, the folder of the measured programs, and `python`. The benchmarks'
# scripts source it.
# shellcheck shell=bash
programs=$PWD/.build/bench
python=$programs/python/bin/python
mkdir -p "$programs"
if ! "$python" -c 'import confluent_kafka, pandas, pybase64' 2>/dev/null; then
  echo "Installing confluent-kafka, pandas and pybase64 from PyPI (.build/bench/python) ..."
  rm -rf "$programs/python"
  python3 -m venv "$programs/python"
  "$python" -m pip install --quiet --disable-pip-version-check --only-binary :all: 'confluent-kafka>=2.3,<3' pandas pybase64
fi
