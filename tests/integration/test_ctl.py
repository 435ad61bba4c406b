"""tradestackctl against a control socket with scripted answers: every command's words, exit status
and JSON, and what it does when the daemon is gone, slow, hostile or of another version."""

import codecs
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

from harness.fake_daemon import CLOSE, HANG, RAW, FakeDaemon, service, status

ESCAPE = "\x1b"


@pytest.fixture
def fake(world):
    made = []

    def make(**script):
        made.append(FakeDaemon(world / "ctl.sock", script))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture
def ctl(programs, world):
    def run(*arguments, env=None, stdin=subprocess.DEVNULL, timeout=30):
        return subprocess.run(
            [programs.tradestackctl, *arguments],
            env={**os.environ, "TRADESTACK_SOCKET": str(world / "ctl.sock"), **(env or {})},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=timeout,
        )

    return run


class Terminal:
    """tradestackctl on a small terminal."""

    ROWS = 20
    COLUMNS = 70

    def __init__(self, program, socket_path, *arguments, **env):
        self.shown = ""
        # A character may come in two pieces.
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", self.ROWS, self.COLUMNS, 0, 0))
        self._fd = parent
        environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        self.process = subprocess.Popen(
            [program, "--socket", socket_path, *arguments],
            stdin=child, stdout=child, stderr=child, close_fds=True, start_new_session=True,
            env={**environment, "TERM": "xterm", **env},
        )  # fmt: skip
        os.close(child)

    def read(self, until=None, deadline_s=20):
        """All that is shown until the text appears, or until the end."""
        deadline = time.monotonic() + deadline_s
        while until is None or until not in self.shown:
            ready, _, _ = select.select([self._fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"not in time: {self.shown!r}"
            try:
                piece = os.read(self._fd, 65536)
            except OSError:  # EIO: the other end is closed
                piece = b""
            if not piece:
                assert until is None, f"{until!r} was not shown: {self.shown!r}"
                break
            self.shown += self._decode(piece)
        return self.shown

    def screen(self):
        """What is left on the screen, line by line: as much of a terminal as is needed for it."""
        screen = [""] * self.ROWS
        row = column = 0
        wraps = True
        for part in re.findall(r"\x1b\[\??\d*[A-Za-z]|\r|\n|[^\x1b\r\n]", self.shown):
            code = re.fullmatch(r"\x1b\[(\??\d*)([A-Za-z])", part)
            if part == "\r":
                column = 0
            elif part == "\n":
                row += 1
            elif code is None:
                if column == self.COLUMNS and wraps:
                    row, column = row + 1, 0
                column = min(column, self.COLUMNS - 1)
                assert row < self.ROWS, "the screen was scrolled"
                screen[row] = screen[row][:column].ljust(column) + part + screen[row][column + 1 :]
                column += 1
            elif code[2] == "A":
                row -= int(code[1] or 1)
            elif code[2] == "H":
                row = column = 0
            elif code[2] == "K":
                screen[row] = screen[row][:column]
            elif code[0] == ESCAPE + "[2J":
                screen = [""] * self.ROWS
            elif code[2] == "J":
                screen[row:] = [screen[row][:column]] + [""] * (self.ROWS - row - 1)
            elif code[1] == "?7":
                wraps = code[2] == "h"
            else:
                assert code[2] == "m", part
        assert wraps, "the terminal is left without wrapping"
        return [line.rstrip() for line in screen if line.strip()]

    def close(self):
        os.close(self._fd)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture
def terminal(programs, world):
    made = []

    def make(*arguments, **env):
        made.append(Terminal(programs.tradestackctl, world / "ctl.sock", *arguments, **env))
        return made[-1]

    yield make
    for one in made:
        one.close()


# --- help and usage


def commands_of(ctl):
    text = ctl("--help").stdout
    return re.findall(r"^  ([a-z]+) ", text.split("Options:")[0], re.M)


EXPECTED = (
    "status up migrate rollback backups down start stop restart hold unhold reset release logs events watch check reload "
    "safety approve approvals revoke gameplan audit validate doctor alert version"
).split()


def test_help_names_every_command_and_the_exit_statuses(ctl):
    done = ctl("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert commands_of(ctl) == EXPECTED
    assert all(f"{n} " in done.stdout.split("Exit status")[1] for n in range(6))


@pytest.mark.parametrize("command", EXPECTED)
def test_each_command_explains_itself(ctl, command):
    done = ctl(command, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"Usage: tradestackctl {command}")
    assert "--socket" in done.stdout


def test_version_option_needs_no_daemon(ctl):
    done = ctl("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"tradestackctl \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "Usage:"),
        (["nonsense"], 'no command "nonsense"'),
        (["start"], "usage: tradestackctl start SERVICE"),
        (["status", "extra"], "usage: tradestackctl status"),
        (["status", "--follow"], "status takes no --follow"),
        (["hold", "bot", "--file", "x"], "hold takes no --file"),
        (["up", "-f", "x.yml"], "the Compose file goes with --file"),
        (["up", "--env-file", ".env"], "--env-file and --project go with --file"),
        (["--timeout", "soon", "status"], 'timeout "soon": want a span'),
        (["--timeout", "0", "status"], 'timeout "0": want a span'),
        (["logs", "bot", "--tail", "-1"], 'tail "-1": want a number'),
        (["alert", "nonsense"], 'want "test"'),
        (["--nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(ctl, arguments, said):
    done = ctl(*arguments)
    assert done.returncode == 2
    assert said in done.stdout + done.stderr


# --- the daemon cannot be reached


def test_a_missing_socket_says_what_to_do(ctl, world):
    done = ctl("status")
    assert done.returncode == 4 and done.stdout == ""
    assert str(world / "ctl.sock") in done.stderr
    assert "No such file" in done.stderr and "systemctl status tradestackd" in done.stderr


def test_a_dead_socket_is_told_as_refused(ctl, world):
    path = world / "ctl.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
    try:
        done = ctl("status")
    finally:
        path.unlink()
    assert done.returncode == 4 and "refused" in done.stderr


def test_no_permission_names_the_group(programs, world, ctl):
    with FakeDaemon(world / "ctl.sock", {"GetStatus": [status()]}) as daemon:
        daemon.path.chmod(0o600)
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", programs.tradestackctl,
             "--socket", daemon.path, "status"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30,
        )  # fmt: skip
        assert daemon.calls == []
    assert done.returncode == 4, done.stderr
    assert "ermission denied" in done.stderr
    assert "operate_group" in done.stderr or "socket" in done.stderr


def test_a_path_that_is_too_long_is_told(ctl):
    done = ctl("--socket", "/" + "x" * 200, "status")
    assert done.returncode == 1 and "longer than" in done.stderr


def test_a_daemon_that_hangs_is_given_up(ctl, fake):
    fake(GetStatus=[HANG])
    began = time.monotonic()
    done = ctl("--timeout", "300ms", "status")
    assert done.returncode == 4
    assert "in time" in done.stderr and "journalctl" in done.stderr
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n\0", b"[]\0", b"{\"error\":1}\0", b"\0"])
def test_somebody_else_on_the_socket_is_told(ctl, fake, reply):
    fake(GetStatus=[(RAW, reply)])
    done = ctl("status")
    assert done.returncode == 1 and done.stdout == ""
    assert "tradestackctl version" in done.stderr


def test_an_endless_reply_is_cut_off(ctl, fake):
    fake(GetStatus=[(RAW, b"{" + b" " * (5 << 20))])
    done = ctl("status")
    assert done.returncode == 1 and "more than" in done.stderr


# --- status


def test_status_of_a_ready_stack(ctl, fake):
    daemon = fake(GetStatus=[status()])
    done = ctl("status")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "ready: 2 of 2 services ready"
    assert lines[1].startswith("project docker, supervised, daemon up for ")
    assert re.search(r"^  ● gateway +ready +\d+ . \d+ . +0", done.stdout, re.M)
    assert "engine   answers for" in done.stdout and "unix:///var/run/docker.sock" in done.stdout
    assert ESCAPE not in done.stdout
    assert daemon.calls == [("GetStatus", {}, {})]


def test_status_says_why_and_what_comes_next(ctl, fake):
    services = [
        service("gateway", "backoff", detail="exited with 137: killed", next="start in 12 s",
                restarts=3, probes=[{"name": "api", "kind": "ibapi", "purposes": ["readiness"],
                "result": "failing", "reason": "refused", "detail": "connection refused",
                "since": "2026-11-24T00:00:00.000Z", "took_ms": 2}]),
        service("bot", "waiting", detail="waits for gateway, which is backoff"),
        service("old", "stopped"),
        service("risk", "blocked", next="tradestackctl reset risk"),
    ]  # fmt: skip
    fake(GetStatus=[status("degraded", services)])
    done = ctl("status")
    assert done.returncode == 3
    assert re.search(r"^  ◐ gateway +backoff +.* 3 +exited with 137: killed\n +next: start in 12 s\n"
                     r" +probe api \(ibapi\): connection refused, for ", done.stdout, re.M)  # fmt: skip
    assert re.search(r"^  ◐ bot +waiting .*waits for gateway", done.stdout, re.M)
    assert re.search(r"^  ○ old +stopped", done.stdout, re.M)
    assert re.search(r"^  ✗ risk +blocked .*\n +next: tradestackctl reset risk", done.stdout, re.M)


def test_status_shows_troubles_around_the_stack(ctl, fake):
    fake(GetStatus=[status("engine-down", engine={"address": "unix:///e", "up": False,
         "since": "2026-11-24T00:00:00Z", "version": "", "detail": "connection refused"},
         store={"ok": False, "detail": "cannot be written"}, window="weekend", mode="released",
         alerts=[{"name": "ops", "kind": "discord", "state": "refused", "pending": 4, "detail": "404"},
                 {"name": "log", "kind": "webhook", "state": "ok", "pending": 0, "detail": ""}])])  # fmt: skip
    done = ctl("status")
    assert done.returncode == 3
    for text in ("DOES NOT ANSWER", "connection refused", "cannot be written", "window   weekend",
                 "RELEASED", "alerts   ops refused, 4 waiting (404)", "alerts   log ok\n"):  # fmt: skip
        assert text in done.stdout, text


def test_status_without_containers_or_alerts_says_what_to_do(ctl, fake):
    fake(GetStatus=[status("empty", [])])
    done = ctl("status")
    assert done.returncode == 3
    assert "tradestackctl up --file" in done.stdout and "nobody is told" in done.stdout


def test_status_json_is_the_daemons_object_and_nothing_else(ctl, fake):
    sent = status("degraded", [service("gateway", "failed", detail="naïve\u2028 \x1b[31m")])
    fake(GetStatus=[sent])
    done = ctl("status", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout) == sent
    assert done.stdout.isascii() and done.stderr == ""
    one = json.loads(done.stdout)["services"][0]
    assert {"name", "container", "state", "ready", "since", "reason", "restarts", "probes"} <= set(one)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"services": 7},
        {"services": [1, None, {}]},
        {"state": None, "engine": []},
        {"services": [{"name": 1, "probes": {"a": 1}}], "alerts": [[], {}]},
    ],
)
def test_odd_status_does_not_harm(ctl, fake, odd):
    fake(GetStatus=[odd])
    done = ctl("status")
    assert done.returncode == 3, done.stderr


