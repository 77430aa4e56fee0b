"""How long every figure takes: from the bundled ensembles, and from a hundred times their data.

Prints a table. Each is to take at most 2 s, and at most 10 s from a hundred times the data, with a notice of
what is left out of the figure. `--only NAME` draws one of them; `--times` says how many times the data.
"""

import argparse
import gc
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import xarray as xr
from measure import machine, timed

import fpanalysis as fpa
from fpanalysis import plot

CONTEXTS = [-2.0, -1.0, 0.0, 1.0, 2.0]
Data = dict[str, xr.Dataset]
# What each figure is drawn from, and of which variables there are a hundred times as many.
POINTS = [
    *("x", "kind", "is_fixed", "residual", "n_hits", "is_stable", "n_unstable", "y", "n_candidates"),
    *("eigenvalue", "time_constant", "frequency", "force_norm"),
]
TRACKS = [
    *("kind", "eigenvalue", "time_constant", "frequency", "is_stable", "n_unstable", "force_norm"),
    *("branch", "branch_confidence", "branch_begins", "branch_ends"),
    *("mode_track", "mode_confidence", "mode_event"),
]
MOVEMENTS = ["position", "velocity", "force", "start", "target_position"]


def bundled() -> Data:
    """Return datasets of the bundled ensembles, at the size at which they are usually looked at."""
    ensemble = fpa.datasets.reaching_ensemble()
    goal = fpa.Goal(position=fpa.grid(5, 5), context=CONTEXTS)
    few = fpa.Goal(position=fpa.grid(2, 2), context=np.linspace(-2.0, 2.0, 9))
    points = fpa.find_fixed_points(ensemble, goal, spectra="values", progress=False)
    full = fpa.find_fixed_points(ensemble.sel(method="std"), few, progress=False)
    one = ensemble.sel(method="std", field_std=0.8, replicate=0).one()
    reaches = fpa.simulate(one, fpa.tasks.SimpleReaches(n_steps=60).validation(context=1.0), progress=False)
    trail = fpa.find_fixed_points(one, inputs=reaches, spectra=False, progress=False)
    flipflop = fpa.datasets.flipflop("gru")
    memories = fpa.find_fixed_points(flipflop, progress=False)
    trials = fpa.tasks.SimpleReaches().validation(field=fpa.fields.Curl(1.0), context=1.0)
    return {
        "points": points,
        "tracks": fpa.follow(full, "context"),
        "movements": fpa.simulate(ensemble, trials, progress=False),
        "reaches": reaches,
        "trail": trail,
        "history": ensemble.history,
        "weights": fpa.weights(ensemble),
        "memories": memories,
        "plane": fpa.flow_field(flipflop, memories),
    }


def figures(data: Data) -> dict[str, Callable[[], object]]:
    """Return by name how each figure is drawn."""
    moved = data["movements"]
    folder = Path(tempfile.mkdtemp(prefix="fpanalysis-"))
    return {
        "spectrum": lambda: plot.spectrum(data["points"], color="context"),
        "spectrum_by": lambda: plot.spectrum_by(data["tracks"], "context"),
        "fixed_points": lambda: plot.fixed_points(data["points"]),
        "flow": lambda: plot.flow(data["plane"], data["memories"]),
        "fixed_point_trail": lambda: plot.fixed_point_trail(data["trail"], data["reaches"]),
        "bifurcation": lambda: plot.bifurcation(data["tracks"], "force_norm"),
        "trajectories": lambda: plot.trajectories(moved, color="field_std"),
        "aligned_trajectories": lambda: plot.aligned_trajectories(moved, color="field_std"),
        "aligned, swept band": lambda: plot.aligned_trajectories(moved, color="field_std", band="swept"),
        "profiles": lambda: plot.profiles(moved, "velocity", color="field_std"),
        "profiles, quantiles": lambda: plot.profiles(moved, "force", color="field_std", band="quantiles"),
        "loss_history": lambda: plot.loss_history(data["history"]),
        "compare": lambda: plot.compare(
            fpa.measures.lateral_deviation(moved), by="field_std", color="method"
        ),
        "weights": lambda: plot.weights(data["weights"]),
        "report of points": lambda: plot.report(data["points"], folder / "points.html"),
        "report of movements": lambda: plot.report(moved, folder / "movements.html"),
    }


def many(data: Data, times: int) -> Data:
    """Return as many times the data, by repeating a dim (plane and memories stay as they are)."""
    chosen = {
        "points": data["points"][[name for name in POINTS if name in data["points"]]],
        "tracks": data["tracks"][[name for name in TRACKS if name in data["tracks"]]],
        "movements": data["movements"][MOVEMENTS],
    }
    along = {
        **dict.fromkeys(("points", "tracks", "history", "weights"), "replicate"),
        **dict.fromkeys(("movements", "reaches", "trail"), "trial"),
    }
    found = dict(data)
    for name, dim in along.items():
        ds = chosen.get(name, data[name])
        rows = np.tile(np.arange(ds.sizes[dim]), times)
        found[name] = ds.isel({dim: rows}).assign_coords({dim: np.arange(len(rows))})
    return found


def size(data: Data) -> str:
    return ", ".join(f"{name} {ds.nbytes / 1e6:,.0f}" for name, ds in data.items())


def notice(figure: object) -> str:
    layout = getattr(figure, "layout", None)
    text = layout.title.subtitle.text if layout is not None else None
    return " ".join((text or "").replace("<br>", " ").split())[:90]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", help="the beginning of a figure's name")
    asked = parser.parse_args()
    print("\n".join(machine()))
    data = bundled()
    seconds: dict[str, list[float]] = {}
    notices = {}
    for times in (1, asked.times):
        used = data if times == 1 else many(data, times)
        print(f"{times} ×, in MB: {size(used)}")
        for name, draw in figures(used).items():
            if asked.only and not name.startswith(asked.only):
                continue
            runs = [timed(draw) for _ in range(asked.repeats)]
            seconds.setdefault(name, []).append(median(run[0] for run in runs))
            notices[name] = notice(runs[-1][1])
            del runs
            gc.collect()
    print(f"\n{'figure':22} {'1 ×':>7} {f'{asked.times} ×':>8}   (s, median of {asked.repeats})  notice")
    for name, (one, more) in seconds.items():
        print(f"{name:22} {one:7.2f} {more:8.2f}   {notices[name]}")


if __name__ == "__main__":
    main()
