#!/bin/bash
# Boots Debian 12 and 13 with real systemd and Docker, installs the package there, and takes the
# power away: see test_boot.py. Installs what it needs; part of tests/run.sh.
#
#   tests/boot/run.sh [--kernel] [PYTEST ARGUMENT…]   TRADESTACK_RELEASES=trixie: only that one
#
# --kernel: the same checks on a kernel of its own in qemu; not part of tests/run.sh, because it
# takes hours where there is no KVM.
set -uo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$repo" || exit 1
# shellcheck source-path=SCRIPTDIR source=../../stack/lib.sh
. "$repo/stack/lib.sh"
# shellcheck source-path=SCRIPTDIR source=tree.sh
. "$repo/tests/boot/tree.sh"
export TRADESTACK_MACHINE=namespaces
tree=machine
if [ "${1:-}" = --kernel ]; then
    shift
    TRADESTACK_MACHINE=kernel
    tree=kernel
fi
releases=${TRADESTACK_RELEASES:-bookworm trixie}
results=${TS_RESULTS:-$repo/build/test-results}
mkdir -p "$results" build/boot

# The stack's images, by an engine in a network of its own.
# shellcheck disable=SC2317  # called by ts_step
make_images() {
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare --net --mount -- /bin/bash -ec '
        ip link set lo up
        dir=$(mktemp -d /var/tmp/ts-images-XXXXXX)
        trap "stack/engine.sh stop $dir --purge; rm -rf $dir" EXIT
        stack/engine.sh start "$dir"
        export DOCKER_HOST=unix://$dir/docker.sock
        stack/images/build.sh build
        docker save --output build/boot/images.tar tradestack-gwsim tradestack-bot tradestack-monitor'
}

# What the package depends on: the machine has no way to fetch it.
# shellcheck disable=SC2317  # called by ts_step
add_depends() {
    local home=$repo/build/boot/$1 depends
    depends=$(dpkg-deb --field "$home"/deb/*.deb Depends) || return 1
    [ "$(cat "$home/$tree.depends" 2>/dev/null)" != "$depends" ] ||
        [ "$home/$tree.sum" -nt "$home/$tree.depends" ] || return 0
    ts_tree_apt "$home/$tree" satisfy "$depends" && printf '%s\n' "$depends" >"$home/$tree.depends"
}

prepare() {
    local release
    stack/setup.sh packages build engine demo test boot || return 1
    [ "$tree" = machine ] || stack/setup.sh packages kernel || return 1
    stack/setup.sh compose --into build/docker-plugins || return 1
    [ -f build/build.ninja ] || ts_step "Configure build" meson setup build --werror || return 1
    ts_step "Build" ninja -C build || return 1
    ts_step "Make the stack's images" make_images || return 1
    for release in $releases; do
        tests/boot/trees.sh "$release" "$tree" && tests/boot/package.sh "$release" ||
            return 1
        ts_step "Add what the package depends on ($release)" add_depends "$release" || return 1
    done
}

if [ "$(id -u)" -ne 0 ]; then
    [ "$tree" = machine ] || set -- --kernel "$@"
    exec sudo --preserve-env=TS_LOG,TS_RESULTS,TRADESTACK_RELEASES "$0" "$@"
fi
prepare || exit 1
# Namespaces of our own: processes, mounts and networks that a test leaves vanish with pytest.
rm -rf --one-file-system build/boot/run
# (unshare itself ignores the signals that it should hand on.)
trap 'pkill -TERM --parent "$child"' INT TERM
unshare --mount --net --pid --fork --kill-child --mount-proc -- /bin/sh -c '
    ip link set lo up
    exec "$@"' sh /usr/bin/python3 -m pytest -p no:cacheprovider --verbose \
    --junit-xml "$results/boot.junit.xml" tests/boot "$@" &
child=$!
rc=0
while kill -0 "$child" 2>/dev/null; do # a signal ends the wait, not the child
    wait "$child"
    rc=$?
done
rm -rf --one-file-system build/boot/run
exit "$rc"
