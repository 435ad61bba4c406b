"""The daemon ends in order, whatever its clients wait for; a reload repeats nothing."""

import json
import socket
import time


def ask(path, method, **parameters):
    """Sends a call that is answered bit by bit, and leaves it open."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    call = {"method": f"io.tradestack.Supervisor.{method}", "parameters": parameters, "more": True}
    client.sendall(json.dumps(call).encode() + b"\0")
    return client


def test_ends_in_order_under_clients_that_follow_and_wait(tradestack):
    daemon = tradestack.daemon
    daemon.call("Start", timeout_s=10)
    daemon.wait_ready()
    tradestack.gateway_send("mode hang")
    clients = [
        ask(daemon.socket, "Logs", service="gateway", follow=True),
        ask(daemon.socket, "Watch"),
        ask(daemon.socket, "Events", follow=True),
        ask(daemon.socket, "Restart", service="gateway", wait=True),
    ]
    try:
        for client in clients[:2] + clients[3:]:
            assert client.recv(1), "the call was not taken up"
        daemon.stop()  # a sanitizer's finding makes the exit status another one
    finally:
        for client in clients:
            client.close()


SIGNALS = {"signals gateway": {"session-clash": "Existing session detected"}}


def test_reload_does_not_raise_an_old_sign_again(stack_factory):
    stack = stack_factory(config=SIGNALS)
    stack.create()
    stack.daemon.start()
    daemon = stack.daemon
    daemon.call("Start", timeout_s=10)
    daemon.wait_ready()
    stack.gateway_send("log Existing session detected")

    def seen():
        return daemon.log.read_text().count("its log says")

    def wait_for(condition, what):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.05)

    wait_for(lambda: seen() == 1, "the sign was not seen")
    daemon.call("Reload")
    stack.gateway_send("log Existing session detected")  # this one is new, and behind the old one
    wait_for(lambda: seen() >= 2, "a sign after the reload was not seen")
    daemon.wait_ready()
    assert seen() == 2
