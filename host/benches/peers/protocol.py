"""How the processes of a peer talk with `run.py`: each says `ready`, waits for `go`, and says what it has measured."""

import json
import sys


def wait_for_go() -> None:
    print("ready", flush=True)
    if sys.stdin.readline().strip() != "go":
        sys.exit("run.py has ended")


def say_percentiles(latencies_s: list[float]) -> None:
    latencies_s = sorted(latencies_s)
    at = lambda share: latencies_s[int((len(latencies_s) - 1) * share)] * 1e3
    print(json.dumps({"p50_ms": at(0.50), "p99_ms": at(0.99)}), flush=True)
