#!/usr/bin/env python3
"""Every C file is formatted as .clang-format says, and no longer than a file should be."""

import subprocess
import sys

from sources import ROOT, c_files

LINES_MAX = 600  # one subject a file; tests may be longer


def main():
    files = [str(path) for path in c_files()]
    bad = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], cwd=ROOT,
                         capture_output=True, text=True)
    print(bad.stderr, end="")
    failed = bad.returncode != 0
    for name in files:
        lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
        if lines > LINES_MAX and not name.startswith("tests/"):
            print(f"{name}: {lines} lines; more than {LINES_MAX}: split it by subject")
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