# --- text from the daemon

EVIL = "a\x1b[31mb\x9b31mc\x07d\x7fe\ttab \u202eback\u2066 é ●\r\nx"


def harmless(text):
    lines = [line for line in text.split("\n")]
    return all(c.isprintable() for line in lines for c in line)


@pytest.mark.parametrize(
    "arguments, script",
    [
        (["status"], {"GetStatus": [status("failed", [service("gateway", "failed", detail=EVIL,
            next=EVIL, probes=[{"name": EVIL, "kind": EVIL, "result": "failing", "detail": EVIL,
            "since": EVIL}]), service(EVIL, EVIL)], summary=EVIL, project=EVIL, window=EVIL,
            engine={"address": EVIL, "up": False, "version": EVIL, "detail": EVIL, "since": EVIL},
            store={"ok": False, "detail": EVIL}, started=EVIL,
            alerts=[{"name": EVIL, "kind": EVIL, "state": EVIL, "pending": 1, "detail": EVIL}])]}),
        (["logs", "gateway"], {"Logs": [{"stream": "stdout", "line": EVIL}, {}]}),
        (["events"], {"Events": [{"event": {"at": EVIL, "event": EVIL, "text": EVIL}}]}),
        (["watch"], {"Watch": [{"status": status(summary=EVIL)}, {}]}),
        (["reload"], {"Reload": [{"changed": [EVIL]}]}),
        (["reload"], {"Reload": [("error", "BadConfig", {"errors": [EVIL, 7]})]}),
        (["start", "gateway"], {"Start": [{"step": {"service": EVIL, "step": EVIL, "detail": EVIL,
            "done": True, "ok": False}}, ("error", "Refused", {"reason": EVIL, "cure": EVIL})]}),
        (["start", "gateway"], {"Start": [("error", "TimedOut", {"detail": EVIL})]}),
        (["hold", "gateway"], {"Hold": [("error", "NoSuchService", {"service": EVIL, "known": [EVIL]})]}),
        (["hold", "gateway"], {"Hold": [("error", "Failed", {"code": EVIL, "reason": EVIL})]}),
        (["hold", "gateway"], {"Hold": [("error", EVIL.replace("\n", "."), {})]}),
        (["hold", "gateway"], {"Hold": [("error", "NotAllowed", {"need": EVIL})]}),
        (["hold", "gateway"], {"Hold": [("error", "org.varlink.service.InvalidParameter", {"parameter": EVIL})]}),
        (["version"], {"Ping": [{"version": EVIL, "mode": EVIL, "pid": 1}]}),
    ],
)  # fmt: skip
def test_nothing_from_the_daemon_can_steer_a_terminal(ctl, fake, arguments, script):
    fake(**script)
    done = ctl(*arguments)
    assert harmless(done.stdout), repr(done.stdout)
    assert harmless(done.stderr), repr(done.stderr)
    assert "?[31mb" in done.stdout + done.stderr


