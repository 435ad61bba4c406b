"""The webhook receiver (tests/tools/webhook_receiver.py) as a child of the test."""

import json
import subprocess
import time
import urllib.request

START_S = 20


class Receiver:
    def __init__(self, repo, folder, *arguments):
        self.folder = folder / "receiver"
        self.output = folder / "receiver.log"
        self.command = [
            "/usr/bin/python3",
            str(repo / "tests/tools/webhook_receiver.py"),
            "--dir",
            str(self.folder),
            *arguments,
        ]
        self.child = None

    def __enter__(self):
        with open(self.output, "ab") as out:
            self.child = subprocess.Popen(self.command, stdout=out, stderr=subprocess.STDOUT)
        self.wait_until(lambda: (self.folder / "ready").exists(), "it is ready", START_S)
        return self

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    @property
    def ca_file(self):
        return self.folder / "ca.pem"

    @property
    def discord_url_file(self):
        return self.folder / "discord-url"

    @property
    def webhook_url_file(self):
        return self.folder / "webhook-url"

    @property
    def token(self):
        return json.loads((self.folder / "identity.json").read_text())["token"]

    def control(self, path, order=None):
        url = (self.folder / "control-url").read_text().strip() + path
        body = None if order is None else json.dumps(order).encode()
        with urllib.request.urlopen(url, data=body, timeout=10) as reply:
            return json.loads(reply.read())

    def behave(self, mode, **details):
        self.control("/behave", {"mode": mode, **details})

    def listen(self, on):
        self.control("/listen", {"on": on})

    def requests(self, **wanted):
        """Requests so far whose record has all these values: requests(method="PATCH")."""
        return [
            request
            for request in self.control("/requests")
            if all(request.get(key) == value for key, value in wanted.items())
        ]

    def messages(self):
        return self.control("/messages")

    def titles(self):
        """Titles of all alerts that were taken, in the order in which they came."""
        found = []
        for message in self.messages():
            if message["kind"] == "discord":
                found += [embed["title"] for embed in message["body"].get("embeds", [])]
            else:
                found += [alert["title"] for alert in message["body"]["alerts"]]
        return found

    def wait_until(self, condition, what, deadline_s=20):
        """Gives the condition's first true value."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            if self.child.poll() is not None:
                raise AssertionError(f"the receiver ended: {self.output.read_text()}")
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f"within {deadline_s} s the receiver did not see that {what}")
