# shellcheck shell=bash
# Working in a file system tree of another Debian: trees.sh, package.sh and run.sh. Sourced, never
# run.

# ts_in_tree DIR COMMAND…: with /proc, in namespaces that go with the command.
ts_in_tree() {
    local dir=$1
    shift
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare --mount --pid --fork --kill-child -- /bin/sh -ec '
        mount -t proc proc "$1/proc"
        exec chroot "$@"' sh "$dir" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# ts_tree_apt DIR VERB ARGUMENT…: `install` or `satisfy`, from the network; nothing is started.
ts_tree_apt() {
    local dir=$1 rc=0
    shift
    cp --remove-destination /etc/resolv.conf "$dir/etc/resolv.conf"
    printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
    chmod 755 "$dir/usr/sbin/policy-rc.d"
    ts_in_tree "$dir" apt-get -q -y -o Acquire::Retries=3 update &&
        ts_in_tree "$dir" apt-get -q -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
            --no-install-recommends "$@" &&
        ts_in_tree "$dir" apt-get clean || rc=1
    rm "$dir/usr/sbin/policy-rc.d" "$dir/etc/resolv.conf"
    return "$rc"
}
