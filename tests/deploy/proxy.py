"""A real nginx with the shipped configuration, before a real `holdfast serve`."""

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from files import check
from processes import EMAIL, PASSWORD, WAIT_SECONDS_MAX, Nginx, Server, ask, wait_until

LIMITS_OFF = {
    f"HOLDFAST_{name}": "1000000"
    for name in (
        "RATE_LIMIT_PER_SECOND", "RATE_LIMIT_BURST", "AUTH_RATE_LIMIT_PER_SECOND", "AUTH_RATE_LIMIT_BURST",
    )
}
PURCHASES = 400
PURCHASES_BEFORE_THE_KILL = 100
BUYERS = 8
LOADTEST_SECONDS_MAX = 300


@contextlib.contextmanager
def behind_nginx(binary, folder, name, **settings):
    """A server and an nginx before it, in folders of their own."""
    place = Path(folder, name)
    (place / "nginx").mkdir(parents=True)
    server = Server(binary, str(place), **settings)
    nginx = None
    try:
        nginx = Nginx(str(place / "nginx"), server.port)
        yield server, nginx
    finally:
        if nginx:
            nginx.stop()
        server.stop()


class Shop:
    """An admin who came through nginx."""

    def __init__(self, port):
        self.port = port
        answer = ask(port, "POST", "/api/v1/auth/login", {"email": EMAIL, "password": PASSWORD})
        check(answer.status == 200, f"login: {answer.body}")
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def create(self, sku, units):
        body = {"name": sku, "sku": sku, "price": 100, "currency": "EUR", "initial_stock": units}
        answer = ask(self.port, "POST", "/api/v1/products", body, self.headers)
        check(answer.status == 201, f"create: {answer.body}")
        return answer.json()["id"]

    def committed(self, sku):
        return ask(self.port, "GET", f"/api/v1/inventory/{sku}").json()["committed"]


def buy(port, product, name):
    headers = {"X-Session-ID": f"session-of-buyer-{name}", "Idempotency-Key": f"buyer-{name}"}
    return ask(port, "POST", f"/api/v1/products/{product}/purchase", {"quantity": 1}, headers)


def requests_pass(nginx, shop):
    port = nginx.port
    answer = ask(port, "GET", "/health/live", headers={"X-Request-Id": "chosen-by-the-client"})
    check(answer.status == 200 and answer.headers["X-Request-Id"] == "chosen-by-the-client", f"{answer.headers}")
    check(nginx.logged("chosen-by-the-client")["server_status"] == "200", "the server was asked")
    answer = ask(port, "GET", "/health/live", headers={"X-Request-Id": "not\"well formed"})
    nginx.logged(answer.headers["X-Request-Id"])
    product = shop.create("PASSES", 3)
    check(buy(port, product, "first").status == 201, "a purchase passes")
    again = buy(port, product, "first")
    check(again.status == 201 and again.headers["Idempotent-Replayed"] == "true", "a retry is replayed")
    answer = ask(port, "GET", f"/api/v1/products/{product}", headers={"Accept-Encoding": "gzip"})
    check(answer.headers["ETag"].startswith('"') and answer.headers["Content-Encoding"] is None, f"{answer.headers}")
    patched = ask(
        port, "PATCH", f"/api/v1/products/{product}", {"name": "Passes"},
        shop.headers | {"If-Match": answer.headers["ETag"]},
    )
    check(patched.status == 200, f"the ETag holds: {patched.body}")


def probes_need_no_host(nginx):
    """Load balancers look with HTTP/1.0, which has no `Host`."""
    for request in (b"GET /health/live HTTP/1.0\r\n\r\n", b"GET /health/live HTTP/1.0\r\nHost: a:1\r\n\r\n"):
        answer = raw(nginx.port, request, is_over=False)
        check(b" 200 " in answer.split(b"\r\n")[0], f"{request}: {answer}")


