"""The same machine with a kernel and disks of its own, in qemu: what it has not written to a disk
is lost with its power. Under KVM where the machine offers it, else by emulation, which is slow."""

import contextlib
import shlex
import shutil
import socket
import subprocess
import time

from machine import BOOT_S, Machine

QEMU = "qemu-system-x86_64"
CPU = "qemu64"
KVM_TRIAL_S = 20
EMULATED = 10  # times slower, about
ROOT_GB = 8
MEMORY_MB = 2048

NETWORK = """[Match]
Name=eth0
[Network]
Address=10.0.2.15/24
"""  # qemu's own: it leads nowhere but to the ssh server

FSTAB = """/dev/vda / ext4 defaults 0 1
/dev/vdb /var/lib/tradestack ext4 defaults 0 2
shared /shared 9p trans=virtio,version=9p2000.L,msize=131072 0 0
"""


def boots_with_kvm(kernel):
    """Some machines offer a KVM that cannot run a kernel's first instructions: tried, not asked."""
    line = [QEMU, "-machine", "q35", "-accel", "kvm", "-cpu", CPU, "-m", "512", "-nodefaults",
            "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", kernel, "-append",
            "console=ttyS0 panic=-1"]  # fmt: skip
    try:
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, timeout=KVM_TRIAL_S, check=False
        )
        return b"Linux version" in done.stdout
    except subprocess.TimeoutExpired as expired:
        return b"Linux version" in (expired.stdout or b"")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Kernel(Machine):
    END_STATUS = {"poweroff": 0, "reboot": 0}  # of qemu with -no-reboot

    def _make_disks(self, base):
        self._base = base
        self._accelerator = "kvm" if boots_with_kvm(self._boot_file("vmlinuz")) else "tcg"
        self.PATIENCE = 1 if self._accelerator == "kvm" else EMULATED
        self._images = {"root": self.home / "root.img", "state": self._make_state_image()}
        self._key = self.home / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key], check=True)
        with self._images["root"].open("wb") as f:
            f.truncate(ROOT_GB << 30)
        subprocess.run(["mkfs.ext4", "-q", "-d", base, self._images["root"]], check=True)
        with self._mounted("state") as state:
            shutil.rmtree(state / "lost+found")
        with self.disk() as root:
            (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
            shutil.copy(self._key.with_suffix(".pub"), root / "root/.ssh/authorized_keys")
            (root / "etc/systemd/network/wired.network").write_text(NETWORK, encoding="ascii")
            (root / "etc/fstab").write_text(FSTAB, encoding="ascii")
            for path in ("shared", "var/lib/tradestack"):
                (root / path).mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def _mounted(self, name):
        assert not self.is_on
        point = self.home / name
        point.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "loop", self._images[name], point], check=True)
        try:
            yield point
        finally:
            subprocess.run(["umount", point], check=True)

    def disk(self):
        """The file system while the machine is off."""
        return self._mounted("root")

    def state_disk(self):
        """The state directory's, likewise."""
        return self._mounted("state")

    def _boot_file(self, name):
        return next((self._base / "boot").glob(f"{name}-*"))

    def _command_line(self):
        line = [QEMU, "-machine", "q35", "-accel", self._accelerator, "-cpu", CPU, "-smp", "2",
                "-m", str(MEMORY_MB), "-nodefaults", "-no-user-config", "-display", "none",
                "-serial", "stdio", "-no-reboot",
                "-kernel", self._boot_file("vmlinuz"), "-initrd", self._boot_file("initrd.img"),
                "-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=-1 quiet",
                "-nic", f"user,model=virtio,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-:22",
                "-device", "virtio-rng-pci", "-virtfs",
                f"local,path={self.shared},mount_tag=shared,security_model=none"]  # fmt: skip
        for image in self._images.values():
            line += ["-drive", f"file={image},format=raw,if=virtio"]
        return line

    def boot(self):
        """Switches it on and waits until commands can be run inside."""
        assert self._process is None
        self.booted_at = time.monotonic()
        self._port = free_port()
        with (self.home / "console").open("ab") as console:
            self._process = subprocess.Popen(
                self._command_line(), stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        deadline = time.monotonic() + BOOT_S * self.PATIENCE
        while self.run("true", check=False).returncode != 0:
            assert time.monotonic() < deadline and self._process.poll() is None, self.console()
            time.sleep(0.1)

    def power_loss(self):
        self._process.kill()
        self._wait_off(60)

    def _execute(self, command, **kwargs):
        return subprocess.run(
            ["ssh", "-q", "-i", self._key, "-p", str(self._port), "-o", "BatchMode=yes",
             "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", f"ConnectTimeout={5 * self.PATIENCE}", "root@127.0.0.1", shlex.join(command)],
            **kwargs,
        )  # fmt: skip

    def destroy(self):
        if self.is_on:
            self.power_loss()
        for name in ("root", "state"):
            subprocess.run(["umount", "--quiet", "--lazy", self.home / name], check=False)
        shutil.rmtree(self.home, ignore_errors=True)
