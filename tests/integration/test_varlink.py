"""The real daemon's control socket, by its own description: what it says fits, and clients that
are strangers, many, rude or gone do not harm it."""

import contextlib
import json
import os
import socket
import subprocess

import pytest

from harness.idl import Interface
from harness.varlink import Varlink, VarlinkError

SERVICE = "org.varlink.service"


class Any(Varlink):
    """Calls of any interface, sent as they are."""

    INTERFACE = SERVICE


@pytest.fixture
def daemon(tradestack):
    tradestack.daemon.configure({"safety": {"cro_group": "root"}})
    tradestack.daemon.call("Reload", timeout_s=10)
    tradestack.daemon.call("Rescan", timeout_s=10)
    return tradestack.daemon


@pytest.fixture
def interface(daemon):
    with Any(daemon.socket) as control:
        told = control.call("GetInterfaceDescription", interface="io.tradestack.Supervisor")
    return Interface(told["description"])


def test_up_right_after_the_start_waits_for_the_engine(stack_factory):
    stack = stack_factory()
    stack.create()
    for _ in range(5):
        stack.daemon.start()
        done = stack.daemon.ctl("up", "--no-wait")
        assert "the daemon does it" in done.stdout
        stack.daemon.kill()


def test_up_without_an_engine_says_why(stack_factory):
    stack = stack_factory(config={"engine": {"address": "unix:///nowhere.sock"}})
    stack.daemon.start()
    done = stack.daemon.ctl("up", check=False)
    assert done.returncode == 1
    assert "nowhere.sock" in done.stderr and "No such file" in done.stderr, done.stderr


def refusal(daemon, method, **parameters):
    with pytest.raises(VarlinkError) as told:
        daemon.call(method, **parameters)
    return told.value


def test_it_describes_itself(daemon, interface):
    with Any(daemon.socket) as control:
        info = control.call("GetInfo")
        own = Interface(control.call("GetInterfaceDescription", interface=SERVICE)["description"])
    own.check_reply("GetInfo", info)
    assert info["interfaces"] == [SERVICE, interface.name]
    assert interface.name == "io.tradestack.Supervisor"


def test_every_method_that_is_described_is_there_and_checks_its_parameters(daemon, interface):
    assert len(interface.methods) == 34
    for method in interface.methods:
        error = refusal(daemon, method, nonsense=1)
        assert (error.name, error.parameters) == (f"{SERVICE}.InvalidParameter", {"parameter": "nonsense"})
    assert refusal(daemon, "Nothing").name == f"{SERVICE}.MethodNotFound"


def test_a_stop_of_nobody_in_particular_stops_nobody(daemon):
    for parameters in ({"service": 7}, {"servcie": "gateway"}, {"service": ["gateway"]}, {"wait": "no"}):
        assert refusal(daemon, "Stop", **parameters).name == f"{SERVICE}.InvalidParameter"
    assert all(s["wanted"] != "down" for s in daemon.status()["services"])


def test_all_that_it_says_fits_its_description(daemon, interface):
    def stream(method, **parameters):
        replies = []
        with Varlink(daemon.socket) as control:
            for reply in control.stream(method, 60, **parameters):
                interface.check_reply(method, reply)
                replies.append(reply)
                if len(replies) >= 200 or (method == "Watch" and len(replies) == 2):
                    break
        return replies

    steps = stream("Start", wait=True)
    assert {s["step"]["service"] for s in steps if "step" in s} == {"gateway", "trading-bot", "health-monitor"}
    status = daemon.status()
    interface.check_reply("GetStatus", status)
    assert status["state"] == "ready" and any(s["probes"] for s in status["services"])
    assert len(stream("Events", limit=100)) > 3
    assert stream("Events", limit=1, since="2100-01-01T00:00:00Z") == [{}]
    assert len(stream("Logs", service="trading-bot", tail=5)) == 6
    assert any("step" in s for s in stream("Restart", service="health-monitor", wait=True))
    assert any(e["entry"]["event"] == "start" for e in stream("Audit", limit=50))
    approve = {"kind": "live", "service": "trading-bot", "account": "U1", "expires_ms": 3600000}
    approval = daemon.call("Approve", reason="a test", **approve)
    interface.check_reply("Approve", approval)
    with Varlink(daemon.socket) as control:
        watch = control.stream("Watch", 30)
        interface.check("status" in next(watch), "bool")
        daemon.call("Hold", service="trading-bot")
        interface.check(next(watch)["status"], interface.methods["GetStatus"][1])
    for method, parameters in (
        ("Safety", {}), ("Approvals", {}), ("AuditVerify", {}),
        ("Revoke", {"id": approval["approval"]["id"]}), ("Approvals", {"all": True}),
        ("Ping", {}), ("Rescan", {}), ("Reload", {}), ("Unhold", {"service": "trading-bot"}),
        ("Hold", {"service": "health-monitor"}), ("Stop", {"service": "health-monitor"}),
        ("Unhold", {"service": "health-monitor"}), ("Reset", {"service": "gateway"}), ("Release", {}),
    ):  # fmt: skip
        interface.check_reply(method, daemon.call(method, timeout_s=20, **parameters))


