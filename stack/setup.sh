#!/bin/bash
# Installs what is missing, from Debian's archive only. Does nothing, quickly, when all is there.
#
#   setup.sh packages GROUP…   groups: build, engine, demo, test, bench, boot, kernel, windows
#   setup.sh compose           Compose v2 as a plug-in of the docker command
#   setup.sh compose --into DIR   the same as DIR/docker-compose only, for the tests
#   setup.sh compose --remove  takes it away again if this script put it there
#   setup.sh mirror            prints the Debian mirror that this machine uses
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

plugin=usr/libexec/docker/cli-plugins/docker-compose # in Debian's package
plugin_dir=/usr/local/lib/docker/cli-plugins
plugin_mark=$plugin_dir/.docker-compose-by-tradestack

debian_version() {
    # shellcheck source=/dev/null
    (. /etc/os-release && printf '%s' "${VERSION_ID%%.*}")
}

engine_answers() {
    timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# One word a line: a package, or `command=package` when any program of that name will do (npm may
# come with another nodejs than Debian's).
group_packages() {
    case $1 in
    build)
        printf '%s\n' gcc=gcc libc6-dev meson=meson ninja=ninja-build pkg-config=pkg-config \
            libevent-dev libcurl4-openssl-dev libssl-dev libjansson-dev libsqlite3-dev libpcre2-dev \
            libinih-dev libsystemd-dev libcmocka-dev
        ;;
    engine)
        engine_answers && return
        printf '%s\n' dockerd=docker.io ip=iproute2 iptables=iptables
        [ "$(debian_version)" != 13 ] || printf '%s\n' nft=nftables
        docker --version >/dev/null 2>&1 || [ "$(debian_version)" = 12 ] ||
            printf '%s\n' docker=docker-cli
        ;;
    demo)
        printf '%s\n' ca-certificates openssl=openssl python3=python3 ps=procps
        ;;
    test)
        printf '%s\n' python3-pytest python3-jsonschema node=nodejs npm=npm curl=curl openssl=openssl \
            busybox-static clang=clang libclang-rt-dev clang-tidy=clang-tidy \
            clang-format=clang-format cppcheck=cppcheck valgrind=valgrind shellcheck=shellcheck
        ;;
    bench)
        printf '%s\n' monit=monit supervisord=supervisor python3-matplotlib curl=curl \
            busybox-static
        ;;
    boot)
        printf '%s\n' debootstrap=debootstrap systemd-nspawn=systemd-container mkfs.ext4=e2fsprogs \
            unshare=util-linux man=man-db
        ;;
    kernel)
        printf '%s\n' qemu-system-x86_64=qemu-system-x86 ssh=openssh-client
        ;;
    windows)
        # wixl alone does not draw in what reads its result back, wine64 not the library of its TLS.
        printf '%s\n' x86_64-w64-mingw32-gcc=gcc-mingw-w64-x86-64-win32 \
            x86_64-w64-mingw32-windmc=binutils-mingw-w64-x86-64 wine64 wixl=wixl msiinfo=msitools \
            dpkg-source=dpkg-dev tclsh=tcl make=make xz=xz-utils \
            gnutls-cli=gnutls-bin
        ;;
    *) ts_die "no such group of packages: $1 (build, engine, demo, test, bench, boot, kernel, windows)" ;;
    esac
}

group_reason() {
    case $1 in
    build) printf 'to compile tradestack' ;;
    engine) printf 'a container engine' ;;
    demo) printf 'for the demonstration' ;;
    test) printf 'for the tests' ;;
    bench) printf 'to measure against' ;;
    boot) printf 'for the boot tests' ;;
    kernel) printf 'for boot tests with a kernel of their own' ;;
    windows) printf 'to build and test for Windows' ;;
    esac
}

is_installed() {
    case $1 in
    *=*) command -v "${1%%=*}" >/dev/null ;;
    *) [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    esac
}

