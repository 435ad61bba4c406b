"""`tradestackctl gameplan check` and conf/gameplan.schema.json say the same of every file."""

import hashlib
import json
import os
import subprocess

import jsonschema
import pytest

GOOD = [
    '{"strategy":"C"}',
    '{"strategy":"A"}',
    ' {\n "strategy" : "Z" }\n',
    '{"strategy":"C","date":"2026-02-10","symbols":["SPY","BRK B","BF.B"],"notes":"quiet"}',
    '{"strategy":"C","date":"2024-02-29"}',
    '{"strategy":"C","notes":""}',
]
BAD = [
    "{}",
    "[]",
    '"C"',
    "null",
    '{"strategy":"c"}',
    '{"strategy":"AB"}',
    '{"strategy":""}',
    '{"strategy":3}',
    '{"strategy":null}',
    '{"strategy":"C","date":"2026-13-01"}',
    '{"strategy":"C","date":"2026-02-30"}',
    '{"strategy":"C","date":"10.2.2026"}',
    '{"strategy":"C","symbols":[]}',
    '{"strategy":"C","symbols":["spy"]}',
    '{"strategy":"C","symbols":[" SPY"]}',
    '{"strategy":"C","symbols":["A","B","C","D","E","F","G","H","I"]}',
    '{"strategy":"C","symbols":"SPY"}',
    '{"strategy":"C","notes":7}',
    '{"strategy":"C","quantity":5}',
    '{"strategy":"C","notes":"' + "x" * 2001 + '"}',
]
# What no schema can see.
BAD_AS_TEXT = [
    "",
    '{"strategy":"C"',
    '{"strategy":"C","strategy":"A"}',
    '{"strategy":"C","notes":NaN}',
    '{"strategy":"C"} {"strategy":"A"}',
    '\ufeff{"strategy":"C"}',
    '{"strategy":"C","notes":"\x00"}',
    '{"strategy":"C"}' + " " * 70000,
]


@pytest.fixture(scope="module")
def schema(repo):
    text = (repo / "conf/gameplan.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def check(programs, path):
    return subprocess.run(
        [programs.tradestackctl, "gameplan", "check", path],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_what_is_correct(programs, tmp_path, schema):
    for text in GOOD:
        path = tmp_path / "gameplan.json"
        path.write_text(text, encoding="utf-8")
        done = check(programs, path)
        assert done.returncode == 0, f"{text}: {done.stderr}"
        assert hashlib.sha256(text.encode()).hexdigest() in done.stdout
        assert schema.is_valid(json.loads(text)), text


def test_what_is_refused(programs, tmp_path, schema):
    for text in BAD + BAD_AS_TEXT:
        path = tmp_path / "gameplan.json"
        path.write_text(text, encoding="utf-8")
        done = check(programs, path)
        assert done.returncode == 1, f"accepted: {text[:80]}"
        assert "refused" in done.stderr and "strategy C" in done.stderr, done.stderr
        if text in BAD:
            assert not schema.is_valid(json.loads(text)), f"the schema accepts {text[:80]}"


def test_what_is_no_file(programs, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        done = check(programs, path)
        assert done.returncode == 1 and "refused" in done.stderr, path
