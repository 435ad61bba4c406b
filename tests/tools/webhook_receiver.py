#!/usr/bin/env python3
"""A local stand-in for a chat service: takes alerts over HTTPS as Discord and as a plain webhook.

For the tests and for the quick start; nothing leaves the machine. It makes its own throw-away
certificate authority, shows one line per alert, writes every request to a file, checks each
message against Discord's limits as strictly as Discord does, and misbehaves on order.

In --dir it keeps:
  ca.pem         what a client has to trust (channel key ca_file)
  discord-url    the Discord webhook's URL, mode 0600 (channel key url_file)
  webhook-url    the plain webhook's URL, mode 0600
  control-url    where to give orders (HTTP on loopback)
  requests.jsonl one JSON object per request, the token left out (unless --record says otherwise)

Orders, with the control URL in $C:
  curl $C/requests                                    all requests so far
  curl $C/behave -d '{"mode": "429", "times": 2}'     the next two requests are answered with 429
  curl $C/behave -d '{"mode": "hang"}'                until further notice
  curl $C/behave -d '{"mode": "ok"}'                  well-behaved again
  curl $C/listen -d '{"on": false}'                   stops listening: connection refused
Further keys of behave: "on": "discord" or "webhook", "method": "POST" or "PATCH" (others are
served as usual), "retry_after": seconds for the 429 modes. The modes are listed by --help.
"""

import argparse
import collections
import dataclasses
import http.server
import ipaddress
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

HANG_S = 3600
SLOW_STEP_S = 0.2
HUGE_BYTES = 64 * 1024 * 1024
BODY_MAX = 4 * 1024 * 1024
WAIT_HEADER_S = 60

# --- certificates


def openssl(*arguments, folder):
    subprocess.run(
        ["openssl", *arguments],
        cwd=folder,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def make_authority(folder, name, subject):
    """RSA: Wine refuses an ECDSA signature one of whose two numbers is short, as one in a hundred is."""
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes",
        "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "30", "-subj", f"/CN={subject}",
        "-addext", "keyUsage=critical,keyCertSign", folder=folder,
    )  # fmt: skip


def make_certificate(folder, name, authority, names):
    def entry(host):
        try:
            return f"IP:{ipaddress.ip_address(host)}"
        except ValueError:
            return f"DNS:{host}"

    extensions = folder / f"{name}.ext"
    extensions.write_text(
        "subjectAltName=" + ",".join(entry(host) for host in names) + "\n"
        "extendedKeyUsage=serverAuth\n"
    )
    openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={names[0]}", folder=folder,
    )  # fmt: skip
    openssl(
        "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey",
        f"{authority}.key", "-CAcreateserial", "-days", "30", "-extfile", extensions.name, "-out",
        f"{name}.pem", folder=folder,
    )  # fmt: skip


def make_certificates(folder, names):
    """ca.pem signs server.pem; wrong.pem is signed by somebody nobody trusts."""
    if not (folder / "server.pem").exists():
        make_authority(folder, "ca", "tradestack throw-away authority")
        make_certificate(folder, "server", "ca", names)
        make_authority(folder, "stranger", "somebody else")
        make_certificate(folder, "wrong", "stranger", names)


