#!/usr/bin/env bash
# Checks everything from client to disk for problems; each finding has its fix. First this machine, then the containers of producer
# and consumer from inside. Without Docker, the program that was built here makes the checks. Changes nothing. Exit code 1 if there is
# a problem.
#
# COMPOSE_FILE and COMPOSE_PROJECT_NAME select other files and another project, as in docker compose.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/kit.sh
exec 2>&1

LOOK_ONLY=1
program=.build/release/image-pipeline
# Parts in which the program found a problem.
ailing=()

# look PART WHERE COMMAND...: shows the findings of a part's doctor.
look() {
  local part=$1 where=$2 status=0
  shift 2
  say ""
  say "=== $part, $where"
  say ""
  "$@" || status=$?
  case $status in
  0) ;;
  1) ailing+=("$part") ;;
  2)
    ailing+=("$part")
    say "             fix: correct that variable in .env, or where it is set"
    ;;
  *) bad "its doctor did not run (exit code $status)" "see the messages above, and: docker compose ps --all" ;;
  esac
}

finish() {
  local total=$((errors + ${#ailing[@]}))
  say ""
  if ((total == 0)); then
    say "doctor: no problem found"
    exit 0
  fi
  ((errors == 0)) || say "doctor: $errors problem(s) on this machine"
  ((${#ailing[@]} == 0)) || say "doctor: problems in: $(IFS=,; printf '%s' "${ailing[*]}" | sed 's/,/, /g')"
  exit 1
}

# Files are created in the folder of images while the producer checks whether it sees them in its container.
canary=
stop_canary() {
  [[ -n $canary ]] || return 0
  kill "$canary" 2>/dev/null || true
  wait "$canary" 2>/dev/null || true
  rm -f "$canary_file"
  canary=
}
start_canary() {
  canary_file=$(setting IMAGES_DIR ./images)/.image-pipeline-canary-host-$$
  [[ -d ${canary_file%/*} ]] || return 1
  if ! (: >"$canary_file") 2>/dev/null; then
    note "no file can be created in $(setting IMAGES_DIR ./images) from here" "whether the mount passes events on is not tested; run this as a user who may write there"
    return 1
  fi
  while :; do
    (: >"$canary_file") 2>/dev/null || true
    sleep 0.2
    rm -f "$canary_file"
    sleep 0.1
  done &
  canary=$!
}
trap stop_canary EXIT
trap 'exit 130' INT TERM

image_of() { echo "$(setting PIPELINE_IMAGE image-pipeline)/$1:$(setting PIPELINE_TAG latest)"; }

last_words() {
  docker compose logs --no-log-prefix --no-color --tail 1 "$1" 2>/dev/null | sed 's/\x1b\[[0-9;]*[A-Za-z]//g' |
    tr -d '[:cntrl:]' | cut -c 1-300
}

# The containers of this project, and their state.
check_services() {
  local lines service state health code
  lines=$(docker compose ps --all --format '{{.Service}} {{.State}} {{.ExitCode}} {{.Health}}')
  if [[ -z $lines ]]; then
    note "this project has no container" "make up starts it"
    return
  fi
  while read -r service state code health; do
    case $state/$health/$code in
    running/unhealthy/*) bad "$service is running, but unhealthy" "see below, and: make logs SERVICES=$service" ;;
    running/*) good "$service: running${health:+, $health}" ;;
    # Stopped on request, as a rule.
    exited/*/0 | exited/*/130 | exited/*/137 | exited/*/143)
      case $service in
      producer | consumer | broker*) note "$service is stopped (exit code $code)" "if it should run: docker compose up -d $service" ;;
      *) good "$service is stopped (exit code $code)" ;;
      esac
      ;;
    *) bad "$service is $state: $(last_words "$service")" "see its log: make logs SERVICES=$service" ;;
    esac
  done <<<"$lines"
}

# side SERVICE PATH... -- OPTION...: in the running container, else in a new one, which mounts the paths.
side() {
  local service=$1 missing="" made
  shift
  while [[ $1 != -- ]]; do
    [[ -e $1 ]] || missing=${missing:-$1}
    shift
  done
  shift
  if [[ -n $(docker compose ps --quiet --status running "$service") ]]; then
    look "$service" "in its container" docker compose exec -T -e LOG_FORMAT=text "$service" /usr/bin/image-pipeline doctor "$@"
  elif [[ -n $missing ]]; then
    note "$service is not checked: it is not running, and $missing does not exist" "make up creates it and starts everything"
  elif docker image inspect "$(image_of "$service")" >/dev/null 2>&1; then
    made=$(objects)
    look "$service" "in a new container, since it is not running" \
      docker compose --progress quiet run --rm --no-deps -T -e LOG_FORMAT=text "$service" doctor "$@"
    # The network and volumes that this created.
    comm -13 <(echo "$made") <(objects) | while read -r kind name; do docker "$kind" rm "$name" >/dev/null 2>&1 || true; done
  else
    note "$service cannot be checked: it is not running, and its image is not built" "make up, or: docker compose build $service"
  fi
}

objects() {
  local project
  project=$(docker compose config --format json | sed -n 's/^  "name": "\(.*\)",*$/\1/p' | head -n 1)
  for kind in network volume; do
    docker "$kind" ls --filter "label=com.docker.compose.project=$project" --format "$kind {{.Name}}"
  done | sort
}

without_docker() {
  if [[ -x $program ]]; then
    look "the program" "as it was built here" "$program" doctor
  else
    say ""
    say "The program itself cannot be checked: it runs in no container, and $program is not built (make build)."
  fi
  finish
}

say "=== This machine"
say ""
if ! command -v docker >/dev/null && [[ -x $program ]]; then
  note "there is no docker" "only the program that was built here is checked, which needs none"
  without_docker
fi
check_engine || without_docker
choose_user
check_services
check_memory 2400 5500 "with Control Center 5.5 GB are needed: use \`make up-lite\`, or give the engine more (Docker Desktop: Settings, Resources)"
check_disk 2000
check_port PAGE_PORT 8080 "the page"
if [[ $(docker compose config broker --format json 2>/dev/null) == *'"published"'* ]]; then
  check_port BROKER_PORT 9092 "the broker"
fi
check_places

images=$(setting IMAGES_DIR ./images)
if start_canary; then side producer "$images" -- --producer --outside-canary; else side producer "$images" -- --producer; fi
stop_canary
side consumer "$(setting PROCESSED_IMAGES_DIR ./processed_images)" "$(setting CSV_PATH ./processed_image_data.csv)" -- --consumer
finish
