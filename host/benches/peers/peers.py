"""The queues that are measured beside paddock: which versions, and with which settings."""

import dataclasses
import pathlib
import platform
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PYPI = ["celery==5.7.0", "redis==8.1.0", "hiredis==3.5.0", "procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9"]
NPM = ["pg-boss@12.38.0"]
# What that pg-boss asks for.
NODE_MIN = (22, 12)


@dataclasses.dataclass
class Peer:
    """A queue. `python` and `node` in its commands stand for the interpreters that its packages are installed for."""

    name: str
    # What survives a loss of power once a submission has been acknowledged.
    durable: str
    server: str
    script: list[str]
    # Counts the jobs that have ended: SQL, or `redis`.
    ended: str
    # Commands of the worker processes, by what the table calls them.
    workers: dict[str, list[list[str]]]


def celery(name: str, durable: str, server: str) -> Peer:
    worker = ["python", "-m", "celery", "--app", "celery_peer", "worker", "--loglevel", "ERROR"]
    # What only matters for watching and for fleets costs messages.
    worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    workers = {
        "2 processes": [[*worker, "--concurrency", "2"]],
        "4 programs of 8 threads": [[*worker, "--pool", "threads", "--concurrency", "8"]] * 4,
    }
    return Peer(name, durable, server, ["python", "role.py", "celery_peer"], "redis", workers)


def procrastinate() -> Peer:
    script = ["python", "role.py", "procrastinate_peer"]
    workers = {
        "1 process of 32": [[*script, "worker", "32"]],
        "2 processes of 16": [[*script, "worker", "16"]] * 2,
    }
    ended = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
    return Peer("Procrastinate 3.10.0", "every commit", "postgres", script, ended, workers)


def pgboss() -> Peer:
    script = ["node", "pgboss_peer.mjs"]
    workers = {
        "32, one job at a time": [[*script, "worker", "32", "1"]],
        "2, batches of 100": [[*script, "worker", "2", "100"]],
    }
    ended = "SELECT count(*) FROM pgboss.job WHERE name = 'peer' AND state = 'completed'"
    return Peer("pg-boss 12.38.0", "every commit", "postgres", script, ended, workers)


PEERS = [
    celery("Celery 5.7.0, log synced always", "every reply", "redis-always"),
    celery("Celery 5.7.0, Redis as shipped", "snapshots only", "redis"),
    procrastinate(),
    pgboss(),
]


def install(directory: pathlib.Path) -> dict[str, str]:
    """Installs the packages in `directory`; gives the interpreters that `python` and `node` stand for."""
    for program in ["redis-server", "npm"]:
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is missing: apt-get install {program}")
    return {"python": str(install_python(directory / "venv")), "node": str(install_node(directory / "npm"))}


def install_python(directory: pathlib.Path) -> pathlib.Path:
    python = directory / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYPI], check=True)
    return python


def install_node(directory: pathlib.Path) -> pathlib.Path:
    directory.mkdir(parents=True, exist_ok=True)
    node, packages = shutil.which("node"), NPM
    if node is None or version_of(node) < NODE_MIN:
        package = f"node-linux-{ {'x86_64': 'x64', 'aarch64': 'arm64'}[platform.machine()] }"
        node, packages = directory / "node_modules" / package / "bin/node", [*NPM, f"{package}@{NODE_MIN[0]}"]
    quiet = ["--silent", "--no-audit", "--no-fund"]
    subprocess.run(["npm", "install", "--prefix", directory, *quiet, *packages], check=True)
    return pathlib.Path(node)


def version_of(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, said.strip().lstrip("v").split(".")))[:2]
