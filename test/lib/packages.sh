#!/usr/bin/env bash
# packages.sh PROFILE…: installs the Debian packages that are missing. Idempotent.
# Profiles: build, server (what runs the demo), test, all (chroots, static analysis), bench.
set -euo pipefail

packages_of() {
  case $1 in
    build) echo g++ make postgresql-15 postgresql-server-dev-15 libcurl4-openssl-dev zlib1g-dev \
      rapidjson-dev ;;
    server) echo openjdk-17-jre-headless maven unzip python3 python3-venv ca-certificates procps ;;
    test) echo cmake ninja-build libssl-dev libgtest-dev libgmock-dev clang-16 libclang-rt-16-dev clang-format-19 \
      rsync ;;
    all) echo debootstrap clang-tidy-19 ;;
    bench) echo valgrind ;;
    *) echo "packages.sh: unknown profile $1" >&2; return 2 ;;
  esac
}

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for profile in "$@"; do
  for package in $(packages_of "$profile"); do
    is_installed "$package" || missing+=("$package")
  done
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "These packages are missing; install them as root: ${missing[*]}" >&2
  exit 1
fi

# Debian would make and start a cluster "main" of its own: nobody asked for one.
config=/etc/postgresql-common/createcluster.conf
if ! is_installed postgresql-common && [ ! -e $config ]; then
  mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' > $config
fi

echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y -o Dpkg::Options::=--force-confold install --no-install-recommends "${missing[@]}"
