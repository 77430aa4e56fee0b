"""What is analysed: one vector field, or one for each member of an ensemble, labelled."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.control.controller import Controller
from fpanalysis.control.ensemble import Ensemble, Recorded, recorded
from fpanalysis.control.fields import AbstractField
from fpanalysis.control.network import Network
from fpanalysis.vector_field import VectorField, as_vector_field, bad_arrays, check_finite

Loop = Literal["clamped", "closed"]
Model = VectorField | Callable | Controller | Network | Ensemble | Recorded
LOOPS = ("clamped", "closed")


@dataclass(frozen=True)
class Subject:
    """The vector fields of a model and of the members of an ensemble alike.

    Args:
        fields: the vector field of every member; one for a single model.
        controllers: the controllers that they belong to; none for other models.
        template: a DataArray over the ensemble's dims that carries their coordinates, without dims for a
            single model.
        loop: how controllers are looked at; None for other models.
        force_field: what pushes the effector in the closed loop.
        is_bad: which members hold weights that are not finite, `(member,)`.
    """

    fields: tuple[VectorField, ...]
    controllers: tuple[Controller, ...]
    template: xr.DataArray
    loop: Loop | None
    force_field: AbstractField | None
    is_bad: np.ndarray

    @property
    def is_ensemble(self) -> bool:
        """Whether there are members with labels."""
        return len(self.fields) > 1 or self.template.ndim > 0

    def member(self, index: int) -> str:
        """Return a member's labels in words, such as `method='std', replicate=2`."""
        where = np.unravel_index(index, self.template.shape)
        return ", ".join(
            f"{dim}={self.template[dim].values[i].item()!r}"
            for dim, i in zip(self.template.dims, where, strict=True)
        )


def as_subject(model: Model, loop: str = "clamped", field: AbstractField | None = None) -> Subject:
    """Return what `model` stands for.

    Args:
        model: a vector field, an Equinox cell, a `Controller`, a `Network`, or an `Ensemble` of either.
        loop: for controllers, `"clamped"` (the network alone, its feedback held) or `"closed"` (network,
            plant and delay line).
        field: the force field of the closed loop.

    Raises:
        TypeError: the model or the field is of the wrong kind.
        ValueError: the loop does not exist or does not go with the model, members differ in their states or
            inputs, or all weights are not finite.
    """
    if not isinstance(loop, str) or loop not in LOOPS:
        raise ValueError(f"loop: expected 'clamped' or 'closed', got {loop!r}{nearest(str(loop), LOOPS)}")
    model = recorded(model)
    models = model.models if isinstance(model, Ensemble) else [model]
    controllers = tuple(each for each in models if isinstance(each, Controller))
    if loop == "closed" and not controllers:
        raise ValueError(f"loop: a closed loop needs a Controller, got {type(models[0]).__name__}")
    if field is not None and loop == "clamped":
        raise ValueError(
            "field: a force field acts on the body, which stands still in the clamped analysis; give it with "
            "loop='closed'"
        )
    if field is not None and not isinstance(field, AbstractField):
        raise TypeError(f"field: expected a force field such as fields.Curl(1.0), got {field!r}")
    fields = tuple(_field(each, loop, field) for each in models)
    _check_alike(fields)
    template = xr.DataArray(0)
    is_bad = np.zeros(1, bool)
    if isinstance(model, Ensemble):
        template = model.table["member"]
        template = template.drop_vars([name for name, coord in template.coords.items() if coord.ndim == 0])
        is_bad = np.array([bool(bad_arrays(each)) for each in fields])
    if len(fields) == 1:
        check_finite(fields[0])
    elif is_bad.all():
        raise ValueError(
            f"model: expected finite weights, but all {len(fields)} members of the ensemble hold NaN or "
            f"infinite values, the first in {listed(bad_arrays(fields[0]))}"
        )
    return Subject(fields, controllers, template, loop if controllers else None, field, is_bad)  # pyright: ignore


def _field(model: Model, loop: str, field: AbstractField | None) -> VectorField:
    if isinstance(model, Controller):
        return model.closed_loop(field) if loop == "closed" else model.network.vector_field()
    return model.vector_field() if isinstance(model, Network) else as_vector_field(model)  # pyright: ignore


def _check_alike(fields: tuple[VectorField, ...]) -> None:
    first = fields[0]
    for what in ("state", "inputs", "outputs"):
        for other in fields[1:]:
            mine, theirs = getattr(first, what), getattr(other, what)
            if mine != theirs:
                odd = [name for name in (*mine, *theirs) if (name in mine) != (name in theirs)]
                raise ValueError(
                    f"model: the members differ in their {what}, of {len(mine)} and {len(theirs)} entries "
                    f"({listed(odd, 3)} in one only), and cannot share one dataset; use sel on the ensemble"
                )
