# Sourced by the programs of this folder: packages, build, a private work folder.
. "$(dirname "${BASH_SOURCE[0]}")/../test/lib/environment.sh"

prepare_bench() {
  make_work_folder
  trap remove_work_folder EXIT
  trap 'exit 130' INT TERM
  "$ROOT/test/lib/packages.sh" build server bench
  use_python
  if [ -z "${BENCH_INSTALLED:-}" ]; then
    copy_source
    build_and_install
  fi
  export PYTHONPATH=$PYTHONPATH:$ROOT/bench
}
