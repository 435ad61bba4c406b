#!/bin/bash
# Builds the Debian package of the sources as they are, and lets lintian look at it:
#
#   package.sh RELEASE [VERSION]   into build/boot/RELEASE/deb/; needs trees.sh
#
# VERSION: another one than debian/changelog has, for upgrades.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=../../stack/lib.sh
. "$repo/stack/lib.sh"

release=${1:?usage: package.sh RELEASE [VERSION]}
version=${2:-}
home=$repo/build/boot/$release
out=$home/deb
cd "$repo"

# What git knows or would add: a clean clone and a work tree alike.
copy_sources() {
    local tree=$home/builder/src/tradestack
    rm -rf "$home/builder/src"
    mkdir -p "$tree"
    git -c safe.directory="$repo" ls-files -z --cached --others --exclude-standard |
        tar --null --files-from=- --ignore-failed-read -cf - | tar -xf - --no-same-owner -C "$tree"
    [ -z "$version" ] || sed -i "1s/([^)]*)/($version)/" "$tree/debian/changelog"
}

in_builder() {
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare --mount --pid --fork --kill-child -- /bin/sh -ec '
        mount -t proc proc "$1/proc"
        exec chroot "$@"' sh "$home/builder" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LC_ALL=C.UTF-8 /bin/sh -ec "cd /src/tradestack && $1"
}

build() {
    in_builder 'DEB_BUILD_OPTIONS="parallel=2 noautodbgsym" dpkg-buildpackage -b -us -uc'
    mkdir -p "$out"
    cp "$home"/builder/src/*.deb "$out/"
}

copy_sources
rm -f "$out"/*"_${version:-[0-9]*}_"*.deb
ts_step "Build the package (${version:-as it is}, $release)" build
if [ -z "$version" ]; then
    ts_step "lintian ($release)" in_builder 'lintian --allow-root --fail-on error,warning \
        --display-info --tag-display-limit 0 ../*.changes'
fi
