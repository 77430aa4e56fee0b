"""How long LAPACK takes, how many factorisations the solver makes, and what a fresh process costs."""

import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy.linalg import lapack
from threadpoolctl import threadpool_info, threadpool_limits

HERE = Path(__file__).parent
FLOOR_SECONDS = 0.6


def n_cores() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> list[str]:
    """Return what the numbers depend on."""
    versions = {name: version(name) for name in ("numpy", "scipy", "jax", "fpanalysis")}
    blas = {f"{i['internal_api']} {i['version']}" for i in threadpool_info() if i["user_api"] == "blas"}
    return [
        f"{n_cores()} cores, {_processor()}, {platform.system()}, Python {platform.python_version()}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"BLAS and LAPACK: {', '.join(sorted(blas)) or 'unknown'}",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def lapack_seconds(n: int, seconds: float = FLOOR_SECONDS) -> float:
    """Return the wall time of one LU factorisation and solve (getrf, getrs) when every core works on its own.

    Each core runs through matrices of its own in one thread, BLAS in one thread; both routines release the
    interpreter. The matrices together fill what the solver keeps in flight, 8 MB.
    """
    cores = n_cores()
    rng = np.random.default_rng(0)
    count = max(1, 2**20 // n**2 // cores)
    work = [
        (rng.standard_normal((count, n, n)) / np.sqrt(n) - np.eye(n), rng.standard_normal(n))
        for _ in range(cores)
    ]

    def run(core: int) -> int:
        matrices, b = work[core]
        done, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            for matrix in matrices:
                lu, pivots, _ = lapack.dgetrf(matrix.T)
                lapack.dgetrs(lu, pivots, b, trans=1)
            done += count
        return done

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores) as pool:
        start = time.perf_counter()
        done = sum(pool.map(run, range(cores)))
        return (time.perf_counter() - start) / done


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long a call takes, and what it returns."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


class Stages:
    """Seconds spent in named functions of the package, and how many directions were asked for."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.directions = 0


@contextmanager
def watched() -> Iterator[Stages]:
    """Watch the solver's pool: the time in evaluations and in linear solves, and the number of solves.

    It wraps private functions of the package, by name; where they are gone the numbers stay at zero.
    """
    stages, pool = Stages(), import_module("fpanalysis.solvers._pool")
    import jax

    def wrap(name: str, count: bool) -> Callable:
        inner = getattr(pool, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            seconds, out = timed(lambda: jax.block_until_ready(inner(*args, **kwargs)))
            stages.seconds[name] += seconds
            stages.directions += len(out) if count else 0
            return out

        return call

    names = {name: getattr(pool, name) for name in ("advance", "directions") if hasattr(pool, name)}
    try:
        for name in names:
            setattr(pool, name, wrap(name, count=name == "directions"))
        yield stages
    finally:
        for name, function in names.items():
            setattr(pool, name, function)


def fresh(script: str, *arguments: str, python: str = sys.executable) -> dict[str, Any]:
    """Run a script beside this one in a new process without a compilation cache; return what it prints.

    The script prints one line of JSON last; `process` is added to it, the wall time of the whole process.
    """
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    environment["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    command = [python, str(HERE / script), *arguments]
    seconds, done = timed(lambda: subprocess.run(command, capture_output=True, text=True, env=environment))
    if done.returncode != 0:
        raise RuntimeError(f"{script} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return {**json.loads(done.stdout.strip().splitlines()[-1]), "process": seconds}


def medians(runs: list[dict[str, Any]], key: str) -> float:
    """Return the median of one entry over several runs."""
    return median(run[key] for run in runs)
