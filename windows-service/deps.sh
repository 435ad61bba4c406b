#!/bin/bash
# The libraries that tradestack needs on Windows, built for mingw-w64 from Debian's source packages
# (Debian has no such binaries). Prints the folder that holds them; meson is told with its
# paths.ini:
#
#   meson setup build-win --werror --cross-file windows-service/mingw64.ini \
#       --cross-file "$(windows-service/deps.sh)/paths.ini"
#
#   deps.sh            builds what is missing: about a minute; nothing when all is there
#   deps.sh --fresh    fetches and builds anew, for instance after security updates
#
# Kept outside the build folder, by the hash of everything that the result depends on:
# $TRADESTACK_CACHE, or tradestack/ in $XDG_CACHE_HOME or ~/.cache. versions.txt there says which
# source packages were used. apt checks their signatures.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../stack/lib.sh
. "$here/../stack/lib.sh"

packages=(libevent jansson sqlite3 pcre2 libinih cmocka curl)
cache=${TRADESTACK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tradestack}

# From both releases, because neither has all: curl before 8.8 breaks a socket that is connected
# already (its issue 10626), and Debian 12 has no inih of today.
suites() {
    printf '%s\n' bookworm trixie
}

cache_key() {
    (cd "$here" && sha256sum deps.sh mingw64.ini deps/* && x86_64-w64-mingw32-gcc --version) |
        sha256sum | cut -c -16
}

own_apt() {
    local tool=$1 dir=$2
    shift 2
    "$tool" -q -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o Acquire::Languages=none \
        -o Acquire::Retries=3 -o APT::Sandbox::User=root "$@"
}

# Newest first. A mirror may name a version whose files it does not have (yet, or any more).
versions_of() {
    own_apt apt-cache "$1" showsrc "$2" |
        awk -v want="$2" '/^Package:/ {name = $2} /^Version:/ && name == want {print $2}' |
        while read -r version; do printf '%s\n' "$version"; done | sort -u --version-sort --reverse
}

fetch_one() {
    local dir=$1 name=$2 version
    while read -r version; do
        mkdir -p "$dir/fetch/$name-$version"
        if (cd "$dir/fetch/$name-$version" &&
            own_apt apt-get "$dir" source --download-only "$name=$version"); then
            dpkg-source --no-check -x "$dir/fetch/$name-$version"/*.dsc "$dir/build/$name" || return 1
            printf '%s %s\n' "$name" "$version" >>"$dir/versions.txt"
            return 0
        fi
    done < <(versions_of "$dir" "$name")
    printf 'no version of the source package %s can be fetched\n' "$name"
    return 1
}

fetch_sources() {
    local dir=$1 keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror suite name
    mirror=$("$here/../stack/setup.sh" mirror) || return 1
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/build"
    for suite in $(suites); do
        printf 'deb-src [signed-by=%s] %s %s main\n' "$keys" "$mirror" "$suite"
    done >"$dir/sources.list"
    own_apt apt-get "$dir" -o APT::Update::Error-Mode=any update || return 1
    for name in "${packages[@]}"; do
        fetch_one "$dir" "$name" || return 1
    done
}

# SQLite in one file: the source package has it in parts, which Tcl scripts put together with the
# help of two small programs of the build machine.
amalgamate_sqlite() {
    (cd "$1" && ./configure --disable-tcl --disable-readline && make -j2 sqlite3.c)
}

build_libraries() {
    local dir=$1 prefix=$2
    cp "$here"/deps/* "$dir/build/"
    mv "$dir/build/event-config.h" "$dir/build/libevent/include/event2/"
    # Its tests print by the C standard's formats, not by msvcrt's.
    sed -i 's/(__format__ (__printf__, /(__format__ (__gnu_printf__, /' \
        "$dir/build/cmocka/include/cmocka.h"
    meson setup "$dir/out" "$dir/build" --cross-file "$here/mingw64.ini" --prefix "$prefix" &&
        ninja -C "$dir/out" && meson install -C "$dir/out" --no-rebuild &&
        cp "$dir/versions.txt" "$prefix/" &&
        printf "[properties]\npkg_config_libdir = '%s'\n" "$prefix/lib/pkgconfig" \
            >"$prefix/paths.ini"
}

# Complete, or not there: what is interrupted leaves no folder of that name.
make_prefix() {
    local prefix=$1 dir
    dir=$(mktemp -d)
    mkdir -p "${prefix%/*}"
    (
        set -e
        trap 'rm -rf "$dir"' EXIT
        ts_step "Fetch the sources of ${#packages[@]} libraries for Windows" fetch_sources "$dir"
        ts_step "Put SQLite together" amalgamate_sqlite "$dir/build/sqlite3"
        rm -rf "$prefix"
        ts_step "Build ${#packages[@]} libraries for Windows" build_libraries "$dir" "$prefix" ||
            { rm -rf "$prefix" && exit 1; }
    )
}

case ${1:-} in
'') fresh= ;;
--fresh) fresh=1 ;;
*) ts_die "usage: deps.sh [--fresh]" ;;
esac
key=$(cache_key)
prefix=$cache/windows-deps/$key
mkdir -p "$cache"
exec 9>"$cache/windows-deps.lock"
flock 9 # two builds at a time would do the same
if [ -n "$fresh" ] || [ ! -f "$prefix/paths.ini" ]; then
    make_prefix "$prefix" >&2 || exit 1
fi
printf '%s\n' "$prefix"
