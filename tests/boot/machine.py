"""A machine that really boots, reboots and loses power: systemd as process 1 with its own Docker.
`Machine` is what all have in common; here also the one in namespaces of its own (systemd-nspawn),
whose file system is a folder; kernel.py has one with a kernel of its own. The state directory of
tradestack is a small file system of its own, so that it can be full."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

BOOT_S = 60
STATE_MB = 24
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENV = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


class Machine:
    PATIENCE = 1  # how many times longer than usual everything may take

    def __init__(self, base, home):
        self.home = pathlib.Path(home)
        self.shared = self.home / "shared"  # /shared: outlives every power cut
        self.booted_at = None
        self._process = None
        self.shared.mkdir(parents=True)
        self._make_disks(base)

    def _make_state_image(self):
        image = self.home / "state.img"
        with image.open("wb") as f:
            f.truncate(STATE_MB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        return image

    # --- power

    def _wait_off(self, seconds):
        status = self._process.wait(seconds * self.PATIENCE)
        self._process = None
        return status

    def shut_down(self, verb="poweroff", seconds=150, command=None):
        """In order, as an operator does it or by another command. Returns how long it took."""
        began = time.monotonic()
        self.run(*(command or ["systemctl", "--no-block", verb]))
        status = self._wait_off(seconds)
        assert status == self.END_STATUS[verb], self.console()
        return time.monotonic() - began

    def reboot(self):
        took = self.shut_down("reboot")
        self.boot()
        return took

    @property
    def is_on(self):
        return self._process is not None

    # --- inside

    def run(self, *command, check=True, timeout=120, text=None):
        """Runs a command inside. Returns what it printed; with check=False the finished process."""
        done = self._execute([str(word) for word in command], input=text, capture_output=True,
                             text=True, timeout=timeout * self.PATIENCE)  # fmt: skip
        if not check:
            return done
        if done.returncode != 0:
            line = " ".join(map(str, command))
            raise AssertionError(f"{line}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.rstrip("\n")

    def read(self, path):
        return self.run("cat", path)

    def write(self, path, text):
        """Into an existing folder, or one that is made."""
        self.run("sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1"', "sh", path, text=text)

    def wait(self, predicate, seconds, what):
        """Until predicate() is true. Commands that fail meanwhile only mean: not yet."""
        deadline = time.monotonic() + seconds * self.PATIENCE
        why = None
        while time.monotonic() < deadline:
            try:
                value = predicate()
                if value:
                    return value
                why = value
            except (AssertionError, subprocess.TimeoutExpired, ValueError) as error:
                why = error
            time.sleep(0.1)
        raise AssertionError(f"no {what} within {seconds} s: {why}\n{self.evidence()}")

    def wait_booted(self):
        def settled():
            return self.run("systemctl", "is-system-running", check=False).stdout.strip() in (
                "running", "degraded")  # fmt: skip

        self.wait(settled, BOOT_S, "settled boot")

    def status(self):
        done = self.run("tradestackctl", "status", "--json", check=False, timeout=20)
        return json.loads(done.stdout)

    def wait_ready(self, seconds=90):
        return self.wait(lambda: self._ready(self.status()), seconds, "ready stack")

    @staticmethod
    def _ready(status):
        """Also: no exchange of containers is under way (a rollout that a power cut interrupted)."""
        well = status["state"] == "ready" and len(status["services"]) == 3
        return status if well and status["move"] is None else None

    def journal(self, *arguments):
        """Entries of this boot, oldest first."""
        text = self.run("journalctl", "--boot", "--output=json", "--no-pager", *arguments)
        return [json.loads(line) for line in text.splitlines()]

    def console(self):
        file = self.home / "console"
        return file.read_text(encoding="utf-8", errors="replace")[-3000:] if file.exists() else ""

    def evidence(self):
        if not self.is_on:
            return self.console()
        parts = []
        for command in (
            ["systemctl", "--no-pager", "--failed"],
            ["journalctl", "--boot", "--no-pager", "--lines=80", "-u", "tradestackd"],
            ["journalctl", "--boot", "--no-pager", "--lines=30", "-u", "docker"],
            ["docker", "ps", "--all"],
        ):
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = self.run(*command, check=False, timeout=20)
                parts.append(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}")
        return "\n".join(parts)


class Namespaces(Machine):
    """In namespaces of this machine's kernel."""

    END_STATUS = {"poweroff": 0, "reboot": 133}  # of nspawn with --keep-unit

    def _make_disks(self, base):
        self._root = self.home / "root"
        self._state = self.home / "state"
        self._pid = None
        subprocess.run(["cp", "-a", "--reflink=auto", base, self._root], check=True)
        self._state.mkdir()
        subprocess.run(["mount", "-o", "loop", self._make_state_image(), self._state], check=True)
        shutil.rmtree(self._state / "lost+found")
        (self._root / "var/lib/tradestack").mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def disk(self):
        """The file system while the machine is off."""
        assert not self.is_on
        yield self._root

    @contextlib.contextmanager
    def state_disk(self):
        """The state directory's, likewise."""
        assert not self.is_on
        yield self._state

    def boot(self):
        """Switches it on and waits for process 1; what runs inside by then is another matter."""
        assert self._process is None
        self.booted_at = time.monotonic()
        with (self.home / "console").open("ab") as console:
            self._process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--directory", self._root, "--boot", "--register=no",
                 "--keep-unit", "--capability=all", "--private-network", "--link-journal=no",
                 "--system-call-filter=add_key keyctl bpf", "--console=pipe",
                 f"--bind={self.shared}:/shared", f"--bind={self._state}:/var/lib/tradestack"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                env={**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"},
            )  # fmt: skip
        deadline = time.monotonic() + BOOT_S
        while self._pid is None:
            assert time.monotonic() < deadline and self._process.poll() is None, self.console()
            self._pid = self._find_init()
            time.sleep(0.02)

    def _find_init(self):
        """Process 1 of the inside: the child of nspawn that runs systemd in another namespace."""
        children = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        with contextlib.suppress(OSError):
            for pid in children.read_text(encoding="ascii").split():
                name = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
                if name == "systemd":
                    return int(pid)
        return None

    def _wait_off(self, seconds):
        status = super()._wait_off(seconds)
        self._pid = None
        return status

    def power_loss(self):
        """Everything inside ends at once and unasked: process 1 takes its namespace with it."""
        os.kill(self._pid, signal.SIGKILL)
        self._wait_off(60)

    def _execute(self, command, **kwargs):
        return subprocess.run(
            ["nsenter", "--target", str(self._pid), "--all", "--", *command], env=ENV, **kwargs
        )

    def destroy(self):
        if self.is_on:
            with contextlib.suppress(ProcessLookupError, TypeError):
                os.kill(self._pid or self._process.pid, signal.SIGKILL)
            self._wait_off(60)
        self._unmount()
        shutil.rmtree(self.home, ignore_errors=True)

    def _unmount(self):
        """What lies below our folder, deepest first."""
        text = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8")
        points = [re.sub(r"\\040", " ", line.split()[1]) for line in text.splitlines()]
        for point in sorted((p for p in points if p.startswith(f"{self.home}/")), reverse=True):
            subprocess.run(["umount", "--lazy", point], check=False)
