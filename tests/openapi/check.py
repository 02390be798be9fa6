"""Runs schemathesis against real servers: as an admin, as a customer, as a guest. Called by scripts/check-openapi."""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED = "20261121"
EXAMPLES_MAX = os.environ.get("CHECK_OPENAPI_EXAMPLES", "12")
RUN_SECONDS_MAX = 180
STOP_SECONDS_MAX = 20
SESSION = "schemathesis-session-0001"

# All requests are of one caller, and what is to be tested is not how soon that one is sent away.
LIMITS = {
    f"HOLDFAST_{name}": "1000000"
    for name in (
        "RATE_LIMIT_PER_SECOND", "RATE_LIMIT_BURST", "AUTH_RATE_LIMIT_PER_SECOND", "AUTH_RATE_LIMIT_BURST",
    )
}


class Server:
    """`holdfast serve --demo` on a free port, in a folder of its own, in an environment that only lifts the limits."""

    def __init__(self, binary, folder):
        foreign = ("HOLDFAST_", "REDIS_", "SMTP_", "JWT_", "RUST_LOG")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        environment |= LIMITS
        self.log = Path(folder, "server.log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [binary, "serve", "--demo", "--listen", "127.0.0.1:0", "--data-dir", str(Path(folder, "data"))],
                cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
            )
        self.people, self.url = {}, None
        for line in self.process.stdout:
            if person := re.match(r"\s+(admin|customer)\s+(\S+)\s+(\S+)", line):
                self.people[person[1]] = {"email": person[2], "password": person[3]}
            if ready := re.match(r"listening on (\S+)", line):
                self.url = ready[1]
                return
        raise SystemExit(f"the server did not start:\n{self.log.read_text()}")

    def login(self, who):
        request = urllib.request.Request(
            f"{self.url}/api/v1/auth/login",
            data=json.dumps(self.people[who]).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["access_token"]

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def run(binary, who):
    with tempfile.TemporaryDirectory(prefix="holdfast-openapi-") as folder:
        server = Server(binary, folder)
        try:
            header = f"X-Session-ID: {SESSION}" if who == "guest" else f"Authorization: Bearer {server.login(who)}"
            command = [
                str(Path(sys.executable).with_name("st")), "--config-file", str(HERE / "schemathesis.toml"),
                "run", f"{server.url}/openapi.json", "--header", header,
                "--seed", SEED, "--max-examples", EXAMPLES_MAX, *sys.argv[3:],
            ]
            try:
                ended = subprocess.run(command, cwd=folder, timeout=RUN_SECONDS_MAX, check=False).returncode
            except subprocess.TimeoutExpired:
                print(f"schemathesis took longer than {RUN_SECONDS_MAX} s", file=sys.stderr)
                ended = 1
            is_alive = server.process.poll() is None
        finally:
            status = server.stop()
        if not is_alive or status != 0:
            print(f"the server ended with {status}:\n{server.log.read_text()}", file=sys.stderr)
            return False
        return ended == 0


def main():
    binary = sys.argv[1]
    chosen = sys.argv[2].split(",")
    failed = []
    for who in chosen:
        print(f"\n--- schemathesis as {who}", flush=True)
        if not run(binary, who):
            failed.append(who)
    if failed:
        raise SystemExit(f"schemathesis found something as {', '.join(failed)}")


main()
