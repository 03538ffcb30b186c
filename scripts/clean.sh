#!/usr/bin/env bash
# Stops the containers and deletes their volumes after a question: the broker's topics, the ledger of sent files, metrics. Stored images are
# kept, also those in a bucket.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/kit.sh

all=$(docker volume ls --quiet --filter label=com.docker.compose.project=image-pipeline)
volumes=$(grep -v '_store-data$' <<<"$all" || true)
stores=$(grep '_store-data$' <<<"$all" || true)
say "This stops the pipeline and deletes:"
for volume in $volumes; do say "  $volume"; done
[[ -n $volumes ]] || say "  nothing: there are no volumes"
say "Images that the consumer has not stored yet are lost with the topics. The producer then sends everything again."
say "Kept: $(setting IMAGES_DIR ./images), $(setting PROCESSED_IMAGES_DIR ./processed_images), $(setting CSV_PATH ./processed_image_data.csv)"
for store in $stores; do say "      $store, the bucket. To delete it: docker volume rm $store"; done
if [[ ${YES:-} != 1 ]]; then
  [[ -t 0 ]] || { say "There is no terminal to ask on: YES=1 make clean"; exit 1; }
  read -r -p "Delete them? [y/N] " answer
  [[ $answer == [yY] || $answer == [yY][eE][sS] ]] || { say "Nothing was deleted."; exit 1; }
fi
docker compose down --remove-orphans
# By their label, which includes the volumes of the overlays.
if [[ -n $volumes ]]; then xargs docker volume rm <<<"$volumes"; fi
