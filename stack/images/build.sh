#!/bin/bash
# Builds the stack's own images FROM scratch: one program, the libraries that it needs and the few
# files that they read. Needs no registry, no BuildKit and no network.
#
#   build.sh BUILD_DIR [IMAGE…]   images: tradestack-gwsim tradestack-bot tradestack-monitor (all)
#
# The engine is the docker command's own (DOCKER_HOST, contexts).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

build_dir=${1:?usage: build.sh BUILD_DIR [IMAGE…]}
shift
[ $# -gt 0 ] || set -- tradestack-gwsim tradestack-bot tradestack-monitor

program_of() {
    case $1 in
    tradestack-gwsim | tradestack-bot) printf '%s/stack/%s' "$build_dir" "$1" ;;
    tradestack-monitor) printf '%s/daemon/tradestackd' "$build_dir" ;;
    *)
        printf 'no such image: %s\n' "$1" >&2
        return 1
        ;;
    esac
}

# The program as /usr/bin/NAME, what ldd lists (loader included) at the same paths.
put_program() {
    local program=$1 root=$2
    install -D -m 755 "$program" "$root/usr/bin/${program##*/}"
    strip "$root/usr/bin/${program##*/}"
    ldd "$program" | grep -o '/[^ ]*' | sort -u | while read -r library; do
        install -D -m 755 "$library" "$root$library"
    done
}

put_etc() {
    local root=$1
    mkdir -p "$root/etc/ssl/certs" "$root/tmp"
    chmod 1777 "$root/tmp"
    printf 'root:x:0:0::/:/\ntradestack:x:10001:10001::/:/\n' >"$root/etc/passwd"
    printf 'root:x:0:\ntradestack:x:10001:\n' >"$root/etc/group"
    # Names of other services come from the engine's DNS.
    printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
    install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
}

build_image() {
    local image=$1 dir=$2 program
    program=$(program_of "$image")
    [ -x "$program" ] || {
        printf '%s is missing: run ninja -C %s first\n' "$program" "$build_dir" >&2
        return 1
    }
    mkdir -p "$dir/rootfs" "$dir/owned"
    put_program "$program" "$dir/rootfs"
    put_etc "$dir/rootfs"
    # The same input gives the same layers, so that an unchanged image keeps its id.
    find "$dir" -exec touch -h -d @0 {} +
    printf 'Image %s\n' "$image"
    DOCKER_BUILDKIT=0 docker build --quiet --force-rm --network none \
        --label "org.opencontainers.image.title=$image" \
        --label org.opencontainers.image.vendor=tradestack \
        --tag "$image:latest" --file "$here/$image.Dockerfile" "$dir"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for image in "$@"; do
    build_image "$image" "$work/$image"
done
