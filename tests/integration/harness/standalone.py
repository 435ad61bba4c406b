"""The stack before the operators' move: a gateway that runs from a file of its own, in a network of
its own, beside a unified file that was never started."""

from harness.stack import what_matters

OLD = """\
services:
  gateway:
    container_name: ibkr-gateway
    image: tradestack-gwsim:latest
    environment:
      TWS_USERID: someone
      TWS_PASSWORD: ${OLD_SECRET}
      TRADING_MODE: paper
    ports: ["127.0.0.1:4002:4004"]
    restart: unless-stopped
    stop_grace_period: 30s
    healthcheck:
      test: ["CMD", "/usr/bin/tradestack-gwsim", "--send", "127.0.0.1:7462", "status"]
      interval: 1s
      timeout: 2s
      start_period: 5s
"""
SECRET = "hunter2-of-this-test"
CREDENTIALS = {"IBKR_USERNAME": "someone", "IBKR_PASSWORD": SECRET}


class Standalone:
    """The stack as it is before: the old gateway runs, the daemon knows nothing of it."""

    def __init__(self, stack):
        self.stack = stack
        self.daemon = stack.daemon
        self.folder = stack.home / "gateway"
        self.folder.mkdir()
        self.file = self.folder / "docker-compose.yml"
        self.file.write_text(OLD, encoding="utf-8")
        (self.folder / ".env").write_text(f"OLD_SECRET={SECRET}\n", encoding="utf-8")
        self.start()
        self.before = what_matters(stack.inspect("ibkr-gateway"))

    def start(self):
        # Only the gateway is waited for: a bot that its settings forbid has ended at once.
        self.stack.engine.compose("--file", self.file, "up", "--detach")
        self.stack.engine.compose("--file", self.file, "up", "--detach", "--wait", "gateway")

    def migrate(self, *arguments, check=True):
        return self.daemon.ctl("migrate", "--from", self.file, "--to", self.stack.compose_file,
                               "--env-file", self.stack.env_file, *arguments, check=check,
                               timeout=200)  # fmt: skip

    def change(self, **settings):
        with self.stack.env_file.open("a", encoding="utf-8") as file:
            file.write("".join(f"{key}={value}\n" for key, value in settings.items()))

    def containers(self):
        """name -> state"""
        lines = self.stack.engine.docker("ps", "--all", "--format", "{{.Names}} {{.State}}")
        return dict(line.split() for line in lines.splitlines())

    def is_as_before(self):
        inspect = self.stack.inspect("ibkr-gateway")
        assert what_matters(inspect) == self.before
        assert inspect["State"]["Running"], inspect["State"]
        found = self.containers()
        assert found == {"ibkr-gateway": "running"}, found
        assert self.daemon.status()["move"] is None

    def is_moved(self):
        self.daemon.wait_ready()
        inspect = self.stack.inspect("ibkr-gateway")
        assert inspect["Config"]["Labels"]["com.docker.compose.project"] == "docker"
        assert list(inspect["NetworkSettings"]["Networks"]) == ["docker_trading-network"]
        running = [name for name, state in self.containers().items() if state == "running"]
        assert sorted(running) == sorted(self.stack.CONTAINERS)

    def clean(self):
        names = [name for name in self.containers() if name.startswith("ibkr-gateway")]
        self.stack.engine.docker("rm", "--force", *names, check=False)
        self.stack.engine.docker("network", "rm", "gateway_default", check=False)
