"""A private, real Docker engine (stack/engine.sh) that tests may stop, freeze and restart."""

import os
import select
import signal
import subprocess

KILLED_S = 30  # until a killed process is gone; it may have to wait for its disk


class Engine:
    def __init__(self, repo, root):
        self.root = root
        self.socket = root / "docker.sock"
        self.host = f"unix://{self.socket}"
        self._plugin = repo / "build/docker-plugins/docker-compose"
        self._script = repo / "stack/engine.sh"
        # No contexts, credentials or proxies of the user who runs the tests.
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "COMPOSE_"))},
            "DOCKER_HOST": self.host,
            "DOCKER_CONFIG": str(root / "client"),
        }

    def start(self):
        # A Compose of the tests' own: the machine's may be taken away meanwhile.
        plugins = self.root / "client/cli-plugins"
        if self._plugin.exists() and not plugins.exists():
            plugins.mkdir(parents=True)
            (plugins / "docker-compose").symlink_to(self._plugin)
        start = [self._script, "start", self.root]
        if subprocess.run(start, check=False, timeout=180).returncode != 0:
            # A dockerd that was killed may leave a containerd that answers no more: once again.
            subprocess.run([self._script, "stop", self.root], check=False, timeout=120)
            subprocess.run(start, check=True, timeout=180)

    def ensure(self):
        """Whatever a test before has done to it: it answers."""
        try:
            self.resume()
            self.docker("version", timeout=20)
        except (AssertionError, OSError, ValueError, subprocess.TimeoutExpired):
            subprocess.run([self._script, "stop", self.root], check=False, timeout=120)
            self.start()

    def stop(self):
        """Ends dockerd in order: its containers end too."""
        subprocess.run([self._script, "stop", self.root], check=True, timeout=120)

    def restart(self):
        self.stop()
        self.start()

    def purge(self):
        subprocess.run([self._script, "stop", self.root, "--purge"], check=True, timeout=120)

    @property
    def pid(self):
        return int((self.root / "docker.pid").read_text(encoding="ascii"))

    def pause(self):
        """dockerd accepts connections (the kernel does that) and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def kill(self):
        """A crash of dockerd, over when this returns. Containers go on; start() finds them again."""
        process = os.pidfd_open(self.pid)
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            ended, _, _ = select.select([process], [], [], KILLED_S)
            assert ended, f"dockerd was killed and goes on for {KILLED_S} s"
        finally:
            os.close(process)

    def docker(self, *args, check=True, timeout=60):
        """Runs the docker command and returns what it printed, without the last newline."""
        done = subprocess.run(
            ["docker", *map(str, args)],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"docker {' '.join(map(str, args))}: {done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def docker_output(self, *args, timeout=60):
        """The same, with what it said on both streams."""
        done = subprocess.run(["docker", *map(str, args)], env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=timeout)  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def compose(self, *args, check=True, timeout=180):
        return self.docker("compose", *args, check=check, timeout=timeout)
