#!/usr/bin/env bash
# Checks the prerequisites, starts the pipeline in containers, and waits until it works.
#
#   scripts/up.sh [lite]      lite: an open-source web UI instead of Control Center
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/kit.sh

edition=${1:-full}
files=(-f docker-compose.yml)
[[ $edition == full ]] || files+=(-f "docker/compose.$edition.yml")
WAIT_SECONDS=${WAIT_SECONDS:-300}

say "Checking the prerequisites:"
check_engine || stop_on_errors
choose_user
if [[ $edition == full ]]; then
  check_memory 5500 8000 "use \`make up-lite\`, which needs 2.5 GB, or give the engine more (Docker Desktop: Settings, Resources)"
  check_disk 8000
else
  check_memory 2400 3000 "give the engine more (Docker Desktop: Settings, Resources), or lower LITE_BROKER_MEMORY in .env"
  check_disk 4000
fi
check_port PAGE_PORT 8080 "the page"
check_port BROKER_PORT 9092 "the broker"
check_port CONTROL_CENTER_PORT 9021 "$([[ $edition == full ]] && echo Control Center || echo the web UI)"
check_places
stop_on_errors
remember PIPELINE_UID "$PIPELINE_UID"
remember PIPELINE_GID "$PIPELINE_GID"

export REVISION
REVISION=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
say ""
say "Building and starting (the first time takes some minutes: images are pulled and the program is compiled) ..."
docker compose "${files[@]}" up -d --build --remove-orphans --quiet-pull ${CONSUMERS:+--scale "consumer=$CONSUMERS"}

# A file that was mounted and deleted since, such as the CSV file, is only found again after a restart.
if [[ -n $(docker ps --quiet --filter label=com.docker.compose.project=image-pipeline --filter label=com.docker.compose.service=consumer \
  --filter health=unhealthy) ]]; then
  say "Restarting the consumers: one of them is unhealthy ..."
  docker compose "${files[@]}" restart consumer
fi

say "Waiting until producer, consumer and page are ready (at most $WAIT_SECONDS s) ..."
if ! docker compose "${files[@]}" up -d --no-recreate --wait --wait-timeout "$WAIT_SECONDS" \
  ${CONSUMERS:+--scale "consumer=$CONSUMERS"} broker producer consumer page; then
  say ""
  say "They are not ready yet. Their state and their logs:"
  docker compose "${files[@]}" ps -a >&2
  docker compose "${files[@]}" logs --tail 8 producer consumer page >&2
  say "fix: \`make doctor\` looks for the reason; \`make logs\` shows the whole logs"
  exit 1
fi

cat >&2 <<TEXT

It works. Watch the images   http://localhost:$(setting PAGE_PORT 8080)
as you drop them into        $(setting IMAGES_DIR ./images)
They are stored in           $(setting PROCESSED_IMAGES_DIR ./processed_images)
with a row each in           $(setting CSV_PATH ./processed_image_data.csv)
$([[ $edition == full ]] && echo "Control Center             " || echo "Web UI                     ")  http://localhost:$(setting CONTROL_CENTER_PORT 9021)$([[ $edition == full ]] && echo "  (takes a few minutes more)")
The broker, for other tools  localhost:$(setting BROKER_PORT 9092)

make logs   make topics   make messages   make audit   make doctor   make down
TEXT
