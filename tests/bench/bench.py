#!/usr/bin/python3
"""Measures tradestackd beside its peers. Started by run.sh, as root.

  bench.py [--smoke] [--to FOLDER] [CASE…]

Each case leaves FOLDER/CASE.csv with every single value. --smoke: a round or two of each, to see
that everything runs; its figures mean nothing.
"""

import argparse
import importlib
import pathlib
import sys
import time

import world as world_module
from record import Record

CASES = ("killed", "listener", "session", "idle", "ports", "burst", "control", "up", "alert", "growth", "million")


class Scale:
    def __init__(self, smoke):
        self.smoke = smoke

    def rounds(self, full, smoke=1):
        return smoke if self.smoke else full


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--to", type=pathlib.Path, default=world_module.BUILD / "bench")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    options = parser.parse_args()
    unknown = set(options.cases) - set(CASES)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    with world_module.world() as world:
        for case in options.cases or CASES:
            began = time.monotonic()
            record = Record(options.to, case)
            importlib.import_module(f"case_{case}").run(world, record, Scale(options.smoke))
            record.save()
            print(f"{case}: {len(record.rows)} values, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
