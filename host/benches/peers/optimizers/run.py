#!/usr/bin/env python3
"""Measures paddock's optimizer and others on this machine, in one run and on the same slate:
`python3 host/benches/peers/optimizers/run.py`. README.md beside this file says what is measured and how.
"""

import argparse
import contextlib
import pathlib
import re
import subprocess
import tempfile
import venv

HERE = pathlib.Path(__file__).parent
PYPI = ["numpy==2.4.6", "highspy==1.16.0", "ortools==9.15.6755", "pydfs-lineup-optimizer==3.6.1"]
# The objectives that paddock proves at 10,000 scenarios.
THRESHOLD = 340
ALPHA = 0.05
# A solver that has not proven its answer after this long has not proven it.
PATIENCE_S = 60
# Numbers of scenarios that solvers are tried on, until one is not proven in time.
SCENARIOS = [10, 25, 50, 100, 200, 400]
# How much longer than paddock the random search may look.
RANDOM_TIMES = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--installed", type=pathlib.Path, help="where the peers are installed, and kept")
    parser.add_argument("--only", default="", help="measure peers whose name has this")
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="seconds for a proof")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        installed = arguments.installed or temporary(stack, "paddock-optimizers-")
        python = install(installed)
        slate = temporary(stack, "paddock-slate-")
        ours = paddock(slate)
        print("\n".join(f"paddock: {name:<50} {median:>8.3f} s  {found}" for name, median, found in ours.values()), flush=True)
        for peer in peers(arguments, ours):
            if arguments.only.lower() in peer[0].lower():
                subprocess.run([python, HERE / "peer.py", slate, *map(str, peer)], check=True)


def peers(arguments: argparse.Namespace, ours: dict) -> list[list]:
    """Command lines of peer.py."""
    rows = []
    for solver in ["highs", "cp-sat"]:
        for objective, number in [("probability", THRESHOLD), ("cvar", ALPHA)]:
            rows.append([solver, objective, number, arguments.patience, *SCENARIOS])
    for objective, number, name in [("cvar", ALPHA, "CVaR 5 %"), ("probability", THRESHOLD, f"P(score >= {THRESHOLD})")]:
        _, median, found = ours[name]
        rows.append(["random", objective, number, median * RANDOM_TIMES, found.split()[0]])
    rows.append(["pydfs", 150, ours["150 best by mean"][1]])
    return rows


def paddock(slate: pathlib.Path) -> dict:
    """Rows of the figures, by name: (name, median in seconds, what was found). Leaves the slate in its directory."""
    command = ["cargo", "bench", "-p", "paddock", "--profile", "release", "--bench", "figures", "--"]
    command += ["--write", str(slate), "best by mean", "mean (", "CVaR 5 % (", f"P(score >= {THRESHOLD})"]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = {}
    for line in text.splitlines():
        row = re.match(r"(.+) \((?:real|made up)\)\s+([\d.]+) s\s+[\d.]+ s\s+(.*)", line)
        if row:
            rows[row[1]] = (row[1], float(row[2]), row[3])
    return rows


def temporary(stack: contextlib.ExitStack, prefix: str) -> pathlib.Path:
    return pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))


def install(directory: pathlib.Path) -> pathlib.Path:
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
        subprocess.run([python, "-m", "pip", "--quiet", "install", *PYPI], check=True)
    return python


if __name__ == "__main__":
    main()
