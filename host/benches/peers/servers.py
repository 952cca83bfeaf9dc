"""A Redis and a PostgreSQL server for one run: on a socket or the loopback, in a directory of their own, gone with this process."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

PATIENCE_S = 60
NOBODY = 65_534
# Ends the program at the end of this shell's input, which is the end of whoever started it, however that came.
UNTIL_ALONE = '"$@" < /dev/null & program=$!; cat > /dev/null; kill "$program"; wait "$program"'


class Kept:
    """A program that runs until `end`, or until this process is gone."""

    def __init__(self, command: list, log: pathlib.Path, **options):
        with open(log, "ab") as output:
            self.keeper = subprocess.Popen(
                ["sh", "-c", UNTIL_ALONE, "sh", *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                **options,
            )

    def end(self) -> None:
        self.keeper.stdin.close()
        self.keeper.wait()


class Redis:
    """`log` is when Redis syncs its append-only file; without one it keeps what it ships with: snapshots now and then."""

    def __init__(self, directory: pathlib.Path, log: str | None):
        directory.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}"
        command = ["redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", directory]
        if log:
            command += ["--appendonly", "yes", "--appendfsync", log]
        self.port = port
        self.server = Kept(command, directory / "log")
        wait_until(lambda: self.client("PING").strip() == "PONG", directory / "log")

    def client(self, *command: str) -> str:
        run = subprocess.run(["redis-cli", "-p", str(self.port), *command], capture_output=True, text=True)
        return run.stdout

    def environment(self) -> dict:
        """What the peer's processes need to know of an empty server."""
        self.client("FLUSHALL", "SYNC")
        return {"PEER_REDIS": self.url}

    def end(self) -> None:
        self.server.end()

    @staticmethod
    def version() -> str:
        said = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
        return "Redis " + re.search(r"v=(\S+)", said)[1]


class Postgres:
    """With its default durability: `fsync` and `synchronous_commit` are on."""

    def __init__(self, directory: pathlib.Path):
        directory.mkdir()
        # PostgreSQL refuses to run as root.
        self.as_whom = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        if self.as_whom:
            os.chown(directory, NOBODY, NOBODY)
        self.directory, self.databases = directory, 0
        data = directory / "data"
        made = [self.program("initdb"), "-D", data, "-U", "peer", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd=directory, **self.as_whom)
        settings = ["listen_addresses=", f"unix_socket_directories={directory}", "max_connections=300"]
        command = [self.program("postgres"), "-D", data]
        for setting in settings:
            command += ["-c", setting]
        self.server = Kept(command, directory / "log", cwd=directory, **self.as_whom)
        wait_until(lambda: self.client("pg_isready").returncode == 0, directory / "log")

    def client(self, program: str, *arguments: str) -> subprocess.CompletedProcess:
        command = [self.program(program), "-h", self.directory, "-U", "peer", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    def environment(self) -> dict:
        """What the peer's processes need to know of an empty database."""
        self.databases += 1
        name = f"peer{self.databases}"
        self.client("createdb", name).check_returncode()
        return {"PEER_POSTGRES": f"postgresql://peer@/{name}?host={self.directory}"}

    def end(self) -> None:
        self.server.end()

    @staticmethod
    def program(name: str) -> pathlib.Path:
        """The newest of the places where Debian puts PostgreSQL, or where `PATH` finds it."""
        debian = pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
        places = sorted(debian, key=lambda place: int(place.parts[-3])) or [shutil.which(name)]
        if places[-1] is None:
            raise SystemExit(f"{name} is missing: apt-get install postgresql")
        return pathlib.Path(places[-1])

    @classmethod
    def version(cls) -> str:
        said = subprocess.run([cls.program("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
        return "PostgreSQL " + said.split()[2]


def wait_until(is_ready, log: pathlib.Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_ready():
        if time.monotonic() > until:
            raise SystemExit(f"a server did not start: {log.read_text()}")
        time.sleep(0.02)
