"""The gateway simulator on the wire: each of its faults is the fault that it says, also for sessions
that were there before, and bad clients cannot harm it."""

import re
import socket
import time

import pytest

from harness.gateway import Wire, frame

QUIET_S = 0.3


def wait_until(done, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_closed(wire):
    """Ends with EOF or a reset; frames before that are passed over."""
    try:
        while wire.receive() is not None:
            pass
    except ConnectionResetError:
        pass
    return True


def ready(gw, **arguments):
    wire = gw.wire(**arguments)
    wire.expect(15)
    wire.expect(9, 1, 1)
    wire.expect(4)
    return wire


def again_after_a_second(gw, mode):
    """Its time begins now, when the test is ready for its end, not with the process."""
    gw.command("after 1")
    gw.mode(mode)


# --- the protocol


def test_the_answer_to_the_hello_comes_in_one_piece_and_alone(gateway):
    wire = gateway().wire(login=False)
    for part in (b"AP", b"I\0", b"\0\0\0\x09v100", b"..178"):
        wire.send_raw(part)
        time.sleep(0.02)
    raw = wire.receive_raw()
    assert raw[:8] == b"\0\0\0\x1a178\0" and len(raw) == 30
    assert re.fullmatch(rb"\d{8} \d\d:\d\d:\d\d UTC\0", raw[8:])


@pytest.mark.parametrize("own, hello, version", [
    ("178", "v100..178", 178), ("178", "v100..151", 151), ("178", "v157..225", 178),
    ("200", "v100..225", 200), ("100", "v100", 100), ("178", "v157..178 +PACEAPI", 178)])
def test_the_lower_of_both_versions_is_chosen(gateway, own, hello, version):
    wire = gateway("--server-version", own).wire(hello=hello)
    assert wire.version == version


def test_without_a_common_version_the_connection_is_closed(gateway):
    wire = gateway("--server-version", "178").wire(login=False)
    wire.send_raw(b"API\0\0\0\0\x09v201..225")
    assert is_closed(wire)


@pytest.mark.parametrize("version, layout", [
    (165, ["4", "2", "-1", "2104"]), (166, ["4", "2", "-1", "2104"]), (194, ["4", "-1", "2104"])])
def test_notices_follow_the_version(gateway, version, layout):
    wire = gateway("--server-version", "200").wire(hello=f"v100..{version}")
    notice = wire.expect(4)
    assert notice[:len(layout)] == layout
    rest = notice[len(layout) + 1:]
    if version < 166:
        assert rest == []
    elif version < 194:
        assert rest == [""]
    else:
        assert rest[0] == "" and abs(int(rest[1]) / 1000 - time.time()) < 30


def test_requests_are_answered(gateway):
    wire = ready(gateway("--server-version", "200"), hello="v100..200")
    wire.send(49, 1)
    assert abs(int(wire.expect(49, 1)[2]) - time.time()) < 30
    wire.send(105)
    assert abs(int(wire.expect(109)[1]) / 1000 - time.time()) < 30
    wire.send(17, 1)
    assert wire.expect(15) == ["15", "1", "DU1234567"]
    wire.send(62, 1, 9001, "All", "NetLiquidation")
    assert wire.expect(63)[2:5] == ["9001", "DU1234567", "NetLiquidation"]
    wire.expect(64, 1, 9001)
    wire.send(61, 1)
    assert len(wire.expect(61, 3)) == 16
    wire.expect(62, 1)
    for request, end in (((5, 1), [53, 1]), ((99, 1), [102]), ((6, 2, 1, "DU1"), [54, 1, "DU1"]),
                         ((76, 1, 12, "DU1", "", 1), [74, 1, 12]), ((7, 3, 13), [55, 1, 13])):
        wire.send(*request)
        wire.expect(*end)


def test_subscribed_prices_move_until_cancelled(gateway):
    gw = gateway()
    wire = ready(gw)
    wire.send(59, 1, 3)
    wire.send(1, 11, 5, 0, "SPY", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "", 0, "", 0, 0, "")
    wire.expect(58, 1, 5, 3)
    prices = {wire.expect(1, 6, 5, 68)[4] for _ in range(6)}
    assert len(prices) > 1 and all(400 < float(price) < 600 for price in prices)
    wire.send(2, 2, 5)
    wire.send(49, 1)
    wire.expect(49)
    with pytest.raises(TimeoutError):
        wire.receive(2 * QUIET_S)
    assert gw.status["connections"] == "1"


def test_orders_are_refused(gateway):
    gw = gateway()
    wire = ready(gw)
    wire.send(3, 77, 0, "SPY", "STK", "", "0.0", "", "", "SMART", "", "USD")
    assert wire.expect(4, 2, 77)[3] == "321"
    assert "REFUSED an order" in gw.log
    wire.send(49, 1)
    wire.expect(49)


# --- faults at the connection


def connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("mode, api, relay", [
    ("ok", True, True), ("refuse", False, False), ("relay-only", False, True),
    ("slow-login", False, True), ("login-failed", False, True), ("locked-out", False, True),
    ("2fa-wait", False, True), ("silent", True, True)])
def test_ports_are_open_as_the_mode_has_it(gateway, mode, api, relay):
    gw = gateway("--mode", mode)
    assert (connects(gw.port), connects(gw.relay)) == (api, relay)


def test_the_relay_serves_the_api_too(gateway):
    gw = gateway()
    Wire(gw.relay).expect(15, 1, "DU1234567")


@pytest.mark.parametrize("mode", ["relay-only", "accept-close"])
def test_accepted_and_closed_without_a_word(gateway, mode):
    gw = gateway("--mode", mode)
    assert Wire(gw.relay, login=False).receive_raw() == b""
    if mode == "relay-only":
        wait_until(lambda: "socat[1] E connect(" in gw.log, "no line of the relay")


def test_reset_comes_after_the_hello(gateway):
    wire = gateway("--mode", "reset").wire(login=False)
    wire.send_raw(b"API\0\0\0\0\x09v100..178")
    with pytest.raises(ConnectionResetError):
        wire.receive_raw()


def test_silence_lasts(gateway):
    wire = gateway("--mode", "silent").wire(login=False)
    wire.send_raw(b"API\0\0\0\0\x09v100..178")
    with pytest.raises(TimeoutError):
        wire.receive_raw(QUIET_S)


@pytest.mark.parametrize("mode, ids", [
    ("hello-only", set()), ("no-accounts", {"9", "4"}), ("empty-accounts", {"15", "9", "4"})])
def test_not_logged_in_has_three_faces(gateway, mode, ids):
    wire = gateway("--mode", mode).wire()
    seen = []
    with pytest.raises(TimeoutError):
        while True:
            seen.append(wire.receive(QUIET_S))
    assert {one[0] for one in seen} == ids
    assert all(one == ["15", "1", ""] for one in seen if one[0] == "15")


def test_live_serves_a_live_account(gateway):
    assert gateway("--mode", "live").wire().expect(15) == ["15", "1", "U7654321"]


@pytest.mark.parametrize("mode, answer", [
    ("garbage-length", b"\xff\xff\xff\xff"), ("garbage", b"HTTP/1.1 400 Bad Request\r\n\r\n")])
def test_garbage(gateway, mode, answer):
    wire = gateway("--mode", mode).wire(login=False)
    wire.send_raw(b"API\0\0\0\0\x09v100..178")
    assert wire.receive_raw() == answer


def test_late_answers_are_late(gateway):
    began = time.monotonic()
    gateway("--mode", "slow").wire().expect(15)
    assert time.monotonic() - began >= 0.9  # twice half a second


# --- faults of held sessions


@pytest.mark.parametrize("mode", ["silent", "hang"])
def test_a_hung_gateway_keeps_the_connection_and_says_nothing(gateway, mode):
    gw = gateway()
    wire = ready(gw)
    gw.mode(mode)
    wire.held = b""
    wire.send(49, 1)
    with pytest.raises(TimeoutError):
        while True:
            assert wire.receive_raw(QUIET_S) != b""
            wire.held = b""
    gw.mode("ok")
    wire.send(49, 1)
    wire.expect(49)


def test_hang_after_a_while(gateway):
    gw = gateway("--mode", "hang-after", "--after", "600")
    wire = ready(gw)
    wire.send(49, 1)
    wire.expect(49)
    again_after_a_second(gw, "hang-after")
    wait_until(lambda: gw.status["mode"] == "hang", "it does not hang")
    wire.send(49, 1)
    with pytest.raises(TimeoutError):
        wire.receive(QUIET_S)


@pytest.mark.parametrize("order", ["drop", "mode refuse", "mode accept-close", "mode relay-only",
                                   "mode login-failed", "mode client-id-in-use"])
def test_a_held_session_is_closed(gateway, order):
    gw = gateway()
    wire = ready(gw)
    gw.command(order)
    assert is_closed(wire)
    assert gw.status["sessions"] == "0"


def test_a_held_session_is_reset(gateway):
    gw = gateway()
    wire = ready(gw)
    gw.mode("reset")
    with pytest.raises(ConnectionResetError):
        while wire.receive_raw():
            pass


def test_a_held_session_hears_of_its_upstream(gateway):
    gw = gateway()
    wire = ready(gw)
    for mode, code in (("upstream-lost", 1100), ("upstream-back", 1102), ("upstream-2110", 2110),
                       ("ok", 1102)):
        gw.mode(mode)
        wire.expect(4, 2, -1, code)
    gw.mode("upstream-2110")
    other = gw.wire(client_id=8)
    other.expect(4, 2, -1, 2110)


def test_a_held_session_hears_of_its_accounts(gateway):
    gw = gateway()
    wire = ready(gw)
    for command, accounts in (("mode live", "U7654321"), ("mode ok", "DU1234567"),
                              ("mode empty-accounts", ""), ("mode ok", "DU1234567"),
                              ("accounts DU1,DU2", "DU1,DU2")):
        gw.command(command)
        assert wire.expect(15) == ["15", "1", accounts]


def test_answers_keep_their_order_when_the_mode_changes(gateway):
    gw = gateway("--mode", "slow")
    wire = gw.wire()
    wire.expect(15)
    wire.send(62, 1, 1, "All", "x")
    time.sleep(0.1)  # the answer is held back now
    gw.mode("ok")
    wire.send(49, 1)
    seen = []
    while not seen or seen[-1] != "49":
        seen.append(wire.receive()[0])
    assert seen.index("64") < seen.index("49")


# --- the login in the log


@pytest.mark.parametrize("mode, lines", [
    ("ok", ["Login has completed", "Configuration tasks completed"]),
    ("login-failed", ["Login attempt: 1", "Login failed", "Cold restart in progress"]),
    ("locked-out", ["Too many failed login attempts. Please wait"]),
    ("2fa-wait", ["Second Factor Authentication initiated"])])
def test_the_log_tells_of_the_login(gateway, mode, lines):
    gw = gateway("--mode", mode)
    log = gw.log
    for line in [".> Starting IBC/IB gateway", ".> Starting socat", "Starting IBC version", *lines]:
        assert line in log
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3} IBC: Starting IBC", log, re.M)
    assert ("Login has completed" in log) == (mode == "ok")


