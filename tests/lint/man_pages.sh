#!/bin/bash
# Does man show these pages without a warning? As lintian asks.
export LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80
rc=0
for page in "$@"; do
    warnings=$(man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
    if [ -n "$warnings" ]; then
        printf '%s\n' "$warnings"
        rc=1
    fi
done
exit "$rc"
