"""What the solver shows: points found, time, memory, each beside what it must and what it aims to reach.

    python benchmarks/solver.py                     everything, about ten minutes on two cores
    python benchmarks/solver.py --only found drawn  some sections
    python benchmarks/solver.py --quick             fewer repetitions and fewer starts; not for the record
    python benchmarks/solver.py --full              more seeds and starts, BrainPy's second method
    python benchmarks/solver.py --markdown          tables for docs/performance.md

Points are checked in NumPy (networks.py), not by the package. A second call gets the given starts plus noise
of a hundredth of their spread: the same shapes, so that it remembers compiled code and nothing else. The
floor is one LAPACK factorisation and solve (getrf, getrs) in float64, on every core at once with one BLAS
thread each, measured around every timing. BrainPy runs in a virtual environment of its own, made on first
use under the system's folder for temporary files, or given by `--brainpy-python`.
"""

import argparse
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import xarray as xr
from measure import fresh, lapack_seconds, machine, medians, n_cores, timed, watched
from networks import (
    CELLS,
    check,
    distances,
    flipflop_weights,
    random_gru,
    rounding,
    spread_of,
    step,
    visited_states,
)
from report import Row, Table, at_least, at_most, exactly, measured, number, show

import fpanalysis as fpa

N_POINTS = 27
FLOOR_SOLVES = 12  # LAPACK factorisations and solves a start that the floor of a solve counts


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    quick: bool
    full: bool
    brainpy_python: str | None

    def repeats(self, n: int) -> int:
        """Return how often to measure what is usually measured `n` times."""
        return min(n, 3) if self.quick else n


def find(model: Any, starts: np.ndarray | None = None, **options: Any) -> xr.Dataset:
    """Call the package without spectra and without a progress bar."""
    return fpa.find_fixed_points(model, candidates=starts, spectra=False, progress=False, **options)


def other_starts(starts: np.ndarray, seed: int) -> np.ndarray:
    """Return starts of the same shape, a hundredth of their spread away."""
    noise = np.random.default_rng([7, seed]).standard_normal(starts.shape)
    return starts + 0.01 * spread_of(starts) * noise


def points_of(ds: xr.Dataset) -> np.ndarray:
    """Return the fixed points that a dataset of one condition lists."""
    return ds["x"].values[ds["is_fixed"].values]


def found(options: Options) -> Iterator[Table]:
    """Points from the given starts, checked in NumPy."""
    table = Table("Points from the given starts")
    last = {}
    for cell in CELLS:
        model, starts = fpa.datasets.flipflop(cell), fpa.datasets.flipflop_states(cell)
        weights, u = flipflop_weights(cell), np.zeros(3)
        move = step(cell, weights)
        for n in (1024, 256, 128):
            points = points_of(find(model, starts[:n]))
            bounds = (N_POINTS, N_POINTS) if n == 1024 else (None, N_POINTS if n == 128 else None)
            table.rows.append(exactly(f"{cell}: found from {n} starts", [len(points)], *bounds))
            if n == 1024:
                last[cell] = check(points, move, u, spread_of(starts)), rounding(points, cell, weights, u)
    for cell, (seen, floor) in last.items():
        table.rows += [
            at_most(f"{cell}: largest residual (max-norm)", [seen.residual], 1e-13, 2 * floor),
            exactly(f"{cell}: listed, not a fixed point", [seen.false], 0, 0),
            exactly(f"{cell}: listed twice", [seen.double], 0, 0),
            Row(f"{cell}: nearest two points, in spreads", number(seen.nearest)),
        ]
    table.notes.append("aim of the residual: twice the rounding error of one NumPy step and of storing x")
    yield table


