#!/bin/bash
# A Docker engine of our own, started by hand: for machines where none runs (no systemd needed), and
# for tests, which must not touch any other engine. Everything it makes lies in one folder, and
# `stop --purge` gives the machine back as it was: mounts, bridges, firewall rules, forwarding.
#
#   engine.sh start DIR [SOCKET]   SOCKET: where it listens; default DIR/docker.sock
#   engine.sh stop DIR [--purge]   also after a crash; --purge removes the data and the folder
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

[ "$(id -u)" -eq 0 ] || ts_die "a Docker engine needs root: run this through sudo"
case ${2:-} in
/*) root=${2%/} ;;
*) ts_die "usage: engine.sh start|stop DIR [SOCKET|--purge], DIR being absolute" ;;
esac

start_wait_s=60
stop_wait_s=40

engine_pid() {
    local pid
    pid=$(cat "$root/docker.pid" 2>/dev/null) || return 1
    # The number may belong to somebody else by now.
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "--data-root $root/data " || return 1
    printf '%s' "$pid"
}

# --- the machine before us, so that it can be given back ---

firewall_tools() {
    local tool
    for tool in iptables ip6tables; do
        ! "$tool" -n -L DOCKER-USER >/dev/null 2>&1 || continue # another engine's: hands off
        ! "$tool" -n -L FORWARD >/dev/null 2>&1 || printf '%s\n' "$tool"
    done
}

bridges() {
    ip -o link show type bridge | awk -F ': ' '$2 == "docker0" || $2 ~ /^br-/ {print $2}'
}

remember_machine() {
    local tool dir=$root/before
    [ ! -d "$dir" ] || return 0
    mkdir -p "$dir"
    cat /proc/sys/net/ipv4/ip_forward >"$dir/ip_forward"
    bridges >"$dir/bridges"
    for tool in $(firewall_tools); do
        "$tool" -S FORWARD | sed -n 's/^-P FORWARD //p' >"$dir/$tool"
    done
}

give_back_firewall() {
    local tool=$1 policy=$2
    "$tool-save" | sed -E '/DOCKER|docker0|br-[0-9a-f]{12}/d' | "$tool-restore"
    "$tool" -P FORWARD "$policy"
}

give_back_machine() {
    local tool link dir=$root/before
    [ -d "$dir" ] || return 0
    for tool in iptables ip6tables; do
        [ ! -s "$dir/$tool" ] || give_back_firewall "$tool" "$(cat "$dir/$tool")"
    done
    for link in $(bridges | { grep -vxFf "$dir/bridges" || true; }); do
        # Another engine may have started since: only what our own one noted down.
        [ "$link" = docker0 ] || grep -aqs "${link#br-}" "$root/data/network/files/local-kv.db" ||
            continue
        ip link delete "$link"
    done
    # With another engine about, forwarding may be in use.
    [ ! -s "$dir/iptables" ] || cat "$dir/ip_forward" >/proc/sys/net/ipv4/ip_forward
    rm -rf "$dir"
}

# --- start ---

# dockerd needs an iptables that works with this kernel: nftables' or the older one.
choose_firewall() {
    local legacy
    if iptables -t nat -n -L >/dev/null 2>&1; then
        return
    fi
    legacy=$(command -v iptables-legacy || true)
    if [ -n "$legacy" ] && "$legacy" -t nat -n -L >/dev/null 2>&1; then
        mkdir -p "$root/bin"
        ln -sf "$legacy" "$root/bin/iptables"
        ln -sf "$(command -v ip6tables-legacy)" "$root/bin/ip6tables"
        ts_say "iptables does not work with this kernel, iptables-legacy does: using that one"
        return
    fi
    flags+=(--iptables=false --ip-masq=false)
    ts_say "No iptables works here: containers reach each other and their published ports only"
}

mount_cgroups() {
    mountpoint -q /sys/fs/cgroup && return
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
}

# setsid: the engine outlives the terminal and its Ctrl-C.
launch() {
    PATH="$root/bin:$PATH" setsid --fork dockerd --data-root "$root/data" \
        --exec-root "$root/exec" --pidfile "$root/docker.pid" -H "unix://$socket" \
        "${flags[@]}" >>"$root/dockerd.log" 2>&1 </dev/null
}

answers() {
    docker -H "unix://$socket" version >/dev/null 2>&1
}

answers_or_ended() {
    answers || { [ -e "$root/launched" ] && ! engine_pid >/dev/null; } ||
        { engine_pid >/dev/null && touch "$root/launched" && false; }
}

# After a crash the number in containerd.pid may belong to a zombie or to somebody else, and dockerd
# would wait for that "containerd" until it gives up.
forget_dead_containerd() {
    local file=$root/exec/containerd/containerd.pid pid
    pid=$(cat "$file" 2>/dev/null) || return 0
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$root/exec" || rm -f "$file"
}

try_start() {
    rm -f "$root/launched" "$root/docker.pid"
    forget_dead_containerd
    launch
    ts_wait "$start_wait_s" answers_or_ended || true
    rm -f "$root/launched"
    answers
}

start_engine() {
    local flags=()
    socket=${1:-$root/docker.sock}
    if engine_pid >/dev/null; then
        ts_wait "$start_wait_s" answers || ts_die "the engine in $root runs but does not answer"
        return 0
    fi
    mkdir -p "$root" "${socket%/*}"
    chmod 711 "$root"
    printf '%s\n' "$socket" >"$root/socket"
    remember_machine
    mount_cgroups
    choose_firewall
    try_start && return
    if grep -q 'error initializing graphdriver' "$root/dockerd.log"; then
        ts_say "No overlay file system here: the engine copies files instead (driver vfs)"
        end_leftovers
        flags+=(--storage-driver=vfs)
        try_start && return
    fi
    tail -n 20 "$root/dockerd.log" >&2
    ts_die "the Docker engine did not start; its log: $root/dockerd.log"
}

# --- stop ---

# Processes whose command line names our folder: containerd and the shims it left behind.
leftover_pids() {
    local dir
    for dir in /proc/[0-9]*; do
        [ "${dir#/proc/}" != $$ ] || continue
        tr '\0' ' ' <"$dir/cmdline" 2>/dev/null |
            grep -Eq "^[^ ]*(containerd|containerd-shim[^ ]*|dockerd|docker-proxy) .*$root/(exec|data)" ||
            continue
        printf '%s\n' "${dir#/proc/}"
    done
}

end_leftovers() {
    local pid child
    for pid in $(leftover_pids); do
        # A container's first process: it would outlive its shim.
        tr ' ' '\n' < <(cat "/proc/$pid"/task/*/children 2>/dev/null) | while read -r child; do
            kill -KILL "$child" 2>/dev/null || true
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
    ts_wait 10 none_left || ts_die "processes of the engine in $root do not end: $(leftover_pids)"
}

none_left() {
    [ -z "$(leftover_pids)" ]
}

is_gone() {
    ! engine_pid
}

unmount_all() {
    local at
    # Deepest first; mountinfo writes a blank as \040.
    awk '{print $5}' /proc/self/mountinfo | { grep -F "$root/" || true; } | sort -r |
        while read -r at; do
            umount -l "$(printf '%b' "$at")" || true
        done
}

stop_engine() {
    local pid
    [ -d "$root" ] || return 0
    if pid=$(engine_pid); then
        kill -CONT "$pid"
        kill -TERM "$pid"
        ts_wait "$stop_wait_s" is_gone || kill -KILL "$pid"
    fi
    end_leftovers
    unmount_all
    if [ "${1:-}" = --purge ]; then
        give_back_machine
        rm -f "$(cat "$root/socket" 2>/dev/null || printf '%s' "$root/docker.sock")"
        rm -rf --one-file-system "$root"
    fi
}

case $1 in
start) start_engine "${3:-}" ;;
stop) stop_engine "${3:-}" ;;
*) ts_die "usage: engine.sh start|stop DIR [SOCKET|--purge]" ;;
esac
