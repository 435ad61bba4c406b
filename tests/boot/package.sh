#!/bin/bash
# Builds the Debian package of the sources as they are, and lets lintian look at it:
#
#   package.sh RELEASE         into build/boot/RELEASE/deb/; needs trees.sh
#   package.sh RELEASE --next  the same with a higher version, for upgrades; into deb-next/
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=../../stack/lib.sh
. "$repo/stack/lib.sh"

# shellcheck source-path=SCRIPTDIR source=tree.sh
. "$repo/tests/boot/tree.sh"

release=${1:?usage: package.sh RELEASE [--next]}
next=${2:-}
home=$repo/build/boot/$release
out=$home/deb${next:+-next}
cd "$repo"

# What git knows or would add: a clean clone and a work tree alike.
copy_sources() {
    local tree=$home/builder/src/tradestack
    rm -rf "$home/builder/src"
    mkdir -p "$tree"
    git -c safe.directory="$repo" ls-files -z --cached --others --exclude-standard |
        tar --null --files-from=- --ignore-failed-read -cf - | tar -xf - --no-same-owner -C "$tree"
    [ -z "$next" ] || sed -i '1s/)/+next)/' "$tree/debian/changelog"
}

in_builder() {
    ts_in_tree "$home/builder" /bin/sh -ec "cd /src/tradestack && $1"
}

build() {
    in_builder 'DEB_BUILD_OPTIONS="parallel=2 noautodbgsym" dpkg-buildpackage -b -us -uc'
    rm -rf "$out"
    mkdir -p "$out"
    cp "$home"/builder/src/*.deb "$out/"
}

copy_sources
ts_step "Build the package (${next:-as it is}, $release)" build
if [ -z "$next" ]; then
    ts_step "lintian ($release)" in_builder 'lintian --allow-root --fail-on error,warning \
        --display-info --tag-display-limit 0 ../*.changes'
fi