def tls_context(folder, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


# --- what Discord would say of a message (its docs: "Webhook Resource", "Embed Limits")

EMBEDS_MAX = 10
TOTAL_MAX = 6000
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Faults(list):
    """Collects what is wrong with a message."""

    def text(self, value, path, limit, required=False):
        """Checks a text and gives its length in characters."""
        if value is None and not required:
            return 0
        if not isinstance(value, str):
            self.append(f"{path}: want a string")
            return 0
        if len(value) > limit:
            self.append(f"{path}: Must be {limit} or fewer in length.")
        if required and not value.strip():
            self.append(f"{path}: This field is required")
        return len(value)


def check_embed(embed, path, faults):
    if not isinstance(embed, dict):
        faults.append(f"{path}: want an object")
        return 0
    total = faults.text(embed.get("title"), f"{path}.title", 256)
    total += faults.text(embed.get("description"), f"{path}.description", 4096)
    fields = embed.get("fields") or []
    if len(fields) > 25:
        faults.append(f"{path}.fields: Must be 25 or fewer in length.")
    for i, field in enumerate(fields):
        total += faults.text(field.get("name"), f"{path}.fields.{i}.name", 256, required=True)
        total += faults.text(field.get("value"), f"{path}.fields.{i}.value", 1024, required=True)
    for part, limit in (("footer", 2048), ("author", 256)):
        if part in embed:
            key = "text" if part == "footer" else "name"
            total += faults.text(embed[part].get(key), f"{path}.{part}.{key}", limit)
    colour = embed.get("color", 0)
    if not isinstance(colour, int) or not 0 <= colour <= 0xFFFFFF:
        faults.append(f"{path}.color: want an integer of 24 bits")
    if "timestamp" in embed and not TIMESTAMP.fullmatch(str(embed["timestamp"])):
        faults.append(f"{path}.timestamp: want ISO 8601")
    if total == 0:
        faults.append(f"{path}: an embed may not be empty")
    return total


def check_message(message):
    """The faults for which Discord answers 400; none if it takes the message."""
    faults = Faults()
    if not isinstance(message, dict):
        faults.append("the body is no JSON object")
        return faults
    faults.text(message.get("content"), "content", 2000)
    username = message.get("username")
    if username is not None:
        faults.text(username, "username", 80, required=True)
        for word in ("discord", "clyde"):
            if word in str(username).lower():
                faults.append(f"username: may not contain {word}")
    embeds = message.get("embeds") or []
    if len(embeds) > EMBEDS_MAX:
        faults.append(f"embeds: Must be {EMBEDS_MAX} or fewer in length.")
    total = sum(check_embed(embed, f"embeds.{i}", faults) for i, embed in enumerate(embeds))
    if total > TOTAL_MAX:
        faults.append(f"embeds: all together exceed {TOTAL_MAX} characters: {total}")
    if not embeds and not message.get("content"):
        faults.append("the message is empty (50006)")
    return faults


# --- behaviours: what may go wrong, each a function of the handler

BEHAVIOURS = {}


def behaviour(name, help_text):
    def register(function):
        BEHAVIOURS[name] = (function, help_text)
        return function

    return register


@behaviour("ok", "works as it should")
def behave_ok(handler):
    handler.serve()


@behaviour("429", "rate limit; the time is in the JSON body")
def behave_429(handler):
    after = handler.order.retry_after
    handler.reply(
        429,
        {"message": "You are being rate limited.", "retry_after": after, "global": False},
        {"X-RateLimit-Scope": "user"},
    )


@behaviour("429-header", "rate limit; the time is in the header Retry-After only")
def behave_429_header(handler):
    handler.reply(429, b"slow down", {"Retry-After": f"{handler.order.retry_after:g}"})


@behaviour("429-html", "a ban page in front of the service: HTML with Retry-After")
def behave_429_html(handler):
    page = b"<html><title>Access denied</title><p>retry_after: 0</html>"
    after = f"{handler.order.retry_after:g}"
    handler.reply(429, page, {"Retry-After": after, "Content-Type": "text/html"})


@behaviour("429-bare", "rate limit that does not say for how long")
def behave_429_bare(handler):
    handler.reply(429, b"")


def plain_error(status, code, message):
    def reply(handler):
        handler.reply(status, {"message": message, "code": code})

    return reply


for error_status, error_code, error_text in (
    (400, 50035, "Invalid Form Body"),
    (401, 50027, "Invalid Webhook Token"),
    (403, 50013, "Missing Permissions"),
    (404, 10015, "Unknown Webhook"),
    (500, 0, "500: Internal Server Error"),
    (503, 0, "503: Service Unavailable"),
):
    behaviour(str(error_status), f"{error_text} ({error_code})" if error_code else error_text)(
        plain_error(error_status, error_code, error_text)
    )


@behaviour("too-many-edits", "30046: the message is too old to be edited again")
def behave_too_many_edits(handler):
    handler.reply(
        400, {"message": "Maximum number of edits to messages older than 1 hour", "code": 30046}
    )


@behaviour("400-echo", "400 that repeats the URL and the body")
def behave_400_echo(handler):
    url = f"https://{handler.headers.get('Host')}{handler.path}"
    handler.reply(400, {"message": f"Invalid request to {url}", "code": 50035, "url": url})


@behaviour("redirect", "302 to another place")
def behave_redirect(handler):
    handler.reply(302, b"", {"Location": "/elsewhere"})


@behaviour("hang", "takes the request and never answers")
def behave_hang(handler):
    handler.close_connection = True
    handler.app.orders_changed.wait(HANG_S)


@behaviour("slow", "answers 204 byte by byte")
def behave_slow(handler):
    handler.close_connection = True
    for byte in b"HTTP/1.1 204 No Content\r\n\r\n":
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(SLOW_STEP_S)
    handler.note_reply(204)


@behaviour("close", "closes in the middle of the answer")
def behave_close(handler):
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")


@behaviour("accept-then-close", "takes the message, then closes before it has said so")
def behave_accept_then_close(handler):
    handler.close_connection = True
    handler.keep_message()


@behaviour("huge", "answers with a body of 64 MB")
def behave_huge(handler):
    handler.close_connection = True
    handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % HUGE_BYTES
    )
    block = b" " * 65536
    for _ in range(HUGE_BYTES // len(block)):
        handler.wfile.write(block)


@behaviour("garbage", "200 with a body that claims to be JSON and is not")
def behave_garbage(handler):
    handler.reply(200, b'{"id": [[[[ \xff\xfe', {"Content-Type": "application/json"})


@behaviour("odd-id", "200 with an id that is no number")
def behave_odd_id(handler):
    handler.reply(200, {"id": "../../../@everyone?x=1"})


@behaviour("no-body", "204 though an answer was asked for")
def behave_no_body(handler):
    handler.reply(204, b"")


@behaviour("wrong-certificate", "shows a certificate that nobody trusts")
def behave_wrong_certificate(handler):
    handler.serve()


@dataclasses.dataclass
class Order:
    """What the next requests meet with."""

    mode: str = "ok"
    times: int | None = None
    on: str | None = None
    method: str | None = None
    retry_after: float = 1.0

    def __post_init__(self):
        if self.mode not in BEHAVIOURS:
            raise ValueError(f"no such mode: {self.mode}; want one of {', '.join(BEHAVIOURS)}")

    def fits(self, kind, method):
        return self.on in (None, kind) and self.method in (None, method)


# --- the service


class Limiter:
    """`count` messages per `seconds`, told in the headers as Discord tells them."""

    def __init__(self, count, seconds):
        self.count = count
        self.seconds = seconds
        self.begin = 0.0
        self.used = 0

    def take(self, now):
        """(allowed, headers, seconds until the next period)"""
        if now - self.begin >= self.seconds:
            self.begin, self.used = now, 0
        reset = self.begin + self.seconds - now
        allowed = self.used < self.count
        self.used += allowed
        headers = {
            "X-RateLimit-Limit": str(self.count),
            "X-RateLimit-Remaining": str(self.count - self.used),
            "X-RateLimit-Reset-After": f"{reset:.3f}",
            "X-RateLimit-Bucket": "throwaway",
        }
        return allowed, headers, reset


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = WAIT_HEADER_S
    app = None  # set by App
    order = Order()

    def setup(self):
        super().setup()
        self.app.connections.add(self.connection)

    def finish(self):
        self.app.connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def handle(self):
        try:
            super().handle()
        except (OSError, ssl.SSLError) as error:
            self.app.note_broken(error)

    def log_message(self, format, *args):  # noqa: A002 (the base class names it so)
        pass

    def do_POST(self):
        self.take_request()

    def do_PATCH(self):
        self.take_request()

    def do_GET(self):
        self.take_request()

    def do_DELETE(self):
        self.take_request()

    def take_request(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_MAX:
            self.close_connection = True
            return
        self.raw = self.rfile.read(length)
        try:
            self.body = json.loads(self.raw)
        except ValueError:
            self.body = None
        path, _, self.query = self.path.partition("?")
        self.kind, self.message_id, self.refusal = self.app.route(path)
        self.record = {
            "at": time.time(),
            "kind": self.kind,
            "method": self.command,
            "path": self.app.hide(self.path),
            "headers": dict(self.headers),
            "body": self.body if self.body is not None else self.raw.decode("utf-8", "replace"),
            "mode": "ok",
            "status": None,
            "faults": [],
        }
        self.kept = False
        self.order = self.app.order_for(self.kind, self.command)
        self.record["mode"] = self.order.mode
        try:
            BEHAVIOURS[self.order.mode][0](self)
        finally:
            self.keep()

    def keep(self):
        """Once, and before the answer goes out: who has it may look at the requests at once."""
        if not self.kept:
            self.kept = True
            self.app.keep(self.record)

    def note_reply(self, status):
        self.record["status"] = status

    def reply(self, status, body, headers=None):
        self.note_reply(status)
        self.keep()
        fields = dict(headers or {})
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            fields.setdefault("Content-Type", "application/json")
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        """The well-behaved service."""
        if self.refusal:
            status, code, text = self.refusal
            self.reply(status, {"message": text, "code": code})
        elif self.kind == "webhook":
            self.serve_webhook()
        else:
            self.serve_discord()

    def serve_webhook(self):
        if self.command != "POST" or not isinstance(self.body, dict):
            self.reply(400, {"error": "want POST with a JSON object"})
            return
        self.keep_message()
        self.reply(200, {"ok": True})

    def serve_discord(self):
        # In front of Discord stands a proxy that blocks clients without a sensible name.
        if not re.match(r"DiscordBot \(https?://\S+, \S+\)", self.headers.get("User-Agent", "")):
            self.reply(403, b"<html>error code: 1010</html>", {"Content-Type": "text/html"})
            return
        if self.headers.get_content_type() != "application/json":
            self.reply(400, {"message": "Cannot send an empty message", "code": 50006})
            return
        allowed, headers, reset = self.app.limit()
        if not allowed:
            self.reply(
                429,
                {"message": "You are being rate limited.", "retry_after": reset, "global": False},
                {**headers, "Retry-After": f"{reset:.3f}", "X-RateLimit-Scope": "user"},
            )
            return
        faults = check_message(self.body)
        self.record["faults"] = list(faults)
        if faults:
            self.reply(
                400,
                {"message": "Invalid Form Body", "code": 50035, "errors": list(faults)},
                headers,
            )
        elif self.command == "POST":
            message_id = self.keep_message()
            if "wait=true" in self.query.split("&"):
                self.reply(200, {"id": message_id, "type": 0, **self.body}, headers)
            else:
                self.reply(204, b"", headers)
        elif self.command == "PATCH":
            if self.app.edit(self.message_id, self.body):
                self.reply(200, {"id": self.message_id, "type": 0, **self.body}, headers)
            else:
                self.reply(404, {"message": "Unknown Message", "code": 10008}, headers)
        else:
            self.reply(405, {"message": "405: Method Not Allowed", "code": 0}, headers)

    def keep_message(self):
        message_id = self.app.add_message(self.kind, self.body)
        self.record["message_id"] = message_id
        return message_id


class Control(http.server.BaseHTTPRequestHandler):
    app = None  # set by App

    def log_message(self, format, *args):  # noqa: A002
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        views = {"/requests": self.app.requests_seen, "/messages": self.app.messages_seen}
        if self.path in views:
            self.answer(200, views[self.path]())
        else:
            self.answer(404, {"error": "want /requests or /messages"})

    def do_POST(self):
        try:
            order = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            if self.path == "/behave":
                self.app.behave(Order(**order))
            elif self.path == "/listen":
                self.app.listen(bool(order["on"]))
            else:
                raise ValueError("want /behave or /listen")
        except (ValueError, TypeError, KeyError) as error:
            self.answer(400, {"error": str(error)})
        else:
            self.answer(200, {"ok": True})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address, handler, app=None):
        self.app = app
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self):
        # Not HTTPServer's: it looks up the host's name, which may take long without a network.
        super(http.server.HTTPServer, self).server_bind()

    def get_request(self):
        connection, peer = super().get_request()
        if self.app is not None and not self.app.plain:
            # The handshake is done by the connection's own thread, at its first read.
            connection = self.app.context().wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, peer

    def handle_error(self, request, client_address):
        pass


