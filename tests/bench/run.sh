#!/bin/bash
# Measures tradestackd beside the tools that users would pick instead, and makes docs/performance.md's
# table and plots from the values. Installs the peers. Never part of the tests' time; tests/run.sh
# only sees that it runs (--smoke).
#
#   tests/bench/run.sh [CASE…]    all cases take some 25 minutes; other work on the machine blurs them
#   tests/bench/run.sh --smoke    a round or two of each, to build/bench-smoke; the figures mean nothing
#
# Needs root or sudo. The values lie in docs/performance/raw, one CSV file a case.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$repo"
# shellcheck source-path=SCRIPTDIR source=../../stack/lib.sh
. "$repo/stack/lib.sh"

python=/usr/bin/python3 # Debian's, which has Debian's matplotlib

# The packages' own services would watch and measure beside ours: none of them is to start.
without_services() {
    local policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | ts_as_root tee "$policy" >/dev/null
    ts_as_root chmod 755 "$policy"
    local rc=0
    "$@" || rc=$?
    ts_as_root rm -f "$policy"
    return "$rc"
}

prepare() {
    without_services stack/setup.sh packages build engine demo test bench
    stack/setup.sh compose --into build/docker-plugins
    [ -f build/build.ninja ] || ts_step "Configure build" meson setup build --werror
    ts_step "Build" ninja -C build
}

prepare
if [ "${1:-}" = --smoke ]; then
    ts_as_root env PATH="$PATH" "$python" tests/bench/bench.py --smoke --to build/bench-smoke
    cp docs/performance.md build/bench-smoke/
    "$python" tests/bench/report.py build/bench-smoke build/bench-smoke
    exit
fi
ts_as_root env PATH="$PATH" "$python" tests/bench/bench.py --to docs/performance/raw "$@"
"$python" tests/bench/report.py docs/performance/raw docs
