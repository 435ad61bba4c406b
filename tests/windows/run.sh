#!/bin/bash
# The Windows programs, under Wine: builds them (and, once, their libraries), runs the unit tests,
# makes the MSI, installs it and takes it through a life with a real Docker engine.
#
#   tests/windows/run.sh [--build-only] [PYTEST ARGUMENT…]
#
# Needs a normal build in build/ (the stack's images are made from it).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
results=${TS_RESULTS:-$PWD/build/test-results}
mkdir -p "$results"
export TS_LOG=${TS_LOG:-$results/run.log}
# shellcheck source-path=SCRIPTDIR source=../../stack/lib.sh
. stack/lib.sh

# shellcheck disable=SC2317  # run by ts_step
configure() {
    local deps
    deps=$(windows-service/deps.sh 2>>"$TS_LOG") || return 1
    # Another cache key is another folder: configured anew.
    [ -f build-win/build.ninja ] && [ "$(cat build-win/.deps 2>/dev/null)" = "$deps" ] && return 0
    rm -rf build-win
    meson setup build-win --werror --cross-file windows-service/mingw64.ini \
        --cross-file "$deps/paths.ini" && printf '%s\n' "$deps" >build-win/.deps
}

build() {
    stack/setup.sh packages build windows || return 1
    ts_step "Configure the build for Windows" configure || return 1
    ts_step "Build for Windows" ninja -C build-win || return 1
    ts_step "Make the MSI" windows-service/msi.sh build-win
}

# shellcheck disable=SC2317  # run by ts_step
check_sources() {
    find lib daemon ctl -name '*_win.c' -print0 |
        xargs -0 -P 2 -n 4 clang-tidy --quiet -p build-win --extra-arg=--target=x86_64-w64-mingw32 \
            --extra-arg=-Wno-unknown-warning-option
}

# In namespaces of their own: processes, mounts and networks that a test leaves vanish with it.
apart() {
    unshare --mount --net --pid --fork --kill-child --mount-proc -- /bin/sh -c '
        ip link set lo up
        exec "$@"' sh "$@"
}

unit_tests() {
    local prefix
    prefix=$(mktemp -d /var/tmp/ts-wine.XXXXXX)
    WINEPREFIX=$prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=' DISPLAY='' \
        apart /bin/sh -c '
            /usr/lib/wine/wine64 wineboot -i >/dev/null 2>&1
            /usr/lib/wine/wineserver64 -w
            # The first program starts Wine'"'"'s services, which would keep its output open.
            /usr/lib/wine/wineserver64 -p600
            /usr/lib/wine/wine64 cmd /c exit >/dev/null 2>&1 </dev/null
            exec meson test -C build-win --no-rebuild --print-errorlogs --logbase windows-unit \
                --suite unit --timeout-multiplier 3'
    rm -rf "$prefix"
}

if [ "$(id -u)" -ne 0 ]; then
    exec sudo --preserve-env=TS_LOG,TS_RESULTS,HOME "$0" "$@"
fi
build || exit 1
[ "${1:-}" != --build-only ] || exit 0
rc=0
ts_step "Check Windows' own sources" check_sources || rc=1
unit_tests || rc=1
cp build-win/meson-logs/windows-unit*.junit.xml "$results/windows-unit.junit.xml"
apart /usr/bin/python3 -m pytest -p no:cacheprovider --verbose \
    --junit-xml "$results/windows.junit.xml" tests/windows "$@" || rc=1
exit "$rc"
