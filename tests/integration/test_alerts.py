"""lib/alert over real TLS, by way of alert_real (alert_real.c), against the webhook receiver."""

import json
import os
import pathlib
import random
import socket
import subprocess
import threading
import time

import pytest
from harness import receiver as receiver_module

# Far above what a turn of the loop takes under sanitizers, far below any time-out of a request.
HELD_UP_MS = 1000


@pytest.fixture(scope="module")
def tool(repo):
    build = os.environ.get("TRADESTACK_BUILD")
    folders = [pathlib.Path(build)] if build else [repo / "build-asan", repo / "build"]
    for folder in folders:
        program = folder / "tests/integration/alert_real"
        if program.exists():
            return program
    raise AssertionError(f"alert_real is in none of {', '.join(map(str, folders))}: build it first")


class Sender:
    """alert_real as a child. Collects all that it says, and may be killed and started again."""

    def __init__(self, tool, state, channels, reminder_ms=0):
        self.command = [str(tool), str(state), str(reminder_ms), *channels]
        self.lines = []
        self.text = ""
        self.changed = threading.Condition()
        self.child = None
        self.start()

    def start(self):
        # A socket, since libevent does not watch every kind of pipe in the same way.
        ours, theirs = socket.socketpair()
        self.child = subprocess.Popen(
            self.command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        theirs.close()
        self.input = ours
        self.begin = len(self.lines)
        self.reader = threading.Thread(target=self.read, args=(self.child.stdout,), daemon=True)
        self.reader.start()
        self.wait_for("ready")

    def read(self, stream):
        for line in stream:
            with self.changed:
                self.text += line
                try:
                    self.lines.append(json.loads(line))
                except ValueError:
                    self.lines.append({"not_json": line})
                self.changed.notify_all()

    def tell(self, order):
        self.input.sendall(json.dumps(order).encode() + b"\n")

    def wait_for(self, key, value=None, after=None, deadline_s=20):
        """The first line with that key since the start, or behind line number `after`."""
        begin = self.begin if after is None else after
        end = time.monotonic() + deadline_s
        with self.changed:
            while True:
                for line in self.lines[begin:]:
                    if key in line and value in (None, line[key]):
                        return line
                left = end - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    raise AssertionError(f"no {key}={value} within {deadline_s} s:\n{self.text}")

    def ask(self, order, answer):
        mark = len(self.lines)
        self.tell(order)
        return self.wait_for(answer, after=mark)

    def post(self, title, kind="info", key=None, severity=None, **more):
        severity = severity or ("ok" if kind in ("info", "resolved") else "critical")
        alert = {
            "key": key or title, "kind": kind, "severity": severity, "title": title,
            "service": "gateway", "host": "box", "project": "docker", "what": "seen", **more,
        }  # fmt: skip
        return self.ask({"post": alert}, "posted")["posted"]

    def status(self):
        return self.ask({"status": True}, "status")

    def channel(self, name):
        return next(c for c in self.status()["status"] if c["name"] == name)

    def wait_until_sent(self, deadline_s=20):
        end = time.monotonic() + deadline_s
        while any(c["pending"] for c in self.status()["status"]):
            assert time.monotonic() < end, self.text
            time.sleep(0.02)

    def count(self, key):
        return sum(key in line for line in self.lines)

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.reader.join()
        self.input.close()

    def end(self):
        self.input.close()
        status = self.child.wait(20)
        self.reader.join()
        return status


@pytest.fixture
def make_sender(tool, tmp_path, receiver):
    """make_sender("discord", "webhook"): senders to the receiver; ends them and looks at all that
    they ever said."""
    made = []
    state = tmp_path / "state"
    state.mkdir(mode=0o700)

    def make(*kinds, **options):
        channels = [
            f"{kind}:{kind}:{receiver.folder}/{kind}-url:{receiver.ca_file}" for kind in kinds
        ]
        made.append(Sender(tool, options.pop("state", state), channels, **options))
        return made[-1]

    yield make
    for sender in made:
        if sender.child.returncode is None:
            arguments = pathlib.Path(f"/proc/{sender.child.pid}/cmdline").read_text()
            assert receiver.token not in arguments
            assert sender.end() == 0, sender.text
        assert receiver.token not in sender.text
        assert "not_json" not in sender.text, sender.text
        assert not any("not_json" in line for line in sender.lines), sender.text


def expect_faultless(receiver):
    """Discord would have taken all messages and edits."""
    assert [request["faults"] for request in receiver.requests() if request["faults"]] == []


def test_incident_from_its_beginning_to_its_end(make_sender, receiver):
    sender = make_sender("discord", "webhook")
    assert sender.post("Gateway not healthy", kind="open", key="gateway/health", attempt=1) == 2
    sender.wait_until_sent()
    assert sender.post("Gateway not healthy", kind="open", key="gateway/health", attempt=1) == 0
    assert sender.post("Gateway not healthy", kind="open", key="gateway/health", attempt=2) == 2
    receiver.wait_until(lambda: receiver.requests(method="PATCH"), "progress is shown")
    assert sender.post("Gateway healthy", kind="resolved", key="gateway/health") == 2
    receiver.wait_until(lambda: len(receiver.requests(method="PATCH")) == 2, "the end is shown")
    sender.wait_until_sent()
    expect_faultless(receiver)

    first, last = [m["body"] for m in receiver.messages() if m["kind"] == "discord"]
    assert first["embeds"][0]["title"] == "🟢 Resolved: Gateway not healthy"
    assert last["embeds"][0]["title"] == "🟢 Gateway healthy"
    assert [
        (alert["kind"], alert["title"], alert["attempt"])
        for message in receiver.messages()
        if message["kind"] == "webhook"
        for alert in message["body"]["alerts"]
    ] == [
        ("open", "Gateway not healthy", 1),
        ("update", "Gateway not healthy", 2),
        ("resolved", "Gateway healthy", 0),
    ]
    for request in receiver.requests(kind="discord"):
        assert request["body"]["allowed_mentions"] == {"parse": []}
        assert request["path"].startswith("/api/v10/webhooks/")


def test_untrusted_certificate_is_not_spoken_to(make_sender, receiver):
    receiver.behave("wrong-certificate")
    sender = make_sender("discord", "webhook")
    sender.post("one")
    sender.wait_for("delayed", "discord")
    sender.wait_for("delayed", "webhook")
    assert receiver.requests() == []
    assert "certificate" in sender.channel("discord")["detail"].lower()
    receiver.behave("ok")
    sender.wait_until_sent()
    assert sorted(receiver.titles()) == ["one", "🟢 one"]


@pytest.mark.parametrize("mode", ["429", "429-header", "429-html"])
def test_rate_limit_is_honoured(make_sender, receiver, mode):
    receiver.behave(mode, times=1, retry_after=1.6)
    sender = make_sender("discord")
    sender.post("one")
    delayed = sender.wait_for("delayed")
    assert 1600 <= delayed["retry_ms"] <= 1600 + 300
    sender.wait_until_sent()
    first, second = receiver.requests()
    assert 1.6 <= second["at"] - first["at"] < 4
    assert receiver.titles() == ["🟢 one"]


def test_flood_stays_within_the_rate_limit(tool, tmp_path, repo):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with receiver_module.Receiver(repo, tmp_path, "--rate", "5/2") as receiver:
        sender = Sender(
            tool, state, [f"discord:discord:{receiver.discord_url_file}:{receiver.ca_file}"]
        )
        began = time.monotonic()
        for i in range(150):
            sender.post(f"n{i}")
            time.sleep(0.01)
        sender.post("last", kind="open")
        sender.wait_until_sent(30)
        took = time.monotonic() - began
        assert sender.end() == 0
        messages = [m["body"] for m in receiver.messages()]
        expect_faultless(receiver)
        assert receiver.requests(status=429) == []
        hidden = [int(m["content"].split()[2]) for m in messages if m["content"]]
        assert len(receiver.titles()) + sum(hidden) == 151
        assert receiver.titles()[-1] == "🔴 last"
        # Five in each two seconds of the time that posting took here, whatever that was.
        assert len(messages) <= 5 * (took // 2 + 2)


@pytest.mark.parametrize("mode", ["401", "403", "404"])
def test_refusal_stops_the_channel_until_a_reload(make_sender, receiver, mode):
    receiver.behave(mode, on="discord")
    sender = make_sender("discord", "webhook")
    sender.post("one")
    refused = sender.wait_for("refused", "discord")
    assert f"HTTP status {mode}" in refused["text"]
    for i in range(3):
        sender.post(f"more {i}")
    receiver.wait_until(lambda: len(receiver.titles()) == 4, "the other channel works")
    time.sleep(1.5)  # the first retry of temporary trouble would come by now
    assert len(receiver.requests(kind="discord")) == 1
    assert sender.channel("discord") == {
        "name": "discord", "state": "refused", "pending": 4, "detail": refused["text"],
    }  # fmt: skip
    receiver.behave("ok")
    assert sender.ask({"reload": True}, "reloaded")
    sender.wait_until_sent()
    discord = [m for m in receiver.messages() if m["kind"] == "discord"]
    assert [e["title"] for e in discord[0]["body"]["embeds"]] == [
        "🟢 one", "🟢 more 0", "🟢 more 1", "🟢 more 2",
    ]  # fmt: skip


def test_bad_request_is_dropped_and_its_text_does_not_leak(make_sender, receiver):
    receiver.behave("400-echo", times=1, on="discord")
    sender = make_sender("discord")
    sender.post("one")
    dropped = sender.wait_for("dropped", "discord")
    assert dropped["title"] == "one"
    assert "HTTP status 400" in dropped["text"]
    sender.post("two")
    sender.wait_until_sent()
    assert receiver.titles() == ["🟢 two"]


def test_hanging_service_blocks_nothing(make_sender, receiver):
    receiver.behave("hang", on="discord")
    sender = make_sender("discord", "webhook")
    sender.post("one")
    receiver.wait_until(lambda: receiver.titles() == ["one"], "the webhook gets it")
    sender.status()
    for i in range(20):
        sender.post(f"n{i}")
        time.sleep(0.02)
    receiver.wait_until(lambda: len(receiver.titles()) == 21, "the webhook gets all")
    status = sender.status()
    assert status["gap_ms"] < HELD_UP_MS
    assert status["status"][0]["pending"] == 21
    receiver.behave("ok")  # the one that hangs is cut off
    sender.wait_until_sent()
    discord = [m["body"] for m in receiver.messages() if m["kind"] == "discord"]
    assert [m["content"] for m in discord] == ["… and 11 more events"]
    assert discord[0]["embeds"][-1]["title"] == "🟢 n19"


@pytest.mark.parametrize("mode", ["huge", "close", "500", "503", "redirect", "429-bare"])
def test_broken_answer_is_retried(make_sender, receiver, mode):
    receiver.behave(mode, times=1)
    sender = make_sender("webhook")
    sender.post("one")
    sender.wait_for("delayed", "webhook")
    sender.wait_until_sent()
    assert receiver.titles() == ["one"]
    assert sender.status()["gap_ms"] < HELD_UP_MS
    assert not any("/elsewhere" in request["path"] for request in receiver.requests())


@pytest.mark.parametrize("mode", ["garbage", "odd-id", "no-body", "slow"])
def test_odd_success_is_a_success(make_sender, receiver, mode):
    receiver.behave(mode, times=1)
    sender = make_sender("discord")
    sender.post("Gateway not healthy", kind="open", key="k")
    sender.wait_for("sent", "discord")
    sender.post("Gateway healthy", kind="resolved", key="k")
    sender.wait_until_sent()
    assert [r["method"] for r in receiver.requests()] == ["POST", "POST"]
    assert sender.count("delayed") == 0


def test_answer_lost_after_the_message_was_taken_may_repeat_it(make_sender, receiver):
    receiver.behave("accept-then-close", times=1)
    sender = make_sender("webhook")
    sender.post("one")
    sender.post("two")
    sender.wait_until_sent()
    assert set(receiver.titles()) == {"one", "two"}
    assert receiver.titles()[-1] == "two"


def test_long_outage_then_everything_once_and_in_order(make_sender, receiver):
    sender = make_sender("webhook", "discord")
    sender.post("before")
    sender.wait_until_sent()
    receiver.listen(False)
    for i in range(8):
        sender.post(f"n{i}")
    sender.wait_for("delayed", "webhook")
    sender.wait_for("delayed", "discord")
    sender.kill()
    sender.start()
    for i in range(8, 25):
        sender.post(f"n{i}")
    sender.wait_for("delayed", "webhook")
    sender.kill()
    receiver.listen(True)
    sender.start()
    sender.wait_until_sent(40)
    hook = [t for t in receiver.titles() if not t.startswith("🟢")]
    assert hook == ["before"] + [f"n{i}" for i in range(25)]
    discord = [m["body"] for m in receiver.messages() if m["kind"] == "discord"]
    assert len(discord) == 2
    assert [e["title"] for e in discord[1]["embeds"]] == [f"🟢 n{i}" for i in range(15, 25)]
    assert discord[1]["content"] == "… and 15 more events"
    expect_faultless(receiver)


def test_kill_9_at_any_moment_loses_no_alert(make_sender, receiver):
    chance = random.Random(20261124)
    sender = make_sender("webhook")
    posted, kills_before = [], []
    for round_ in range(12):
        for i in range(chance.randint(1, 8)):
            sender.post(f"r{round_}-{i}")
            posted.append(f"r{round_}-{i}")
            kills_before.append(round_)
        time.sleep(chance.random() * 0.06)
        sender.kill()
        sender.start()
    sender.wait_until_sent()
    seen = receiver.titles()
    assert list(dict.fromkeys(seen)) == posted
    # Once more is allowed for each end that came between the sending and its being noted.
    for title, kills in zip(posted, kills_before, strict=True):
        assert seen.count(title) <= 1 + 12 - kills


def test_edit_is_not_lost_with_the_process(make_sender, receiver):
    sender = make_sender("discord")
    sender.post("Gateway not healthy", kind="open", key="k")
    sender.wait_until_sent()
    receiver.behave("500", method="PATCH")
    sender.post("Gateway healthy", kind="resolved", key="k")
    receiver.wait_until(lambda: receiver.requests(method="PATCH"), "the edit is tried")
    sender.kill()
    receiver.behave("ok")
    sender.start()
    receiver.wait_until(lambda: receiver.messages()[0]["edits"] == 1, "the edit is made")
    assert [m["body"]["embeds"][0]["title"] for m in receiver.messages()] == [
        "🟢 Resolved: Gateway not healthy", "🟢 Gateway healthy",
    ]  # fmt: skip


def test_open_incident_is_told_again(make_sender, receiver):
    sender = make_sender("discord", reminder_ms=1500)
    sender.post("Gateway not healthy", kind="open", key="k")
    receiver.wait_until(lambda: len(receiver.titles()) >= 3, "it is told again and again")
    sender.post("Gateway healthy", kind="resolved", key="k")
    sender.wait_until_sent()
    count = len(receiver.messages())
    time.sleep(2)
    assert len(receiver.messages()) == count
    assert receiver.messages()[1]["body"]["embeds"][0]["title"] in (
        "🔴 Still: Gateway not healthy", "🟢 Resolved: Still: Gateway not healthy",
    )  # fmt: skip


def test_full_disk_delays_no_alert_and_repeats_none(make_sender, receiver, tmp_path):
    state = tmp_path / "small"
    state.mkdir(mode=0o700)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", state], check=True
    )
    try:
        sender = make_sender("webhook", state=state)
        sender.post("before")
        sender.wait_until_sent()
        with pytest.raises(OSError), open(state / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)
        for i in range(30):
            sender.post(f"n{i}")
        sender.post("Gateway not healthy", kind="open", key="k")
        sender.wait_until_sent()
        assert not sender.status()["store_ok"]
        assert sender.count("store_failed") > 0
        (state / "filler").unlink()
        receiver.wait_until(lambda: sender.status()["store_ok"], "the store works again")
        sender.kill()
        sender.start()
        assert sender.post("Gateway healthy", kind="resolved", key="k") == 1  # it is remembered
        sender.wait_until_sent()
        expected = ["before", *(f"n{i}" for i in range(30)), "Gateway not healthy"]
        assert receiver.titles() == [*expected, "Gateway healthy"]
        sender.end()
    finally:
        subprocess.run(["umount", state], check=True)


def test_state_directory_open_to_all_is_refused(tool, tmp_path):
    state = tmp_path / "open"
    state.mkdir()
    state.chmod(0o777)
    done = subprocess.run([str(tool), str(state), "0"], stdout=subprocess.PIPE, timeout=20)
    assert done.returncode == 1
    assert "everybody may write" in json.loads(done.stdout)["error"]
