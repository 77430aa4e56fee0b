"""`find_fixed_points`: from a model and its inputs to a labelled dataset of every fixed point."""

import warnings
from typing import Any, Literal

import numpy as np
import xarray as xr

from fpanalysis._fork import refuse_fork
from fpanalysis._messages import nearest
from fpanalysis._rounding import usual_errors
from fpanalysis._unharmed import unharmed
from fpanalysis.annotate import add_spectra, spectra_bytes
from fpanalysis.body import add_body
from fpanalysis.cautions import warn_of_result
from fpanalysis.conditions import spread_candidates
from fpanalysis.control.fields import AbstractField
from fpanalysis.dataset import attributes, to_dataset
from fpanalysis.members import Plan, solve_members
from fpanalysis.solvers import AnySolver, DampedNewton
from fpanalysis.span import conditions_of
from fpanalysis.subject import Loop, Model, as_subject
from fpanalysis.vector_field import VectorField
from fpanalysis.verify import TOLERANCE

MEMORY_LIMIT = 4 * 2**30
MANY, FEW = 1024, 64


def find_fixed_points(
    model: Model,
    goal: Any = None,
    *,
    inputs: Any = None,
    loop: Loop = "clamped",
    field: AbstractField | None = None,
    candidates: Any = None,
    n_candidates: int | None = None,
    exhaustive: bool = False,
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

    Of a `Controller` it finds the steady states at its goals. *Clamped*, the feedback is held where the goal
    says, and the network alone is solved for; in the *closed* loop, network, plant and delay line are. An
    `Ensemble` of controllers or networks is analysed member by member, and its hyperparameters are the
    first dims of the result. Neighbouring conditions of controllers are also solved from each other's
    points.

    Args:
        model: a `VectorField`, an Equinox cell, a `Controller`, a `Network` or an `Ensemble`; a function
            becomes a vector field with `vector_field(f, state=…)`.
        goal: for controllers, a `Goal`. For others the constant input: nothing (zeros), an array
            `(input,)`, a mapping from input names to numbers or DataArrays (inputs not named are zero), a
            DataArray with a dim `input` and any other named dims, each of which becomes a dim of the
            result, a Series with the inputs' names as index, or a DataFrame with them as columns and a row
            for each condition.
        inputs: the same as such numbers, also for controllers; or a dataset made by `simulate`, whose every
            input `u` is then held constant. Along a dim `time` every step is solved from its neighbours'
            points and every tenth from candidates as well; a warning says where the two differ.
        loop: of controllers, `"clamped"` or `"closed"`.
        field: the force field of the closed loop, such as `fields.Curl(1.0)`; none by default.
        candidates: states to start from: an array `(candidate, state)`, a DataFrame with the states' names
            as columns, or a DataArray with dims `candidate`, `state` and any of the condition dims. All are
            used. By default the package draws them: of controllers, states that the very controller visits
            on reaches to its goals, plus noise; of others, half are states that the model visits from random
            starts, plus noise, and half lie between points found already.
        n_candidates: how many candidates the package draws for each condition: 64 for controllers and along
            `time`, 1024 otherwise.
        exhaustive: whether to run all candidates of controllers, even where the first 16 and the
            neighbours' points agree on what there is.
        spectra: `"full"` keeps Jacobians and eigenvectors, `"values"` eigenvalues and time scales only,
            `False` nothing of them.
        slow_points: whether to search for slow points too (minima of the speed that are no fixed points);
            up to 1,024 searches for each condition that has candidates.
        solver: any Optimistix root finder or least-squares solver, instead of `solvers.DampedNewton`. What
            it finds is polished and verified in the same way. Of a `DampedNewton` only `cap` matters here,
            since `tol` says when a point is fixed.
        tol: a solve has arrived when what is left of every entry is at most `tol` of what the spreads of
            the states change it by. From there it is polished to the floor of rounding, and then judged: a
            point is fixed when its `error` bound says that a true point is near.
        seed: decides all randomness; the same call gives the same variables and coordinates bit for bit on
            one machine.
        progress: whether to show a bar for work that takes more than a second.
        memory_limit: bytes that full spectra may take; above it the eigenvalues alone are kept, with a
            warning.

    Returns:
        A Dataset with the condition dims first, then `fixed_point`: the points `x`, their `kind`,
        `residual`, `n_hits`, readout `y`, Jacobians and spectra, and for each condition the number of
        points, `coverage`, `n_failed` and `status`. Of controllers also the `force` (or `torque`) and its
        norm, and in the closed loop the `position` where the effector rests and its `offset` from the
        target. The schema page of the documentation says every variable.

    Raises:
        TypeError: an argument is of the wrong kind, or both `goal` and `inputs` are given.
        ValueError: shapes, names or values do not fit, a goal is out of reach, or all weights are not
            finite; the message names the argument, what it was and what was expected.

    Warns:
        UserWarning: a condition has no fixed point, members of an ensemble have weights that are not finite
            (their rows have the status `bad_model`), points lie on kinks of the model, the model computes in
            less than float64, so many points turned up that some were not followed up (`bound_met`),
            candidates and neighbours differ, or full spectra would be too large.

    Sources:
        Sussillo and Barak 2013, Opening the black box, Neural Computation 25; Good 1953, The population
        frequencies of species, Biometrika 40 (`coverage`).

    Example:
        >>> import fpanalysis as fpa
        >>> ds = fpa.find_fixed_points(fpa.datasets.flipflop("gru"))
        >>> int(ds.n_fixed_points), int(ds.is_stable.sum())
        (27, 8)
        >>> controllers = fpa.datasets.reaching_ensemble().sel(method="std", field_std=[0.0, 0.8])
        >>> goal = fpa.Goal(position=fpa.grid(2, 2), context=[0.0, 1.0])
        >>> dict(fpa.find_fixed_points(controllers, goal, spectra=False).n_fixed_points.sizes)
        {'field_std': 2, 'replicate': 3, 'context': 2, 'goal': 4}
    """
    refuse_fork()
    with unharmed(), usual_errors():
        subject = as_subject(model, loop, field)
        own, conditions = conditions_of(subject, goal, inputs)
        solver = DampedNewton() if solver is None else solver
        has_neighbours = candidates is None and (bool(subject.controllers) or "time" in own.dims)
        n_candidates = (FEW if has_neighbours else MANY) if n_candidates is None else n_candidates
        _check(solver, n_candidates, exhaustive, spectra, tol, seed, memory_limit)
        n_candidates, tol, seed = int(n_candidates), float(tol), int(seed)
        given = None
        if candidates is not None:
            given = spread_candidates(candidates, subject.fields[0].state, conditions)
            n_candidates = int(given.shape[1])
            given = given.reshape(len(subject.fields), len(own.u), *given.shape[1:])

        u = conditions.u.reshape(len(subject.fields), len(own.u), -1)
        plan = Plan(
            subject, own, u, given, n_candidates, has_neighbours, exhaustive, slow_points, solver, tol, seed
        )
        points, effort, precision = solve_members(plan, progress)
        attrs = attributes(subject.fields, _configuration(plan, spectra))
        ds = to_dataset(subject.fields[0], conditions, points, effort, attrs)
        if subject.controllers:
            assert subject.loop is not None
            ds = add_body(subject.controllers[0], subject.loop, ds)
        is_compared = "time" in own.dims and own.template.sizes["time"] > 1 and has_neighbours
        warn_of_result(ds, subject, conditions, precision, is_compared)
        if not spectra:
            return ds
        return add_spectra(
            subject.fields, ds, _affordable(subject.fields[0], ds, spectra, memory_limit), progress
        )


def _configuration(plan: Plan, spectra: str | bool) -> dict[str, Any]:
    field, solver = plan.subject.force_field, type(plan.solver)
    return {
        "solver": f"{solver.__module__.split('.')[0]}.{solver.__name__}",
        "tol": plan.tol,
        "seed": plan.seed,
        "spectra": str(spectra),
        "loop": plan.subject.loop,
        "field": None if field is None else repr(field),
    }


def _check(
    solver: Any, n_candidates: Any, exhaustive: Any, spectra: Any, tol: Any, seed: Any, memory_limit: Any
) -> None:
    if not isinstance(solver, AnySolver):
        raise TypeError(
            "solver: expected an Optimistix root finder or least-squares solver, such as "
            f"optimistix.Newton(rtol=1e-8, atol=1e-8), got {solver!r}"
        )
    if isinstance(n_candidates, bool) or not isinstance(n_candidates, int | np.integer) or n_candidates < 1:
        raise ValueError(f"n_candidates: expected a whole number of at least 1, got {n_candidates!r}")
    if not isinstance(exhaustive, bool):
        raise TypeError(f"exhaustive: expected True or False, got {exhaustive!r}")
    if not isinstance(spectra, str | bool) or spectra not in ("full", "values", False):
        hint = nearest(str(spectra), ("full", "values"))
        raise ValueError(f"spectra: expected 'full', 'values' or False, got {spectra!r}{hint}")
    if not (isinstance(tol, int | float | np.number) and 0 < tol < 1):
        raise ValueError(f"tol: expected a number between 0 and 1, got {tol!r}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed: expected a whole number of at least 0, got {seed!r}")
    if not (isinstance(memory_limit, int | float | np.number) and memory_limit >= 0):
        raise ValueError(f"memory_limit: expected a number of bytes, got {memory_limit!r}")


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