apt_get() {
    ts_as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -y \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

install_packages() {
    local group word missing=() all=()
    for group in "$@"; do
        missing=()
        while read -r word; do
            [ -z "$word" ] || is_installed "$word" || missing+=("${word#*=}")
        done < <(group_packages "$group")
        if [ ${#missing[@]} -gt 0 ]; then
            ts_say "Missing $(group_reason "$group"): ${missing[*]}"
            all+=("${missing[@]}")
        fi
    done
    [ ${#all[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null ||
        ts_die "this is no Debian: install what corresponds to the packages above, then try again"
    ts_step "Fetch the list of packages" apt_get update || exit 1
    ts_step "Install ${#all[@]} packages" apt_get install --no-install-recommends "${all[@]}" || exit 1
}

has_compose() {
    docker compose version --short 2>/dev/null | grep -Eq '^v?([2-9]|[1-9][0-9])\.'
}

known_mirror() {
    # shellcheck disable=SC2016  # apt's own variables
    apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 2>/dev/null |
        awk '$2 == "bookworm" || $2 == "trixie" {print $1; exit}'
}

# The mirror that this machine uses for Debian itself. apt knows it once it has fetched a list.
debian_mirror() {
    local uri
    uri=$(known_mirror)
    [ -n "$uri" ] || { apt_get update >/dev/null && uri=$(known_mirror); }
    [ -n "$uri" ] || ts_die "apt knows no mirror of Debian 12 or 13: look at /etc/apt/sources.list"
    printf '%s' "$uri"
}

# Debian 12 has only Compose v1. Debian 13's package holds one program that needs nothing but libc:
# fetched and checked by apt in a folder of its own, so that the machine's apt never hears of it.
fetch_compose() {
    local dir=$1 keys=/usr/share/keyrings/debian-archive-keyring.gpg
    local own_apt=(-q -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o Acquire::Languages=none
        -o Acquire::Retries=3 -o APT::Sandbox::User=root)
    local mirror
    mirror=$(debian_mirror) || return 1
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/root"
    printf 'deb [signed-by=%s] %s trixie main\n' "$keys" "$mirror" >"$dir/sources.list"
    apt-get "${own_apt[@]}" -o APT::Update::Error-Mode=any update &&
        (cd "$dir" && apt-get "${own_apt[@]}" download docker-compose) &&
        dpkg -x "$dir"/docker-compose_*.deb "$dir/root"
}

place_compose() {
    fetch_compose "$1" || return 1
    ts_as_root install -D -m 755 "$1/root/$plugin" "$plugin_dir/docker-compose" &&
        ts_as_root touch "$plugin_mark" && has_compose
}

install_compose() {
    local dir rc=0
    ! has_compose || return 0
    if [ "$(debian_version)" != 12 ]; then
        ts_step "Fetch the list of packages" apt_get update || exit 1
        ts_step "Install Compose" apt_get install --no-install-recommends docker-compose || exit 1
        has_compose || ts_die "docker-compose is installed, but 'docker compose' does not work"
        return 0
    fi
    dir=$(mktemp -d)
    ts_step "Install Compose v2 from Debian 13 (Debian 12 has only v1) into $plugin_dir" \
        place_compose "$dir" || rc=$?
    rm -rf "$dir"
    return "$rc"
}

copy_compose() {
    if [ -x "/$plugin" ]; then
        install -D -m 755 "/$plugin" "$2/docker-compose"
    else
        fetch_compose "$1" && install -D -m 755 "$1/root/$plugin" "$2/docker-compose"
    fi
}

# A copy that stays when the machine's own plug-in goes.
install_compose_into() {
    local dir rc=0
    ! "$1/docker-compose" version --short >/dev/null 2>&1 || return 0
    dir=$(mktemp -d)
    ts_step "Put Compose v2 into $1" copy_compose "$dir" "$1" || rc=$?
    rm -rf "$dir"
    return "$rc"
}

remove_compose() {
    [ -e "$plugin_mark" ] || return 0
    ts_as_root rm -f "$plugin_dir/docker-compose" "$plugin_mark"
    ts_as_root rmdir --ignore-fail-on-non-empty "$plugin_dir" "${plugin_dir%/*}"
}

case ${1:-} in
packages)
    shift
    install_packages "$@"
    ;;
compose)
    case ${2:-} in
    '') install_compose ;;
    --into) install_compose_into "${3:?setup.sh compose --into DIR}" ;;
    --remove) remove_compose ;;
    *) ts_die "compose knows only --into DIR and --remove" ;;
    esac
    ;;
mirror) debian_mirror ;;
*) ts_die "usage: setup.sh packages GROUP… | compose [--into DIR | --remove] | mirror" ;;
esac
