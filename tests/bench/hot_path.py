#!/usr/bin/python3
"""Are the hottest paths as cheap as hot_path.txt says, within 10 %? Counted in instructions by
callgrind, which repeat on a noisy machine; in TAP, for meson.

  hot_path.py PROGRAM            compares
  hot_path.py PROGRAM --write    writes the numbers of this Debian anew: for a change that means it
"""

import pathlib
import re
import subprocess
import sys

NUMBERS = pathlib.Path(__file__).resolve().parent / "hot_path.txt"
TOLERANCE = 0.10
FEW, MANY = 100, 300


def debian():
    release = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    found = re.search(r'^VERSION_ID="?(\d+)', release, re.MULTILINE)
    return f"debian{found[1]}" if found else "other"


def instructions(program, path, times):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, path, str(times)],
        capture_output=True, text=True, check=False)
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not counted:
        sys.exit(f"Bail out! {path}: {done.stderr[-500:]}")
    return int(counted[1])


def cost(program, path):
    """Of one, without what the program needs to begin and to end."""
    return (instructions(program, path, MANY) - instructions(program, path, FEW)) // (MANY - FEW)


def read():
    lines = [line.split() for line in NUMBERS.read_text(encoding="utf-8").splitlines()
             if line and not line.startswith("#")]
    return {(release, path): int(number) for release, path, number in lines}


def write(numbers):
    head = [line for line in NUMBERS.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    rows = [f"{release} {path} {number}" for (release, path), number in sorted(numbers.items())]
    NUMBERS.write_text("\n".join(head + rows) + "\n", encoding="utf-8")


def main(program, order=None):
    numbers, release = read(), debian()
    paths = sorted({path for _, path in numbers})
    if order == "--write":
        numbers.update({(release, path): cost(program, path) for path in paths})
        write(numbers)
        return 0
    print(f"1..{len(paths)}")
    good = True
    for at, path in enumerate(paths, 1):
        now, expected = cost(program, path), numbers.get((release, path))
        if expected is None:
            print(f"not ok {at} - {path}: no number for {release}; count it with --write")
            good = False
            continue
        fits = abs(now - expected) <= TOLERANCE * expected
        good = good and fits
        print(f"{'ok' if fits else 'not ok'} {at} - {path}: {now} instructions, {expected} expected "
              f"({(now - expected) / expected:+.1%})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
