#!/bin/bash
# Makes the file systems that the boot tests need, from Debian's archive, once:
#
#   trees.sh RELEASE [KIND]   bookworm or trixie; into build/boot/RELEASE/
#     builder/                what building the package needs (debian/control) and lintian
#     machine/                a machine that boots: systemd, Docker, Compose; no tradestack yet
#     kernel/                 the same with a kernel and an ssh server, for qemu
#
# KIND: machine (the default) or kernel; the builder is made with either.
#
# A tree is made again only when what goes into it has changed. Needs root and debootstrap.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=../../stack/lib.sh
. "$repo/stack/lib.sh"
# shellcheck source-path=SCRIPTDIR source=tree.sh
. "$repo/tests/boot/tree.sh"

release=${1:?usage: trees.sh RELEASE [machine|kernel]}
kind=${2:-machine}
home=$repo/build/boot/$release
keys=/usr/share/keyrings/debian-archive-keyring.gpg
mkdir -p "$home"

machine_packages() {
    printf '%s\n' systemd systemd-sysv dbus polkitd kmod iproute2 iptables procps ca-certificates \
        curl openssl python3 haproxy docker.io
    [ "$release" = bookworm ] || printf '%s\n' docker-cli docker-compose nftables
}

kernel_packages() {
    machine_packages
    # Debian's kernel has AppArmor on, and then Docker starts nothing without its parser.
    printf '%s\n' linux-image-amd64 initramfs-tools openssh-server apparmor
}

builder_packages() {
    printf '%s\n' build-essential fakeroot lintian
    # The package's own list, without versions.
    sed -n '/^Build-Depends:/,/^[^ ]/p' "$repo/debian/control" | grep -o '^ [a-z0-9.+-]*' | tr -d ' '
}

make_base() {
    local mirror
    mirror=$("$repo/stack/setup.sh" mirror) &&
        debootstrap --variant=minbase --keyring="$keys" "$release" "$1" "$mirror"
}

make_tree() {
    local kind=$1 packages=$2
    # shellcheck disable=SC2086  # words
    cp -a "$home/base" "$home/$kind.new" && ts_tree_apt "$home/$kind.new" install $packages &&
        case $kind in
        machine) furnish "$home/$kind.new" && let_docker_write "$home/$kind.new" ;;
        kernel) furnish "$home/$kind.new" && let_qemu_in "$home/$kind.new" ;;
        esac
}

# What a machine needs beyond packages.
furnish() {
    local dir=$1
    printf '%s\n' "$release" >"$dir/etc/hostname"
    printf '127.0.0.1 localhost %s\n' "$release" >"$dir/etc/hosts"
    mkdir -p "$dir/var/log/journal"
    rm -f "$dir/etc/machine-id"
    systemd-machine-id-setup --root="$dir"
    # An apt and a network that are waited for in vain would only cost time.
    ln -sf /dev/null "$dir/etc/systemd/system/apt-daily.timer"
    ln -sf /dev/null "$dir/etc/systemd/system/apt-daily-upgrade.timer"
    ln -sf /dev/null "$dir/etc/systemd/system/systemd-networkd-wait-online.service"
    # The engine's own package, to be installed once more (an upgrade).
    mkdir -p "$dir/opt/engine"
    cp /etc/resolv.conf "$dir/etc/resolv.conf"
    ts_in_tree "$dir" /bin/sh -c 'cd /opt/engine && apt-get -q download docker.io'
    rm "$dir/etc/resolv.conf"
    if [ "$release" = bookworm ]; then # it has only Compose v1
        install -D -m 755 "$repo/build/docker-plugins/docker-compose" \
            "$dir/usr/local/lib/docker/cli-plugins/docker-compose"
    fi
}

# nspawn mounts the control groups read-only; Docker needs to write there.
let_docker_write() {
    local dir=$1
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
    mkdir -p "$dir/etc/systemd/system/sysinit.target.wants"
    ln -s ../cgroups-writable.service "$dir/etc/systemd/system/sysinit.target.wants/"
}

# The card that qemu gives it is to have its address: ssh is the way in.
let_qemu_in() {
    local dir=$1
    ln -sf /usr/lib/systemd/system/systemd-networkd.service \
        "$dir/etc/systemd/system/multi-user.target.wants/"
}

# need KIND PACKAGES: makes the tree unless it is there as described.
need() {
    local kind=$1 packages=$2 sum
    sum=$(printf '%s\n' "$packages" | cat - "${BASH_SOURCE[0]}" "$repo/tests/boot/tree.sh" |
        sha256sum | cut -c1-16)
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
need "$kind" "$("${kind}_packages")"
need builder "$(builder_packages)"
