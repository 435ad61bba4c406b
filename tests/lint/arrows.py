#!/usr/bin/env python3
"""Which folder may include which: the architecture as a table. Also: clocks are read in base/ only,
private headers stay in their folder, and the daemon's core knows nouns and nothing else."""

import pathlib
import re
import sys

from sources import ROOT, c_files

# Folder -> the folders whose headers it may include besides its own.
ARROWS = {
    "lib/base": set(),
    "lib/model": {"base"},
    "lib/config": {"base", "model"},
    "lib/boot": {"base"},
    "lib/store": {"base"},
    "lib/audit": {"base"},
    "lib/backup": {"base"},
    "lib/net": {"base"},
    "lib/engine": {"base", "net"},
    "lib/ibapi": {"base", "model", "net"},
    "lib/probe": {"base", "model", "net", "ibapi"},
    "lib/alert": {"base", "model", "net", "store"},
    "lib/control": {"base"},
    "daemon/core": {"base", "model"},
    "ctl": {"base", "boot", "control"},
}
CORE_BASE = {"base/clock.h", "base/macros.h", "base/parse.h"}  # types and copies; no I/O, no memory
CLOCK = re.compile(r"\b(clock_gettime|gettimeofday|time)\s*\((?!\s*\))")
INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)
# The simulator and the bot stand for other people's programs: they have clocks of their own.
CLOCK_EXEMPT = ("lib/base/", "stack/", "tests/")


def sources():
    return [ROOT / path for path in c_files()]


def folder_of(path):
    name = str(path.relative_to(ROOT).parent)
    return name if name in ARROWS else None


def check(path):
    text = path.read_text(encoding="utf-8")
    name = str(path.relative_to(ROOT))
    folder = folder_of(path)
    for header in INCLUDE.findall(text):
        there = header.split("/")[0] if "/" in header else None
        if folder and there and there not in ARROWS[folder] | {pathlib.Path(folder).name}:
            yield f"{name}: {folder} may not include {header}"
        if folder == "daemon/core" and there == "base" and header not in CORE_BASE:
            yield f"{name}: the core may not include {header}"
        if (header.endswith("_internal.h") and there and there != path.parent.name
                and not name.startswith(("tests/unit/", "tests/fuzz/"))):
            yield f"{name}: {header} is private to its folder"
    if not name.startswith(CLOCK_EXEMPT) and path.suffix == ".c":
        for call in CLOCK.finditer(re.sub(r"/\*.*?\*/|//[^\n]*|\"[^\"\n]*\"", "", text, flags=re.S)):
            yield f"{name}: reads a clock ({call.group(1)}); take the time from the loop"


def main():
    found = [line for path in sources() for line in check(path)]
    print("\n".join(found) or f"{len(sources())} files keep to the arrows")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
