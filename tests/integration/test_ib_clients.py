"""Independent IB API clients from npm against the gateway simulator: if they connect, it speaks the
protocol, and not only what our own client understands."""

import time

import pytest

# Until stoqey.mjs has seen what it waits for. Nothing takes that long when all is well.
LONG_S = "30"


@pytest.mark.parametrize("version", [145, 165, 178, 193])
def test_stoqey_connects_and_is_answered(gateway, version):
    seen = gateway("--server-version", str(version)).client(
        "stoqey.mjs", 7, LONG_S, "accounts", "nextId", "time", "NetLiquidation", "TotalCashValue",
        "positionsEnded", "ticks>=3", "2104", "2106", "2158")  # fmt: skip
    assert seen["connected"] and seen["accounts"] == "DU1234567" and seen["nextId"] == 1
    assert abs(seen["time"] - time.time()) < 30
    assert {"NetLiquidation", "TotalCashValue"} <= set(seen["summary"])
    assert seen["positionsEnded"] and seen["ticks"] >= 3
    assert {2104, 2106, 2158} <= set(seen["codes"])


def test_stoqey_sees_every_account(gateway):
    seen = gateway("--account", "DU1234567,DU7654321").client(
        "stoqey.mjs", 7, LONG_S, "accounts")  # fmt: skip
    assert seen["accounts"] == "DU1234567,DU7654321"


def test_ib_tws_api_connects_and_gets_the_time(gateway):
    seen = gateway().client("tws.mjs")
    assert seen["connected"] and seen["error"] is None
    assert abs(int(seen["time"]) - time.time()) < 30


@pytest.mark.parametrize("mode", ["split", "slow"])
def test_answers_in_pieces_and_late_are_understood(gateway, mode):
    seen = gateway("--mode", mode).client("stoqey.mjs", 7, LONG_S, "accounts", "nextId")
    assert seen["accounts"] == "DU1234567" and seen["nextId"] == 1


@pytest.mark.parametrize("mode, code", [("upstream-lost", 1100), ("upstream-2110", 2110)])
def test_a_lost_upstream_is_told(gateway, mode, code):
    seen = gateway("--mode", mode).client("stoqey.mjs", 7, LONG_S, str(code))
    assert code in seen["codes"]


def test_an_upstream_that_comes_back_is_told(gateway):
    gw = gateway("--mode", "upstream-lost-back", "--after", "600")
    client = gw.start_client("stoqey.mjs", 7, LONG_S, "1100", "1102")
    deadline = time.monotonic() + float(LONG_S)
    while gw.status["sessions"] != "1":
        assert time.monotonic() < deadline and client.poll() is None, "no session"
    gw.command("after 1")
    gw.mode("upstream-lost-back")
    seen = gw.seen_by(client)
    assert seen["codes"].index(1100) < seen["codes"].index(1102)


def test_a_client_id_in_use_is_refused_with_326(gateway):
    gw = gateway()
    holder = gw.wire(client_id=7)
    holder.expect(9)
    seen = gw.client("stoqey.mjs", 7, LONG_S, "326", "disconnected")
    assert 326 in seen["codes"] and seen["disconnected"] and seen["accounts"] is None
    assert gw.client("stoqey.mjs", 8, LONG_S, "accounts")["accounts"] == "DU1234567"
    holder.close()


def test_without_accounts_nobody_is_connected(gateway):
    gw = gateway("--mode", "no-accounts")
    assert gw.client("stoqey.mjs", 7, "1")["accounts"] is None
    assert gw.client("tws.mjs")["connected"] is False


@pytest.mark.parametrize("mode", ["silent", "refuse", "accept-close", "garbage-length", "reset"])
def test_the_same_gateway_recovers_for_the_next_client(gateway, mode):
    gw = gateway("--mode", mode)
    assert gw.client("stoqey.mjs", 7, "1")["accounts"] is None
    gw.mode("ok")
    assert gw.client("stoqey.mjs", 7, LONG_S, "accounts")["accounts"] == "DU1234567"
    assert gw.client("tws.mjs")["connected"] is True
