#!/usr/bin/env bash
# Puts a server into the target directory, out of the packages of a Debian release, and prints where its program is. Nothing
# is installed, and no other list of packages is touched: the program runs with the libraries of its own release.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/servers.sh redis-7 | redis-8 | valkey-8 | --list

For instance: REDIS_SERVER=$(scripts/servers.sh valkey-8) cargo test --test topology
TEXT
}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*" && exit 1; }

# What the packages ask for, as far as it is a library.
libraries=(libatomic1 libc6 libcap2 libgcc-s1 libjemalloc2 liblzf1 libstdc++6 libsystemd0 libzstd1 zlib1g)
flavour=${1:-}
case $flavour in
    redis-7) release=bookworm name=redis libraries+=(libssl3 libgcrypt20 libgpg-error0 liblz4-1 liblzma5) ;;
    redis-8) release=trixie name=redis libraries+=(libssl3t64) ;;
    valkey-8) release=trixie name=valkey libraries+=(libssl3t64) ;;
    --list) printf '%s\n' redis-7 redis-8 valkey-8 && exit ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p "${CARGO_TARGET_DIR:-target}/servers"
place=$(cd "${CARGO_TARGET_DIR:-target}/servers" && pwd)/$flavour
program=$place/$name-server
readonly flavour release name libraries place program

runs() { "$program" --version 2>/dev/null | grep -q "v=${flavour#*-}\."; }

# apt, with lists and a cache of its own. It checks the release's signature, as always.
apt() {
    local command=$1
    shift
    apt-get -q -o Dir::Etc::SourceList="$place/apt/sources" -o Dir::Etc::SourceParts="$place/apt/none" \
        -o Dir::State="$place/apt/state" -o Dir::State::Status="$place/apt/status" -o Dir::Cache="$place/apt/cache" \
        -o APT::Sandbox::User="$(id -un)" -o APT::Update::Error-Mode=any -o Acquire::Retries=3 \
        "$command" "$@"
}

fetch() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg tool package
    for tool in apt-get dpkg-deb; do
        command -v "$tool" >/dev/null || die "there is no $tool, and $flavour comes from Debian's packages"
    done
    [ -e "$keyring" ] || die "there is no $keyring (package debian-archive-keyring), to know Debian's packages by"
    mkdir -p "$place"/{apt/{none,state/lists/partial,cache/archives/partial},packages,files}
    : >"$place/apt/status"
    say "Fetching $name from Debian $release into $place."
    echo "deb [target=Packages signed-by=$keyring] http://deb.debian.org/debian $release main" >"$place/apt/sources"
    apt update >&2 || die "the list of Debian $release's packages could not be fetched"
    (cd "$place/packages" && apt download "$name-tools" "${libraries[@]}" >&2) ||
        die "the packages could not be fetched from Debian $release"
    for package in "$place"/packages/*.deb; do
        dpkg-deb -x "$package" "$place/files" || die "$package could not be unpacked"
    done
}

# The package has one program under several names, and it does what its name says. Its libraries are found by their loader.
wrap() {
    local loader folders
    loader=$(find "$place/files" -name 'ld-linux*.so.*' -print -quit)
    [ -n "$loader" ] || die "there is no loader in the packages of Debian $release"
    folders=$(find "$place/files" \( -name libc.so.6 -o -name libssl.so.3 \) -printf '%h\n' | sort -u | paste -s -d :)
    cat >"$program" <<SCRIPT
#!/bin/sh
exec "$loader" --argv0 "$program" --library-path "$folders" "$place/files/usr/bin/$name-check-rdb" "\$@"
SCRIPT
    chmod +x "$program"
}

if ! runs; then
    rm -rf "$place"
    fetch
    wrap
    rm -rf "$place/apt" "$place/packages"
    runs || die "$program does not run: $("$program" --version 2>&1 || true)"
fi
printf '%s\n' "$program"
