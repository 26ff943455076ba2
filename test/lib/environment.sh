# Sourced by test/run, demo/run and bench/*: where things are, and a private place to work in.
# POLYGLOT_CACHE  downloads that survive a run (default: the user's cache folder)
# PG_CONFIG       the PostgreSQL to build for (default: Debian's 15)

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
POLYGLOT_CACHE=${POLYGLOT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/polyglot_sync}
PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}
SERVICE_USER=postgres  # PostgreSQL and the search servers refuse to run as root
export ROOT POLYGLOT_CACHE PG_CONFIG SERVICE_USER
export PYTHONPATH=$ROOT/test/lib PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGSERVICE PGOPTIONS

# A private folder that the service user can enter; removed, and what runs in it killed, at exit.
make_work_folder() {
  POLYGLOT_WORK=$(mktemp -d)
  chmod 755 "$POLYGLOT_WORK"
  mkdir "$POLYGLOT_WORK/processes"
  export POLYGLOT_WORK
}

# Kills what was started in the work folder (test/lib/processes.py notes it there).
kill_started_processes() {
  [ -n "${POLYGLOT_WORK:-}" ] || return 0
  python3 "$ROOT/test/lib/processes.py" cleanup || true
}

remove_work_folder() {
  kill_started_processes
  if [ -n "${POLYGLOT_WORK:-}" ]; then rm -rf -- "$POLYGLOT_WORK"; fi
}

as_service_user() {
  if [ "$(id -u)" -eq 0 ]; then runuser -u "$SERVICE_USER" -- "$@"; else "$@"; fi
}

# The Python of the tests: a venv in the cache, made anew when the pinned list changes.
use_python() {
  local list=$ROOT/test/lib/requirements.txt
  local stamp
  stamp=$(python3 -V | cat - "$list" | sha256sum | cut -c1-16)
  PYTHON=$POLYGLOT_CACHE/venv-$stamp/bin/python
  export PYTHON
  [ -e "$POLYGLOT_CACHE/venv-$stamp/complete" ] && return 0
  echo "preparing Python packages in $POLYGLOT_CACHE"
  mkdir -p "$POLYGLOT_CACHE"
  rm -rf "$POLYGLOT_CACHE/venv-$stamp"
  python3 -m venv "$POLYGLOT_CACHE/venv-$stamp"
  "$PYTHON" -m pip install --quiet --disable-pip-version-check -r "$list"
  touch "$POLYGLOT_CACHE/venv-$stamp/complete"
}

# Builds the shipped library in the copy and installs it into the PostgreSQL of PG_CONFIG.
build_and_install() {
  make -C "$SOURCE" -s -j"$(nproc)" PG_CONFIG="$PG_CONFIG" all
  make -C "$SOURCE" -s PG_CONFIG="$PG_CONFIG" install
}

# Everything is built and run in a copy: the checkout stays clean, the service user can enter it.
copy_source() {
  SOURCE=$POLYGLOT_WORK/source
  mkdir "$SOURCE"
  tar -C "$ROOT" --exclude=./.git --exclude='*.o' --exclude='*.d' --exclude='*.so' \
    --exclude='./build*' --exclude=__pycache__ -cf - . | tar -C "$SOURCE" -xf -
}