def test_good_text_stays_as_it_is(ctl, fake):
    fake(Logs=[{"stream": "stdout", "line": "gültig ✓ 日本 e\u0301 \U0001f600\ttab"}, {}])
    assert ctl("logs", "gateway").stdout == "gültig ✓ 日本 e\u0301 \U0001f600 tab\n"


# --- operations


def step(name, state, done, ok=True, took=1200, detail=""):
    return {"step": {"service": name, "step": state, "done": done, "ok": ok, "took_ms": took, "detail": detail}}


def test_start_shows_its_steps(ctl, fake):
    daemon = fake(Start=[step("gateway", "starting", False), step("gateway", "ready", True, took=65000), {}])
    done = ctl("start", "gateway")
    assert done.returncode == 0
    assert re.search(r"^  … gateway +starting +1\.2 s", done.stdout, re.M)
    assert re.search(r"^  ✓ gateway +ready +1 m 5 s", done.stdout, re.M)
    assert ESCAPE not in done.stdout
    assert daemon.calls == [
        ("Start", {"service": "gateway", "wait": True, "timeout_ms": 300000}, {"more": True})
    ]


@pytest.mark.parametrize(
    "arguments, method, service_given",
    [(["down"], "Stop", None), (["stop", "bot"], "Stop", "bot"), (["restart", "bot"], "Restart", "bot"),
     (["start", "bot"], "Start", "bot")],
)  # fmt: skip
def test_operations_call_their_method(ctl, fake, arguments, method, service_given):
    daemon = fake(**{method: [{}]})
    done = ctl(*arguments, "--timeout", "90s")
    assert done.returncode == 0, done.stderr
    parameters = {"wait": True, "timeout_ms": 90000}
    if service_given:
        parameters["service"] = service_given
    assert daemon.calls == [(method, parameters, {"more": True})]


