#!/usr/bin/env bash
# Tests the round trip in containers, next to a pipeline that may be running: starts the services under a project name of its own;
# lets the test container drop images of every kind while they run; restarts all of them in mid-stream; and removes everything on any
# exit. At the end it damages copies of the output, and expects the test to notice each damage.
#
#   scripts/test-integration.sh [one|scaled|cluster|lite]
#     one      one consumer, one broker (Confluent's)
#     scaled   three consumers with one output
#     cluster  three consumers, three brokers (Apache's), one of which is killed and stays away for a while
#     lite     the broker and web UI of `make up-lite`
#
# KEEP=1 keeps the folder with images, output and logs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/kit.sh

variant=${1:-one}
files=(-f docker-compose.yml)
services=(broker producer consumer)
consumers=1
case $variant in
one) ;;
scaled) consumers=3 ;;
cluster) consumers=3 files+=(-f docker/compose.cluster.yml) ;;
lite) files+=(-f docker/compose.lite.yml) services+=(web-ui) ;;
*)
  say "there is no variant $variant: one, scaled, cluster, lite"
  exit 2
  ;;
esac
files+=(-f docker/compose.test.yml)

check_engine || stop_on_errors
stop_on_errors
choose_user
work=$(mktemp -d)
project=image-pipeline-test-$$
# Set by the test, and not by the user's .env.
export IMAGES_DIR=$work/images PROCESSED_IMAGES_DIR=$work/processed_images CSV_PATH=$work/processed_image_data.csv
export PIPELINE_TAG=test TOPIC_PARTITIONS=6 LOG_LEVEL=info COMPOSE_PROGRESS=quiet
: >"$work/env"
mkdir "$IMAGES_DIR" "$PROCESSED_IMAGES_DIR"
: >"$CSV_PATH"
chmod 755 "$work"
for path in "$IMAGES_DIR" "$PROCESSED_IMAGES_DIR" "$CSV_PATH"; do own "$path"; done

compose() { docker compose -p "$project" --env-file "$work/env" "${files[@]}" "$@"; }
quietly() { # the output is shown only if the command fails
  "$@" >>"$work/compose.log" 2>&1 || {
    local status=$?
    tail -n 40 "$work/compose.log" >&2
    return "$status"
  }
}

