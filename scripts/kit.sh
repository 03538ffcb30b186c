# What the scripts for the containers share. They source it in the project's folder.
# shellcheck shell=bash

ENGINE_OLDEST=25.0
COMPOSE_OLDEST=2.24

say() { printf '%s\n' "$*" >&2; }

# Findings, each with its fix. Problems are counted.
errors=0
good() { printf '  ok       %s\n' "$1" >&2; }
note() { printf '  note     %s\n             %s\n' "$1" "$2" >&2; }
bad() {
  printf '  PROBLEM  %s\n             fix: %s\n' "$1" "$2" >&2
  errors=$((errors + 1))
}

# setting NAME DEFAULT: the value that compose uses: from the environment, else from .env, else the default.
setting() {
  local value=${!1:-}
  if [[ -z $value && -f .env ]]; then
    value=$(sed -n "s/^[[:space:]]*\(export[[:space:]]\+\)\?$1=//p" .env | tail -n 1)
    value=${value%$'\r'}
    value=${value#"${value%%[![:space:]]*}"} value=${value%"${value##*[![:space:]]}"}
    # Compose removes quotes.
    if [[ $value == \"*\" || $value == \'*\' ]]; then value=${value:1:-1}; fi
  fi
  printf '%s\n' "${value:-$2}"
}

at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# The owner of the output: the user who runs this script, or the image's own user if that is root. In a rootless engine the
# container's root is the user. `remember` keeps it in .env, so that `docker compose` uses it, too.
choose_user() {
  PIPELINE_UID=$(setting PIPELINE_UID "") PIPELINE_GID=$(setting PIPELINE_GID "")
  if [[ -z $PIPELINE_UID ]]; then
    if docker info --format '{{.SecurityOptions}}' 2>/dev/null | grep -q rootless; then
      PIPELINE_UID=0 PIPELINE_GID=0
    elif [[ $(id -u) == 0 ]]; then
      PIPELINE_UID=10001 PIPELINE_GID=10001
    else
      PIPELINE_UID=$(id -u) PIPELINE_GID=$(id -g)
    fi
  fi
  export PIPELINE_UID PIPELINE_GID=${PIPELINE_GID:-$PIPELINE_UID}
}

# remember NAME VALUE: writes it to .env, unless .env has a value.
remember() {
  if [[ -f .env ]] && grep -qE "^[[:space:]]*$1=" .env; then return; fi
  # The last line may have no line feed.
  if [[ -s .env && -n $(tail -c 1 .env) ]]; then echo >>.env; fi
  printf '%s=%s\n' "$1" "$2" >>.env
}

check_engine() {
  local version
  if ! command -v docker >/dev/null; then
    bad "there is no docker" "install Docker Engine $ENGINE_OLDEST or newer with Compose (https://docs.docker.com/engine/install/), or try \`make demo\`, which needs no Docker"
    return 1
  fi
  if ! version=$(timeout 20 docker version --format '{{.Server.Version}}' 2>&1); then
    bad "the Docker engine does not answer: $(head -n 1 <<<"$version")" "start it (systemctl start docker, or Docker Desktop); if permissions are missing: sudo usermod -aG docker \$USER, then log in again"
    return 1
  fi
  if at_least "$version" "$ENGINE_OLDEST"; then
    good "Docker engine $version"
  else
    bad "Docker engine $version is too old" "install $ENGINE_OLDEST or newer: https://docs.docker.com/engine/install/"
  fi
  version=$(timeout 20 docker compose version --short 2>/dev/null) || version=
  if [[ -z $version ]]; then
    bad "docker compose is missing" "install the plugin docker-compose-plugin, $COMPOSE_OLDEST or newer: https://docs.docker.com/compose/install/"
    return 1
  elif at_least "${version#v}" "$COMPOSE_OLDEST"; then
    good "Docker Compose $version"
  else
    bad "Docker Compose $version is too old" "install $COMPOSE_OLDEST or newer: https://docs.docker.com/compose/install/"
  fi
}

# check_memory NEEDED RECOMMENDED ALTERNATIVE: in MB.
check_memory() {
  local have
  have=$(($(docker info --format '{{.MemTotal}}') / 1000000))
  if ((have < $1)); then
    bad "the engine has $have MB of memory; $1 MB are needed" "$3"
  elif ((have < $2)); then
    note "the engine has $have MB of memory; $2 MB are recommended" "$3"
  else
    good "memory: $have MB"
  fi
}

# check_port NAME DEFAULT SERVICE: it is free, or this project uses it.
check_port() {
  local port running
  port=$(setting "$1" "$2")
  # Not in a pipe to `grep -q`, which exits early and makes docker fail.
  running=$(docker compose ps --status running --format '{{.Service}} {{.Publishers}}' 2>/dev/null) || true
  if [[ $running == *" $port "* ]]; then
    good "port $port: used by this project"
  elif (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    bad "port $port, for $3, is used by another program" "stop that program ($(port_user "$port")), or set $1 to a free port in .env"
  else
    good "port $port is free ($3)"
  fi
}

port_user() {
  local who
  who=$(docker ps --format '{{.Names}} {{.Ports}}' 2>/dev/null | grep -E "[:.]$1->" | cut -d ' ' -f 1 | head -n 1) || true
  if [[ -n $who ]]; then echo "the container $who"; else echo "see: ss -ltnp 'sport = :$1'"; fi
}

# The folders and the CSV file: an engine would create missing ones as folders of root. With LOOK_ONLY=1 nothing is created or removed.
check_places() {
  local images output csv
  images=$(setting IMAGES_DIR ./images) output=$(setting PROCESSED_IMAGES_DIR ./processed_images)
  csv=$(setting CSV_PATH ./processed_image_data.csv)
  make_folder "$images" IMAGES_DIR && check_readable "$images"
  make_folder "$output" PROCESSED_IMAGES_DIR && check_writable "$output" PROCESSED_IMAGES_DIR
  if [[ -d $csv ]]; then
    if [[ -z ${LOOK_ONLY:-} ]] && rmdir "$csv" 2>/dev/null; then
      note "$csv was an empty folder" "an engine creates one if the file is missing; it was removed"
    else
      bad "$csv is a folder: an engine creates one if the file is missing" "docker compose down, rmdir '$csv', make up"
      return
    fi
  fi
  if [[ ! -e $csv ]]; then
    if [[ -n ${LOOK_ONLY:-} ]]; then
      note "$csv does not exist" "make up creates it"
      return
    elif (umask 022 && : >"$csv") 2>/dev/null; then
      own "$csv"
    else
      bad "$csv cannot be created" "make its folder writable, or set CSV_PATH"
      return
    fi
  fi
  if [[ ! -f $csv ]]; then
    bad "$csv is a pipe, a socket or a device" "set CSV_PATH to a regular file"
    return
  fi
  check_writable "$csv" CSV_PATH
}

make_folder() { # PATH VARIABLE
  if [[ ! -e $1 ]]; then
    if [[ -n ${LOOK_ONLY:-} ]]; then
      note "$1 does not exist" "make up creates it; for another folder, set $2"
      return 1
    fi
    mkdir -p "$1" 2>/dev/null || {
      bad "$1 cannot be created" "make its parent folder writable, or set $2"
      return 1
    }
    own "$1"
    say "  created  $1"
  fi
  [[ -d $1 ]] || {
    bad "$1 is not a folder" "move it away, or set $2"
    return 1
  }
}

# What root creates for the pipeline's user belongs to that user.
own() { if [[ $(id -u) == 0 && $PIPELINE_UID != 0 ]]; then chown "$PIPELINE_UID:$PIPELINE_GID" "$1"; fi; }

# as_pipeline COMMAND...: with the rights of the containers, as far as possible from outside them.
as_pipeline() {
  if [[ $(id -u) == 0 && $PIPELINE_UID != 0 ]] && command -v setpriv >/dev/null; then
    setpriv --reuid "$PIPELINE_UID" --regid "$PIPELINE_GID" --clear-groups -- "$@"
  else
    "$@"
  fi
}

check_writable() { # PATH VARIABLE
  if as_pipeline test -w "$1"; then
    good "$1 is writable for uid $PIPELINE_UID"
  else
    bad "$1 is not writable for uid $PIPELINE_UID, which the containers run as" "sudo chown -R $PIPELINE_UID:$PIPELINE_GID '$1', or set PIPELINE_UID and PIPELINE_GID in .env to its owner, or $2 to another path"
  fi
}

check_readable() {
  if as_pipeline test -r "$1" -a -x "$1"; then
    good "$1 is readable for uid $PIPELINE_UID"
  else
    bad "$1 is not readable for uid $PIPELINE_UID, which the containers run as" "chmod -R a+rX '$1', or set PIPELINE_UID and PIPELINE_GID in .env to its owner"
  fi
}

# check_disk NEEDED: free space for the engine's images and volumes, in MB.
check_disk() {
  local root free
  root=$(docker info --format '{{.DockerRootDir}}')
  # Docker Desktop has it in a virtual machine.
  [[ -d $root ]] || return 0
  free=$(df -Pm "$root" | awk 'NR == 2 { print $4 }')
  if ((free < $1)); then
    bad "$free MB are free in $root; images and topics need $1 MB" "free some (docker system df, docker system prune), or lower TOPIC_RETENTION_BYTES in .env"
  else
    good "disk: $free MB free in $root"
  fi
}

stop_on_errors() {
  ((errors == 0)) && return
  say ""
  say "Nothing was started: $errors problem(s) above. Fix them, then run the same command again."
  exit 1
}