def test_a_slow_login_ends_with_the_api(gateway):
    gw = gateway("--mode", "slow-login", "--after", "600")
    assert not connects(gw.port) and "Login has completed" not in gw.log
    again_after_a_second(gw, "slow-login")
    wait_until(lambda: connects(gw.port), "the API does not come")
    assert "Login has completed" in gw.log
    ready(gw)


def test_failed_logins_go_on(gateway):
    gw = gateway("--mode", "login-failed")
    wait_until(lambda: gw.log.count("Login failed") >= 3, "the login is not tried again")


def test_lines_can_be_put_into_the_log(gateway):
    gw = gateway()
    gw.command("log Existing session detected")
    assert "\nExisting session detected\n" in gw.log


@pytest.mark.parametrize("command, code", [("exit 1", 1), ("exit", 0), ("mode 2fa-timeout", 87)])
def test_it_ends_on_demand(gateway, command, code):
    gw = gateway()
    ready(gw)
    gw.send(command)
    assert gw.process.wait(10) == code


# --- bad clients


@pytest.mark.parametrize("raw", [
    b"62\0", b"GET / HTTP/1.1\r\n\r\n", b"API\0\xff\xff\xff\xff", b"API\0\0\0\0\x05v1..x", b"\0" * 64,
    b"API\0\0\0\0\x09v100..178" + b"\xff\xff\xff\xff",
    b"API\0\0\0\0\x09v100..178" + b"\0\0\0\0",
    b"API\0\0\0\0\x09v100..178" + b"\0\0\0\x0249"])
