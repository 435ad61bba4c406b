#!/bin/bash
# Installs what the tests need, builds twice (normal, and with the address and undefined-behaviour
# sanitizers) and runs everything: unit, fuzz and lint tests in both builds, the unit tests once more
# under valgrind, the integration tests against the sanitized daemon and a real Docker engine, the
# quickstart, the package in a Debian 12 and a Debian 13 that boot and lose their power, and the
# Windows programs under Wine.
#
#   tests/run.sh [PYTEST ARGUMENT…]    e.g. -k gateway: narrows the integration tests
#
# Needs root or sudo. The last line is "N passed, N failed"; the exit status is 0 only if nothing
# failed, nothing was skipped and every suite ran.
set -uo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repo" || exit 1
results=$repo/build/test-results
mkdir -p "$results"
rm -f "$results"/*
export TS_LOG=$results/run.log
# shellcheck source-path=SCRIPTDIR source=../stack/lib.sh
. "$repo/stack/lib.sh"

python=/usr/bin/python3 # Debian's, which has Debian's pytest
export ASAN_OPTIONS=halt_on_error=1:abort_on_error=1:detect_leaks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TRADESTACK_BUILD=$repo/build-asan

set_up() {
    [ -f "$1/build.ninja" ] || meson setup "$@"
}

# node knows only its own list of authorities; a company's proxy is in the machine's.
install_npm_packages() {
    local dir=$1
    export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
    (cd "$dir" && if [ -f package-lock.json ]; then
        npm ci --ignore-scripts --no-audit --no-fund
    else
        npm install --ignore-scripts --no-audit --no-fund
    fi)
}

prepare() {
    local dir
    stack/setup.sh packages build engine demo test bench boot windows || return 1
    stack/setup.sh compose --into build/docker-plugins || return 1
    while read -r dir; do
        [ "$dir/node_modules" -nt "$dir/package.json" ] ||
            ts_step "Install npm packages of ${dir#"$repo/"}" install_npm_packages "$dir" || return 1
    done < <(find tests -name node_modules -prune -o -name package.json -printf '%h\n')
    ts_step "Configure build" set_up build --werror || return 1
    ts_step "Build" ninja -C build || return 1
    ts_step "Configure build-asan" set_up build-asan --werror \
        -Db_sanitize=address,undefined -Db_lundef=false || return 1
    ts_step "Build with sanitizers" ninja -C build-asan
}

# run_meson NAME BUILD ARGUMENT…: keeps the results as NAME.*
run_meson() {
    local name=$1 build=$2
    shift 2
    ts_title "$name"
    meson test -C "$build" --no-rebuild --print-errorlogs --logbase "$name" "$@" 2>&1 |
        tee -a "$TS_LOG"
    # With a wrapper, meson appends that one's name.
    cp "$build/meson-logs/$name"*.junit.xml "$results/$name.junit.xml"
    cp "$build/meson-logs/$name"*.json "$results/$name.json"
}

# run_integration N/M [PYTEST ARGUMENT…]: a share of the files
run_integration() {
    local share=$1
    shift
    ts_title "integration $share"
    ts_as_root env TRADESTACK_BUILD="$TRADESTACK_BUILD" ASAN_OPTIONS="$ASAN_OPTIONS" \
        UBSAN_OPTIONS="$UBSAN_OPTIONS" PATH="$PATH" "$python" -m pytest -p no:cacheprovider \
        --verbose --junit-xml "$results/integration-${share%/*}.junit.xml" --share "$share" \
        tests/integration "$@" 2>&1
}

# On this machine itself, as a user would: what it makes, it removes.
run_quickstart() {
    ts_title quickstart
    ts_as_root env PATH="$PATH" "$python" -m pytest -p no:cacheprovider --verbose \
        --junit-xml "$results/quickstart.junit.xml" tests/quickstart 2>&1
}

# That the benchmark runs; what it measures in so short a time counts for nothing.
run_bench() {
    ts_title bench
    ts_as_root env PATH="$PATH" TRADESTACK_BUILD="$repo/build" "$python" -m pytest -p no:cacheprovider --verbose \
        --junit-xml "$results/bench.junit.xml" tests/bench 2>&1
}

run_boot() {
    ts_title boot
    ts_as_root env PATH="$PATH" TS_LOG="$TS_LOG" TS_RESULTS="$results" tests/boot/run.sh 2>&1
}

run_windows() {
    ts_title windows
    ts_as_root env PATH="$PATH" TS_LOG="$TS_LOG" TS_RESULTS="$results" tests/windows/run.sh 2>&1
}

# Most of the time of these goes by in waiting, so two lanes of them run side by side. The second
# one's output comes when both are through.
run_lanes() {
    local aside=$results/second-lane.log lane
    set -m # the second lane is a process group, which can be ended as a whole
    {
        run_boot
        run_integration 2/2 "$@"
    } >"$aside" 2>&1 </dev/null &
    lane=$!
    set +m
    trap 'kill -TERM -- "-$lane" 2>/dev/null' EXIT
    {
        run_quickstart
        run_bench
        run_windows
        run_integration 1/2 "$@"
    } | tee -a "$TS_LOG"
    wait "$lane"
    trap - EXIT
    tee -a "$TS_LOG" <"$aside"
}

if ! prepare; then
    ts_say "0 passed, 1 failed"
    exit 1
fi
run_meson normal build
run_meson sanitized build-asan
run_meson valgrind build --suite unit --timeout-multiplier 10 \
    --wrap 'valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite'
run_lanes "$@"
ts_title summary
"$python" tests/tools/summary.py "$results" normal sanitized valgrind \
    integration-1 integration-2 quickstart bench boot windows-unit windows