def bodies_are_bounded(nginx, shop):
    lines = b'{"mode":"independent","operations":[]' + b" " * (1024 * 1024) + b"}"
    headers = shop.headers | {"X-Request-Id": "a-large-batch"}
    answer = ask(nginx.port, "POST", "/api/v1/inventory/batch", lines, headers)
    check(answer.status in (200, 422), f"a batch of a megabyte gets there: {answer.status} {answer.body}")
    check(nginx.logged("a-large-batch")["server_status"] == str(answer.status), "the server answered it")
    for path, too_many in (("/api/v1/cart/items", 64 * 1024 + 1), ("/api/v1/inventory/batch", 8 * 1024 * 1024 + 1)):
        refused = ask(nginx.port, "POST", path, b" " * too_many, shop.headers).problem(413, "body_too_large")
        check(nginx.logged(refused.headers["X-Request-Id"])["server_status"] == "", "the server never saw it")
    fits = ask(nginx.port, "POST", "/api/v1/cart/items", b" " * (64 * 1024), shop.headers)
    check(fits.status == 400, f"64 KiB get there: {fits.status} {fits.body}")


def raw(port, request, is_over=True):
    """What comes back for these bytes; `is_over` says by hanging up that there are no more."""
    with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS_MAX) as connection:
        connection.sendall(request)
        if is_over:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def what_nginx_says_is_a_problem(nginx):
    port = nginx.port
    for path in ("/metrics", "/%6detrics", "//metrics", "/x/../metrics", "/metrics/", "/metrics?name=x", "/.holdfast/503"):
        refused = ask(port, "GET", path).problem(404, "not_found")
        check(nginx.logged(refused.headers["X-Request-Id"])["server_status"] == "", f"{path} got to the server")
    ask(port, "TRACE", "/").problem(405, "method_not_allowed")
    ask(port, "GET", "/" + "a" * 20_000).problem(414, "malformed_request")
    ask(port, "GET", "/", headers={"X-Long": "a" * 20_000}).problem(400, "malformed_request")
    # Between nginx' bound and the server's: the server says it.
    ask(port, "GET", "/" + "a" * 10_000).problem(414, "malformed_request")
    two_hosts = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
    coded = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"
    later = b"GET / HTTP/9.9\r\nHost: a\r\n\r\n"
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", two_hosts, b"GET\r\n\r\n", coded, later):
        answer = raw(port, garbage)
        check(b"500" not in answer.split(b"\r\n")[0] and b'"code":"malformed_request"' in answer, f"{garbage}: {answer}")


def addresses_cannot_be_forged(binary, folder):
    """The class `auth` counts by address: whoever could change theirs would never be refused."""
    few = {"HOLDFAST_AUTH_RATE_LIMIT_PER_SECOND": "1", "HOLDFAST_AUTH_RATE_LIMIT_BURST": "5"}
    with behind_nginx(binary, folder, "addresses", **few) as (server, nginx):
        def statuses(port, source, header):
            forged = ({header: f"for=198.51.100.{n}" if header == "Forwarded" else f"198.51.100.{n}"} for n in range(200))
            for headers in forged:
                yield ask(port, "GET", "/api/v1/auth/me", headers=headers, source=source).status

        for source, header in (("127.0.0.2", "X-Forwarded-For"), ("127.0.0.3", "Forwarded")):
            first = next(statuses(nginx.port, source, header))
            check(first == 401, f"{source} is a client of its own: {first}")
            check(429 in statuses(nginx.port, source, header), f"{source} is somebody else with each {header}")
        # Nor is their budget that of all: two headers that disagree would make everybody nobody.
        headers = {"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.2"}
        answer = ask(nginx.port, "GET", "/api/v1/auth/me", headers=headers, source="127.0.0.5")
        check(answer.status == 401, "clients who say different things share a budget")
        # Not through nginx: nobody is believed. Callers on this machine have a hundred times the budget; 200 are in it.
        few_at_all = set(statuses(server.port, "127.0.0.4", "X-Forwarded-For"))
        check(few_at_all == {401}, f"callers on this machine: {few_at_all}")
    strict = few | {"HOLDFAST_RATE_LIMIT_LOCAL_FACTOR": "1"}
    with behind_nginx(binary, folder, "strangers", **strict) as (server, _):
        asked = (
            ask(server.port, "GET", "/api/v1/auth/me", headers={"X-Forwarded-For": f"198.51.100.{n}"}, source="127.0.0.4")
            for n in range(200)
        )
        check(any(answer.status == 429 for answer in asked), "a stranger was believed where he is")


