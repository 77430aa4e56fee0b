"""A vector field with the same fixed points, in which no gate that saturates makes false ones."""

import equinox as eqx

from fpanalysis._cells import CellStep, RestingStep, StackedCell
from fpanalysis.vector_field import VectorField


def resting_field(field: VectorField, divide_lstm: bool = True) -> VectorField:
    """Return a field with exactly the fixed points of `field`, its cells' gates divided out.

    A GRU's `F(h) − h = (1 − z)(n − h)` vanishes to rounding wherever its update gate `z` is nearly 1, and so
    does its Jacobian; `n − h` vanishes at fixed points only. See `_cells.resting_state`. Fields of other
    functions are returned as they are.

    Args:
        field: the vector field.
        divide_lstm: whether the gates of LSTM cells are divided out too.
    """
    if not has_known_cell(field) or field.time_domain != "discrete":
        return field
    cell = field.function.cell  # pyright: ignore[reportFunctionMemberAccess]
    step = RestingStep(cell, divide_lstm and has_lstm(cell))
    return eqx.tree_at(lambda each: each.function, field, step)


def divides_lstm(field: VectorField) -> bool:
    """Return whether `divide_lstm` makes a difference for a field."""
    return has_known_cell(field) and field.time_domain == "discrete" and has_lstm(field.function.cell)  # pyright: ignore[reportFunctionMemberAccess]


def has_lstm(cell: object) -> bool:
    """Return whether a cell is, or a stack holds, an LSTM."""
    if isinstance(cell, StackedCell):
        return any(map(has_lstm, cell.cells))
    return type(cell) is eqx.nn.LSTMCell


def has_known_cell(field: VectorField) -> bool:
    """Return whether the equations of the field are those of a cell with gates that is known by its class."""
    if not isinstance(field.function, CellStep):
        return False
    known = (eqx.nn.GRUCell, eqx.nn.LSTMCell, StackedCell)
    return type(field.function.cell) in known
