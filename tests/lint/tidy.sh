#!/bin/bash
# clang-tidy with the checks of .clang-tidy over the programs' sources: tidy.sh BUILD_DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT
# gcc's warning options are unknown to clang.
git ls-files 'lib/*.c' 'daemon/*.c' 'ctl/*.c' 'stack/*.c' |
    xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p "$1" --extra-arg=-Wno-unknown-warning-option \
        >"$out" 2>/dev/null || true
if grep -E '(warning|error):' "$out" | sort -u; then
    exit 1
fi
