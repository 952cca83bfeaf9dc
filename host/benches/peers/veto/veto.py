"""The built-in scenario constraint behind other boundaries: Extism, and a Python process with NumPy.

    python3 host/benches/peers/veto/veto.py

Installs what it needs in a temporary directory, builds the Extism plugin from the constraint's own source files, checks that both peers
give the same verdicts, and prints the median time to judge 10,000 scenarios of 38 entries. paddock's own figure for the same block is
`veto_in_wasm` of `cargo bench -p paddock --bench native`.
"""

import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import venv

HERE = pathlib.Path(__file__).parent
PYPI = ["extism==1.1.1", "extism-sys==1.41.0", "numpy"]
SCENARIOS, ENTRIES, LAPS = 10_000, 38, 267
ROUNDS = 50


def block():
    """Shuffled orders in which four entries share the laps, as `host/benches/native.rs` has them."""
    import numpy

    random = numpy.random.default_rng(1)
    start = numpy.arange(1, ENTRIES + 1, dtype="<u2")
    finish = random.permuted(numpy.tile(start, (SCENARIOS, 1)), axis=1)
    laps = numpy.zeros((SCENARIOS, ENTRIES), dtype="<u2")
    laps[:, :4] = [67, 67, 67, 66]
    completed = numpy.full((SCENARIOS, ENTRIES), LAPS, dtype="<u2")
    retired = numpy.tile((numpy.arange(ENTRIES) % 9 == 0).astype("u1"), (SCENARIOS, 1))
    columns = [start, finish, laps, laps, completed, retired]
    return struct.pack("<III", SCENARIOS, ENTRIES, LAPS) + b"".join(column.tobytes() for column in columns)


def judge(data):
    """The rules of `guests/constraint-race-physics` with their default bounds, a column at a time."""
    import numpy

    scenarios, n, laps = struct.unpack_from("<III", data)
    cells, at = scenarios * n, 12
    start = numpy.frombuffer(data, "<u2", n, at)
    words = numpy.frombuffer(data, "<u2", 4 * cells, at + 2 * n).reshape(4, scenarios, n)
    finish, led, fastest, completed = words
    retired = numpy.frombuffer(data, "u1", cells, at + 2 * n + 8 * cells).reshape(scenarios, n)
    winner = finish.argmin(axis=1)
    rows = numpy.arange(scenarios)
    moves = numpy.abs(start.astype("i4") - finish).sum(axis=1) / n
    broken = [
        (led > completed).any(axis=1),
        (fastest > completed).any(axis=1),
        numpy.abs(led.sum(axis=1, dtype="i4") - laps) > 1,
        fastest.sum(axis=1, dtype="i4") > laps,
        completed[rows, winner] < laps,
        led[rows, winner] == 0,
        retired.sum(axis=1) > 0.5 * n,
        led.max(axis=1) > 0.9 * laps,
        fastest.max(axis=1) > 0.6 * laps,
        moves < 3.5,
        moves > 16.0,
    ]
    verdicts = numpy.zeros(scenarios, dtype="u1")
    for number, is_broken in reversed(list(enumerate(broken, start=1))):
        verdicts[is_broken] = number
    return verdicts.tobytes()


def serve():
    """The subprocess: blocks in, verdicts out, each after its length."""
    while size := sys.stdin.buffer.read(4):
        verdicts = judge(sys.stdin.buffer.read(struct.unpack("<I", size)[0]))
        sys.stdout.buffer.write(verdicts)
        sys.stdout.buffer.flush()


def extism_peer():
    import extism

    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--target", "wasm32-unknown-unknown"],
        cwd=HERE / "guest", check=True, env=dict(__import__("os").environ, RUSTFLAGS="-Ctarget-feature=+simd128"),
    )
    wasm = HERE / "guest/target/wasm32-unknown-unknown/release/veto_extism.wasm"
    plugin = extism.Plugin({"wasm": [{"path": str(wasm)}]})
    return lambda data: plugin.call("judge", data)


def python_peer():
    process = subprocess.Popen([sys.executable, __file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call(data):
        process.stdin.write(struct.pack("<I", len(data)))
        process.stdin.write(data)
        process.stdin.flush()
        return process.stdout.read(SCENARIOS)

    return call


def median_ms(call, data):
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call(data)
        times.append(time.perf_counter() - began)
    return sorted(times)[ROUNDS // 2] * 1e3


def measure():
    data = block()
    peers = {"Extism": extism_peer(), "Python process with NumPy": python_peer()}
    expected = judge(data)
    for name, call in peers.items():
        if bytes(call(data)) != expected:
            sys.exit(f"{name} gives other verdicts")
    print(f"judging {SCENARIOS} scenarios of {ENTRIES} entries, median of {ROUNDS}, same verdicts:")
    for name, call in peers.items():
        print(f"  {name}: {median_ms(call, data):.2f} ms")


def main():
    if sys.argv[1:] == ["serve"]:
        return serve()
    if sys.argv[1:] == ["measure"]:
        return measure()
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        python = f"{directory}/bin/python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PYPI], check=True)
        subprocess.run([python, __file__, "measure"], check=True)


main()