class App:
    def __init__(self, options):
        self.plain = options.plain
        self.folder = pathlib.Path(options.dir)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.record = pathlib.Path(options.record or self.folder / "requests.jsonl")
        self.quiet = options.quiet
        self.limiter = Limiter(*options.rate) if options.rate else None
        self.lock = threading.Lock()
        self.orders_changed = threading.Event()
        self.order = Order()
        self.requests = []
        self.messages = collections.OrderedDict()
        self.connections = set()
        self.next_id = 1_300_000_000_000_000_000
        self.address = options.listen
        self.names = options.name or ["localhost", "127.0.0.1", "::1"]
        if not self.plain:
            make_certificates(self.folder, self.names)
            self.contexts = {n: tls_context(self.folder, n) for n in ("server", "wrong")}
        self.handler = type("BoundHandler", (Handler,), {"app": self})
        self.server = None
        self.listen(True)
        self.make_urls()
        control = type("BoundControl", (Control,), {"app": self})
        self.control = Server(("127.0.0.1", 0), control)
        threading.Thread(target=self.control.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{self.control.server_address[1]}"
        (self.folder / "control-url").write_text(url + "\n")

    # The token stays the same over restarts with the same folder, the port when it was given.
    def make_urls(self):
        keep = self.folder / "identity.json"
        if not keep.exists():
            identity = {"id": str(secrets.randbelow(10**18)), "token": secrets.token_urlsafe(51)}
            keep.write_text(json.dumps(identity))
            keep.chmod(0o600)
        identity = json.loads(keep.read_text())
        self.webhook_id, self.token = identity["id"], identity["token"]
        base = f"{'http' if self.plain else 'https'}://{self.names[0]}:{self.address[1]}"
        if self.plain and self.names[0] == "localhost":
            base = f"http://127.0.0.1:{self.address[1]}"
        self.write_url("discord-url", f"{base}/api/webhooks/{self.webhook_id}/{self.token}")
        self.write_url("webhook-url", f"{base}/hook/{self.token}")

    def write_url(self, name, url):
        path = self.folder / name
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w") as f:
            f.write(url + "\n")

    def hide(self, path):
        return path.replace(self.token, "<token>")

    def context(self):
        with self.lock:
            return self.contexts["wrong" if self.order.mode == "wrong-certificate" else "server"]

    def route(self, path):
        """(kind, message id, None or (status, code, text))"""
        hook = re.fullmatch(r"/hook/([^/]+)", path)
        if hook:
            known = hook[1] == self.token
            return "webhook", None, None if known else (404, 0, "unknown")
        discord = re.fullmatch(
            r"(?:/api(?:/v\d+)?)/webhooks/(\d+)/([^/]+)(?:/messages/([^/]+))?", path
        )
        if not discord or discord[1] != self.webhook_id:
            return "discord", None, (404, 10015, "Unknown Webhook")
        if discord[2] != self.token:
            return "discord", None, (401, 50027, "Invalid Webhook Token")
        return "discord", discord[3], None

    def order_for(self, kind, method):
        with self.lock:
            order = self.order
            if not order.fits(kind, method):
                return Order()
            if order.times is not None:
                order.times -= 1
                if order.times <= 0:
                    self.order = Order()
            return order

    def behave(self, order):
        with self.lock:
            old_mode, self.order = self.order.mode, order
        self.orders_changed.set()  # wakes what hangs
        self.orders_changed.clear()
        if "wrong-certificate" in (old_mode, order.mode):
            self.cut_connections()

    def cut_connections(self):
        """So that the next request needs a new handshake."""
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def listen(self, on):
        if on and self.server is None:
            self.server = Server(self.address, self.handler, self)
            self.address = self.server.server_address[:2]
            threading.Thread(
                target=self.server.serve_forever, args=(0.05,), daemon=True
            ).start()
        elif not on and self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            self.cut_connections()

    def limit(self):
        with self.lock:
            if self.limiter is None:
                return True, {}, 0.0
            return self.limiter.take(time.monotonic())

    def add_message(self, kind, body):
        with self.lock:
            message_id = str(self.next_id)
            self.next_id += 1
            self.messages[message_id] = {"kind": kind, "body": body, "edits": 0}
        self.show(kind, body, "")
        return message_id

    def edit(self, message_id, body):
        with self.lock:
            message = self.messages.get(message_id)
            if message is None:
                return False
            message["body"] = {**message["body"], **body}
            message["edits"] += 1
        self.show("discord", body, "(edited) ")
        return True

    def keep(self, record):
        with self.lock:
            self.requests.append(record)
            with open(self.record, "a") as f:
                f.write(json.dumps(record, ensure_ascii=False) + "\n")
        if record["mode"] != "ok" or record["faults"]:
            self.say(f"{record['method']} {record['kind']}: answered as {record['mode']} "
                     f"{record['status'] or ''} {'; '.join(record['faults'])}")  # fmt: skip

    def note_broken(self, error):
        self.say(f"connection broke: {type(error).__name__}: {error}")

    def requests_seen(self):
        with self.lock:
            return list(self.requests)

    def messages_seen(self):
        with self.lock:
            return [{"id": key, **message} for key, message in self.messages.items()]

    def say(self, line):
        if not self.quiet:
            sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
            sys.stdout.flush()

    def show(self, kind, body, mark):
        if kind == "discord":
            for embed in body.get("embeds") or [{"title": body.get("content", "")}]:
                text = (embed.get("description") or "").replace("\n", " | ")
                self.say(f"discord {mark}{embed.get('title', '')} — {text}")
            if body.get("embeds") and body.get("content"):
                self.say(f"discord {mark}{body['content']}")
            return
        for alert in body.get("alerts", []):
            self.say(f"webhook [{alert.get('severity')}] {alert.get('title')} — {alert.get('what')}")


def parse_address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


def parse_rate(text):
    count, _, seconds = text.partition("/")
    return int(count), float(seconds)


def main():
    modes = "\n".join(f"  {name:<18} {text}" for name, (_, text) in BEHAVIOURS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"modes:\n{modes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listen", type=parse_address, default=("127.0.0.1", 0),
                        metavar="HOST:PORT", help="default 127.0.0.1:0 (any free port)")  # fmt: skip
    parser.add_argument("--dir", required=True, help="folder for certificates, URLs and records")
    parser.add_argument("--record", help="file for the requests (default requests.jsonl in --dir)")
    parser.add_argument("--name", action="append",
                        help="host name or address in certificate and URLs; may be repeated, the "
                             "first one is used in the URLs (default localhost)")  # fmt: skip
    parser.add_argument("--rate", type=parse_rate, metavar="N/SECONDS",
                        help="limit the Discord webhook as Discord does (it was seen at 5/2)")  # fmt: skip
    parser.add_argument("--plain", action="store_true", help="HTTP without TLS")
    parser.add_argument("--quiet", action="store_true", help="no line per alert")
    options = parser.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    app = App(options)
    (app.folder / "ready").write_text(f"{app.address[0]}:{app.address[1]}\n")
    app.say(f"listening on {app.address[0]}:{app.address[1]}")
    while not stop.wait(3600):
        pass
    app.listen(False)
    (app.folder / "ready").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
