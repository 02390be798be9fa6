"""What scripts/check-deploy runs: `check.py HOLDFAST LOADTEST TARGET`, with the programs of the release build."""

import sys
import tempfile
import time
from pathlib import Path

import binary
import files
import proxy
import redis


def main():
    holdfast, loadtest, target = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    started = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)

    dockerfile = files.dockerfile()
    say("Dockerfile: every file it copies is there, and it is what it should be")
    names = files.compose_file()
    say("docker-compose.yml and .env.example: every setting, nothing else, and all of it locked down")
    say(f"docker-compose.yml: {files.schema(sys.executable)}")
    # Where an unprivileged nginx may go as well: not below a folder of root's own.
    with tempfile.TemporaryDirectory(prefix="holdfast-deploy-") as folder:
        Path(folder).chmod(0o755)
        files.settings_are_understood(holdfast, names, folder)
        say("docker-compose.yml: holdfast understands an empty .env, and every example")
        say(files.units(holdfast, folder))
        say(f"binary: {binary.libraries(holdfast)}")
        binary.read_only_root(holdfast, folder, say)
        redis.queue_outlives(Path(folder, "redis"))
        say("redis: as compose starts it, cached pages are evicted, the mail queue never, and it outlives a kill -9")
        with redis.started(Path(folder, "redis-of-worker")) as queue:
            binary.worker(holdfast, folder, queue.port, say)
        proxy.all_of_it(holdfast, loadtest, folder, say)
    files.context_builds(dockerfile, target)
    say("Dockerfile: what it copies is enough to build")


main()
