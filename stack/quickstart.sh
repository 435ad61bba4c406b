#!/bin/bash
# The whole stack on this machine in one command, against the gateway simulator: installs what is
# missing, builds, starts a Docker engine if none runs, brings everything up, breaks the gateway
# twice and shows how tradestackd repairs it and tells so. Nothing of it can trade.
#
#   stack/quickstart.sh           does all that and leaves it running (--keep says the same)
#   stack/quickstart.sh --clean   ends it and removes everything that it made
#
# Needs Debian 12 or 13 and root or sudo. Asks nothing, except sudo its password.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
demo=/var/tmp/tradestack-demo
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$repo/stack/lib.sh"

ctl=$repo/build/ctl/tradestackctl
compose_file=$repo/stack/docker-compose.yml
env_file=$repo/stack/simulator.env
socket=/run/tradestack/control.sock # the default, so that tradestackctl needs no option
standard_engine=/var/run/docker.sock
containers=(ibkr-gateway trading-bot health-monitor)
images=(tradestack-gwsim tradestack-bot tradestack-monitor)

# --- before: tools and programs, as the user who calls ---

build_programs() {
    [ -f "$repo/build/build.ninja" ] || meson setup "$repo/build" "$repo" || return 1
    ninja -C "$repo/build"
}

prepare() {
    ts_title "1. Programs"
    "$repo/stack/setup.sh" packages build engine demo
    "$repo/stack/setup.sh" compose
    ts_step "Build tradestack in build/" build_programs || exit 1
}

as_root_from_here() {
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null || ts_die "need root, and sudo is not installed"
    exec sudo --preserve-env=TS_LOG,DOCKER_HOST -- "$0" --from-root "$@"
}

# --- the engine ---