class Hangup(threading.Thread):
    """Answers the first request of each connection, and hangs up on the second when it has come."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = []
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            for place in (0, 1):
                head = b""
                while b"\r\n\r\n" not in head:
                    part = connection.recv(65536)
                    if not part:
                        return
                    head += part
                self.heard.append((head.split(b" ")[0].decode(), place))
                if place == 0:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                if b"\r\nconnection: close" in head.lower():
                    return


def nothing_is_sent_twice(folder):
    place = Path(folder, "hangup")
    place.mkdir()
    upstream = Hangup()
    nginx = Nginx(str(place), upstream.port)
    try:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            check(ask(nginx.port, "GET", "/warm").status == 200, "a connection is kept")
            upstream.heard.clear()
            answer = ask(nginx.port, method, "/once").problem(503, "not_ready")
            check(answer.headers["Retry-After"] == "1", f"{answer.headers}")
            check(upstream.heard == [(method, 1)], f"{method} was sent as {upstream.heard}, not once on the kept one")
    finally:
        nginx.stop()
        upstream.listener.close()


class Stream(threading.Thread):
    """Sends a head, an event, another event: each when somebody has heard the one before."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard, self.unheard = threading.Semaphore(0), 0
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for event in (b"9\r\ndata: 1\n\n\r\n", b"9\r\ndata: 2\n\n\r\n"):
                self.unheard += not self.heard.acquire(timeout=WAIT_SECONDS_MAX / 6)
                connection.sendall(event)
            self.unheard += not self.heard.acquire(timeout=WAIT_SECONDS_MAX / 6)
            connection.sendall(b"0\r\n\r\n")


