#!/bin/bash
# Builds the Debian package of the sources as they are, and lets lintian look at it:
#
#   package.sh RELEASE   into build/boot/RELEASE/deb/; needs trees.sh. Into deb-next/ goes the same
#                        package with a higher version, for upgrades
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=../../stack/lib.sh
. "$repo/stack/lib.sh"

# shellcheck source-path=SCRIPTDIR source=tree.sh
. "$repo/tests/boot/tree.sh"

release=${1:?usage: package.sh RELEASE}
home=$repo/build/boot/$release
cd "$repo"

# What git knows or would add: a clean clone and a work tree alike.
copy_sources() {
    local tree=$home/builder/src/tradestack
    rm -rf "$home/builder/src"
    mkdir -p "$tree"
    git -c safe.directory="$repo" ls-files -z --cached --others --exclude-standard |
        tar --null --files-from=- --ignore-failed-read -cf - | tar -xf - --no-same-owner -C "$tree"
}

in_builder() {
    ts_in_tree "$home/builder" /bin/sh -ec "cd /src/tradestack && $1"
}

build() {
    in_builder 'DEB_BUILD_OPTIONS="parallel=2 noautodbgsym" dpkg-buildpackage -b -us -uc'
    rm -rf "$home/deb" "$home/deb-next"
    mkdir -p "$home/deb" "$home/deb-next"
    cp "$home"/builder/src/*.deb "$home/deb/"
}

raise_version() {
    local dir
    dir=$(mktemp -d) || return 1
    chmod 755 "$dir" && dpkg-deb --raw-extract "$home"/deb/*.deb "$dir" &&
        sed -i '/^Version:/s/$/+next/' "$dir/DEBIAN/control" &&
        dpkg-deb --build "$dir" "$home/deb-next" || return 1
    rm -rf "$dir"
}

copy_sources
ts_step "Build the package ($release)" build
ts_step "lintian ($release)" in_builder 'lintian --allow-root --fail-on error,warning \
    --display-info --tag-display-limit 0 ../*.changes'
ts_step "Make one with a higher version ($release)" raise_version