engine_answers() {
    timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

find_engine() {
    if engine_answers; then
        ts_say "A Docker engine runs already: using it ($(docker version --format '{{.Server.Version}}'))"
        return
    fi
    [ -z "${DOCKER_HOST:-}" ] || ts_die "DOCKER_HOST is $DOCKER_HOST, but nothing answers there"
    if [ -d /run/systemd/system ] && systemctl cat docker.service >/dev/null 2>&1; then
        touch "$demo/started-docker-service"
        ts_step "Start the machine's Docker engine" systemctl start docker.service &&
            ts_wait 60 engine_answers && return
        ts_say "It does not start; trying one of our own"
        rm -f "$demo/started-docker-service"
    fi
    ts_step "Start a Docker engine of our own in $demo/engine" \
        "$repo/stack/engine.sh" start "$demo/engine" "$standard_engine" || exit 1
}

check_names_are_free() {
    local name file
    for name in "${containers[@]}"; do
        file=$(docker inspect --format \
            '{{index .Config.Labels "com.docker.compose.project.config_files"}}' "$name" 2>/dev/null) ||
            continue
        [ "$file:$(cat "$demo/made-containers" 2>/dev/null)" = "$compose_file:yes" ] ||
            ts_die "there is a container named $name already (from: ${file:-somewhere else}); the" \
                "demonstration would touch it, so it stops here"
    done
    printf 'yes\n' >"$demo/made-containers"
}

# --- daemon and receiver ---

# start_in_background NAME COMMAND…: output to NAME.log, number to NAME.pid.
start_in_background() {
    local name=$1
    shift
    setsid "$@" >>"$demo/$name.log" 2>&1 </dev/null &
    printf '%s\n' "$!" >"$demo/$name.pid"
}

# end_in_background NAME: by its number, if that still is the process that we started.
end_in_background() {
    local pid
    pid=$(cat "$demo/$1.pid" 2>/dev/null) || return 0
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$demo"; then
        kill "$pid"
        ts_wait 20 background_ended "$pid" || kill -KILL "$pid"
    fi
    rm -f "$demo/$1.pid"
}

background_ended() {
    [ -z "$(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null)" ]
}

write_config() {
    cat >"$demo/tradestackd.conf" <<END
# The demonstration's configuration: as conf/tradestackd.conf, with short waits, and without the
# nightly window, in which a lost gateway would be left alone.
[daemon]
project = docker
state_dir = $demo/state

[control]
socket = $socket

# Stands for Discord: the receiver in $demo.
[channel discord]
kind = discord
url_file = $demo/receiver/discord-url
ca_file = $demo/receiver/ca.pem

[service gateway]
act_after = 1s
backoff_first = 1s
ready_timeout = 1m
stop_grace = 90s

[probe gateway/api]
kind = ibapi
purposes = startup, liveness, readiness
fall = 2

[service trading-bot]
guarded = yes
backoff_first = 1s
stop_grace = 10s

[probe trading-bot/http]
kind = http
purposes = startup, liveness, readiness
port = 8080
path = /health

[service health-monitor]
backoff_first = 1s

END
    # The gateway's log signs are the sample configuration's.
    sed -n '/^\[signals gateway\]/,/^\[/{/^\[signals gateway\]/p;/^\[/!p}' \
        "$repo/conf/tradestackd.conf" >>"$demo/tradestackd.conf"
}

start_receiver() {
    start_in_background receiver /usr/bin/python3 "$repo/tests/tools/webhook_receiver.py" \
        --dir "$demo/receiver"
    ts_wait 20 test -e "$demo/receiver/ready" || {
        cat "$demo/receiver.log"
        return 1
    }
}

# The status as JSON. tradestackctl exits with 3 while not all is ready, which is an answer too; with
# no answer there is nothing to read, and the reader fails.
status_json() {
    "$ctl" status --json || [ "$?" -eq 3 ]
}

# It answers at once, and knows the engine a moment later.
daemon_sees_engine() {
    status_json | /usr/bin/python3 -c '
import json, sys
sys.exit(not json.load(sys.stdin)["engine"]["up"])'
}

# Exit status 0 and 3 come from a daemon: all ready, not yet.
daemon_answers() {
    local rc=0
    "$ctl" status || rc=$?
    [ "$rc" -eq 0 ] || [ "$rc" -eq 3 ]
}

start_daemon() {
    [ -d "${socket%/*}" ] || touch "$demo/made-run-dir"
    install -d -m 755 "${socket%/*}"
    install -d -m 700 "$demo/state"
    write_config
    start_in_background tradestackd "$repo/build/daemon/tradestackd" --config "$demo/tradestackd.conf"
    ts_wait 20 daemon_sees_engine || {
        cat "$demo/tradestackd.log"
        return 1
    }
}

# --- the story ---

# status_is PYTHON-EXPRESSION: over the dictionary `s` of services by name.
status_is() {
    status_json | /usr/bin/python3 -c '
import json, sys
s = {service["name"]: service for service in json.load(sys.stdin)["services"]}
sys.exit(not eval(sys.argv[1]))' "$1"
}

restarts_of() {
    status_json | /usr/bin/python3 -c '
import json, sys
print(next(s["restarts"] for s in json.load(sys.stdin)["services"] if s["name"] == sys.argv[1]))' "$1"
}

# Repairing may take less time than one look at it.
loss_was_noticed() {
    status_is "not s['gateway']['ready'] or s['gateway']['restarts'] > $restarts_before"
}

all_recovered() {
    status_is "all(x['ready'] for x in s.values()) and s['gateway']['restarts'] > $restarts_before"
}

# break_gateway TEXT COMMAND…: breaks it and waits for detection and recovery.
break_gateway() {
    local text=$1 since told
    shift
    restarts_before=$(restarts_of gateway)
    told=$(wc -l <"$demo/receiver.log")
    since=$(date --utc +%Y-%m-%dT%H:%M:%S.%3NZ)
    ts_step "$text" "$@" || exit 1
    ts_step "tradestackd notices" ts_wait 60 loss_was_noticed || exit 1
    ts_step "tradestackd has repaired it: gateway and bot are ready again" \
        ts_wait 120 all_recovered || exit 1
    ts_step "The alert and the all-clear have arrived" \
        ts_wait 30 recovery_was_told "$told" || exit 1
    "$ctl" events --since "$since" | sed 's/^/    /'
}

kill_gateway_process() {
    # Not `docker kill`: that is a stop made by hand, and tradestackd respects those.
    kill -KILL "$(docker inspect --format '{{.State.Pid}}' ibkr-gateway)"
}

hang_gateway() {
    docker exec ibkr-gateway /usr/bin/tradestack-gwsim --send 127.0.0.1:7462 "mode hang"
}

# Beyond the first lines of the receiver's log, $1 being how many.
recovery_was_told() {
    tail -n "+$(($1 + 1))" "$demo/receiver.log" | grep -q 🟢
}

show_alerts() {
    ts_say "What arrived at the receiver that stands for Discord:"
    sed 's/^/    /' "$demo/receiver.log"
}

show_next() {
    cat <<END

The stack runs and stays. To try next:

    build/ctl/tradestackctl status            what runs, and why it is or is not ready
    build/ctl/tradestackctl watch             the same, live
    build/ctl/tradestackctl safety            what keeps the bot from trading, and what was seen
    build/ctl/tradestackctl audit             who did what
    build/ctl/tradestackctl logs trading-bot  what the bot sees; it never places orders
    build/ctl/tradestackctl restart gateway   one service, in order
    docker stop trading-bot                   a stop by hand is respected, not fought
    build/ctl/tradestackctl start trading-bot until you say so
    docker exec ibkr-gateway /usr/bin/tradestack-gwsim --help
                                              more ways to break the gateway, for --send:
    docker exec ibkr-gateway /usr/bin/tradestack-gwsim --send 127.0.0.1:7462 "mode login-failed"

    tail -f $demo/receiver.log   the alerts, as they arrive
    stack/quickstart.sh --clean               ends it and removes everything
END
}

run_demo() {
    install -d -m 755 "$demo"
    printf '%s\n' "$repo" >"$demo/made-by"
    trap 'rc=$?; [ "$rc" -eq 0 ] || ts_say "Not finished. To remove what was made: stack/quickstart.sh --clean"' EXIT
    ts_title "2. Engine and images"
    find_engine
    check_names_are_free
    ts_step "Build the images" "$repo/stack/images/build.sh" "$repo/build" "${images[@]}" || exit 1
    ts_title "3. The stack"
    ! daemon_answers >/dev/null 2>&1 ||
        ts_die "another tradestackd answers at $socket; stop it first (or see quickstart.sh --clean)"
    ts_step "Start a receiver for alerts, in place of Discord" start_receiver || exit 1
    ts_step "Start tradestackd" start_daemon || exit 1
    "$ctl" up --file "$compose_file" --env-file "$env_file" --wait
    "$ctl" status
    ts_title "4. The gateway dies"
    break_gateway "Kill the gateway's process" kill_gateway_process
    ts_title "5. The gateway hangs: its port accepts, its API says nothing"
    break_gateway "Make the gateway hang" hang_gateway
    ts_title "6. The alerts"
    show_alerts
    ts_title "7. Now"
    "$ctl" status
    show_next
}

# --- the end ---

remove_stack() {
    engine_answers || return 0
    if [ -e "$demo/made-containers" ]; then
        docker compose --file "$compose_file" --env-file "$env_file" down --volumes --timeout 5
    fi
    docker image rm --force "${images[@]}" 2>/dev/null || true
}

stop_engine() {
    if [ -e "$demo/started-docker-service" ]; then
        systemctl stop docker.service docker.socket
    elif [ -d "$demo/engine" ]; then
        "$repo/stack/engine.sh" stop "$demo/engine" --purge
    fi
}

remove_files() {
    [ ! -e "$demo/made-run-dir" ] || rm -rf "${socket%/*}"
    rm -rf --one-file-system "$demo"
}

clean_demo() {
    ts_step "End tradestackd" end_in_background tradestackd
    ts_step "Remove containers, network, volumes and images" remove_stack
    ts_step "End the receiver" end_in_background receiver
    ts_step "End the Docker engine, if it is ours" stop_engine
    ts_step "Remove $demo" remove_files
}

clean() {
    if [ -d "$demo" ]; then
        clean_demo
    else
        ts_say "No demonstration to remove: $demo does not exist"
    fi
    ts_step "Remove Compose, if we installed it" "$repo/stack/setup.sh" compose --remove
    ts_say "Left: the packages from Debian, and build/"
}

action=run
for word in "$@"; do
    case $word in
    --keep | --non-interactive) ;;
    --clean) action=clean ;;
    --from-root) prepared=1 ;;
    *) ts_die "usage: stack/quickstart.sh [--keep | --clean] [--non-interactive]" ;;
    esac
done
if [ "$action" = clean ]; then
    as_root_from_here "$@"
    clean
    exit
fi
start_ms=$(ts_now_ms)
[ -n "${prepared:-}" ] || prepare
as_root_from_here "$@"
if [ -d "$demo" ]; then
    ts_title "Remove the former demonstration"
    clean_demo
fi
run_demo
ts_say "Took $(ts_took "$start_ms"); the log of the steps: $TS_LOG"