def drawn(options: Options) -> Iterator[Table]:
    """Points from the package's own candidates."""
    table = Table("Points from default candidates, by seed")
    seeds = range(10 if options.full else 3)
    for cell in CELLS:
        model = fpa.datasets.flipflop(cell)
        starts = fpa.datasets.flipflop_states(cell)
        move, wrong = step(cell, flipflop_weights(cell)), 0
        for n in (1024, 256, 128):
            sets = [points_of(find(model, n_candidates=n, seed=seed)) for seed in seeds]
            bounds = {1024: (N_POINTS, N_POINTS), 256: (None, N_POINTS), 128: (None, None)}[n]
            table.rows.append(exactly(f"{cell}: found from {n} candidates", list(map(len, sets)), *bounds))
            seen = [check(points, move, np.zeros(3), spread_of(starts)) for points in sets]
            wrong += sum(s.false + s.double for s in seen)
        table.rows.append(exactly(f"{cell}: false or listed twice, all runs", [wrong], 0, 0))
    yield table


def second(options: Options) -> Iterator[Table]:
    """Time of a second call: solve and deduplicate."""
    table = Table("Time of a second call from 1,024 starts, without spectra")
    bounds = {"tanh": (0.6, 0.1), "gru": (1.0, 0.15), "lstm": (4.0, 1.0)}
    for cell in CELLS:
        model, starts = fpa.datasets.flipflop(cell), fpa.datasets.flipflop_states(cell)
        times, floors = call_times(model, starts, options.repeats(7))
        table.rows.append(at_most(cell, times, *bounds[cell], "s"))
        table.rows += _where(f"{cell}:", model, other_starts(starts, 99), median(floors))
    yield table


def call_times(
    model: Any, starts: np.ndarray, repeats: int, **options: Any
) -> tuple[list[float], list[float]]:
    """Return the times of calls after the first, and LAPACK's time per solve measured between them."""
    n = starts.shape[1]
    find(model, starts, **options)
    times, floors = [], [lapack_seconds(n)]
    for seed in range(repeats):
        times.append(timed(lambda seed=seed: find(model, other_starts(starts, seed), **options))[0])
        if seed % 3 == 2 or seed == repeats - 1:
            floors.append(lapack_seconds(n))
    return times, floors


def _where(name: str, model: Any, starts: np.ndarray, solve: float) -> list[Row]:
    """Return where the time of one call goes, beside LAPACK's floor for the same number of solves."""
    with watched() as stages:
        total = timed(lambda: find(model, starts))[0]
    lapack = f"{1e3 * solve:.3g} ms each, {n_cores()} cores at once"
    rows = [Row(f"{name} LAPACK's LU and solve, N = {starts.shape[1]}", lapack)]
    if stages.directions:
        floor = stages.directions * solve
        rows.append(Row(f"{name} LUs a start", f"{stages.directions / len(starts):.2f}"))
        rows.append(
            Row(f"{name} floor, that many LUs", f"{number(floor)} s; the call takes ×{number(total / floor)}")
        )
    parts = {"advance": "F, line search, Jacobian", "directions": "LU and solve"}
    said = [f"{text} {number(stages.seconds[key])} s" for key, text in parts.items() if stages.seconds[key]]
    rest = total - sum(stages.seconds.values())
    if said:
        rows.append(Row(f"{name} where it goes", "; ".join([*said, f"the rest {number(rest)} s"])))
    return rows


def first(options: Options) -> Iterator[Table]:
    """Time of the first call in a new process."""
    table = Table("First call in a new process (GRU, 1,024 starts, spectra included, no compilation cache)")
    for candidates, bounds in (("given", (6.0, 3.0)), ("default", (None, None))):
        runs = [fresh("in_fresh_process.py", "first", candidates) for _ in range(options.repeats(5))]
        table.rows.append(
            at_most(f"{candidates} candidates: whole process", [r["process"] for r in runs], *bounds, "s")
        )
        stages = ("imports", "load", "candidates", "solve", "verify", "dataset", "spectra")
        for stage in stages:
            if any(stage in run for run in runs):
                table.rows.append(Row(f"  {stage}", measured([run.get(stage, 0.0) for run in runs], "s")))
        left = medians(runs, "process") - sum(medians(runs, s) for s in stages if s in runs[0])
        table.rows.append(Row("  the rest, and the interpreter's start and end", f"{number(left)} s"))
        table.rows.append(exactly("  points", [run["n"] for run in runs], None, N_POINTS))
    table.notes.append("solve includes its compilation")
    yield table


