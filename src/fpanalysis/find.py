"""`find_fixed_points`: from a model and its inputs to a labelled dataset of every fixed point."""

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import xarray as xr

from fpanalysis._messages import nearest
from fpanalysis._progress import progress_bar
from fpanalysis.annotate import add_spectra, spectra_bytes
from fpanalysis.conditions import Conditions, make_conditions, spread_candidates
from fpanalysis.dataset import FIXED, SLOW, Points, attributes, to_dataset
from fpanalysis.linearization import jacobians
from fpanalysis.search import Search, search_drawn, search_given
from fpanalysis.slow import BUDGET, find_slow_points
from fpanalysis.solvers import AnySolver, DampedNewton
from fpanalysis.vector_field import VectorField, as_vector_field, check_finite
from fpanalysis.verify import TOLERANCE, allowed, residuals

MEMORY_LIMIT = 4 * 2**30


def find_fixed_points(
    model: VectorField | Callable,
    goal: Any = None,
    *,
    inputs: Any = None,
    candidates: Any = None,
    n_candidates: int = 1024,
    spectra: Literal["full", "values", False] = "full",
    slow_points: bool = False,
    solver: AnySolver | None = None,
    tol: float = TOLERANCE,
    seed: int = 0,
    progress: bool = True,
    memory_limit: int = MEMORY_LIMIT,
) -> xr.Dataset:
    """Find the fixed points of a model under constant inputs, with their spectra, as a labelled dataset.

    Newton's method runs from many candidates at once, in float64, until the residual is at the rounding
    floor; every point is verified, told apart from its neighbours, linearised and labelled. It finds
    saddles as well as stable points.

    Args:
        model: a `VectorField`, or an Equinox cell; a function becomes one with `vector_field(f, state=…)`.
        goal: the constant input: nothing (zeros), an array `(input,)`, a mapping from input names to
            numbers or DataArrays (inputs not named are zero), or a DataArray with a dim `input` and any
            other named dims, each of which becomes a dim of the result.
        inputs: the same under another name; give one of the two.
        candidates: states to start from: an array `(candidate, state)`, or a DataArray with dims
            `candidate`, `state` and any of the condition dims. All are used. By default the package draws
            them: half are states that the model visits from random starts, plus noise, and half lie
            between points found already.
        n_candidates: how many candidates the package draws for each condition.
        spectra: `"full"` keeps Jacobians and eigenvectors, `"values"` eigenvalues and time scales only,
            `False` nothing of them.
        slow_points: whether to search for slow points too (minima of the speed above the tolerance); up to
            64 searches for each condition.
        solver: any Optimistix root finder or least-squares solver, instead of `solvers.DampedNewton`. What
            it finds is polished and verified in the same way. Of a `DampedNewton` only `cap` matters here,
            since `tol` says when a point is fixed.
        tol: a point is fixed when its residual is at most `tol · max(1, ‖x‖∞)`; in continuous time
            `tol · max(1, ‖J‖∞ ‖x‖∞)`.
        seed: decides all randomness; the same call gives the same variables and coordinates bit for bit on
            one machine.
        progress: whether to show a bar for work that takes more than a second.
        memory_limit: bytes that full spectra may take; above it the eigenvalues alone are kept, with a
            warning.

    Returns:
        A Dataset with the condition dims first, then `fixed_point`: the points `x`, their `kind`,
        `residual`, `n_hits`, readout `y`, Jacobians and spectra, and for each condition the number of
        points, `coverage`, `n_failed` and `status`. The schema page of the documentation says every
        variable.

    Raises:
        TypeError: an argument is of the wrong kind, or both `goal` and `inputs` are given.
        ValueError: shapes, names or values do not fit, or weights are not finite; the message names the
            argument, what it was and what was expected.

    Warns:
        UserWarning: a condition has no fixed point, or full spectra would be too large.

    Sources:
        Sussillo and Barak 2013, Opening the black box, Neural Computation 25; Good 1953, The population
        frequencies of species, Biometrika 40 (`coverage`).

    Example:
        >>> import fpanalysis as fpa
        >>> ds = fpa.find_fixed_points(fpa.datasets.flipflop("gru"))
        >>> int(ds.n_fixed_points), int(ds.is_stable.sum())
        (27, 8)
    """
    field = as_vector_field(model)
    conditions = make_conditions(field.inputs, goal, inputs)
    solver = DampedNewton() if solver is None else solver
    _check(solver, n_candidates, spectra, tol, seed, memory_limit)
    n_candidates, tol, seed = int(n_candidates), float(tol), int(seed)
    check_finite(field)
    given = None if candidates is None else spread_candidates(candidates, field.state, conditions)
    n_candidates = n_candidates if given is None else given.shape[1]

    with progress_bar(len(conditions.u) * n_candidates, "starts", progress) as done:
        if given is None:
            found = search_drawn(field, conditions.u, n_candidates, seed, solver, tol, done)
        else:
            found = search_given(field, conditions.u, given, solver, tol, done)
    points = _verified(field, conditions, found, tol)
    if slow_points:
        points = _with_slow(field, conditions, found, points, progress)

    solver_name = f"{type(solver).__module__.split('.')[0]}.{type(solver).__name__}"
    attrs = attributes(field, {"solver": solver_name, "tol": tol, "seed": seed, "spectra": str(spectra)})
    ds = to_dataset(field, conditions, points, n_candidates, attrs)
    _warn_if_empty(ds, conditions)
    if not spectra:
        return ds
    return add_spectra(field, ds, _affordable(field, ds, spectra, memory_limit), progress)


