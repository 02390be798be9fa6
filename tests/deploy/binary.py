"""The release binary, as the image has it: on Debian's base libraries, and with nothing to write to but its data."""

import os
import re
import signal
import subprocess
from pathlib import Path

from files import check
from processes import FOREIGN, free_port, wait_until

# What every Debian has, however slim: libc6 is essential and depends on libgcc-s1.
BASE_LIBRARIES = {
    "linux-vdso.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
}
USER = 10001

# The whole root read-only, but for a volume, and nobody in particular in it. With TMPFS=rw its /tmp can be written, else
# nothing but the volume.
READ_ONLY_ROOT = """
set -eu
root=$1 data=$2 binary=$3
shift 3
mount --make-rprivate /
mount --bind / "$root"
mount -o remount,ro,bind "$root"
mount --rbind /proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mkdir "$root/tmp/bin" "$root/tmp/data"
touch "$root/tmp/bin/holdfast"
mount --bind "$binary" "$root/tmp/bin/holdfast"
mount --bind "$data" "$root/tmp/data"
mount -o "remount,${TMPFS:-ro}" "$root/tmp"
exec chroot "$root" setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --bounding-set=-all "$@"
"""


def libraries(binary):
    told = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    needed = {Path(line.split()[0]).name for line in told.splitlines() if line.strip()}
    check(needed <= BASE_LIBRARIES, f"a slim Debian may lack {sorted(needed - BASE_LIBRARIES)}")
    size = len(Path(binary).read_bytes())
    return f"{', '.join(sorted(needed))}; {size // 1_000_000} MB before its debug sections are compressed"


def environment(**settings):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return kept | settings


def is_permitted():
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return os.geteuid() == 0 and probe.returncode == 0


def container(folder, binary):
    """What to run a command with, so that it finds itself in what the image and compose make for it."""
    root, data = Path(folder, "root"), Path(folder, "volume")
    root.mkdir(parents=True)
    data.mkdir(mode=0o700)
    os.chown(data, USER, USER)
    return lambda *command: [
        "unshare", "--mount", "sh", "-c", READ_ONLY_ROOT, "sh", str(root), str(data), str(binary), *command,
    ]


def beside(process, *command):
    """The same for a command in the container of a process: what `docker exec` does."""
    return [
        "nsenter", "--target", str(process.pid), "--mount", "--root", "setpriv", f"--reuid={USER}", f"--regid={USER}",
        "--clear-groups", *command,
    ]


def read_only_root(binary, folder, say):
    if not is_permitted():
        say("NOT TESTED: a read-only root, which needs root and mount namespaces")
        return
    inside = container(Path(folder, "server"), binary)
    port = free_port()
    settings = environment(
        HOLDFAST_LISTEN=f"0.0.0.0:{port}", HOLDFAST_DATA_DIR="/tmp/data", HOLDFAST_DISK_RESERVE_BYTES="1",
    )

    command = inside("sh", "-c", "echo > /tmp/x || echo > /x")
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    check(refused.returncode != 0 and refused.stderr.count("Read-only") == 2, f"something is written: {refused.stderr}")
    log = Path(folder, "read-only.log")
    with log.open("w") as stderr:
        server = subprocess.Popen(
            inside("/tmp/bin/holdfast", "serve"), cwd="/", env=settings, stdout=subprocess.PIPE, stderr=stderr, text=True,
        )
    try:
        line = server.stdout.readline()
        check(line == f"listening on http://0.0.0.0:{port}\n", f"it does not start: {line}{log.read_text()}")
        status = Path(f"/proc/{server.pid}/status").read_text()
        check(re.search(r"^Uid:\s+10001\s", status, re.MULTILINE), "it runs as the user of the image")
        check(re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE), "it could have rights")
        for arguments in (("health",), ("admin", "list-users")):
            command = beside(server, "/tmp/bin/holdfast", *arguments)
            told = subprocess.run(command, cwd="/", env=settings, capture_output=True, text=True, check=False)
            check(told.returncode == 0, f"holdfast {arguments}: {told.stderr}")
        server.send_signal(signal.SIGTERM)
        check(server.wait(20) == 0, f"it does not stop in order: {log.read_text()}")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
    told = subprocess.run(
        inside("/tmp/bin/holdfast", "health"), cwd="/", env=settings, capture_output=True, text=True, check=False,
    )
    check(told.returncode == 1, f"a stopped server is not healthy: {told.returncode} {told.stderr}")
    say("binary: serve, health and admin work with a read-only root, as user 10001 without rights")


def worker(binary, folder, redis_port, say):
    """A worker where all but /tmp is read-only, and the check of its container."""
    if not is_permitted():
        return
    if subprocess.run([binary, "worker", "--help"], capture_output=True, check=False).returncode != 0:
        say("NOT TESTED: `holdfast worker`, which this binary does not have")
        return
    inside = container(Path(folder, "worker"), binary)
    settings = environment(
        HOLDFAST_DATA_DIR="/tmp/data", REDIS_URL=f"redis://127.0.0.1:{redis_port}", SMTP_URL="smtp://127.0.0.1:1",
        TMPFS="rw",
    )
    log = Path(folder, "worker.log")
    with log.open("w") as stderr:
        process = subprocess.Popen(
            inside("/tmp/bin/holdfast", "worker"), cwd="/", env=settings, stdout=subprocess.PIPE, stderr=stderr, text=True,
        )
    try:
        line = process.stdout.readline()
        check(re.fullmatch(r"worker \S+ ready\n", line), f"it does not start: {line}{log.read_text()}")

        def asked():
            command = beside(process, "/tmp/bin/holdfast", "worker", "--check")
            return subprocess.run(command, cwd="/", env=settings, capture_output=True, text=True, check=False)

        wait_until("the worker is alive", lambda: asked().returncode == 0)
        process.send_signal(signal.SIGTERM)
        check(process.wait(20) == 0, f"it does not stop in order: {log.read_text()}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    nobody = subprocess.run(
        inside("/tmp/bin/holdfast", "worker", "--check"), cwd="/", env=settings, capture_output=True, text=True, check=False,
    )
    check(nobody.returncode == 1, f"a worker that stopped is not alive: {nobody.returncode} {nobody.stderr}")
    say("binary: a worker and its check work with all but /tmp read-only")