def brainpy(options: Options) -> Iterator[Table]:
    """The same GRU and starts given to BrainPy's SlowPointFinder with its defaults."""
    table = Table(
        "Against BrainPy's SlowPointFinder, its defaults: same GRU, same 1,024 starts, first call each"
    )
    python = options.brainpy_python or brainpy_environment()
    weights, starts = flipflop_weights("gru"), fpa.datasets.flipflop_states("gru")
    truth = points_of(find(fpa.datasets.flipflop("gru"), starts))
    table.rows.append(exactly("points that fpanalysis finds", [len(truth)], N_POINTS, N_POINTS))
    ours = fresh("in_fresh_process.py", "first", "given")
    for method in ("gd_method", "opt_solver") if options.full else ("gd_method",):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/gru.npz"
            arrays = {k.removeprefix("rnn.").removesuffix("_l0"): v for k, v in weights.items()}
            np.savez(path, **{k: v for k, v in arrays.items() if "readout" not in k}, starts=starts)
            theirs = fresh("in_brainpy.py", path, method, python=python)
            points = np.load(f"{path}.points.npy").astype(float)
        table.rows += _against(method, ours, theirs, points, truth, starts)
        table.notes.append(
            f"BrainPy {theirs['version']}: find_fps_with_{method}, filter_loss, keep_unique, exclude_outliers"
        )
    yield table


def _against(
    method: str,
    ours: dict[str, Any],
    theirs: dict[str, Any],
    points: np.ndarray,
    truth: np.ndarray,
    starts: np.ndarray,
) -> list[Row]:
    move = step("gru", flipflop_weights("gru"))
    residual = np.max(np.abs(move(points, np.zeros(3)) - points), axis=1, initial=0.0)
    distance = distances(points, truth).min(axis=1) if len(points) else np.zeros(0)
    true = (residual <= 1e-6) & (distance <= 1e-2 * spread_of(starts))
    near = distances(points, truth).argmin(axis=1)[distance <= spread_of(starts)] if len(points) else []
    faster = theirs["process"] / ours["process"]
    return [
        at_least(f"{method}: whole process, fpanalysis faster", [faster], 1, 10, "×"),
        Row(
            "  fpanalysis, spectra included",
            f"{number(ours['process'])} s, of it the call {number(ours['call'])} s",
        ),
        Row(
            "  BrainPy, no spectra",
            f"{number(theirs['process'])} s, of it the call {number(theirs['call'])} s",
        ),
        Row("  call alone, fpanalysis faster", f"{number(theirs['call'] / ours['call'])} ×"),
        Row("  points BrainPy reports", f"{len(points)} ({theirs['unique']} before it excludes outliers)"),
        Row("  of them true (residual ≤ 1e-6)", f"{true.sum()}"),
        Row(
            "  its residuals, smallest and median",
            f"{number(min(residual, default=np.nan))}, {number(float(np.median(residual)))}"
            if len(residual)
            else "–",
        ),
        Row("  fixed points within one spread of its points", f"{len(set(near))} of {len(truth)}"),
    ]