def _check(solver: Any, n_candidates: Any, spectra: Any, tol: Any, seed: Any, memory_limit: Any) -> None:
    if not isinstance(solver, AnySolver):
        raise TypeError(
            "solver: expected an Optimistix root finder or least-squares solver, such as "
            f"optimistix.Newton(rtol=1e-8, atol=1e-8), got {solver!r}"
        )
    if isinstance(n_candidates, bool) or not isinstance(n_candidates, int | np.integer) or n_candidates < 1:
        raise ValueError(f"n_candidates: expected a whole number of at least 1, got {n_candidates!r}")
    if not isinstance(spectra, str | bool) or spectra not in ("full", "values", False):
        hint = nearest(str(spectra), ("full", "values"))
        raise ValueError(f"spectra: expected 'full', 'values' or False, got {spectra!r}{hint}")
    if not (isinstance(tol, int | float | np.number) and 0 < tol < 1):
        raise ValueError(f"tol: expected a number between 0 and 1, got {tol!r}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed: expected a whole number of at least 0, got {seed!r}")
    if not (isinstance(memory_limit, int | float | np.number) and memory_limit >= 0):
        raise ValueError(f"memory_limit: expected a number of bytes, got {memory_limit!r}")


def _verified(field: VectorField, conditions: Conditions, found: Search, tol: float) -> list[Points]:
    """Return the points of every condition, sorted, whose recomputed residual meets the tolerance."""
    out = []
    for c, u in enumerate(conditions.u):
        x, hits = found.known.of(c)
        order = np.lexsort(np.round(x / found.known.distinct[c]).T[::-1])
        x, hits = x[order], hits[order]
        inputs = np.broadcast_to(u, (len(x), len(u)))
        f, y = residuals(field, x, inputs)
        norm = 1.0
        if field.time_domain == "continuous":
            norm = np.abs(jacobians(field, x, inputs).state).sum(axis=-1).max(axis=-1, initial=0.0)
        good = np.max(np.abs(f), axis=1, initial=0.0) <= allowed(x, norm, field.time_domain, tol)
        out.append(Points(x[good], np.full(good.sum(), FIXED), f[good], y[good], hits[good]))
    return out


def _with_slow(
    field: VectorField, conditions: Conditions, found: Search, points: list[Points], progress: bool
) -> list[Points]:
    """Return the points with each condition's slow points after its fixed ones."""
    out = []
    with progress_bar(BUDGET * len(points), "slow points", progress) as done:
        for c, (u, fixed) in enumerate(zip(conditions.u, points, strict=True)):
            starts = np.concatenate([found.last[c], found.starts[c]])
            x, hits = find_slow_points(field, starts, u, found.spread[c], fixed.x, done)
            order = np.lexsort(np.round(x / found.known.distinct[c]).T[::-1])
            x, hits = x[order], hits[order]
            f, y = residuals(field, x, np.broadcast_to(u, (len(x), len(u))))
            slow = Points(x, np.full(len(x), SLOW), f, y, hits)
            out.append(Points(*map(np.concatenate, zip(fixed, slow, strict=True))))
    return out


def _warn_if_empty(ds: xr.Dataset, conditions: Conditions) -> None:
    empty = np.flatnonzero(ds["n_fixed_points"].values.ravel() == 0)
    if len(empty):
        where = "; ".join(conditions.label(int(i)) for i in empty[:3]) + ("; …" if len(empty) > 3 else "")
        warnings.warn(
            f"no fixed point was found in {len(empty)} of {len(conditions.u)} conditions ({where}): none of "
            f"the {int(ds['n_candidates'].values.flat[0])} candidates converged. More or other candidates "
            "may help; the model may also have none, or leave the finite numbers",
            stacklevel=3,
        )


def _affordable(field: VectorField, ds: xr.Dataset, spectra: str, memory_limit: int) -> str:
    size = spectra_bytes(field, ds)
    if spectra == "full" and size > memory_limit:
        warnings.warn(
            f"full spectra would take {size / 2**30:.2g} GiB, more than the limit of "
            f"{memory_limit / 2**30:.2g} GiB: only eigenvalues and time scales are kept, as with "
            "spectra='values'. Raise memory_limit, or call linearize and eigendecompose on a selection",
            stacklevel=3,
        )
        return "values"
    return spectra
