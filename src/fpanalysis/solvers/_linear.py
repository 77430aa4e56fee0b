"""Newton directions for a batch: LAPACK on the host where JAX runs on the CPU, else JAX."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import jax
import numpy as np
from scipy.linalg import get_lapack_funcs

from fpanalysis.solvers._newton import AMPLIFICATION, DAMPING, Evaluation, jacobian_norm, newton_direction

_getrf, _getrs, _getri = get_lapack_funcs(("getrf", "getrs", "getri"), dtype=np.float64)


def n_workers() -> int:
    """Return the number of threads that share the work: the processors this process may use."""
    try:
        from os import sched_getaffinity

        return len(sched_getaffinity(0))
    except ImportError:  # not on macOS and Windows
        from os import cpu_count

        return cpu_count() or 1


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_workers(), thread_name_prefix="fpanalysis")


def directions(batch: Evaluation, rows: np.ndarray, cap: np.ndarray) -> np.ndarray:
    """Return the capped Newton directions of some rows of a batch.

    Args:
        batch: evaluations, every field with a leading batch axis.
        rows: which rows of the batch to solve for, `(n,)`.
        cap: longest step of each of them, `(n,)`.

    Returns:
        Directions `(n, state)`; NaN where there is none.
    """
    if jax.default_backend() != "cpu":
        return np.asarray(_on_device(batch.f[rows], batch.jacobian[rows], cap))
    f, jacobian = np.asarray(batch.f), np.asarray(batch.jacobian)
    out = np.empty((len(rows), f.shape[1]))
    parts = np.array_split(np.arange(len(rows)), n_workers())
    futures = [_workers().submit(_solve_rows, f, jacobian, rows, part, out) for part in parts[1:]]
    _solve_rows(f, jacobian, rows, parts[0], out)
    for future in futures:
        future.result()
    with np.errstate(over="ignore"):
        length = np.linalg.norm(out, axis=1)
    for k in np.flatnonzero(_suspicious(length, f[rows])):
        norm = jacobian_norm(jacobian[rows[k]])
        if not length[k] * norm <= AMPLIFICATION * np.linalg.norm(f[rows[k]]):
            out[k] = _damped(f[rows[k]], jacobian[rows[k]])
            length[k] = np.linalg.norm(out[k])
    return out * (cap / np.maximum(length, cap))[:, None]


def _suspicious(length: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Return which directions are long enough for a look at the norm of the Jacobian."""
    with np.errstate(over="ignore"):
        return ~(length <= 1e3 * np.linalg.norm(f, axis=1))


_on_device = jax.jit(jax.vmap(newton_direction))


def _solve_rows(
    f: np.ndarray, jacobian: np.ndarray, rows: np.ndarray, part: np.ndarray, out: np.ndarray
) -> None:
    for k in part:
        # A C-ordered matrix read in Fortran order is its transpose: no copy, and the transposed solve.
        lu, pivots, info = _getrf(jacobian[rows[k]].T)
        out[k] = -_getrs(lu, pivots, f[rows[k]], trans=1)[0] if info == 0 else np.nan


def _damped(f: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
    if not (np.all(np.isfinite(jacobian)) and np.all(np.isfinite(f))):
        return np.full_like(f, np.nan)
    normal = jacobian.T @ jacobian
    normal[np.diag_indices_from(normal)] += DAMPING * np.trace(normal) / len(f) + np.finfo(float).tiny
    lu, pivots, info = _getrf(normal)
    if info != 0:
        return np.full_like(f, np.nan)
    return -_getrs(lu, pivots, jacobian.T @ f)[0]


def inverse(jacobian: np.ndarray) -> np.ndarray | None:
    """Return `J⁻¹`, or None where the Jacobian is singular."""
    lu, pivots, info = _getrf(jacobian)
    if info != 0:
        return None
    inv, info = _getri(lu, pivots)
    return np.ascontiguousarray(inv) if info == 0 and np.all(np.isfinite(inv)) else None
