#!/usr/bin/env bash
# Starts PostgreSQL, and initialises an empty data folder before. It follows the documented contract of the official
# image: the same variables and the same folder of init scripts, started by root or by another user.
set -Eeuo pipefail

# While this file is in the data folder, the initialisation has not finished and nobody relies on the data: the next
# start empties the folder and initialises it again.
readonly MARKER=.initialisation-unfinished

fail() {
  echo "postgres: $*" >&2
  exit 1
}

# secret NAME [DEFAULT]: takes NAME from the environment or from the file that NAME_FILE names.
secret() {
  local name=$1 file_name="$1_FILE" value=${2:-}
  if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
    fail "both $name and $file_name are set; set one of them."
  fi
  if [[ -n ${!name:-} ]]; then
    value=${!name}
  elif [[ -n ${!file_name:-} ]]; then
    [[ -r ${!file_name} ]] || fail "$file_name names ${!file_name}, which user $(id -u) cannot read."
    value=$(<"${!file_name}")
  fi
  export "$name=$value"
  unset "$file_name"
}

# asks_only ARGS: true when the server only prints something and exits, so that it needs no data.
asks_only() {
  local argument
  for argument in "$@"; do
    case $argument in
      -'?' | --help | --describe-config | -V | --version | -C) return 0 ;;
    esac
  done
  return 1
}

as_root() { [[ $(id -u) == 0 ]]; }

prepare_folders() {
  mkdir -p "$PGDATA" /var/run/postgresql || true
  chmod 0700 "$PGDATA" || true
  chmod 3777 /var/run/postgresql 2>/dev/null || true
  if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
    mkdir -p "$POSTGRES_INITDB_WALDIR"
    chmod 0700 "$POSTGRES_INITDB_WALDIR"
  fi
  if as_root; then
    local folder
    for folder in "$PGDATA" /var/run/postgresql ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"}; do
      find "$folder" \! -user postgres -exec chown postgres:postgres '{}' +
    done
  fi
}

empty_folder() { find "$1" -mindepth 1 -maxdepth 1 \! -name "$MARKER" \! -name lost+found -exec rm -rf '{}' +; }

check_before_init() {
  local entries
  entries=$(find "$PGDATA" -mindepth 1 -maxdepth 1 \! -name lost+found -printf '%f ' | head -c 200)
  [[ -z $entries ]] ||
    fail "$PGDATA is not a data folder of PostgreSQL, and not empty ($entries). Nothing was changed. Mount an empty volume."
  if [[ -z $POSTGRES_PASSWORD && ${POSTGRES_HOST_AUTH_METHOD:-} != trust ]]; then
    fail "the data folder is empty and the superuser has no password. Set POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD" \
      "(or POSTGRES_HOST_AUTH_METHOD=trust, which lets anybody in)."
  fi
  if [[ ${POSTGRES_HOST_AUTH_METHOD:-} == trust ]]; then
    echo "postgres: POSTGRES_HOST_AUTH_METHOD is trust: anybody who reaches the port gets in without a password." >&2
  fi
}

make_cluster() {
  : >"$PGDATA/$MARKER"
  # initdb needs an empty folder, so it gets one inside the data folder. The files then move up beside the marker.
  local fresh="$PGDATA/.initdb"
  mkdir -m 0700 "$fresh"
  local -a arguments=(--username="$POSTGRES_USER" --pgdata="$fresh")
  if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
    empty_folder "$POSTGRES_INITDB_WALDIR"
    arguments+=(--waldir="$POSTGRES_INITDB_WALDIR")
  fi
  # The variable contains a part of a command line, which may have quotes.
  eval "arguments+=(${POSTGRES_INITDB_ARGS:-})"
  initdb "${arguments[@]}" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")
  find "$fresh" -mindepth 1 -maxdepth 1 -exec mv -t "$PGDATA" '{}' +
  rmdir "$fresh"
}

allow_hosts() {
  local method=${POSTGRES_HOST_AUTH_METHOD:-}
  [[ -n $method ]] || method=$(postgres -C password_encryption "$@")
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

sql() {
  PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc "$@"
}

# During the initialisation the server listens on its socket only, so that nobody who connects over TCP takes it for
# ready.
temporary_server() {
  local action=$1
  shift
  if [[ $action == start ]]; then
    local options
    options=$(printf '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}")
    NOTIFY_SOCKET='' PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -o "$options" -w -t 300 start
  else
    PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -m fast -w -t 300 stop
  fi
}

run_init_scripts() {
  local script
  for script in /docker-entrypoint-initdb.d/*; do
    [[ -e $script ]] || continue
    echo "postgres: init script $script"
    case $script in
      *.sh)
        # shellcheck source=/dev/null # users mount these scripts
        if [[ -x $script ]]; then "$script"; else . "$script"; fi ;;
      *.sql) sql --dbname "$POSTGRES_DB" -f "$script" ;;
      *.sql.gz) gunzip -c "$script" | sql --dbname "$POSTGRES_DB" ;;
      *.sql.xz) xzcat "$script" | sql --dbname "$POSTGRES_DB" ;;
      *.sql.zst) zstd -dc "$script" | sql --dbname "$POSTGRES_DB" ;;
      *) echo "postgres: ignoring $script, because it is neither *.sh nor *.sql[.gz|.xz|.zst]" ;;
    esac
  done
}

initialise() {
  # On a signal the temporary server is stopped. The marker stays, so the next start initialises again.
  trap 'temporary_server stop >/dev/null 2>&1 || true; exit 143' INT TERM
  check_before_init
  make_cluster
  allow_hosts "$@"
  export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
  temporary_server start "$@"
  if [[ -z $(sql --dbname postgres --tuples-only --set db="$POSTGRES_DB" <<<"SELECT 1 FROM pg_database WHERE datname = :'db'") ]]; then
    sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db"'
  fi
  run_init_scripts
  temporary_server stop
  unset PGPASSWORD
  rm "$PGDATA/$MARKER"
  trap - INT TERM
  echo "postgres: the data folder is initialised"
}

main() {
  if [[ $# == 0 || $1 == -* ]]; then
    set -- postgres "$@"
  fi
  if [[ $1 == postgres ]] && ! asks_only "$@"; then
    prepare_folders
    if as_root; then
      exec setpriv --reuid=postgres --regid=postgres --init-groups -- "${BASH_SOURCE[0]}" "$@"
    fi
    if [[ -e $PGDATA/$MARKER ]]; then
      echo "postgres: the last initialisation did not finish; removing what it left and initialising again" >&2
      empty_folder "$PGDATA"
      rm "$PGDATA/$MARKER"
    fi
    if [[ ! -s $PGDATA/PG_VERSION ]]; then
      secret POSTGRES_PASSWORD
      secret POSTGRES_USER postgres
      secret POSTGRES_DB "$POSTGRES_USER"
      secret POSTGRES_INITDB_ARGS
      initialise "${@:2}"
    fi
    # The running server does not need the password, so it is removed from the environment.
    unset POSTGRES_PASSWORD
  fi
  exec "$@"
}

main "$@"