def test_a_client_that_talks_nonsense_is_closed_alone(gateway, raw):
    gw = gateway()
    good = ready(gw)
    bad = gw.wire(login=False)
    bad.send_raw(raw)
    assert is_closed(bad)
    good.send(49, 1)
    good.expect(49)


def test_many_clients_come_and_go(gateway):
    gw = gateway()
    crowd = [gw.wire(client_id=100 + i) for i in range(100)]
    for one in crowd:
        one.expect(9)
    assert gw.status["sessions"] == "100"
    for one in crowd:
        one.close()
    wait_until(lambda: gw.status["clients"] == "0", "closed clients are kept")


def test_one_more_than_fit_is_closed_at_once(gateway):
    gw = gateway()
    crowd = [gw.wire(login=False) for _ in range(128)]
    wait_until(lambda: gw.status["clients"] == "128", "not all came in")
    assert gw.wire(login=False).receive_raw() == b""
    assert len(crowd) == 128


@pytest.mark.parametrize("mode", ["ok", "slow", "split"])
def test_a_client_that_never_reads_is_dropped(gateway, mode):
    gw = gateway()
    good = ready(gw)
    bad = ready(gw, client_id=8)
    gw.mode(mode)
    bad.socket.settimeout(5)
    asked = frame(62, 1, 1, "All", "x") * 200
    try:
        while gw.process.poll() is None:
            bad.send_raw(asked)
    except (ConnectionResetError, BrokenPipeError):
        pass
    assert "client 8 takes too little" in gw.log
    gw.mode("ok")
    good.send(49, 1)
    good.expect(49)


def test_the_control_port_survives_bad_peers(gateway):
    gw = gateway()
    long_line = socket.create_connection(("127.0.0.1", gw.control), timeout=10)
    long_line.sendall(b"x" * 100000)
    try:
        assert long_line.recv(100) == b""
    except ConnectionResetError:
        pass
    crowd = [socket.create_connection(("127.0.0.1", gw.control)) for _ in range(16)]
    for one in crowd:
        one.sendall(b"status\n")
        assert one.recv(200).startswith(b"ok mode=ok")
    over = socket.create_connection(("127.0.0.1", gw.control), timeout=10)
    try:
        assert over.recv(100) == b""
    except ConnectionResetError:
        pass
    for one in crowd:
        one.close()
    wait_until(lambda: gw.send("status").returncode == 0, "no room came free")
    for command in ("nonsense", "mode nonsense", "after x", "exit 999", "mode"):
        done = gw.send(command)
        assert done.returncode == 1 and done.stdout.startswith("error "), command


def test_a_taken_port_is_told(gateway, programs):
    gw = gateway("--mode", "refuse")
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", gw.port))
        squatter.listen()
        done = gw.send("mode ok")
        assert done.returncode == 1 and "port is taken" in done.stdout
    gw.mode("ok")
    ready(gw)
