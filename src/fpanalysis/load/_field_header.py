"""Vector fields of cells, as the header of a checkpoint describes them."""

import dataclasses
from typing import Any

import equinox as eqx

from fpanalysis._cells import StackedCell, cell_layout
from fpanalysis.load._normed import NormedLinear, normed_header, readout_shell
from fpanalysis.load._parts import Parts, cell_header, check_cells, check_keys, linear_header, not_describable
from fpanalysis.load._shells import cell_shell
from fpanalysis.vector_field import VectorField, vector_field

_KEYS = ("cells", "stacked", "readout", "state", "inputs", "outputs", "time_domain", "dt")


def describe_field(field: VectorField) -> tuple[dict[str, Any], Parts]:
    """Return what a header says of a vector field, and its arrays.

    Raises:
        TypeError: its cells or its readout are of kinds that a header does not describe.
    """
    cell = getattr(field.function, "cell", None)
    if cell is None:
        raise TypeError(not_describable("a function"))
    if field.periodic:
        raise TypeError(not_describable("a cell with angles in its state"))
    cells = cell.cells if type(cell) is StackedCell else (cell,)
    check_cells(cells, "a vector field")
    readout = None if field.readout is None else getattr(field.readout, "readout", None)
    if field.readout is not None and type(readout) not in (eqx.nn.Linear, NormedLinear):
        got = type(field.readout if readout is None else readout).__name__
        raise TypeError(f"model: expected an equinox.nn.Linear as readout, or none, got {got}")
    described = {
        "cells": [cell_header(each) for each in cells],
        "stacked": type(cell) is StackedCell,
        "readout": _readout_header(readout),
        "state": list(field.state),
        "inputs": list(field.inputs),
        "outputs": list(field.outputs),
        "time_domain": field.time_domain,
        "dt": field.dt,
    }
    return described, (cell, readout)


def _readout_header(readout: Any) -> dict[str, Any] | None:
    if type(readout) is NormedLinear:
        return normed_header(readout, linear_header(readout.linear))
    return None if readout is None else linear_header(readout)


def field_shells(described: dict[str, Any]) -> Parts:
    """Return the parts of a vector field without their arrays."""
    check_keys(described, _KEYS, "the vector field")
    cells = tuple(cell_shell(**each) for each in described["cells"])
    readout = None if described["readout"] is None else readout_shell(described["readout"])
    return StackedCell(cells) if described["stacked"] else cells[0], readout


def field_of(parts: Parts, described: dict[str, Any]) -> VectorField:
    """Return the vector field that is made of these parts."""
    cell, readout = parts
    field = vector_field(
        cell,
        inputs=tuple(described["inputs"]),
        readout=readout,
        outputs=tuple(described["outputs"]),
        time_domain=described["time_domain"],
        dt=described["dt"],
    )
    layout = cell_layout(cell)
    if layout is None or layout.names == tuple(described["state"]):
        return field
    layout = dataclasses.replace(layout, names=tuple(described["state"]))
    return dataclasses.replace(field, state_layout=layout)
