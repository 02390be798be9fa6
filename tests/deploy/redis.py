"""A real redis-server, started as docker-compose.yml starts it."""

import contextlib
import subprocess
from pathlib import Path

from files import check, compose
from processes import WAIT_SECONDS_MAX, free_port, wait_until

QUEUE = "queue:emails"
# Ten times what it may keep.
MEMORY, PAGES, PAGE_BYTES = "4mb", 400, 100_000


class Redis:
    def __init__(self, folder):
        self.folder, self.port = Path(folder), free_port()
        service = compose({"REDIS_MAXMEMORY": MEMORY})["services"]["redis"]
        check(service["healthcheck"]["test"] == ["CMD", "redis-cli", "ping"], "redis is asked whether it is there")
        self.command = [*service["command"], "--port", str(self.port), "--bind", "127.0.0.1", "--dir", folder]
        self.process = None
        self.start()

    def start(self):
        with (self.folder / "redis.log").open("a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        wait_until("redis answers", lambda: self.says("ping") == "PONG")

    def says(self, *command, text=None):
        check(self.process.poll() is None, f"redis ended: {(self.folder / 'redis.log').read_text()}")
        told = subprocess.run(
            ["redis-cli", "-p", str(self.port), *command], input=text, capture_output=True, text=True, check=False,
        )
        return told.stdout.strip()

    def kill(self):
        self.process.kill()
        self.process.wait(WAIT_SECONDS_MAX)


@contextlib.contextmanager
def started(folder):
    Path(folder).mkdir()
    redis = Redis(str(folder))
    try:
        yield redis
    finally:
        redis.kill()


def queue_outlives(folder):
    """Cached pages are evicted, the queue is not, and both memory and process may end."""
    with started(folder) as redis:
        redis.says("xadd", QUEUE, "*", "id", "first")
        pages = "".join(f"setex holdfast:list:{n} 1800 {'x' * PAGE_BYTES}\n" for n in range(PAGES))
        answers = redis.says(text=pages).splitlines()
        check(answers == ["OK"] * PAGES, f"pages are stored: {set(answers)}")
        kept = int(redis.says("dbsize"))
        check(1 < kept < PAGES, f"room was made: {kept} keys")
        check(redis.says("xlen", QUEUE) == "1", "the queue was evicted")
        # Full of what may not be evicted: a write is refused, and nothing is lost.
        mails = "".join(f"set queue:emails:test:{n} {'x' * PAGE_BYTES}\n" for n in range(PAGES))
        answers = redis.says(text=mails).splitlines()
        check(any("OOM" in answer for answer in answers), f"it does not refuse: {set(answers)}")
        stored = answers.count("OK")
        check(redis.says("xlen", QUEUE) == "1" and int(redis.says("dbsize")) == stored + 1, "something was evicted")
        wait_until("redis has written it down", lambda: "aof_pending_bio_fsync:0" in redis.says("info", "persistence"))
        redis.kill()
        redis.start()
        check(redis.says("xlen", QUEUE) == "1", "the queue did not outlive a kill -9")
