#!/usr/bin/python3
"""Adds up what the test runners wrote. usage: summary.py FOLDER SUITE…

FOLDER holds SUITE.junit.xml of each suite (from meson or pytest) and, from meson, SUITE.json. A
skipped test counts as failed, and so does a suite without results: nothing may look green because
it did not run. Names what failed; the last line is "N passed, N failed".
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

BAD = ("failure", "error", "skipped")


def read_cases(path):
    """(name, None or what went wrong) of each test case."""
    for case in ElementTree.parse(path).iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        wrong = next((case.find(kind) for kind in BAD if case.find(kind) is not None), None)
        yield name, None if wrong is None else f"{wrong.tag} {wrong.get('message', '')}".strip()


def read_programs(path):
    """(name, result) of each test program that meson ran and that did not end well. A program may
    crash after its last case, which then looks fine."""
    for line in path.read_text(encoding="utf-8").splitlines():
        program = json.loads(line)
        if program["result"] not in ("OK", "EXPECTEDFAIL"):
            yield program["name"], program["result"].lower()


def add_up(folder, suite):
    report = folder / f"{suite}.junit.xml"
    try:
        cases = list(read_cases(report))
    except (OSError, ElementTree.ParseError) as error:
        return 0, [(suite, f"no results: {error}")]
    if not cases:
        return 0, [(suite, "ran no test")]
    failed = [(name, wrong) for name, wrong in cases if wrong]
    passed = len(cases) - len(failed)
    programs = folder / f"{suite}.json"
    ended_badly = list(read_programs(programs)) if programs.exists() else []
    if len(ended_badly) > len(failed):
        failed += ended_badly[len(failed) :]
    return passed, failed


def main(folder, suites):
    passed, failed = 0, 0
    for suite in suites:
        good, bad = add_up(pathlib.Path(folder), suite)
        print(f"{suite}: {good} passed, {len(bad)} failed")
        for name, wrong in bad:
            print(f"  ✗ {name}: {wrong}")
        passed += good
        failed += len(bad)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
