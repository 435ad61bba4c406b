"""The benchmark runs, every case of it, and its report is made from what it measured. The figures of
so few rounds mean nothing and are not looked at."""

import pathlib
import re
import subprocess

BENCH = pathlib.Path(__file__).resolve().parent
REPO = BENCH.parents[1]
CASES = ("killed", "listener", "session", "idle", "ports", "burst", "control", "up", "alert", "growth", "million")


def test_every_case_runs_and_is_reported():
    done = subprocess.run([BENCH / "run.sh", "--smoke"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for case in CASES:
        assert re.search(rf"^{case}: [1-9]\d* values", done.stdout, re.MULTILINE), done.stdout
    page = (REPO / "build/bench-smoke/performance.md").read_text(encoding="utf-8")
    assert page.count("\n| ") > 30
    for plot in ("killed", "idle", "growth", "million"):
        assert (REPO / f"build/bench-smoke/performance/{plot}.svg").stat().st_size > 1000