def test_its_errors_fit_their_description(daemon, interface):
    daemon.call("Hold", service="trading-bot")
    for method, parameters, name in (
        ("Start", {"service": "nobody"}, "NoSuchService"),
        ("Start", {"service": "trading-bot"}, "Refused"),
        ("AlertTest", {"channel": "nobody"}, "Failed"),
        ("SafetyReset", {"service": "trading-bot", "reason": "x"}, "Refused"),
        ("Confirm", {"id": 7}, "Refused"),
    ):
        error = refusal(daemon, method, **parameters)
        assert error.name == f"{interface.name}.{name}"
        interface.check_error(error.name, error.parameters)
    daemon.configure({"service gateway": {"nonsense": "1"}})
    error = refusal(daemon, "Reload")
    interface.check_error(error.name, error.parameters)
    assert error.name.endswith(".BadConfig") and any("nonsense" in line for line in error.parameters["errors"])


def as_user(daemon, programs, *arguments, groups=()):
    """tradestackctl run by nobody, with these further groups."""
    return subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", f"--groups={','.join(map(str, groups))}" if groups
         else "--clear-groups", programs.tradestackctl, "--socket", daemon.socket, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30,
    )  # fmt: skip


def test_rights_come_from_the_kernel(stack_factory, programs):
    stack = stack_factory(config={"control": {"operate_group": "games", "read_group": "mail"}})
    stack.create()
    daemon = stack.daemon
    daemon.start()
    daemon.call("Rescan", timeout_s=10)
    nobody = as_user(daemon, programs, "status")
    assert nobody.returncode == 1 and "need the read right" in nobody.stderr
    reader = as_user(daemon, programs, "status", groups=[8])
    assert reader.returncode == 3 and "gateway" in reader.stdout
    refused = as_user(daemon, programs, "hold", "gateway", groups=[8])
    assert refused.returncode == 1 and "operate_group" in refused.stderr
    assert "control: uid 65534 may not call Hold" in daemon.tail()
    operator = as_user(daemon, programs, "hold", "gateway", groups=[8, 60])
    assert operator.returncode == 0, operator.stderr
    assert "by uid 65534" in daemon.tail()


def test_a_client_that_leaves_between_two_waiting_calls_is_forgotten(daemon):
    """The second call took the first one's place while that was still being ended."""
    call = {"method": "io.tradestack.Supervisor.Stop", "parameters": {"wait": True}, "more": True}
    follow = {"method": "io.tradestack.Supervisor.Logs", "more": True,
              "parameters": {"service": "gateway", "follow": True}}  # fmt: skip
    daemon.call("Start", timeout_s=10)
    daemon.wait_ready()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(daemon.socket))
        wait = {**call, "method": "io.tradestack.Supervisor.Start"}
        client.sendall(b"".join(json.dumps(c).encode() + b"\0" for c in (call, wait, follow)))
        ends = 0
        while ends < 1:  # the end of the first
            chunk = client.recv(65536)
            assert chunk, "the daemon closed the connection"
            ends += sum(b"continues" not in m for m in chunk.split(b"\0")[:-1])
    daemon.call("Start", timeout_s=10)
    daemon.wait_ready()  # a sanitizer would have ended the daemon


def test_running_out_of_descriptors_passes(daemon):
    """A full table stops new connections, not the daemon; then all goes on."""
    def limit(n):
        subprocess.run(["prlimit", "--pid", str(daemon.pid), f"--nofile={n}:"], check=True)

    def answered(client, seconds):
        client.settimeout(seconds)
        try:
            return b'"version"' in client.recv(4096)
        except TimeoutError:
            return False

    taken = {int(fd) for fd in os.listdir(f"/proc/{daemon.pid}/fd")}
    limit(min(set(range(1024)) - taken))
    with contextlib.ExitStack() as clients:
        # The daemon may close one of its own meanwhile: take what comes free until nothing does.
        for _ in range(20):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(daemon.socket))
            client.sendall(b'{"method":"io.tradestack.Supervisor.Ping"}\0')
            if not answered(client, 0.3):
                break
        else:
            raise AssertionError("20 connections, and descriptors were left")
        limit(1024)
        assert answered(client, 20)
    # Its own connections may have failed meanwhile; it makes them again.
    daemon.wait_for(lambda s: s["engine"]["up"], 30, "an engine that is up again")


def test_strangers_cannot_keep_the_operator_out(daemon):
    code = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
held = []
for _ in range(40):
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); held.append(s)
print("there", flush=True)
sys.stdin.read()
said = 0
for s in held:
    s.settimeout(10)
    s.setblocking(False)
    try:
        said += b"too many connections" in s.recv(4096)
    except BlockingIOError:
        pass
print(said)
"""
    crowd = subprocess.Popen(["/usr/bin/python3", "-c", code, str(daemon.socket)], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert crowd.stdout.readline() == "there\n"
        for _ in range(20):
            daemon.status()
        out, _ = crowd.communicate("", timeout=20)
    finally:
        crowd.kill()
    assert out == "24\n"


def test_the_whole_stack_goes_up_and_down_by_tradestackctl(stack_factory):
    stack = stack_factory()
    daemon = stack.daemon
    daemon.start()
    assert daemon.ctl("status", check=False).returncode == 3
    up = daemon.ctl("up", "--file", stack.compose_file, "--env-file", stack.env_file, timeout=120)
    assert "✓ compose" in up.stdout and up.stderr == ""
    shown = daemon.ctl("status").stdout
    assert shown.startswith("ready: 3 of 3 services ready\n")
    assert json.loads(daemon.ctl("status", "--json").stdout)["state"] == "ready"
    assert "attempt 1/30" in daemon.ctl("logs", "trading-bot").stdout
    assert "ready" in daemon.ctl("events", "--since", "5m").stdout
    down = daemon.ctl("down", timeout=60)
    assert down.stdout.count("✓") == 3
    assert daemon.ctl("status", check=False).returncode == 3
    assert daemon.ctl("version").returncode == 0
