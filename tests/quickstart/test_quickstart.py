"""stack/quickstart.sh as the README promises it: one command, on this machine itself."""

import os
import pathlib
import re
import subprocess

REPO = pathlib.Path(__file__).resolve().parents[2]
DEMO = pathlib.Path("/var/tmp/tradestack-demo")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run(*arguments):
    done = subprocess.run(
        [REPO / "stack/quickstart.sh", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=900, check=False,
    )  # fmt: skip
    return done.returncode, ESCAPES.sub("", done.stdout)


def test_one_command_from_nothing_and_one_back():
    assert not DEMO.exists(), f"{DEMO} exists: end that demonstration with quickstart.sh --clean"
    try:
        code, text = run()
        assert code == 0, text
        assert "✗" not in text, text
        for line in ("tradestackd notices", "gateway and bot are ready again", "all-clear"):
            assert text.count(line) >= 2, f"{line}: not after both faults\n{text}"
        ctl = [REPO / "build/ctl/tradestackctl"]
        status = subprocess.run([*ctl, "status"], capture_output=True, text=True, timeout=30)
        assert status.returncode == 0, status.stdout + status.stderr
        safety = subprocess.run([*ctl, "safety"], capture_output=True, text=True, timeout=30)
        assert safety.returncode == 0 and "DRY_RUN is true" in safety.stdout, safety.stdout
    finally:
        code, text = run("--clean")
    assert code == 0, text
    assert not DEMO.exists(), os.listdir(DEMO)