def test_no_wait_asks_for_one_answer(ctl, fake):
    daemon = fake(Stop=[{}])
    done = ctl("down", "--no-wait")
    assert done.returncode == 0 and "the daemon does it" in done.stdout
    assert daemon.calls == [("Stop", {"wait": False, "timeout_ms": 300000}, {})]


def test_a_failed_operation_says_why_and_what_to_do(ctl, fake):
    fake(Start=[step("bot", "blocked", True, ok=False),
                ("error", "Refused", {"reason": "bot is blocked: live account", "cure": "tradestackctl reset bot"})])  # fmt: skip
    done = ctl("start", "bot")
    assert done.returncode == 1
    assert re.search(r"^  ✗ bot +blocked", done.stdout, re.M)
    assert "start bot: refused: bot is blocked: live account" in done.stderr
    assert "next: tradestackctl reset bot" in done.stderr


def test_an_operation_that_takes_too_long_ends_with_3(ctl, fake):
    fake(Start=[step("gateway", "starting", False), ("error", "TimedOut", {"detail": "starting: 0 of 1 ready"})])
    done = ctl("start", "gateway")
    assert done.returncode == 3
    assert "not there in time: starting: 0 of 1 ready" in done.stderr and "goes on" in done.stderr


def test_json_steps_are_one_object_a_line(ctl, fake):
    fake(Start=[step("gateway", "starting", False), step("gateway", "ready", True), {}])
    done = ctl("start", "gateway", "--json")
    assert [json.loads(line)["step"] for line in done.stdout.splitlines()] == ["starting", "ready"]


