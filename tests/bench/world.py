"""Where the measurements happen: a network and mount namespace of our own with a real, private
Docker engine, as in the integration tests (whose harness this uses), so that ports clash with
nothing and no other container is counted."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests/integration"))

from harness import engine as engine_module  # noqa: E402
from harness import stack as stack_module  # noqa: E402

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
BUILD = pathlib.Path(os.environ.get("TRADESTACK_BUILD", REPO / "build")).resolve()


def enter_private_world():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        sys.exit(f"no own network and mount namespace ({os.strerror(ctypes.get_errno())}): run as root")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class World:
    """The engine with its images, and a folder for whatever else a measurement needs."""

    def __init__(self, home):
        self.home = home
        self.engine = engine_module.Engine(REPO, home / "engine")
        self.programs = stack_module.Programs(BUILD)
        self._stack_images = False

    def tool(self, name):
        """One of the small C programs beside this file."""
        return BUILD / "tests/bench" / name

    def need_stack_images(self):
        if not self._stack_images:
            subprocess.run([REPO / "stack/images/build.sh", BUILD], env=self.engine.env, check=True,
                           timeout=300, stdout=subprocess.DEVNULL)
            self._stack_images = True

    def need_busybox(self):
        """An image `bench-box`: busybox alone, whose web server is what gets killed."""
        if self.engine.docker("images", "-q", "bench-box"):
            return
        root = self.home / "box"
        (root / "bin").mkdir(parents=True)
        (root / "www").mkdir()
        (root / "www/index.html").write_text("yes\n", encoding="ascii")
        shutil.copy("/bin/busybox", root / "bin/busybox")
        (root / "bin/sh").symlink_to("busybox")  # a health check's command goes through it
        (root / "Dockerfile").write_text("FROM scratch\nCOPY bin /bin\nCOPY www /www\n", encoding="ascii")
        subprocess.run(["docker", "build", "--quiet", "--tag", "bench-box", root], check=True,
                       env={**self.engine.env, "DOCKER_BUILDKIT": "0"}, stdout=subprocess.DEVNULL)

    def stack(self, **arguments):
        self.need_stack_images()
        return stack_module.Stack(REPO, self.programs, self.engine, **arguments)

    def folder(self, name):
        path = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.home))
        path.chmod(0o755)
        return path


@contextlib.contextmanager
def world():
    enter_private_world()
    home = pathlib.Path(tempfile.mkdtemp(prefix="tsb-", dir="/var/tmp"))
    home.chmod(0o755)
    made = World(home)
    try:
        made.engine.start()
        yield made
    finally:
        made.engine.purge()
        shutil.rmtree(home, ignore_errors=True)