finish() {
  local status=$?
  trap - EXIT
  if ((status != 0)); then
    say ""
    say "The last lines of the services' logs:"
    compose logs --no-color --tail 15 >&2 || true
  fi
  compose --profile test down --volumes --remove-orphans --timeout 5 >>"$work/compose.log" 2>&1 || true
  if [[ -n ${KEEP:-} ]]; then say "kept: $work"; else rm -rf "$work"; fi
  if ((status == 0)); then say "test-integration ($variant): PASSED"; else say "test-integration ($variant): FAILED"; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# --no-deps: compose would scale the consumers back to one, the number in its files.
judge() { compose --profile test run --rm --no-deps --no-TTY integration-test "$@"; }
# A side whose broker was away for a while is unhealthy, which ends compose's wait at once.
start() {
  local end=$((SECONDS + 300))
  until compose up -d --no-build --wait --wait-timeout 300 --scale "consumer=$consumers" "${services[@]}" >>"$work/compose.log" 2>&1; do
    ((SECONDS < end)) || { tail -n 40 "$work/compose.log" >&2; return 1; }
    sleep 2
  done
}

# The partitions of each consumer, from its newest log line about them. Fails if one has none, or two have the same one.
shares() {
  local number mine all=()
  for ((number = 1; number <= consumers; number++)); do
    mine=$(compose logs --no-color --index "$number" consumer | sed -n 's/.*event=partitions_assigned partitions=//p' | tail -n 1)
    [[ -n $mine ]] || { say "  consumer $number has no partition"; return 1; }
    printf '%s  ' "$mine"
    mapfile -t -d , -O "${#all[@]}" all < <(printf '%s' "$mine")
  done
  [[ $(printf '%s\n' "${all[@]}" | sort -u | wc -l) == 6 && ${#all[@]} == 6 ]] || { say "  they are not 6 in total: ${all[*]}"; return 1; }
}

say "Building the images ..."
quietly compose --profile test build --quiet
say "Starting ${services[*]} as $project ..."
start

say ""
say "1. While they run"
judge carry
if ((consumers > 1)); then
  shared=$(shares) || { say "$shared"; exit 1; }
  say "  the partitions are shared, by consumer: $shared"
fi

say ""
say "2. While they are restarted"
judge restarts &
judging=$!
wait_for() { # FILE: the test container creates it
  local end=$((SECONDS + 120))
  until [[ -e $IMAGES_DIR/.integration-test/$1 ]]; do
    kill -0 "$judging" 2>/dev/null || return 1
    ((SECONDS < end)) || { say "the test container did not create $1 within 120 s"; return 1; }
    sleep 0.2
  done
}
again() { # VERB SERVICE: kill, or an orderly restart
  say "   ... $1 $2"
  if [[ $1 == kill ]]; then
    quietly compose kill -s KILL "$2"
    quietly compose start "$2"
  else
    quietly compose restart --timeout 30 "$2"
  fi
}
if wait_for dropping; then
  for service in consumer producer; do again kill "$service"; done
  again restart broker
  for service in producer consumer; do again restart "$service"; done
  again kill broker
  if [[ $variant == cluster ]]; then
    # One broker is away, and everything goes on: two others have each acknowledged image.
    say "   ... kill broker-2, which stays away"
    quietly compose kill -s KILL broker-2
    for service in consumer producer; do again kill "$service"; done
    sleep 15
    quietly compose start broker-2
  fi
  start
  touch "$IMAGES_DIR/.integration-test/restarted"
fi
wait "$judging"

say ""
say "3. Would the test notice damage? Copies of the output, with one damage each"
spoil() { # WHAT COMMAND...: run in the copy
  local what=$1 output status=0
  shift
  rm -rf "$work/spoilt"
  mkdir "$work/spoilt"
  cp -a "$PROCESSED_IMAGES_DIR" "$CSV_PATH" "$work/spoilt/"
  (cd "$work/spoilt" && "$@")
  output=$(PROCESSED_IMAGES_DIR=$work/spoilt/processed_images CSV_PATH=$work/spoilt/processed_image_data.csv judge_copy 2>&1) || status=$?
  if ((status != 1)); then
    say "  NOT noticed (exit code $status): $what"
    printf '%s\n' "$output" >&2
    return 1
  fi
  say "  noticed: $what: $(grep -A 1 '  FAIL  ' <<<"$output" | tail -n 1 | sed 's/^ *//')"
}
judge_copy() { compose --profile test run --rm --no-deps --no-TTY integration-test check; }
flip() { printf 'X' | dd of="$1" bs=1 seek=5000 conv=notrunc status=none; }
judge_copy >/dev/null || { say "  the output is no longer complete"; exit 1; }
spoil "one byte of an image" flip "processed_images/cat/kitten/very/deep/indeed/002.PNG"
spoil "an image is missing" rm "processed_images/at the top.jpg"
spoil "an image too many" cp "processed_images/at the top.jpg" "processed_images/another.jpg"
spoil "a row is missing" sed -i '/^processed_images\/at the top.jpg,/d' processed_image_data.csv
spoil "a row too many" sed -i '/^processed_images\/at the top.jpg,/p' processed_image_data.csv
spoil "another label" sed -i 's/^\(processed_images\/cat\/001.jpg\),cat,/\1,dog,/' processed_image_data.csv
spoil "another hash in a row" sed -i 's/^\(processed_images\/at the top.jpg,at the top.jpg,\)../\1zz/' processed_image_data.csv
