"""What can be said of Dockerfile, compose file and .env.example by reading them."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
INSTRUCTIONS = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "STOPSIGNAL", "USER",
    "VOLUME", "WORKDIR",
}
# Variables of the compose file itself: holdfast does not know them.
OF_COMPOSE = {
    "IMAGE", "PUBLISH_ADDRESS", "PUBLISH_PORT", "PROXY_ADDRESS", "PROXY_PORT", "MAILPIT_PORT", "PROXY_NETWORK",
    "REDIS_MAXMEMORY", "RUST_LOG",
}
# The image says where these are: in a container nothing else makes sense.
OF_IMAGE = {"HOLDFAST_LISTEN", "HOLDFAST_DATA_DIR"}
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^{}]*))?\}")
CONTEXT_BUILD_SECONDS_MAX = 1200


def check(claim, why):
    if not claim:
        raise SystemExit(f"check-deploy: {why}")


def variables():
    """The environment variables of the table of settings."""
    table = (ROOT / "src/config/table.rs").read_text()
    found = re.findall(r'known\("\w+", "([A-Z_]+)"', table)
    check(len(found) > 20, "the table of settings is not read any more")
    return set(found)


class Dockerfile:
    """The instructions, in stages; continued lines are joined, comments gone, `ARG`s before the first stage put in."""

    def __init__(self, path):
        text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
        lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
        self.arguments, self.stages = {}, []
        for line in lines:
            instruction, _, rest = line.partition(" ")
            check(instruction in INSTRUCTIONS, f"Dockerfile: `{instruction}` is no instruction we know")
            if instruction == "ARG" and not self.stages:
                name, _, value = rest.partition("=")
                self.arguments[name] = value
            elif instruction == "FROM":
                for name, value in self.arguments.items():
                    rest = rest.replace(f"${{{name}}}", value)
                self.stages.append([(instruction, rest)])
            else:
                check(self.stages, f"Dockerfile: {instruction} before FROM")
                self.stages[-1].append((instruction, rest))

    def all(self, stage, instruction):
        return [rest for name, rest in self.stages[stage] if name == instruction]

    def one(self, stage, instruction):
        found = self.all(stage, instruction)
        check(len(found) == 1, f"Dockerfile: stage {stage} has {len(found)} {instruction}")
        return found[0]

    def copied(self):
        """What the first stage copies out of the repository."""
        return [source for rest in self.all(0, "COPY") for source in rest.split()[:-1]]


def ignored(lines, path):
    """Whether .dockerignore keeps a path at the top out: the last pattern that fits decides."""
    is_out = False
    for line in lines:
        pattern = line.removeprefix("!")
        if pattern in ("*", path):
            is_out = not line.startswith("!")
    return is_out


def dockerfile():
    file = Dockerfile(ROOT / "Dockerfile")
    check(len(file.stages) == 2, "Dockerfile: there are two stages")
    for stage in (0, 1):
        image = file.one(stage, "FROM").split()[0]
        check(re.fullmatch(r"[a-z]+:[a-z0-9.-]+", image) and "latest" not in image, f"Dockerfile: {image} is pinned")
        check(file.arguments["DEBIAN"] in image, f"Dockerfile: {image} is of another Debian")
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    check(
        file.arguments["RUST"] == manifest["workspace"]["package"]["rust-version"], "Dockerfile: RUST is Cargo.toml's",
    )
    check(
        f'image.version="{manifest["workspace"]["package"]["version"]}"' in file.one(1, "LABEL"),
        "Dockerfile: the label's version is Cargo.toml's",
    )
    known = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    patterns = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and line[0] != "#"]
    for source in file.copied():
        check(any(path == source or path.startswith(f"{source}/") for path in known), f"{source} is in no commit")
        check(not ignored(patterns, source), f".dockerignore keeps {source} out")
    for secret in (".env", "data", "target", ".git"):
        check(ignored(patterns, secret), f".dockerignore lets {secret} in")
    check(file.all(1, "COPY") == ["--from=build /holdfast /usr/local/bin/holdfast"], "Dockerfile: only the binary")
    check(re.fullmatch(r"[1-9]\d*:[1-9]\d*", file.one(1, "USER")), "Dockerfile: USER is a number and not root's")
    check(file.one(1, "HEALTHCHECK").endswith('CMD ["holdfast", "health"]'), "Dockerfile: HEALTHCHECK")
    for instruction, wanted in (
        ("STOPSIGNAL", "SIGTERM"), ("VOLUME", "/data"), ("EXPOSE", "3000"), ("ENTRYPOINT", '["holdfast"]'),
        ("CMD", '["serve"]'),
    ):
        check(file.one(1, instruction) == wanted, f"Dockerfile: {instruction} is {wanted}")
    set_here = dict(pair.split("=", 1) for pair in file.one(1, "ENV").split())
    check(set(set_here) == OF_IMAGE, f"Dockerfile: it sets {sorted(set_here)}")
    return file


def context_builds(file, target):
    """Builds from what the Dockerfile copies, and from nothing else."""
    context = target / "deploy/context"
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    for source in file.copied():
        there = context / source
        # With the times of the files, so that what did not change is not built again.
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, there, ignore=shutil.ignore_patterns("tests"))
        else:
            shutil.copy2(ROOT / source, there)
    command = next(rest for rest in file.all(0, "RUN") if "cargo build" in rest)
    arguments = re.search(r"cargo (build [^&]*?)\s*&&", command)[1].split()
    check("--release" in arguments and "--locked" in arguments, "Dockerfile: a locked release build")
    # The same without `--release`: that takes minutes, and what is missing is missing either way.
    arguments.remove("--release")
    subprocess.run(
        ["cargo", *arguments, "--quiet", "--target-dir", str(target.resolve())], cwd=context, check=True,
        timeout=CONTEXT_BUILD_SECONDS_MAX,
    )


def filled(node, values):
    """The document with its `${NAME:-default}`s put in; what was text stays text, as in compose."""
    if isinstance(node, dict):
        return {name: filled(inner, values) for name, inner in node.items()}
    if isinstance(node, list):
        return [filled(inner, values) for inner in node]
    if isinstance(node, str):
        return VARIABLE.sub(lambda match: values.get(match[1]) or match[2] or "", node)
    return node


def compose(values):
    """The compose file as it is with these variables."""
    return filled(yaml.safe_load((ROOT / "docker-compose.yml").read_text()), values)


def example():
    """Names and values of .env.example, the marks taken off."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [re.fullmatch(r"#([A-Z_]+)=(.*)", line) for line in lines]
    check(all(line[:1] in ("", "#") for line in lines), ".env.example sets something as it is")
    return {pair[1]: pair[2].strip('"') for pair in pairs if pair}