def brainpy_environment() -> str:
    """Return a Python that has BrainPy, in a virtual environment that is made on first use."""
    folder = Path(tempfile.gettempdir()) / "fpanalysis-benchmark" / "brainpy"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = folder / "installed"
    if not done.exists():
        print(f"installing BrainPy into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "brainpy"]
        subprocess.run(pip, check=True)
        done.touch()
    return str(python)


def large(options: Options) -> Iterator[Table]:
    """Solve time at N = 256 and 512 over the floor."""
    table = Table(f"Solve time over the floor of {FLOOR_SOLVES} LAPACK factorisations and solves a start")
    for n in (256, 512):
        n_starts = 128 if options.quick else 1024 if n == 256 or options.full else 512
        weights = random_gru(n)
        move, model = step("gru", weights), fpa.load_torch(weights)
        starts = visited_states(move, n, 3, n_starts)
        times, floors = call_times(model, starts, options.repeats(3))
        floor = FLOOR_SOLVES * n_starts * median(floors)
        ratio = [t / floor for t in times]
        table.rows.append(at_most(f"N = {n}, {n_starts} starts: time over the floor", ratio, 4, 2, "×"))
        table.rows.append(Row("  time, floor", f"{measured(times, 's')}, {number(floor)} s"))
        ds = find(model, starts)
        seen = check(points_of(ds), move, np.zeros(3), spread_of(starts))
        lost = int(ds["n_failed"])
        table.rows.append(
            Row("  points, starts that failed, coverage", f"{seen.n}, {lost}, {float(ds['coverage']):.3f}")
        )
        table.rows.append(exactly("  false or listed twice", [seen.false + seen.double], 0, 0))
        table.rows += _where(" ", model, other_starts(starts, 99), median(floors))
    table.notes.append("random GRUs with dozens of points: see random_gru in networks.py for what and why")
    yield table


def memory(options: Options) -> Iterator[Table]:
    """Memory of a fresh process at N = 512."""
    table = Table("Memory at N = 512, 1,024 starts, without spectra")
    run = fresh("in_fresh_process.py", "memory", "512")
    gib = 2.0**30
    table.rows.append(at_most("peak of the process", [run["peak"] / gib], 4, 1, "GiB"))
    table.rows.append(
        Row("  without imports and loading", f"{number((run['peak'] - run['before']) / gib)} GiB")
    )
    table.rows.append(Row("  points", str(run["n"])))
    yield table


def conditions(options: Options) -> Iterator[Table]:
    """Cost against the number of conditions."""
    table = Table("Time per condition: GRU under 1, 10 and 100 constant inputs, 1,024 starts each")
    model, starts = fpa.datasets.flipflop("gru"), fpa.datasets.flipflop_states("gru")
    starts = starts[:256] if options.quick else starts
    inputs = np.random.default_rng(3).uniform(0.0, 0.3, (100, 3))

    def call(rows: np.ndarray, seed: int) -> float:
        u = xr.DataArray(inputs[rows], dims=("condition", "input"), coords={"input": list(model.inputs)})
        return timed(lambda: find(model, other_starts(starts, seed), inputs=u))[0]

    per: dict[int, list[float]] = {1: [], 10: [], 100: []}
    for n in per:
        call(np.arange(n), 0)
    # One after the other in turn, so that a slow minute of the machine meets all of them; and all inputs in
    # equal shares, so that easy and hard ones do not make the difference.
    for i in range(10):
        per[10].append(call(np.arange(10 * i, 10 * i + 10), 1 + i) / 10)
        per[1] += [
            call(np.array([10 * i + k]), 11 + 10 * i + k) for k in range(0, 10, 5 if options.quick else 2)
        ]
        if i == 4:
            per[100].append(call(np.arange(100), 200) / 100)
    for n, seconds in per.items():
        table.rows.append(Row(f"{n} inputs: time per condition", measured(seconds, "s")))
    for n in (10, 100):
        ratio = [t / median(per[1]) for t in per[n]]
        table.rows.append(at_most(f"{n} inputs against linear", ratio, 1.0, 0.95))
    table.notes.append("1 = linear; the aim, below linear, is taken as 5 % below")
    yield table


SECTIONS: dict[str, Callable[[Options], Iterator[Table]]] = {
    "found": found,
    "drawn": drawn,
    "second": second,
    "first": first,
    "brainpy": brainpy,
    "large": large,
    "memory": memory,
    "conditions": conditions,
}


def main() -> None:
    """Run the sections that were asked for and print their tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="NAME", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and starts")
    parser.add_argument(
        "--full", action="store_true", help="more seeds, more starts at N = 512, and BrainPy's second method"
    )
    parser.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    parser.add_argument("--brainpy-python", metavar="PATH", help="a Python that has BrainPy installed")
    given = parser.parse_args()
    options = Options(given.quick, given.full, given.brainpy_python)
    print("\n".join(("- " if given.markdown else "") + line for line in machine()) + "\n", flush=True)
    for name in given.only or SECTIONS:
        for table in SECTIONS[name](options):
            print(show(table, given.markdown), flush=True)


if __name__ == "__main__":
    main()