def test_the_daemon_gone_in_the_middle_is_told(ctl, fake):
    for command, method in ((["start", "gateway"], "Start"), (["logs", "gateway", "-f"], "Logs"),
                            (["events", "-f"], "Events"), (["watch"], "Watch")):  # fmt: skip
        daemon = fake(**{method: [step("gateway", "starting", False), CLOSE]})
        done = ctl(*command)
        assert done.returncode == 4
        assert "closed the connection" in done.stderr and "systemctl status" in done.stderr
        daemon.close()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_leaves_the_operation_to_the_daemon(programs, fake, signal_number):
    daemon = fake(Start=[step("gateway", "starting", False), HANG])
    process = subprocess.Popen(
        [programs.tradestackctl, "--socket", daemon.path, "start", "gateway"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert "starting" in process.stdout.readline()
    process.send_signal(signal_number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "not waiting any longer" in err and "daemon goes on with it" in err


def test_interrupting_a_follow_is_no_failure(programs, fake):
    daemon = fake(Logs=[{"stream": "stdout", "line": "one"}, HANG])
    process = subprocess.Popen(
        [programs.tradestackctl, "--socket", daemon.path, "logs", "gateway", "-f"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "one\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


# --- simple commands


@pytest.mark.parametrize(
    "arguments, method, parameters, reply, said",
    [
        (["hold", "bot"], "Hold", {"service": "bot"}, {}, "✓ bot is held"),
        (["unhold", "bot"], "Unhold", {"service": "bot"}, {}, "✓ bot is supervised again"),
        (["reset", "bot"], "Reset", {"service": "bot"}, {}, "✓ bot may try again"),
        (["release"], "Release", {}, {"services": ["a", "b"]}, "✓ 2 services released"),
        (["reload"], "Reload", {}, {"changed": ["[service bot] budget: 5 -> 6"]}, "✓ reloaded, 1 change\n  [service bot]"),
        (["alert", "test"], "AlertTest", {}, {"queued": 1}, "✓ test alert queued for 1 channel;"),
        (["alert", "test", "--channel", "ops"], "AlertTest", {"channel": "ops"}, {"queued": 2}, "2 channels;"),
        (["version"], "Ping", {}, {"version": "0.1.0", "mode": "supervise", "pid": 4711}, "0.1.0 (pid 4711"),
    ],
)  # fmt: skip
def test_simple_commands(ctl, fake, arguments, method, parameters, reply, said):
    daemon = fake(**{method: [reply]})
    done = ctl(*arguments)
    assert done.returncode == 0 and done.stderr == ""
    assert said in done.stdout
    assert daemon.calls == [(method, parameters, {})]
    as_json = ctl(*arguments, "--json")
    assert as_json.returncode == 0 and reply.items() <= json.loads(as_json.stdout).items()


@pytest.mark.parametrize(
    "error, said, code",
    [
        (("error", "NoSuchService", {"service": "bto", "known": ["bot", "gateway"]}),
         ['no service "bto"; known:', "\n  bot\n  gateway\n"], 1),
        (("error", "NoSuchService", {"service": "bto", "known": []}), ["tradestackctl up --file"], 1),
        (("error", "NotAllowed", {"need": "operate"}), ["need the operate right", "operate_group"], 1),
        (("error", "Refused", {"reason": "bot is held", "cure": "tradestackctl unhold bot"}),
         ["refused: bot is held", "next: tradestackctl unhold bot"], 1),
        (("error", "Failed", {"code": "unavailable", "reason": "the engine does not answer"}),
         ["Hold: the engine does not answer"], 1),
        (("error", "org.varlink.service.MethodNotFound", {"method": "x.Hold"}),
         ["does not know x.Hold", "same version"], 1),
        (("error", "org.varlink.service.InvalidParameter", {"parameter": "service"}),
         ["does not take this service"], 1),
        (("error", "com.example.Odd", {}), ["com.example.Odd"], 1),
    ],
)  # fmt: skip
def test_errors_say_what_why_and_what_to_do(ctl, fake, error, said, code):
    fake(Hold=[error])
    done = ctl("hold", "bto")
    assert done.returncode == code and done.stdout == ""
    for text in said:
        assert text in done.stderr, done.stderr


def test_a_bad_configuration_is_listed(ctl, fake):
    fake(Reload=[("error", "BadConfig", {"errors": ["f.conf:3: no such key", "f.conf:9: want a number"]})])
    done = ctl("reload")
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr and "  f.conf:3: no such key\n  f.conf:9" in done.stderr


def test_version_without_a_daemon_still_tells_its_own(ctl):
    done = ctl("version")
    assert done.returncode == 4
    assert done.stdout.startswith("tradestackctl ") and "systemctl status" in done.stderr


# --- logs, events, watch


def test_logs_asks_and_prints_line_by_line(ctl, fake):
    daemon = fake(Logs=[{"stream": "stdout", "line": "one"}, {"stream": "stderr", "line": "two"}, {}])
    assert ctl("logs", "bot", "--tail", "7").stdout == "one\ntwo\n"
    assert ctl("logs", "bot", "-f", "--json").stdout.splitlines() == [
        '{"stream":"stdout","line":"one"}', '{"stream":"stderr","line":"two"}',
    ]  # fmt: skip
    assert daemon.calls == [
        ("Logs", {"service": "bot", "follow": False, "tail": 7}, {"more": True}),
        ("Logs", {"service": "bot", "follow": True, "tail": 100}, {"more": True}),
    ]


EVENTS = [
    {"event": {"id": 1, "at": "2026-11-24T00:00:00.000Z", "service": "bot", "event": "service.state",
               "state_from": "starting", "state_to": "ready", "reason": "probes", "text": "bot: ready"}},
    {"event": {"id": 2, "at": "2026-11-24T00:00:01.000Z", "service": "", "event": "operator.command",
               "state_from": "", "state_to": "", "reason": "", "text": "reload"}},
]  # fmt: skip


def test_events_are_lines(ctl, fake):
    fake(Events=EVENTS)
    assert ctl("events").stdout == (
        "2026-11-24T00:00:00.000Z  bot: ready\n2026-11-24T00:00:01.000Z  operator.command: reload\n"
    )
    assert [json.loads(line)["id"] for line in ctl("events", "--json").stdout.splitlines()] == [1, 2]


def test_no_events_are_no_lines(ctl, fake):
    fake(Events=[{}])
    done = ctl("events")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "arguments, parameters",
    [
        ([], {"follow": False}),
        (["-f"], {"follow": True}),
        (["--tail", "3"], {"follow": False, "limit": 3}),
        (["--since", "2h"], {"follow": False, "since": "2h", "limit": 5000}),
        (["--since", "2h", "-n", "9"], {"follow": False, "since": "2h", "limit": 9}),
    ],
)
def test_events_are_asked_for_as_given(ctl, fake, arguments, parameters):
    daemon = fake(Events=[{}])
    assert ctl("events", *arguments).returncode == 0
    assert daemon.calls == [("Events", parameters, {"more": True})]


def test_a_wrong_since_is_explained(ctl, fake):
    fake(Events=[("error", "org.varlink.service.InvalidParameter", {"parameter": "since"})])
    done = ctl("events", "--since", "yesterday")
    assert done.returncode == 1 and "a span back (2h)" in done.stderr


def test_watch_off_a_terminal_is_a_line_a_change(ctl, fake):
    fake(Watch=[{"status": status("starting")}, {"status": status()}, {}])
    assert ctl("watch").stdout == "starting: 2 of 2 services ready\nready: 2 of 2 services ready\n"
    lines = ctl("watch", "--json").stdout.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["starting", "ready"]


def test_a_reader_that_goes_ends_it(programs, fake):
    daemon = fake(Logs=[{"stream": "stdout", "line": "x" * 4000}] * 200 + [HANG])
    process = subprocess.Popen(
        [programs.tradestackctl, "--socket", daemon.path, "logs", "gateway", "-f"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    process.stdout.read(100)
    process.stdout.close()
    assert process.wait(10) != 0


# --- on a terminal


def test_colours_are_for_terminals_only(terminal, ctl, fake):
    fake(GetStatus=[status()])
    assert ESCAPE + "[32m" in terminal("status").read()
    assert ESCAPE not in terminal("status", "--no-color").read()
    assert ESCAPE not in terminal("status", NO_COLOR="1").read()
    assert ESCAPE + "[32m" in terminal("status", NO_COLOR="").read()
    assert ESCAPE not in terminal("status", TERM="dumb").read()
    assert ESCAPE not in ctl("status", env={"TERM": "xterm", "CLICOLOR_FORCE": "1"}).stdout


def test_a_step_spins_and_becomes_one_line(terminal, fake):
    fake(Start=[step("gateway", "starting", False), step("bot", "waiting", False),
                step("gateway", "ready", True), step("bot", "ready", True), {}])  # fmt: skip
    screen = terminal("start", "bot")
    screen.read()
    left = [re.sub(r" +", " ", line) for line in screen.screen()]
    assert left == [" ✓ gateway ready 1.2 s", " ✓ bot ready 1.2 s"]


def test_a_spinner_turns_while_nothing_comes_and_goes_in_the_end(terminal, fake):
    fake(Start=[step("gateway", "starting", False, took=0, detail="d" * 300), HANG])
    screen = terminal("start", "gateway")
    screen.read("⠋")
    screen.read("⠸")
    screen.process.send_signal(signal.SIGINT)
    screen.read()
    assert screen.screen()[0].startswith("tradestackctl: not waiting any longer")
    assert screen.process.wait(10) == 1


def test_a_refusal_is_not_wiped_with_the_spinners(terminal, fake):
    fake(Start=[step("gateway", "starting", False), step("bot", "waiting", False),
                ("error", "Refused", {"reason": "because", "cure": "this"})])  # fmt: skip
    screen = terminal("start", "bot")
    screen.read()
    assert screen.screen() == ["tradestackctl: start bot: refused: because", "  next: this"]


def test_watch_draws_over_itself(terminal, fake):
    many = [service(f"service-{i}", "ready", detail="long " * 40) for i in range(60)]
    fake(Watch=[{"status": status("starting", many)}, {"status": status()}, HANG])
    screen = terminal("watch", "--no-color")
    screen.read("Ctrl-C ends this view")
    first = screen.shown
    screen.shown = ""
    screen.read("Ctrl-C ends this view")  # nothing changed, but the spans go on
    screen.shown = first + screen.shown
    screen.process.send_signal(signal.SIGINT)
    screen.read()
    left = screen.screen()
    assert left[0] == "ready: 2 of 2 services ready"
    assert sum("ready" in line for line in left) == 3 and "long" not in "".join(left)
    assert screen.process.wait(10) == 0


def test_watch_cuts_what_does_not_fit(terminal, fake):
    many = [service(f"service-{i}", "ready", detail="long " * 40) for i in range(60)]
    fake(Watch=[{"status": status("starting", many)}, HANG])
    screen = terminal("watch")
    screen.read("\x1b[?7h")
    left = screen.screen()
    assert left[0] == "starting: 60 of 60 services ready" and len(left) == screen.ROWS - 1
    assert "service-14" in left[-1] or "service-15" in left[-1]


# --- up


DOCKER = """#!/bin/sh
echo "$DOCKER_HOST|${{DOCKER_CONTEXT-unset}}|$*" >> {log}
if read answer; then echo "was told $answer" >> {log}; fi
{body}
"""


@pytest.fixture
def docker(tmp_path):
    """A docker command that writes down how it was called."""

    class Docker:
        log = tmp_path / "docker.log"
        env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DOCKER_CONTEXT": "elsewhere"}

        def does(self, body):
            path = tmp_path / "docker"
            path.write_text(DOCKER.format(log=self.log, body=body), encoding="utf-8")
            path.chmod(0o755)
            return self

    return Docker().does("exit 0")


UP = {"GetStatus": [status("empty", [])], "Rescan": [{"services": ["gateway"]}],
      "Start": [step("gateway", "ready", True), {}]}  # fmt: skip


def test_up_without_a_file_only_starts(ctl, fake):
    daemon = fake(**UP)
    done = ctl("up")
    assert done.returncode == 0, done.stderr
    assert [call[0] for call in daemon.calls] == ["Rescan", "Start"]
    assert daemon.calls[1][1] == {"wait": True, "timeout_ms": 300000}


def test_up_with_a_file_has_compose_create_on_the_daemons_engine(ctl, fake, docker):
    daemon = fake(**UP)
    ours, theirs = os.pipe()
    os.write(theirs, b"yes\n")  # not for Compose: whoever typed it saw no question
    done = ctl("up", "--file", "c.yml", "--env-file", "v.env", "--project", "docker",
               env=docker.env, stdin=ours)  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    (line,) = docker.log.read_text(encoding="utf-8").splitlines()
    assert line.startswith("unix:///var/run/docker.sock|unset|compose --file c.yml --env-file v.env "
                           "--project-name docker up --no-start")  # fmt: skip
    assert re.search(r"✓ compose +created .*c\.yml\n  ✓ gateway +ready", done.stdout)
    assert [call[0] for call in daemon.calls] == ["Rescan", "GetStatus", "Rescan", "Start"]


def test_up_shows_the_end_of_what_compose_said_when_it_fails(ctl, fake, docker):
    daemon = fake(**UP)
    docker.does("i=0; while [ $i -lt 5000 ]; do echo line $i of many; i=$((i+1)); done; "
                "printf 'no such \\033[31mimage\\n' >&2; exit 17")  # fmt: skip
    done = ctl("up", "--file", "c.yml", env=docker.env)
    assert done.returncode == 1
    assert "exit status 17" in done.stderr
    assert done.stderr.rstrip().endswith("no such ?[31mimage")
    assert "line 4999 of many" in done.stderr and "line 4900 of" not in done.stderr
    assert [call[0] for call in daemon.calls] == ["Rescan", "GetStatus"]


def test_up_without_docker_says_so(ctl, fake, tmp_path):
    fake(**UP)
    done = ctl("up", "--file", "c.yml", env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert "docker is not installed" in done.stderr and "Compose plug-in" in done.stderr


def test_up_gives_a_hanging_compose_up(ctl, fake, docker):
    fake(**UP)
    docker.does("exec sleep 600")
    done = ctl("up", "--file", "c.yml", "--timeout", "2s", env=docker.env)
    assert done.returncode == 1
    assert "did not end in time" in done.stderr and "--timeout" in done.stderr


def test_up_refuses_another_project(ctl, fake, docker):
    daemon = fake(**UP)
    done = ctl("up", "--file", "c.yml", "--project", "other", env=docker.env)
    assert done.returncode == 2
    assert '"docker", not "other"' in done.stderr
    assert [call[0] for call in daemon.calls] == ["Rescan", "GetStatus"] and not docker.log.exists()


def test_up_without_containers_says_how_to_make_them(ctl, fake):
    fake(Rescan=[{"services": []}])
    done = ctl("up")
    assert done.returncode == 1 and "up --file" in done.stderr


# --- check


def test_check_shows_the_daemons_findings(ctl, tmp_path, repo):
    good = ctl("check", "--config", repo / "conf/tradestackd.conf")
    assert good.returncode == 0 and "correct" in good.stdout
    path = tmp_path / "bad.conf"
    path.write_text("[daemon]\nproject = docker\nnonsense = 1\n", encoding="utf-8")
    bad = ctl("check", "--config", path)
    assert bad.returncode == 1
    assert f"{path}:3" in bad.stdout + bad.stderr


# --- completion

COMPLETE = """
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_tradestackctl
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    "words, completed",
    [
        (["st"], ["status", "start", "stop"]),
        (["al"], ["alert"]),
        (["alert", ""], ["test"]),
        (["logs", ""], ["gateway", "bot"]),
        (["restart", "ga"], ["gateway"]),
        (["up", "--fi"], ["--file"]),
        (["up", "--file", "/etc/host"], ["/etc/hostname", "/etc/hosts"]),
    ],
)
def test_bash_completes(programs, repo, fake, words, completed):
    probe = {"name": "api", "kind": "ibapi", "result": "passing"}
    services = [service("gateway", "ready", probes=[probe]), service("bot", "ready"),
                service("$(touch /tmp/harm)", "ready")]  # fmt: skip
    daemon = fake(GetStatus=[status(services=services, alerts=[{"name": "ops"}])])
    done = subprocess.run(
        ["bash", "-c", COMPLETE, "bash", repo / "ctl/tradestackctl.bash", "tradestackctl", *words],
        env={**os.environ, "PATH": f"{programs.build}/ctl:{os.environ['PATH']}",
             "TRADESTACK_SOCKET": str(daemon.path)},
        check=True, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    got = [word for word in done.stdout.split() if not word.startswith("/etc/host.")]
    assert set(completed) <= set(got) if words[-1].startswith("/") else sorted(got) == sorted(completed)


# --- how little it needs


def test_status_links_little(programs):
    linked = subprocess.run(["ldd", programs.build / "ctl/tradestackctl"], check=True,
                            capture_output=True, text=True).stdout  # fmt: skip
    names = set(re.findall(r"^\s*(lib[a-z]+)", linked, re.M))
    assert not names & {"libevent", "libcurl", "libsqlite", "libsystemd", "libssl"}
