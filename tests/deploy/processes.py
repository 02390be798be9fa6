"""The processes of the check: `holdfast serve` and nginx, on free loopback ports, ended by their ids."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from files import ROOT, check

WAIT_SECONDS_MAX = 60
EMAIL, PASSWORD = "admin@deploy.example", "password-of-the-check"
FOREIGN = ("HOLDFAST_", "REDIS_", "SMTP_", "JWT_", "RUST_LOG")
# Who nginx runs as where the check runs as root: nobody.
NOBODY = 65534


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, claim):
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not (found := claim()):
        check(time.monotonic() < deadline, f"waited {WAIT_SECONDS_MAX} s in vain: {what}")
        time.sleep(0.02)
    return found


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    def json(self):
        return json.loads(self.body)

    def problem(self, status, code):
        """Checks that this is a problem, complete as ours are."""
        check(self.status == status, f"{status} expected, not {self.status}: {self.body[:300]}")
        check(self.headers["Content-Type"] == "application/problem+json", f"a problem, not {self.headers}")
        document = self.json()
        check(document["code"] == code and document["status"] == status, f"{code} expected: {document}")
        check(set(document) >= {"type", "title", "detail", "request_id"}, f"incomplete: {document}")
        check(document["request_id"] == self.headers["X-Request-Id"], f"two request ids: {document}, {self.headers}")
        check(self.headers["X-Content-Type-Options"] == "nosniff", f"{self.headers}")
        return self


def ask(port, method, path, body=None, headers=None, source="127.0.0.1", context=None):
    """One request on a connection of its own."""
    address = ("127.0.0.1", port)
    options = {"timeout": WAIT_SECONDS_MAX, "source_address": (source, 0)}
    if context is None:
        connection = http.client.HTTPConnection(*address, **options)
    else:
        connection = http.client.HTTPSConnection(*address, context=context, **options)
    try:
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Server:
    """`holdfast serve` on a port that stays the same over restarts, with nginx' address trusted."""

    def __init__(self, binary, folder, **settings):
        self.binary, self.folder, self.port = binary, folder, free_port()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self.environment |= {
            "HOLDFAST_LISTEN": f"127.0.0.1:{self.port}", "HOLDFAST_DATA_DIR": str(Path(folder, "data")),
            "HOLDFAST_ADMIN_EMAIL": EMAIL, "HOLDFAST_ADMIN_PASSWORD": PASSWORD, "HOLDFAST_TRUSTED_PROXIES": "127.0.0.1",
            "HOLDFAST_DISK_RESERVE_BYTES": "1",
        } | settings
        self.process = None
        self.start()

    def start(self):
        with Path(self.folder, "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve"], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True,
            )
        line = self.process.stdout.readline()
        check(line.startswith("listening on"), f"the server did not start: {Path(self.folder, 'server.log').read_text()}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            check(self.process.wait(WAIT_SECONDS_MAX) == 0, "the server did not stop in order")


class Nginx:
    """nginx with the configuration as it is shipped; only ports and places are others, and one process is enough."""

    def __init__(self, folder, upstream, tls_certificate=None):
        self.folder, self.port, self.tls_port = Path(folder), free_port(), free_port()
        self.process = None
        shutil.copytree(ROOT / "deploy/nginx/holdfast", self.folder / "holdfast")
        self.write("nginx.conf", (ROOT / "deploy/nginx/nginx.conf").read_text(), {
            "worker_processes auto": "worker_processes 1", "/tmp/": f"{folder}/", "/var/log/nginx/": f"{folder}/",
        })
        routes = (ROOT / "deploy/nginx/holdfast/routes.conf").read_text()
        self.write("holdfast/routes.conf", routes, {"/var/log/nginx/": f"{folder}/"})
        upstream_as_shipped = (ROOT / "deploy/nginx/holdfast/upstream.conf").read_text()
        self.write("holdfast/upstream.conf", upstream_as_shipped, {"127.0.0.1:3000": f"127.0.0.1:{upstream}"})
        site = (ROOT / "deploy/nginx/holdfast/site.conf").read_text()
        changes = {"listen 8080": f"listen 127.0.0.1:{self.port}"}
        if tls_certificate:
            site = re.sub("^#tls ", "", site, flags=re.MULTILINE)
            changes |= {
                "listen 443": f"listen 127.0.0.1:{self.tls_port}", "/etc/ssl/holdfast/": f"{tls_certificate}/",
            }
        self.write("holdfast/site.conf", site, changes)
        self.identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        if self.identity:
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
        self.command = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c", f"{folder}/nginx.conf"]
        self.test()
        self.process = subprocess.Popen([*self.command, "-g", "daemon off;"], stderr=subprocess.DEVNULL, **self.identity)
        wait_until("nginx listens", self.listens)

    def write(self, name, text, changes):
        for old, new in changes.items():
            check(old in text, f"{name} does not say `{old}` any more")
            text = text.replace(old, new)
        (self.folder / name).write_text(text)

    def test(self):
        told = subprocess.run([*self.command, "-t"], capture_output=True, text=True, check=False, **self.identity)
        check(told.returncode == 0 and "[warn]" not in told.stderr, f"nginx -t: {told.stderr}")

    def listens(self):
        check(self.process.poll() is None, f"nginx ended: {(self.folder / 'error.log').read_text()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self):
        text = (self.folder / "access.log").read_text()
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def logged(self, request_id):
        """The line of one request, which is written when the answer is sent."""
        of_it = lambda: [line for line in self.log() if line["request_id"] == request_id]
        return wait_until(f"nginx logs {request_id}", of_it)[0]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            check(self.process.wait(WAIT_SECONDS_MAX) == 0, "nginx did not stop in order")