def events_are_not_held_back(folder):
    place = Path(folder, "stream")
    place.mkdir()
    upstream = Stream()
    nginx = Nginx(str(place), upstream.port)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=WAIT_SECONDS_MAX)
        connection.request("GET", "/api/v1/events", headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        for number in (1, 2):
            upstream.heard.release()
            event = answer.readline() + answer.readline()
            check(event == f"data: {number}\n\n".encode(), f"event {number}: {event}")
        upstream.heard.release()
        check(answer.read() == b"", "the stream ends")
        connection.close()
        upstream.join(WAIT_SECONDS_MAX)
        check(upstream.unheard == 0, "events were held back until others came")
    finally:
        nginx.stop()
        upstream.listener.close()


def killed_in_between(binary, folder):
    """Each purchase is sent once, the server killed meanwhile: no order too many. Then those without an answer again."""
    with behind_nginx(binary, folder, "killed", **LIMITS_OFF) as (server, nginx):
        product = Shop(nginx.port).create("KILLED", PURCHASES * 2)
        answered = threading.Semaphore(0)

        def once(name):
            answer = buy(nginx.port, product, f"{name:04}")
            answered.release()
            return answer

        with ThreadPoolExecutor(BUYERS) as buyers:
            asked = [buyers.submit(once, name) for name in range(PURCHASES)]
            for _ in range(PURCHASES_BEFORE_THE_KILL):
                check(answered.acquire(timeout=WAIT_SECONDS_MAX), "purchases are answered")
            server.kill()
            # Some are refused before it is up again.
            for _ in range(BUYERS * 2):
                check(answered.acquire(timeout=WAIT_SECONDS_MAX), "purchases are refused")
            server.start()
            answers = [future.result() for future in asked]
        lost = [name for name, answer in enumerate(answers) if answer.status != 201]
        for name in lost:
            answers[name].problem(503, "not_ready")
        check(lost, "the kill was noticed by somebody")
        bought = Shop(nginx.port).committed("KILLED")
        check(PURCHASES - len(lost) <= bought <= PURCHASES, f"{bought} bought by {PURCHASES}, {len(lost)} unanswered")
        twice = [line for line in nginx.log() if "," in line["server_status"]]
        check(not twice, f"sent more than once: {twice[:3]}")
        for name in lost:
            answer = wait_until("the server is back", lambda name=name: served(buy(nginx.port, product, f"{name:04}")))
            check(answer.status == 201, f"asked again: {answer.body}")
        bought = Shop(nginx.port).committed("KILLED")
        check(bought == PURCHASES, f"{bought} bought, not {PURCHASES}")
        return len(lost)


def served(answer):
    return answer if answer.status != 503 else None


def down(server, nginx):
    server.stop()
    answer = ask(nginx.port, "GET", "/api/v1/products").problem(503, "not_ready")
    check(answer.headers["Retry-After"] == "1", f"{answer.headers}")
    server.start()
    wait_until("the server is back", lambda: served(ask(nginx.port, "GET", "/api/v1/products")))


def tls(folder, server):
    place = Path(folder, "tls")
    (place / "certificate").mkdir(parents=True)
    (place / "nginx").mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=shop.example", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", place / "certificate/key.pem", "-out", place / "certificate/fullchain.pem"],
        check=True, capture_output=True,
    )
    for path in [place, place / "certificate", *(place / "certificate").iterdir()]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    nginx = Nginx(str(place / "nginx"), server.port, tls_certificate=str(place / "certificate"))
    try:
        context = ssl.create_default_context(cafile=str(place / "certificate/fullchain.pem"))
        answer = ask(nginx.tls_port, "GET", "/api/v1/cart", context=context)
        check(answer.status == 200 and "Secure" in answer.headers["Set-Cookie"], f"{answer.status} {answer.headers}")
        answer = ask(nginx.port, "GET", "/api/v1/cart", headers={"X-Forwarded-Proto": "https"})
        check("Secure" not in answer.headers["Set-Cookie"], "a client says that this is TLS, and it is not")
        plainly = raw(nginx.tls_port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        check(b'"code":"malformed_request"' in plainly, f"a client that does not speak TLS: {plainly}")
    finally:
        nginx.stop()


def loadtest(binary, nginx):
    subprocess.run(
        [binary, "--short", "--url", f"http://127.0.0.1:{nginx.port}", "--email", EMAIL, "--connections", "64"],
        env=os.environ | {"LOADTEST_PASSWORD": PASSWORD}, check=True, timeout=LOADTEST_SECONDS_MAX,
    )
    # The load test says how many were sold and that none was sold twice; nginx, that each was sent once.
    twice = [line for line in nginx.log() if "," in line["server_status"]]
    check(not twice, f"sent more than once: {twice[:3]}")


def all_of_it(holdfast, loadtest_binary, folder, say):
    with behind_nginx(holdfast, folder, "plain", **LIMITS_OFF) as (server, nginx):
        shop = Shop(nginx.port)
        requests_pass(nginx, shop)
        say("nginx: health, purchases, retries and ETags pass, under one request id")
        probes_need_no_host(nginx)
        bodies_are_bounded(nginx, shop)
        say("nginx: bodies are bounded as the server bounds them")
        what_nginx_says_is_a_problem(nginx)
        say("nginx: what it refuses is a problem document; no metrics, however they are spelt")
        down(server, nginx)
        say("nginx: 503 with Retry-After while the server is down")
        tls(folder, server)
        say("nginx: the TLS block works, and cookies are `Secure` there and only there")
        loadtest(loadtest_binary, nginx)
        say("nginx: the load test passes through it")
    addresses_cannot_be_forged(holdfast, folder)
    say("nginx: nobody can say who they are by X-Forwarded-For or Forwarded")
    nothing_is_sent_twice(folder)
    say("nginx: GET, POST, PUT, PATCH and DELETE are sent once, whatever becomes of them")
    events_are_not_held_back(folder)
    say("nginx: events are passed on as they come")
    lost = killed_in_between(holdfast, folder)
    say(f"nginx: killed under {PURCHASES} purchases, {lost} unanswered; none doubled, none lost when asked again")
