"""The daemon ends in order, whatever its clients wait for; a reload repeats nothing."""

import json
import socket
import time

import pytest


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
