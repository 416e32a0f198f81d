#!/usr/bin/env bash
# Fetches the programs of others that our clusters are mixed with, once, into a cache folder, and prints where they are:
#
#     eval "$(conformance/peers.sh CACHE)"   # sets peer_consul (Debian's consul 1.8.7) and peer_serf (Debian's serf 0.10.1)
#
# Both are packages of other Debian releases than this machine's, unpacked without being installed. Where they come from
# is the machine's own Debian archive, whatever it is: its sources are taken with another release in place of their own.
set -euo pipefail

cache=${1:?usage: peers.sh CACHE}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

keyring=/usr/share/keyrings/debian-archive-keyring.gpg # the keys of all releases, newer ones than this machine's too

fail() { echo "peers.sh: $*" >&2; exit 1; }

# The address of the machine's archive. apt tells it however its sources are written (one line, deb822, several files).
archive() {
  local codename
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [ -n "$codename" ] || fail "/etc/os-release names no Debian release"
  apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Release: $codename" "Component: main" | head -1
}

# PACKAGE VERSION RELEASE PROGRAM: the program of that version below $cache, fetched when it is not there yet.
program() {
  local package=$1 version=$2 release=$3 program=$4 home=$cache/$1-$2 from options=check-valid-until=no
  if [ -x "$home/root/$program" ] && [ -e "$home/ready" ]; then
    echo "$home/root/$program"
    return
  fi
  from=$(archive)
  [ -n "$from" ] || fail "apt has no Debian archive of this machine's release to take $package from"
  rm -rf "$home"
  mkdir -p "$home/lists/partial" "$home/archives/partial" "$home/parts"
  [ ! -e $keyring ] || options="signed-by=$keyring $options"
  echo "deb [$options] $from $release main" > "$home/sources.list"
  local apt=(apt-get -qq -o "Dir::Etc::sourcelist=$home/sources.list" -o "Dir::Etc::sourceparts=$home/parts"
    -o "Dir::State::lists=$home/lists" -o "Dir::Cache::archives=$home/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
    -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::Languages=none)
  "${apt[@]}" update >&2 || fail "no list of Debian $release from this machine's archive"
  (cd "$home" && "${apt[@]}" download "$package=$version*" >&2) || fail "no $package $version in Debian $release of this machine's archive"
  dpkg-deb -x "$home/$package"_*.deb "$home/root" || fail "the package of $package cannot be unpacked"
  [ -x "$home/root/$program" ] || fail "the package of $package has no $program"
  rm -rf "$home/lists" "$home/archives" "$home"/*.deb
  touch "$home/ready"
  echo "$home/root/$program"
}

consul=$(program consul 1.8.7 bullseye usr/bin/consul)
serf=$(program serf 0.10.1 trixie usr/bin/serf)
printf 'peer_consul=%q\npeer_serf=%q\n' "$consul" "$serf"
