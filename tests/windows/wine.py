"""A Windows machine: a Wine prefix with its service manager, and what was written to the Event Log."""

import collections
import json
import os
import re
import socket
import subprocess
import threading
import time

WINE = "/usr/lib/wine/wine64"
SERVER = "/usr/lib/wine/wineserver64"
CALL_S = 60
PIPE = "//./pipe/tradestack"

Event = collections.namedtuple("Event", "type category id strings")


def forward(unix_path):
    """A TCP port of this machine behind which the Unix socket is."""
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve():
        while True:
            client, _ = listener.accept()
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(unix_path))
            except OSError:
                client.close()
                continue
            for pair in ((client, server), (server, client)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


class Windows:
    def __init__(self, repo, prefix):
        self.build = repo / "build-win"
        self.prefix = prefix
        self.drive = prefix / "drive_c"
        self.data = self.drive / "ProgramData/tradestack"
        self.programs = self.drive / "Program Files/tradestack"
        self.log = prefix.parent / "wine.log"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "WINE"))},
            "WINEPREFIX": str(prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "DISPLAY": "",
        }
        self._keeper = None
        self._alive = prefix.parent / "alive"

    # --- the machine

    def boot(self):
        """Its service manager starts now; what services print, and their events, go to the log."""
        self.prefix.mkdir(parents=True, exist_ok=True)
        if not (self.prefix / "system.reg").exists():
            subprocess.run([WINE, "wineboot", "-i"], env=self.env, check=True, timeout=180,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        subprocess.run([SERVER, "-w"], env=self.env, check=True, timeout=60)
        self._alive.touch()
        with self.log.open("ab") as log:
            # Event ids and types are in a "fixme" of Wine, the strings in its "eventlog" channel.
            env = {**self.env, "WINEDEBUG": "err-all,fixme-all,fixme+advapi,fixme+service,+eventlog"}
            self._keeper = subprocess.Popen([WINE, self.build / "tests/windows/scm.exe", "keep",
                                             f"Z:{self._alive}"], env=env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)  # fmt: skip

    def shut_down(self):
        self._alive.unlink(missing_ok=True)
        subprocess.run([SERVER, "-k"], env=self.env, timeout=60)
        self._keeper.wait(60)
        subprocess.run([SERVER, "-w"], env=self.env, timeout=60)

    def start(self, program, *arguments):
        return subprocess.Popen([WINE, program, *map(str, arguments)], env=self.env, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)  # fmt: skip

    def run(self, program, *arguments, check=0, timeout=CALL_S):
        """Runs it and gives what it printed on both streams; check: the exit status, None: any."""
        done = subprocess.run([WINE, program, *map(str, arguments)], env=self.env, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout)  # fmt: skip
        assert check is None or done.returncode == check, f"{program} {arguments}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def scm(self, *arguments, **how):
        return self.run(self.build / "tests/windows/scm.exe", *arguments, **how)

    def msiexec(self, *arguments, check=0):
        return self.run("msiexec", *arguments, "/qn", check=check, timeout=180)

    # --- what is installed

    def service(self, *arguments, **how):
        how.setdefault("timeout", 120)
        return self.run(self.programs / "tradestackd.exe", "service", *arguments, **how)

    def service_state(self):
        done = self.service("status", "--json", check=None)
        return json.loads(done)["state"] if done.startswith("{") else "none"

    def ctl(self, *arguments, **how):
        return self.run(self.programs / "tradestackctl.exe", *arguments, **how)

    def status(self):
        done = self.ctl("status", "--json", check=None)
        return json.loads(done) if done.startswith("{") else {"state": done, "services": [],
                                                              "engine": {"up": False}}  # fmt: skip

    def wait_status(self, holds, what, deadline_s=60):
        end = time.monotonic() + deadline_s
        while not holds(status := self.status()):
            assert time.monotonic() < end, f"no {what} within {deadline_s} s: {status}"
            time.sleep(0.3)
        return status

    def wait_ready(self, deadline_s=90):
        return self.wait_status(lambda s: s["state"] == "ready", "ready stack", deadline_s)

    def wait_service(self, state, deadline_s=60):
        end = time.monotonic() + deadline_s
        while (now := self.service_state()) != state:
            assert time.monotonic() < end, f"the service is {now}, not {state}"
            time.sleep(0.3)

    def daemon_pid(self):
        """The Unix process that is the service."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    line = open(f"/proc/{entry}/cmdline", "rb").read()
                except OSError:
                    continue
                if b"tradestackd.exe" in line and b"--service" in line:
                    found.append(int(entry))
        assert len(found) == 1, found
        return found[0]

    # --- the Event Log

    def events(self):
        """What was reported, oldest first."""
        found, strings = {}, None
        order = []
        text = self.log.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            if m := re.match(r"(\w+):fixme:advapi:ReportEventW \(\w+,0x(\w+),0x(\w+),0x(\w+),\w+,0x(\w+)", line):
                kind, category, number, count = (int(m[i], 16) for i in (2, 3, 4, 5))
                strings = []
                order.append(Event(kind, category, number, strings))
                found[m[1]] = (strings, count)
            elif (m := re.match(r'(\w+):\w+:eventlog:ReportEventW L"(.*)"$', line)) and m[1] in found:
                strings, count = found[m[1]]
                if len(strings) < count:
                    strings.append(m[2])
        return order

    def wait_event(self, name, text="", since=0, deadline_s=30):
        end = time.monotonic() + deadline_s
        while True:
            for event in self.events()[since:]:
                if len(event.strings) > 1 and event.strings[1] == name and text in event.strings[0]:
                    return event
            assert time.monotonic() < end, f"no event {name} \"{text}\"; last: {self.events()[-12:]}"
            time.sleep(0.2)