def compose_file():
    settings = variables()
    names = example()
    check(set(names) - settings <= OF_COMPOSE, f".env.example has {sorted(set(names) - settings - OF_COMPOSE)}")
    missing = (settings | OF_COMPOSE) - OF_IMAGE - set(names)
    check(not missing, f".env.example does not tell of {sorted(missing)}")
    used = {name for name, _ in VARIABLE.findall((ROOT / "docker-compose.yml").read_text())}
    missing = (settings | OF_COMPOSE) - OF_IMAGE - used - {"RUST_LOG"}
    check(not missing, f"docker-compose.yml does not hand on {sorted(missing)}")
    check(used <= settings | OF_COMPOSE, f"docker-compose.yml knows {sorted(used - settings - OF_COMPOSE)}")
    services = compose({})["services"]
    for name, service in services.items():
        image = service["image"]
        check(":" in image and "latest" not in image, f"{name}: {image} is not pinned")
        check(service["read_only"] is True and service["cap_drop"] == ["ALL"], f"{name} may write or has rights")
        check(service["security_opt"] == ["no-new-privileges:true"], f"{name} may get new privileges")
        check(service["restart"] == "unless-stopped" and service["healthcheck"]["test"][0] == "CMD", f"{name}: health")
        check("build" in service or service.get("user", "root").split(":")[0] not in ("0", "root"), f"{name} is root")
        for port in service.get("ports", []):
            check(port.startswith("127.0.0.1:"), f"{name} is published at {port}")
    published = {name for name, service in services.items() if "ports" in service}
    check(published == {"server", "mailpit", "nginx"}, f"{sorted(published)} are published")
    check("volatile-lru" in services["redis"]["command"], "redis may evict the mail queue")
    for stream in services["nginx"]["volumes"]:
        check((ROOT / stream.split(":")[0]).is_file(), f"nginx: {stream} is not there")
    return names


def environment(service, values):
    """The variables of a container, with those of its image."""
    variables = compose(values)["services"][service]["environment"]
    return {name: value for name, value in variables.items() if value is not None} | {
        "HOLDFAST_LISTEN": "0.0.0.0:3000", "HOLDFAST_DATA_DIR": "/data",
    }


def settings_are_understood(binary, names, folder):
    """`holdfast` takes what compose hands on: of an empty .env, and of every example."""
    for values in ({}, names):
        for service in ("server", "worker"):
            told = subprocess.run(
                [binary, "config", "show", "--json"], env=environment(service, values), cwd=folder, capture_output=True,
                text=True, check=False,
            )
            check(told.returncode == 0, f"holdfast refuses the environment of {service}: {told.stderr}")
            table = {name: row["value"] for name, row in json.loads(told.stdout).items()}
            check(table["listen"] == "0.0.0.0:3000" and table["redis_url"], f"{service}: {table}")
            if service == "server":
                check(table["demo"] == ("true" if values else "false"), "the demo is off unless it is asked for")
                check(table["trusted_proxies"].startswith("172.30.77.3"), "nginx is trusted")


def schema(python):
    """Asks compose itself, where it is there; else the schema of its specification."""
    has_compose = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0 \
        if shutil.which("docker") else False
    if has_compose:
        subprocess.run(
            ["docker", "compose", "--env-file", "/dev/null", "--profile", "proxy", "config", "--quiet"], cwd=ROOT,
            check=True,
        )
        return "docker compose config"
    subprocess.run(
        [str(Path(python).with_name("check-jsonschema")), "--builtin-schema", "vendor.compose-spec",
         "docker-compose.yml"],
        cwd=ROOT, check=True, stdout=sys.stderr,
    )
    return "the schema of the compose specification; docker compose is not here"


def units(binary, folder):
    """The units of systemd are ones, if it is here to say so."""
    if not shutil.which("systemd-analyze"):
        return "NOT TESTED: systemd is not here"
    for unit in sorted((ROOT / "deploy/systemd").glob("*.service")):
        text = unit.read_text()
        check("/usr/local/bin/holdfast " in text, f"{unit.name} starts something else")
        # It looks whether the program and the user are there, and not every machine has these.
        text = text.replace("/usr/local/bin/holdfast", binary)
        copy = Path(folder, unit.name)
        copy.write_text(re.sub("^(User|Group)=holdfast\n", "", text, flags=re.MULTILINE))
        told = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
        of_ours = [line for line in told.stderr.splitlines() if unit.name in line]
        check(told.returncode == 0 and not of_ours, f"{unit.name}: {told.stderr}")
    return "systemd: the units are understood"
