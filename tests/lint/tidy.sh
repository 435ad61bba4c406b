#!/bin/bash
# clang-tidy with the checks of .clang-tidy over the programs' sources: tidy.sh BUILD_DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT
rc=0
# gcc's warning options are unknown to clang. A file that cannot be read for checking fails, too.
# Windows' own files need Windows' headers: tests/windows/run.sh checks those.
find lib daemon ctl stack -name '*.c' ! -name '*_win.c' -print0 |
    xargs -0 -P "$(nproc)" -n 4 clang-tidy --quiet -p "$1" \
        --extra-arg=-Wno-unknown-warning-option >"$out" 2>&1 || rc=$?
grep -E '(warning|error):' "$out" | sort -u || [ "$rc" -eq 0 ] || cat "$out"
exit "$rc"
