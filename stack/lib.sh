# shellcheck shell=bash
# What setup.sh, engine.sh, quickstart.sh and tests/run.sh share: steps with ✓/✗ and their
# duration, a log file for the noise, commands as root. Sourced, never run.
#
# TS_LOG: file that gets the output of steps (a temporary one if unset).

export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

: "${TS_LOG:=$(mktemp /tmp/tradestack-log.XXXXXX)}"
export TS_LOG

if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
    ts_green=$'\033[32m' ts_red=$'\033[31m' ts_bold=$'\033[1m' ts_off=$'\033[0m' ts_tty=1
else
    ts_green='' ts_red='' ts_bold='' ts_off='' ts_tty=
fi

ts_say() {
    printf '%s\n' "$*"
}

ts_title() {
    printf '\n%s%s%s\n' "$ts_bold" "$*" "$ts_off"
}

ts_die() {
    printf '%s✗%s %s\n' "$ts_red" "$ts_off" "$*" >&2
    exit 1
}

# Milliseconds for intervals. The wall clock is good enough for what a person reads.
ts_now_ms() {
    printf '%s' "$((${EPOCHREALTIME/[.,]/} / 1000))"
}

# ts_took START_MS: "3.2 s"
ts_took() {
    local ms=$(($(ts_now_ms) - $1))
    printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# ts_step TEXT COMMAND…: runs it with its output in the log. Shows the log's end when it fails.
ts_step() {
    local text=$1 start lines rc=0
    shift
    start=$(ts_now_ms)
    [ -z "$ts_tty" ] || printf '… %s' "$text"
    printf '\n### %s\n' "$text" >>"$TS_LOG"
    lines=$(wc -l <"$TS_LOG")
    "$@" >>"$TS_LOG" 2>&1 </dev/null || rc=$?
    [ -z "$ts_tty" ] || printf '\r\033[K'
    if [ "$rc" -eq 0 ]; then
        printf '%s✓%s %s (%s)\n' "$ts_green" "$ts_off" "$text" "$(ts_took "$start")"
        return 0
    fi
    printf '%s✗%s %s (%s)\n' "$ts_red" "$ts_off" "$text" "$(ts_took "$start")"
    tail -n "+$((lines + 1))" "$TS_LOG" | tail -n 25 | sed 's/^/    /' >&2
    printf '    All of it: %s\n' "$TS_LOG" >&2
    return "$rc"
}

ts_as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -n true 2>/dev/null || [ -t 0 ] ||
            ts_die "need root for: $* (sudo asks for a password and there is no terminal to ask on)"
        sudo -- "$@"
    else
        ts_die "need root for: $* (not root, and sudo is not installed)"
    fi
}

# ts_wait SECONDS COMMAND…: until it succeeds. For things outside that announce nothing.
ts_wait() {
    local deadline=$(($(ts_now_ms) + $1 * 1000))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(ts_now_ms)" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}
