"""One other optimizer on a slate that `figures` has written: `peer.py SLATE highs|cp-sat|random|pydfs ...`."""

import csv
import pathlib
import sys
import time

import numpy as np

PLACES = 6
CAP = 50_000
# Both processors, as paddock has them.
THREADS = 2


def main() -> None:
    directory, peer, *rest = sys.argv[1:]
    names, salaries, points = slate(pathlib.Path(directory))
    if peer == "pydfs":
        pydfs(names, salaries, points.mean(axis=0), int(rest[0]), float(rest[1]))
    elif peer == "random":
        random_search(salaries, points, rest[0], float(rest[1]), float(rest[2]), float(rest[3]))
    else:
        solve = {"highs": highs, "cp-sat": cp_sat}[peer]
        prove(peer, solve, salaries, points, rest[0], float(rest[1]), float(rest[2]), [int(number) for number in rest[3:]])


def slate(directory: pathlib.Path):
    with (directory / "slate.csv").open() as file:
        rows = list(csv.reader(file))
    names, salaries = [row[0] for row in rows], np.array([int(row[1]) for row in rows])
    points = np.fromfile(directory / "points.f32", dtype="<f4").reshape(-1, len(names)).astype(np.float64)
    return names, salaries, points


def prove(name, solve, salaries, points, objective, number, patience, sizes) -> None:
    """Solves for more and more scenarios until one is not proven in time."""
    for size in sizes:
        started = time.perf_counter()
        proven, value = solve(salaries, points[:size], objective, number, patience)
        took = time.perf_counter() - started
        verdict = "proven" if proven else "not proven"
        print(f"{name}: {objective} {number:g} over {size} scenarios: {verdict} after {took:.1f} s, {value:.4f}", flush=True)
        if not proven:
            return


def highs(salaries, points, objective, number, patience):
    """The mixed-integer program. The upper CVaR of S scenarios is the mean of the best K: K binary marks choose them, and the
    score counts only where it is marked (big-M, with the most and least that any lineup can have there)."""
    import highspy

    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("time_limit", patience)
    model.setOptionValue("threads", THREADS)
    picks = [model.addBinary() for _ in salaries]
    model.addConstr(sum(picks) == PLACES)
    model.addConstr(sum(int(salary) * pick for salary, pick in zip(salaries, picks)) <= CAP)
    scenarios = len(points)
    marks = [model.addBinary() for _ in range(scenarios)]
    score = lambda row: sum(float(cell) * pick for cell, pick in zip(row, picks))
    if objective == "probability":
        for row, mark in zip(points, marks):
            least = np.sort(row)[:PLACES].sum()
            model.addConstr(score(row) >= least + (number - least) * mark)
        target = sum(mark * (1 / scenarios) for mark in marks)
    else:
        count = int(np.ceil(number * scenarios))
        parts = []
        for row, mark in zip(points, marks):
            ordered = np.sort(row)
            least, most = ordered[:PLACES].sum(), ordered[-PLACES:].sum()
            part = model.addVariable(lb=min(least, 0.0), ub=max(most, 0.0))
            model.addConstr(part <= most * mark)
            model.addConstr(part >= least * mark)
            model.addConstr(part <= score(row) - least * (1 - mark))
            parts.append(part)
        model.addConstr(sum(marks) == count)
        target = sum(part * (1 / count) for part in parts)
    model.maximize(target)
    proven = model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return proven, model.getInfo().objective_function_value


def cp_sat(salaries, points, objective, number, patience):
    """The same in whole hundredths of a point."""
    from ortools.sat.python import cp_model

    hundredths = np.rint(points * 100).astype(int)
    model = cp_model.CpModel()
    picks = [model.new_bool_var("") for _ in salaries]
    model.add(sum(picks) == PLACES)
    model.add(sum(int(salary) * pick for salary, pick in zip(salaries, picks)) <= CAP)
    scenarios = len(points)
    marks = [model.new_bool_var("") for _ in range(scenarios)]
    score = lambda row: sum(int(cell) * pick for cell, pick in zip(row, picks))
    if objective == "probability":
        for row, mark in zip(hundredths, marks):
            model.add(score(row) >= int(number * 100)).only_enforce_if(mark)
        model.maximize(sum(marks))
        scale = scenarios
    else:
        count = int(np.ceil(number * scenarios))
        parts = []
        for row, mark in zip(hundredths, marks):
            ordered = np.sort(row)
            least, most = int(ordered[:PLACES].sum()), int(ordered[-PLACES:].sum())
            part = model.new_int_var(min(least, 0), max(most, 0), "")
            model.add(part == 0).only_enforce_if(~mark)
            model.add(part <= score(row)).only_enforce_if(mark)
            parts.append(part)
        model.add(sum(marks) == count)
        model.maximize(sum(parts))
        scale = 100 * count
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = patience
    solver.parameters.num_workers = THREADS
    status = solver.solve(model)
    value = solver.objective_value / scale if status in (cp_model.OPTIMAL, cp_model.FEASIBLE) else float("nan")
    return status == cp_model.OPTIMAL, value


def random_search(salaries, points, objective, number, seconds, optimum) -> None:
    """Feasible lineups at random, scored a thousand at a time, for as long as it may."""
    generator = np.random.default_rng(1)
    columns = np.ascontiguousarray(points.T, dtype=np.float32)
    count = int(np.ceil(number * len(points))) if objective == "cvar" else 0
    best, seen, started = -np.inf, 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        lineup = np.argpartition(generator.random((256, len(salaries))), PLACES, axis=1)[:, :PLACES]
        lineup = lineup[salaries[lineup].sum(axis=1) <= CAP]
        for picks in lineup:
            scores = columns[picks].sum(axis=0)
            if objective == "cvar":
                value = np.partition(scores, len(scores) - count)[-count:].mean()
            else:
                value = (scores >= number).mean()
            best, seen = max(best, value), seen + 1
            if time.perf_counter() - started >= seconds:
                break
    below = 100 * (1 - best / optimum)
    print(f"random search: {objective} {number:g}, {seconds:.1f} s, {seen} lineups: {best:.4f}, {below:.1f} % below the optimum", flush=True)


def pydfs(names, salaries, means, lineups, ours) -> None:
    """The best lineups by the mean, under the same cap."""
    from pydfs_lineup_optimizer import Player, Site, Sport, get_optimizer

    optimizer = get_optimizer(Site.DRAFTKINGS, Sport.NASCAR)
    players = [
        Player(player_id=str(index), first_name=name, last_name=str(index), positions=["D"], team=f"T{index}", salary=float(salary), fppg=float(mean))
        for index, (name, salary, mean) in enumerate(zip(names, salaries, means))
    ]
    optimizer.player_pool.load_players(players)
    started = time.perf_counter()
    found = list(optimizer.optimize(lineups))
    took = time.perf_counter() - started
    last = found[-1].fantasy_points_projection
    print(f"pydfs-lineup-optimizer: {len(found)} best by mean: {took:.1f} s ({took / ours:.0f} x paddock), the last one {last:.4f}", flush=True)


if __name__ == "__main__":
    main()
