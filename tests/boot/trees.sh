#!/bin/bash
# Makes the file systems that the boot tests need, from Debian's archive, once:
#
#   trees.sh RELEASE      bookworm or trixie; into build/boot/RELEASE/
#     builder/            what building the package needs (debian/control) and lintian
#     machine/            a machine that boots: systemd, Docker, Compose; no tradestack yet
#
# A tree is made again only when what goes into it has changed. Needs root and debootstrap.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=../../stack/lib.sh
. "$repo/stack/lib.sh"

release=${1:?usage: trees.sh RELEASE}
home=$repo/build/boot/$release
keys=/usr/share/keyrings/debian-archive-keyring.gpg
mkdir -p "$home"

machine_packages() {
    printf '%s\n' systemd systemd-sysv dbus polkitd kmod iproute2 iptables procps ca-certificates \
        curl openssl python3 haproxy docker.io
    [ "$release" = bookworm ] || printf '%s\n' docker-cli docker-compose nftables
}

builder_packages() {
    printf '%s\n' build-essential fakeroot lintian
    # The package's own list, without versions.
    sed -n '/^Build-Depends:/,/^[^ ]/p' "$repo/debian/control" | grep -o '^ [a-z0-9.+-]*' | tr -d ' '
}

mirror() {
    # shellcheck disable=SC2016  # apt's own variables
    apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 2>/dev/null |
        awk '$2 == "bookworm" || $2 == "trixie" {print $1; exit}'
}

# in_tree DIR COMMAND…: with /proc, in a mount namespace that goes with the command.
in_tree() {
    local dir=$1
    shift
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare --mount --pid --fork --kill-child -- /bin/sh -ec '
        mount -t proc proc "$1/proc"
        exec chroot "$@"' sh "$dir" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# Nothing is started in a tree while packages are installed.
install_into() {
    local dir=$1
    shift
    cp --remove-destination /etc/resolv.conf "$dir/etc/resolv.conf"
    printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
    chmod 755 "$dir/usr/sbin/policy-rc.d"
    in_tree "$dir" apt-get -q -y -o Acquire::Retries=3 update
    in_tree "$dir" apt-get -q -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 install \
        --no-install-recommends "$@"
    in_tree "$dir" apt-get clean
    rm "$dir/usr/sbin/policy-rc.d"
}

make_base() {
    debootstrap --variant=minbase --keyring="$keys" "$release" "$1" "$(mirror)"
}

make_tree() {
    local kind=$1 packages=$2
    # shellcheck disable=SC2086  # words
    cp -a "$home/base" "$home/$kind.new" && install_into "$home/$kind.new" $packages &&
        if [ "$kind" = machine ]; then furnish "$home/$kind.new"; fi
}

# What a machine needs beyond packages.
furnish() {
    local dir=$1
    printf '%s\n' "$release" >"$dir/etc/hostname"
    printf '127.0.0.1 localhost %s\n' "$release" >"$dir/etc/hosts"
    mkdir -p "$dir/var/log/journal"
    rm -f "$dir/etc/machine-id" "$dir/etc/resolv.conf"
    systemd-machine-id-setup --root="$dir"
    # An apt and a network that are waited for in vain would only cost time.
    ln -sf /dev/null "$dir/etc/systemd/system/apt-daily.timer"
    ln -sf /dev/null "$dir/etc/systemd/system/apt-daily-upgrade.timer"
    ln -sf /dev/null "$dir/etc/systemd/system/systemd-networkd-wait-online.service"
    # nspawn mounts the control groups read-only; Docker needs to write there.
    cat >"$dir/etc/systemd/system/cgroups-writable.service" <<'UNIT'
[Unit]
Description=Make control groups writable for Docker
DefaultDependencies=no
Before=docker.service containerd.service sysinit.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for d in /sys/fs/cgroup/*; do mountpoint -q "$d" && mount -o remount,bind,rw "$d"; done; mount -o remount,bind,rw /sys/fs/cgroup'
[Install]
WantedBy=sysinit.target
UNIT
    ln -sf ../cgroups-writable.service "$dir/etc/systemd/system/sysinit.target.wants/" 2>/dev/null ||
        { mkdir -p "$dir/etc/systemd/system/sysinit.target.wants" &&
            ln -sf ../cgroups-writable.service "$dir/etc/systemd/system/sysinit.target.wants/"; }
    if [ "$release" = bookworm ]; then # it has only Compose v1
        install -D -m 755 "$repo/build/docker-plugins/docker-compose" \
            "$dir/usr/local/lib/docker/cli-plugins/docker-compose"
    fi
}

# need KIND PACKAGES: makes the tree unless it is there as described.
need() {
    local kind=$1 packages=$2 sum
    sum=$(printf '%s\n' "$packages" | cat - "${BASH_SOURCE[0]}" | sha256sum | cut -c1-16)
    if [ "$(cat "$home/$kind.sum" 2>/dev/null)" = "$sum" ] && [ -d "$home/$kind" ]; then
        return 0
    fi
    rm -rf --one-file-system "${home:?}/$kind" "$home/$kind.new" "$home/$kind.sum"
    if [ "$kind" = base ]; then
        ts_step "Make a Debian ($release)" make_base "$home/$kind.new"
    else
        ts_step "Make the $release $kind" make_tree "$kind" "$packages"
    fi || exit 1
    mv "$home/$kind.new" "$home/$kind"
    printf '%s\n' "$sum" >"$home/$kind.sum"
}

need base ""
need machine "$(machine_packages)"
need builder "$(builder_packages)"
