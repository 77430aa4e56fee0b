"""What `find_fixed_points` warns of: one sentence for each kind of thing to know before a result is used."""

import warnings

import numpy as np
import xarray as xr

from fpanalysis._cells import CellStep, rests_somewhere
from fpanalysis.conditions import Conditions
from fpanalysis.schema import Status
from fpanalysis.subject import Subject
from fpanalysis.vector_field import VectorField, bad_arrays
from fpanalysis.verdict import Precision

# How far the warnings reach back to the line that called `find_fixed_points`.
_CALLER = 5


def warn_of_result(
    ds: xr.Dataset, subject: Subject, conditions: Conditions, precision: Precision, is_compared: bool
) -> None:
    """Warn of all that a result's reader should know, once for each kind.

    Args:
        ds: the result.
        subject: what was analysed.
        conditions: the conditions of all members.
        precision: in what the models compute.
        is_compared: whether conditions were solved from candidates and from neighbours, to be compared.
    """
    _of_members(subject)
    _of_precision(precision)
    _of_none(ds, subject.fields[0], conditions, precision)
    _of_bounds(ds, conditions)
    _of_kinks(ds)
    if is_compared:
        _of_differences(ds, conditions)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=_CALLER)


def _of_members(subject: Subject) -> None:
    if bad := np.flatnonzero(subject.is_bad).tolist():
        arrays = {subject.member(k): ", ".join(bad_arrays(subject.fields[k])) for k in bad[:3]}
        shown = "; ".join(f"{member}: {names}" for member, names in arrays.items())
        _warn(
            f"model: {len(bad)} of {len(subject.fields)} members hold NaN or infinite weights and were not "
            f"analysed ({shown}{'; …' if len(bad) > 3 else ''}); their status is bad_model"
        )


def _of_precision(precision: Precision) -> None:
    if precision.is_narrow:
        _warn(
            f"model: it computes in {precision.name} between its state and what it returns, so that its "
            f"fixed points are known to about {precision.eps:.0e} of the state at best: points nearer to "
            f"each other than {precision.distinct:.0e} of the spread of the states count as one, and `error` "
            "says how far each can be off. Where the model is yours, let it compute in the dtype of its state"
        )


def _of_none(ds: xr.Dataset, field: VectorField, conditions: Conditions, precision: Precision) -> None:
    empty = np.flatnonzero(ds["status"].values.ravel() == Status.NONE_FOUND)
    if len(empty) == 0:
        return
    if isinstance(field.function, CellStep) and rests_somewhere(field.function.cell):
        advice = (
            "There is at least one, since the equations map a bounded set into itself: ask for more "
            "candidates (n_candidates), or give states near which it may lie"
        )
    elif precision.is_narrow:
        advice = (
            f"The model computes in {precision.name}, and rounding may keep a residual from vanishing: let "
            "it compute in float64, or give more or other candidates"
        )
    else:
        advice = (
            "More or other candidates may help; the model may also have none, or leave the finite numbers"
        )
    _warn(
        f"no fixed point was found in {len(empty)} of {len(conditions.u)} conditions "
        f"({_where(conditions, empty)}): none of the {int(ds['n_candidates'].values.max())} candidates "
        f"converged to one. {advice}"
    )


def _of_bounds(ds: xr.Dataset, conditions: Conditions) -> None:
    dropped = ds["n_points_dropped"].values.ravel()
    met = np.flatnonzero(dropped)
    if len(met):
        _warn(
            f"in {len(met)} of {len(conditions.u)} conditions ({_where(conditions, met)}) so many points "
            f"turned up that {int(dropped.sum())} of them were not tried in the neighbouring conditions; the "
            "status is bound_met there, and n_points_dropped counts them"
        )


def _of_kinks(ds: xr.Dataset) -> None:
    kinked = ds["is_fixed"].values & ~ds["is_smooth"].values
    if n := int(kinked.sum()):
        _warn(
            f"{n} of {int(ds['n_fixed_points'].sum())} fixed points lie on a kink of the model (as of relu, "
            "abs or clip), where it has no derivative, or where what JAX gives is not its derivative (as by "
            "stop_gradient): their stability is undecided, and their eigenvalues are NaN; is_smooth says "
            "which"
        )


def _of_differences(ds: xr.Dataset, conditions: Conditions) -> None:
    """Warn where candidates and the neighbours' points lead to different points."""
    tried = (ds["n_candidates"] > 0).values[..., None] & ds["is_fixed"].values
    alone = tried & ((ds["n_hits"].values == 0) | (ds["n_neighbour_hits"].values == 0))
    # Points that are not isolated are not handed on.
    alone &= ds["is_isolated"].values
    if len(differ := np.flatnonzero(alone.any(axis=-1).ravel())):
        n_both = int((ds["n_candidates"] > 0).sum())
        _warn(
            f"in {len(differ)} of the {n_both} conditions that were solved both from candidates and from "
            f"their neighbours, the two lead to different points ({_where(conditions, differ)}): points that "
            "begin or end there, or that few candidates reach. All are kept; n_hits and n_neighbour_hits say "
            "what led to each"
        )


def _where(conditions: Conditions, rows: np.ndarray) -> str:
    """Return the first three of some conditions in words."""
    return "; ".join(conditions.label(int(i)) for i in rows[:3]) + ("; …" if len(rows) > 3 else "")
