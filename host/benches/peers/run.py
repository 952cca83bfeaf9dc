#!/usr/bin/env python3
"""Measures paddock's queue and others on this machine, in one run and with the same work: `python3 host/benches/peers/run.py`.

README.md beside this file says what is measured and how. `--help` shows how to measure one of them only.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from peers import HERE, PEERS, Peer, install
from servers import Kept, Postgres, Redis

# As host/benches/queue.rs has them, but for fewer jobs in a flood: the rate is the same, and a slow peer has done them in seconds.
FLOOD_JOBS = 1_600
CLIENTS = 32
PACED_JOBS = 500
PACE_S = 0.01
ROUNDS = 3
# A process of Python or Node computes on one core: the clients are spread over two.
CLIENT_PROCESSES = 2
# Whatever has not ended after this long is stopped, and the table says so.
PATIENCE_S = 60


@dataclasses.dataclass
class Row:
    name: str
    durable: str
    workers: str
    jobs_per_s: str
    p50_ms: str
    p99_ms: str


def main() -> None:
    arguments = parse()
    # Also a run that is told to stop takes its servers and directories along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with contextlib.ExitStack() as stack:
        installed = arguments.installed or temporary(stack, "paddock-peers-")
        interpreters = install(installed)
        scratch = temporary(stack, "paddock-peers-run-")
        # PostgreSQL runs as another user, who has to get through here.
        scratch.chmod(0o755)
        rows = []
        for peer in PEERS:
            if arguments.only is None or arguments.only.lower() in peer.name.lower():
                rows += measure(peer, Bench(interpreters, installed, scratch))
    if arguments.only is None:
        rows += paddock()
    print(f"\n{Redis.version()}, {Postgres.version()}, {os.cpu_count()} cores\n")
    print_table(rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures paddock's queue and others with the same work.")
    parser.add_argument("--installed", type=pathlib.Path, help="install the peers here, or find them here, and keep them")
    parser.add_argument("--only", help="measure only the peers that have this in their name, and not paddock")
    return parser.parse_args()


def temporary(stack: contextlib.ExitStack, prefix: str) -> pathlib.Path:
    return pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))


@dataclasses.dataclass
class Bench:
    """Where and how the processes of peers run."""

    interpreters: dict[str, str]
    installed: pathlib.Path
    scratch: pathlib.Path

    def server(self, name: str):
        directory = self.scratch / f"server-{time.monotonic_ns()}"
        starts = {
            "redis": lambda: Redis(directory, None),
            "redis-always": lambda: Redis(directory, "always"),
            "postgres": lambda: Postgres(directory),
        }
        return starts[name]()

    def command(self, command: list[str]) -> list[str]:
        return [self.interpreters.get(command[0], command[0]), *command[1:]]

    def options(self, environment: dict) -> dict:
        npm = {"PEER_NPM": str(self.installed / "npm")}
        return {"cwd": HERE, "env": os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | npm | environment}

    def worker(self, command: list[str], environment: dict) -> Kept:
        return Kept(self.command(command), self.scratch / "workers.log", **self.options(environment))

    def start(self, command: list[str], environment: dict) -> subprocess.Popen:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen(self.command(command), **pipes, **self.options(environment))


def measure(peer: Peer, bench: Bench) -> list[Row]:
    server = bench.server(peer.server)
    try:
        return [measure_with(peer, bench, server, workers) for workers in peer.workers]
    finally:
        server.end()


def measure_with(peer: Peer, bench: Bench, server, workers: str) -> Row:
    print(f"{peer.name}, {workers} ...", flush=True)
    floods = [flood(peer, bench, server, workers) for _ in range(ROUNDS)]
    latency = paced(peer, bench, server, workers)
    print(f"  {[round(per_s) for per_s in floods]} jobs/s, {latency}", flush=True)
    p50, p99 = (f"{latency[name]:.1f}" for name in ["p50_ms", "p99_ms"])
    return Row(peer.name, peer.durable, workers, f"{statistics.median(floods):.0f}", p50, p99)


@contextlib.contextmanager
def working(peer: Peer, bench: Bench, server, workers: str):
    """The environment of a queue that is empty, and whose workers run."""
    environment = server.environment()
    if peer.server == "postgres":
        made = bench.start([*peer.script, "schema"], environment)
        assert made.wait(PATIENCE_S) == 0, "the peer could not make its tables"
    running = [bench.worker(command, environment) for command in peer.workers[workers]]
    try:
        yield environment
    finally:
        for worker in running:
            worker.end()


def flood(peer: Peer, bench: Bench, server, workers: str) -> float:
    """Jobs per second from the first submission to the last end."""
    with working(peer, bench, server, workers) as environment, ended_in_time() as started:
        counts = [str(CLIENTS), str(FLOOD_JOBS)]
        watch = bench.start(["python", "ended.py", peer.ended, *counts], environment)
        share = [str(FLOOD_JOBS // CLIENT_PROCESSES), str(CLIENTS // CLIENT_PROCESSES)]
        clients = [bench.start([*peer.script, "submit", *share], environment) for _ in range(CLIENT_PROCESSES)]
        started += [watch, *clients]
        for process in started:
            expect(process, "ready")
        begun = time.perf_counter()
        for process in started:
            go(process)
        expect(watch, "ended")
        return FLOOD_JOBS / (time.perf_counter() - begun)


def paced(peer: Peer, bench: Bench, server, workers: str) -> dict:
    """From the call that submits to the end of the job, at a hundred jobs per second."""
    with working(peer, bench, server, workers) as environment, ended_in_time() as started:
        client = bench.start([*peer.script, "paced", str(PACED_JOBS), str(PACE_S)], environment)
        started.append(client)
        expect(client, "ready")
        go(client)
        return json.loads(client.stdout.readline())


@contextlib.contextmanager
def ended_in_time():
    """Ends the processes that are put into the list: when all is done, and after `PATIENCE_S` in any case."""
    started: list[subprocess.Popen] = []
    end = lambda: [process.kill() for process in started]
    timer = threading.Timer(PATIENCE_S, end)
    timer.start()
    try:
        yield started
    finally:
        timer.cancel()
        end()
        for process in started:
            process.communicate()


def expect(process: subprocess.Popen, word: str) -> None:
    said = process.stdout.readline().strip()
    if said != word:
        raise SystemExit(f"{process.args} said `{said}` instead of `{word}`: it failed, or took over {PATIENCE_S} s")


def go(process: subprocess.Popen) -> None:
    process.stdin.write("go\n")
    process.stdin.flush()


def paddock() -> list[Row]:
    """The lines of `host/benches/queue.rs` as rows of the same table."""
    print("paddock ...", flush=True)
    bench = ["cargo", "bench", "--quiet", "-p", "paddock", "--profile", "release", "--bench", "queue"]
    said = subprocess.run(bench, cwd=HERE, stdout=subprocess.PIPE, text=True, check=True).stdout
    print(said, flush=True)
    rows, database = [], ""
    for line in said.splitlines():
        if flooded := re.match(r"\s+(\d+) workers, \d+ clients: (\d+) jobs/s", line):
            rows.append(Row(f"paddock, {database}", "every commit", f"{flooded[1]} threads", flooded[2], "", ""))
        elif latency := re.search(r"submit to done: p50 ([\d.]+) ms, p99 ([\d.]+) ms", line):
            rows.append(Row(f"paddock, {database}", "every commit", "2 threads", "", latency[1], latency[2]))
        else:
            database = line.strip()
    return rows


def print_table(rows: list[Row]) -> None:
    head = Row("queue", "what survives a power loss", "workers", "jobs/s", "p50 ms", "p99 ms")
    lines = [dataclasses.astuple(row) for row in [head, *rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    lines.insert(1, tuple("-" * width for width in widths))
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")


if __name__ == "__main__":
    main()
