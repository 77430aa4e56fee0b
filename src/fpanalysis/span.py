"""The conditions of a search: those that a goal or inputs say, for every member of an ensemble."""

from typing import Any

import numpy as np
import xarray as xr

from fpanalysis._messages import listed
from fpanalysis.conditions import Conditions, make_conditions
from fpanalysis.coordinates import differing_labels
from fpanalysis.goal import Goal
from fpanalysis.subject import Subject

EVERY = 10


def conditions_of(subject: Subject, goal: Any, inputs: Any) -> tuple[Conditions, Conditions]:
    """Return the conditions of one member, and those of all members together.

    Args:
        subject: what is analysed.
        goal: a `Goal` for controllers, or what `make_conditions` takes.
        inputs: a dataset made by `simulate`, or what `make_conditions` takes.

    Returns:
        The conditions of the first member, whose dims all members share, and the conditions of all of them,
        members first.

    Raises:
        TypeError: both are given, or of the wrong kind.
        ValueError: names, shapes or values do not fit.
    """
    names = subject.fields[0].inputs
    if isinstance(goal, Goal):
        if inputs is None:  # giving both is refused below
            goal = _goal_inputs(subject, goal)
    elif subject.controllers and goal is None and inputs is None:
        raise ValueError("goal: a controller needs one, such as Goal(position=(0.0, 0.0)); got none")
    if isinstance(inputs, xr.Dataset):
        inputs = _simulated(inputs)
    conditions = make_conditions(names, goal, inputs)
    return _for_members(subject, conditions, "goal" if goal is not None else "inputs")


def _goal_inputs(subject: Subject, goal: Goal) -> dict[str, xr.DataArray]:
    if not subject.controllers:
        raise TypeError(
            "goal: a Goal is for controllers, which have a body to be somewhere; give a mapping from input "
            "names to numbers instead"
        )
    assert subject.loop is not None
    return [goal.inputs(each, subject.loop) for each in subject.controllers][0]


def _simulated(ds: xr.Dataset) -> xr.DataArray:
    """Return the inputs of a simulation."""
    if "u" not in ds or "input" not in ds["u"].dims:
        raise ValueError(
            "inputs: expected a dataset made by simulate, with a variable 'u' along 'input'; got variables "
            f"{sorted(map(str, ds.data_vars))}"
        )
    if empty := {str(dim): size for dim, size in ds["u"].sizes.items() if size == 0}:
        raise ValueError(f"inputs: the simulation is empty: expected at least one of each, got {empty}")
    return ds["u"]


def _for_members(subject: Subject, conditions: Conditions, argument: str) -> tuple[Conditions, Conditions]:
    """Return the conditions of the first member and of all, whether inputs differ between members or not."""
    members = subject.template
    if members.ndim == 0:
        return conditions, conditions
    template, n_inputs = conditions.template, conditions.u.shape[1]
    shared = [dim for dim in members.dims if dim in template.dims]
    if shared and len(shared) < members.ndim:
        raise ValueError(
            f"{argument}: its dims {shared} are some of the ensemble's {list(members.dims)}; expected all "
            "or none"
        )
    if not shared:
        own = template
        u = np.broadcast_to(conditions.u, (members.size, *conditions.u.shape))
    else:
        try:
            xr.align(template, members, join="exact")
        except ValueError as error:
            raise ValueError(f"{argument}: its coordinates are not those of the ensemble ({error})") from None
        if differ := differing_labels(template, members):
            raise ValueError(f"{argument}: its coordinates {listed(differ)} are not those of the ensemble")
        order = [*shared, *(dim for dim in template.dims if dim not in shared)]
        grid = xr.DataArray(
            conditions.u.reshape(*conditions.shape, n_inputs), dims=(*conditions.dims, "input")
        )
        own = template.isel(dict.fromkeys(shared, 0), drop=True)
        u = grid.transpose(*members.dims, *order[len(shared) :], "input").values
        u = u.reshape(members.size, own.size, n_inputs)
    whole = members.broadcast_like(own).transpose(*members.dims, *own.dims)
    whole = whole.assign_coords({name: coord for name, coord in own.coords.items()})
    return Conditions(u[0], own), Conditions(u.reshape(-1, n_inputs), whole)


def links_of(conditions: Conditions) -> list[np.ndarray]:
    """Return the neighbours of every condition: a step along one dim; along `time` alone where it is one."""
    index = np.arange(len(conditions.u)).reshape(conditions.shape)
    pairs = [np.empty((2, 0), int)]
    for axis, dim in enumerate(conditions.dims):
        if "time" in conditions.dims and dim != "time":
            continue
        moved = np.moveaxis(index, axis, 0)
        pairs.append(np.stack([moved[:-1].ravel(), moved[1:].ravel()]))
    one, other = np.concatenate(pairs, axis=1)
    source, target = np.concatenate([one, other]), np.concatenate([other, one])
    order = np.argsort(source, kind="stable")
    ends = np.searchsorted(source[order], np.arange(len(conditions.u) + 1))
    return [target[order][a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]


def fresh(conditions: Conditions) -> np.ndarray:
    """Return which conditions get candidates of their own: all, but of a trail in time every tenth only."""
    index = np.arange(len(conditions.u)).reshape(conditions.shape)
    if "time" in conditions.dims:
        index = np.moveaxis(index, conditions.dims.index("time"), 0)[::EVERY]
    return np.sort(index.ravel())
