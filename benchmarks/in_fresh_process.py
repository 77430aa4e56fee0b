"""What is measured in a process of its own: `first TASK`, `goals FOLDER`, `memory N`. Prints a line of JSON.

Run by solver.py and steady_states.py; nothing is imported before the clock starts that the package does not
need itself.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

START = time.perf_counter()


def first_call(candidates: str) -> dict[str, Any]:
    """Time the first call in this process, spectra included, and its parts."""
    import fpanalysis as fpa

    seconds = Counter({"imports": time.perf_counter() - START})
    model = _timed(seconds, "load", fpa.datasets.flipflop)("gru")
    starts = None
    if candidates == "given":
        starts = _timed(seconds, "candidates", fpa.datasets.flipflop_states)("gru")
    find = sys.modules["fpanalysis.find"]
    search = sys.modules["fpanalysis.search"]
    members = sys.modules["fpanalysis.members"]
    names = {
        (search, "visited"): "candidates",
        (members, "search_given"): "solve",
        (members, "search_drawn"): "solve",
        (members, "verified"): "verify",
        (find, "to_dataset"): "dataset",
        (find, "attributes"): "dataset",
        (find, "add_spectra"): "spectra",
    }
    for (module, name), stage in names.items():
        if hasattr(module, name):
            setattr(module, name, _timed(seconds, stage, getattr(module, name)))
    begin = time.perf_counter()
    ds = fpa.find_fixed_points(model, candidates=starts, progress=False)
    call = time.perf_counter() - begin
    if starts is None:
        seconds["solve"] -= seconds["candidates"]
    return {"call": call, "total": time.perf_counter() - START, "n": int(ds.n_fixed_points), **seconds}


def goals(folder: str) -> dict[str, Any]:
    """Time the first analysis of an ensemble at 25 goals and 5 contexts in this process."""
    import fpanalysis as fpa

    ensemble = fpa.load(folder)
    begin = time.perf_counter()
    goal = fpa.Goal(position=fpa.grid(5, 5), context=[-2, -1, 0, 1, 2])
    ds = fpa.find_fixed_points(ensemble, goal, progress=False)
    return {"call": time.perf_counter() - begin, "n": int(ds.n_fixed_points.sum())}


def memory(n: int) -> dict[str, Any]:
    """Return the peak memory of a search with 1,024 starts, and that of the imports, in bytes."""
    from networks import random_gru, step, visited_states

    import fpanalysis as fpa

    weights = random_gru(n)
    starts = visited_states(step("gru", weights), n, 3, 1024)
    model = fpa.load_torch(weights)
    before = _peak_bytes()
    ds = fpa.find_fixed_points(model, candidates=starts, spectra=False, progress=False)
    return {"before": before, "peak": _peak_bytes(), "n": int(ds.n_fixed_points)}


def _timed(seconds: Counter[str], stage: str, function: Callable) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[stage] += time.perf_counter() - begin

    return call


def _peak_bytes() -> int:
    """Return the largest resident size so far.

    Linux keeps `ru_maxrss` of whoever started the process, so its own high-water mark is read there.
    """
    try:
        with open("/proc/self/status") as file:
            (line,) = (line for line in file if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    task, argument = sys.argv[1:]
    tasks = {"first": first_call, "goals": goals, "memory": lambda n: memory(int(n))}
    print(json.dumps(tasks[task](argument)))
