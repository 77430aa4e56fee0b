"""Goals: what a controller is asked for, and the constant input that says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis._given import labelled, numbers
from fpanalysis._messages import listed, nearest
from fpanalysis.control.controller import FEEDBACK, Controller
from fpanalysis.subject import LOOPS

AXIS = ("x", "y")
TARGET = ("target.position", "target.velocity")
KNOWN = ("context", *TARGET, *FEEDBACK)
# The argument that says each of them.
ARGUMENT: dict[str, str] = dict(
    zip(KNOWN, ("context", "position", "velocity", "feedback_position", "feedback_velocity"), strict=True)
)


def grid(nx: int, ny: int, workspace: Any = ((-1.0, -1.0), (1.0, 1.0))) -> xr.DataArray:
    """Return positions on a grid, in the middle of `nx × ny` equal parts of a box.

    Tasks place the starts of their validation reaches in the same way.

    Args:
        nx: positions along x.
        ny: positions along y.
        workspace: corners `((x_min, y_min), (x_max, y_max))` of the box in m, such as a plant's `workspace`.

    Returns:
        A DataArray `(goal, axis)` in m with the coordinates `goal_x` and `goal_y`; x varies slowest.

    Raises:
        ValueError: a count is below 1, or the box is none.

    Example:
        >>> import fpanalysis as fpa
        >>> positions = fpa.grid(2, 1)
        >>> positions.goal_x.values.tolist(), positions.goal_y.values.tolist()
        ([-0.5, 0.5], [0.0, 0.0])
    """
    for name, count in (("nx", nx), ("ny", ny)):
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
            raise ValueError(f"{name}: expected a whole number of at least 1, got {count!r}")
    box = _finite(workspace, "workspace")
    if box.shape != (2, 2) or not np.all(box[0] < box[1]):
        raise ValueError(
            "workspace: expected ((x_min, y_min), (x_max, y_max)) with minima below maxima, "
            f"got {workspace!r}"
        )
    along = [
        low + (high - low) * (np.arange(n) + 0.5) / n for low, high, n in zip(*box, (nx, ny), strict=True)
    ]
    x, y = np.meshgrid(*along, indexing="ij")
    return _listed_places(np.stack([x.ravel(), y.ravel()], axis=1), "goal")


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Goal:
    """What a controller is asked for: it decides the constant input under which steady states are sought.

    Everything can be swept: a list of values, or a DataArray with named dims, gives the result a dim.

    Args:
        position: target position in m: `(2,)`; `(n, 2)`, which gives a dim `goal` with the coordinates
            `goal_x` and `goal_y`; or a DataArray with a dim `axis` of length 2 and any others, such as that
            of `grid`. Along `goal` alone the two coordinates always say the positions themselves.
        velocity: target velocity in m/s: a number for both axes, `(2,)`, or a DataArray as above.
        context: context input: a number, a list of numbers, which gives a dim `context`, or a DataArray. 0
            if left out, as in the tasks.
        feedback_position: where the body is felt to be (m), like `position`, in the clamped analysis: at the
            goal if left out. A list of them gives a dim `feedback` with `feedback_x` and `feedback_y`; one
            beside each goal, such as `grid(5, 5) + 0.1`, has these two along `goal`.
        feedback_velocity: how fast the body is felt to move (m/s), like `velocity`: not at all if left out.
        **others: further inputs of the controller by role, like `context`: `go=1.0` after the cue of a
            delayed reach.

    Raises:
        TypeError: something is no number.
        ValueError: a shape does not fit, a number is not finite, nothing is given, or a value twice.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.Goal(position=fpa.grid(5, 5), context=[-2, -1, 0, 1, 2])
        Goal(position: goal 25, velocity: 0, context: context 5)
    """

    position: xr.DataArray
    velocity: xr.DataArray
    context: xr.DataArray | None
    feedback_position: xr.DataArray | None
    feedback_velocity: xr.DataArray | None
    others: dict[str, xr.DataArray]

    def __init__(
        self,
        position: Any,
        velocity: Any = 0.0,
        context: Any = None,
        feedback_position: Any = None,
        feedback_velocity: Any = None,
        **others: Any,
    ) -> None:
        if known := [name for name in others if name in ARGUMENT]:
            raise ValueError(f"goal: say the input {known[0]!r} with {ARGUMENT[known[0]]}=…")
        place, felt = feedback_position, feedback_velocity
        if place is not None:
            place = _places(place, "feedback_position", "feedback")
        if felt is not None:
            felt = _places(felt, "feedback_velocity", "feedback_speed", number=True)
        values = {
            "position": _places(position, "position", "goal"),
            "velocity": _places(velocity, "velocity", "goal_velocity", number=True),
            "context": None if context is None else _levels(context, "context"),
            "feedback_position": place,
            "feedback_velocity": felt,
            "others": {name: _levels(value, name) for name, value in others.items()},
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        parts = [f"{name}: {_shown(value)}" for name, value in vars(self).items() if name != "others"]
        parts += [f"{name}: {_shown(value)}" for name, value in self.others.items()]
        return f"Goal({', '.join(part for part in parts if not part.endswith(': none'))})"

    def inputs(self, controller: Controller, loop: str) -> dict[str, xr.DataArray]:
        """Return the inputs that say this goal to a controller.

        Args:
            controller: whose inputs they are; they are found by their roles.
            loop: `"clamped"`: feedback included; `"closed"`: without it.

        Returns:
            A DataArray for every entry of the input, all with the same dims, `context` before `goal`.

        Raises:
            ValueError: the loop does not exist, a position is out of the plant's reach, the controller lacks
                an input that is given, has it in another size or has one that is not given, or the body
                would move.
        """
        if loop not in LOOPS:
            raise ValueError(f"loop: expected one of {listed(LOOPS)}, got {loop!r}{nearest(loop, LOOPS)}")
        self._check(controller, loop)
        roles = [port.role for port in controller.network.inputs]
        values = self._values(roles, loop)
        dims = _dims(values.values())
        shown = [port for port in controller.network.inputs if port.role in values]
        entries = {}
        for port in shown:
            value = values[port.role]
            if value.sizes.get("axis", port.size) != port.size:
                raise ValueError(
                    f"goal: {port.role!r} is said by {value.sizes['axis']} numbers along 'axis', but that "
                    f"input of the controller has the size {port.size}"
                )
            if "axis" in value.dims:
                parts = [value.isel(axis=i, drop=True) for i in range(port.size)]
            else:
                parts = [value] * port.size
            entries |= dict(zip(port.entries, parts, strict=True))
        try:
            broadcast = xr.broadcast(*xr.align(*entries.values(), join="exact"))
        except ValueError as error:
            raise ValueError(f"goal: the coordinates of its values do not agree ({error})") from None
        return {name: part.transpose(*dims) for name, part in zip(entries, broadcast, strict=True)}

    def _values(self, roles: list[str], loop: str) -> dict[str, xr.DataArray]:
        """Return the value of every input by role."""
        position, felt = self.feedback_position, self.feedback_velocity
        values: dict[str, xr.DataArray] = {
            "context": xr.DataArray(0.0) if self.context is None else self.context,
            "target.position": self.position,
            "target.velocity": self.velocity,
            "feedback.position": self.position if position is None else position,
            "feedback.velocity": xr.zeros_like(self.velocity) if felt is None else felt,
            **self.others,
        }
        hidden = FEEDBACK if loop == "closed" else ()
        return {role: value for role, value in values.items() if role in roles and role not in hidden}

    def _check(self, controller: Controller, loop: str) -> None:
        roles = [port.role for port in controller.network.inputs]
        if "target.position" not in roles:
            raise ValueError(
                f"goal: the controller has no input 'target.position'; it has {listed(roles)}. Give inputs=… "
                "instead"
            )
        if self.context is not None and "context" not in roles:
            raise ValueError(
                f"goal: it says a context, but the controller has no context input; it has {listed(roles)}"
            )
        for name in self.others:
            if name not in roles:
                raise ValueError(
                    f"goal: the controller has no further input {name!r}{nearest(name, roles)}; "
                    f"it has {listed(roles)}"
                )
        if missing := [role for role in roles if role not in KNOWN and role not in self.others]:
            said = f"{missing[0]}=1.0" if missing[0].isidentifier() else f"**{{{missing[0]!r}: 1.0}}"
            raise ValueError(
                f"goal: the controller also has the input {missing[0]!r}; say what it is, Goal(…, {said})"
            )
        self._check_motion(roles, loop)
        places = {"goal.position": self.position, "goal.feedback_position": self.feedback_position}
        for name, place in places.items():
            if place is not None:
                controller.plant.check_reachable(place.transpose(..., "axis").values, name)

    def _check_motion(self, roles: list[str], loop: str) -> None:
        """Raise `ValueError` where the goal or the feedback says that the body moves and it cannot."""
        moves = bool(np.any(self.velocity.values != 0))
        feedback = {"position": self.feedback_position, "velocity": self.feedback_velocity}
        for name, value in feedback.items():
            if value is not None and loop == "closed":
                raise ValueError(
                    f"goal: feedback_{name} is given, but in the closed loop the feedback comes from the body"
                )
            if value is not None and f"feedback.{name}" not in roles:
                raise ValueError(
                    f"goal: feedback_{name} is given, but the controller has no input 'feedback.{name}'; "
                    f"it has {listed(roles)}"
                )
        if moves and loop == "closed":
            raise ValueError(
                f"goal: expected a velocity of 0 in the closed loop, got {_shown(self.velocity)}: a moving "
                "body is no steady state"
            )
        if moves and "target.velocity" not in roles:
            raise ValueError(
                "goal: it says a velocity, but the controller has no input 'target.velocity'; "
                f"it has {listed(roles)}"
            )
        if moves and self.feedback_velocity is None:
            raise ValueError(
                f"goal: its velocity is {_shown(self.velocity)}, not 0; say with feedback_velocity how fast "
                "the body is felt to move"
            )


def _dims(values: Any) -> list[str]:
    """Return the dims of all values, those of positions last."""
    dims = list(dict.fromkeys(dim for value in values for dim in value.dims if dim != "axis"))
    return sorted(dims, key=lambda dim: dim in ("goal", "goal_velocity", "feedback", "feedback_speed"))


def _places(value: Any, name: str, dim: str, number: bool = False) -> xr.DataArray:
    """Return positions or velocities along `axis` and other dims."""
    value = labelled(value, name, (dim, "axis"))
    if isinstance(value, xr.DataArray):
        _finite(value.data, name)
        if value.sizes.get("axis") != 2:
            raise ValueError(
                f"{name}: expected a DataArray with a dim 'axis' of length 2, got {dict(value.sizes)}"
            )
        if value.size == 0:
            raise ValueError(f"{name}: expected at least one, got {dict(value.sizes)}")
        if "axis" in value.coords:
            if sorted(map(str, value["axis"].values)) != list(AXIS):
                raise ValueError(f"{name}: expected 'x' and 'y' along 'axis', got {value['axis'].values}")
            value = value.sel(axis=list(AXIS))
        value = value.astype(float).assign_coords(axis=list(AXIS))
        along = [d for d in value.dims if d != "axis"]
        if not number and along in (["goal"], [dim]):
            return _with_places(_without_stale(value, ""), str(along[0]), dim)
        return _without_stale(value, dim)
    array: np.ndarray = _finite(value, name)
    if array.ndim == 0 and number:
        array = np.full(2, float(array))
    if array.shape == (2,):
        return xr.DataArray(array, dims="axis", coords={"axis": list(AXIS)})
    if array.ndim != 2 or array.shape[-1] != 2 or len(array) == 0:
        also = "a number, " if number else ""
        raise ValueError(f"{name}: expected {also}shape (2,) or (n, 2), got {array.shape}")
    return _listed_places(array, dim)


def _listed_places(array: np.ndarray, dim: str) -> xr.DataArray:
    coords = {dim: np.arange(len(array)), "axis": list(AXIS)}
    return _with_places(xr.DataArray(array, dims=(dim, "axis"), coords=coords), dim, dim)


def _with_places(value: xr.DataArray, dim: str, prefix: str) -> xr.DataArray:
    """Return `value` with its own entries along `dim` as the coordinates `{prefix}_x` and `{prefix}_y`."""
    attrs = {"units": "m" if prefix in ("goal", "feedback") else "m/s"}
    parts = {f"{prefix}_{axis}": (dim, value.sel(axis=axis).values, attrs) for axis in AXIS}
    return value.assign_coords(parts)


def _without_stale(value: xr.DataArray, prefix: str) -> xr.DataArray:
    """Return `value` without coordinates that say other places than it does.

    xarray keeps coordinates in arithmetic: `grid(2, 2) + 0.1` still has the `goal_x` of the grid. Those that
    start with `prefix` are kept where they are true.
    """
    for name in [f"{place}_{axis}" for place in ("goal", "feedback") for axis in AXIS]:
        if name not in value.coords:
            continue
        is_own = name[:-2] == prefix and "axis" in value.dims
        if not (is_own and bool((value.sel(axis=name[-1], drop=True) == value.coords[name]).all())):
            value = value.drop_vars(name)
    return value


def _levels(value: Any, name: str) -> xr.DataArray:
    """Return one number, or numbers along a dim of their own."""
    if isinstance(value, xr.DataArray):
        _finite(value.data, name)
        levels = _without_stale(value.astype(float), "")
    else:
        array = _finite(value, name)
        if array.ndim > 1:
            raise ValueError(
                f"{name}: expected a number or a list of them, got shape {array.shape}; name the dims of "
                "more with a DataArray"
            )
        levels = xr.DataArray(array, dims=(name,) * array.ndim)
    if levels.size == 0:
        raise ValueError(f"{name}: expected a number or a list of them, got shape {levels.shape}")
    if levels.dims == (name,):
        if name not in levels.coords:
            levels = levels.assign_coords({name: levels.values})
        if not levels.indexes[name].is_unique:
            raise ValueError(f"{name}: expected every value once, got {levels[name].values.tolist()}")
    return levels


def _finite(value: Any, name: str) -> np.ndarray:
    array = numbers(value, name)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name}: expected finite numbers, got {value!r}")
    return array


def _shown(value: xr.DataArray | Mapping | None) -> str:
    """Return a value in a few words: the number, or the dims along which it varies."""
    if not isinstance(value, xr.DataArray):
        return "none"
    if dims := {str(dim): size for dim, size in value.sizes.items() if dim != "axis"}:
        return ", ".join(f"{dim} {size}" for dim, size in dims.items())
    numbers = np.unique(value.values)
    return f"{numbers[0]:g}" if len(numbers) == 1 else f"({', '.join(f'{n:g}' for n in value.values)})"
