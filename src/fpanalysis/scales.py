"""The scale of every entry of the state: what counts as near, as far, and as a long step."""

from typing import NamedTuple

import numpy as np

from fpanalysis._cells import CellStep, shares_a_unit
from fpanalysis.vector_field import VectorField

STEP = 0.3
# An entry that seems to be constant varies by this share, at least, of what the others make of it.
COUPLED = 1e-2
# Activities and metres that vary by less are at rest.
AT_REST = 1e-3
HUGE = 1e150  # the square of a larger number can overflow
NEGLIGIBLE = 1e-9


class Units(NamedTuple):
    """What is known of the units of a state.

    Attributes:
        blocks: which entries share a unit, as a number for each, `(state,)`.
        are_activities: whether they are activities of a cell's units, or a body's metres: of order one.
    """

    blocks: np.ndarray
    are_activities: bool


def units_of(field: VectorField) -> Units:
    """Return which entries of the state are measured in one unit.

    Units of a recurrent cell are alike, and so are the entries of one block of a closed loop (metres,
    activities). Of any other function every entry may have a unit of its own.
    """
    cell = field.function.cell if isinstance(field.function, CellStep) else field.function
    if not shares_a_unit(cell):
        return Units(np.arange(len(field.state)), False)
    blocks = np.repeat(np.arange(len(field.state_layout.shapes)), field.state_layout.sizes)
    return Units(blocks, True)


def spread_of(x: np.ndarray, blocks: np.ndarray | None = None) -> np.ndarray:
    """Return the root-mean-square deviation of every entry of states `(n, state)`, `(state,)`.

    Where the states coincide in an entry its size stands in, and where that vanishes too, the median of the
    other entries' spreads, or 1.

    Args:
        x: states; rows that are not finite are left out.
        blocks: which entries share a unit, and with it one spread; every entry is apart if left out.
    """
    blocks = np.arange(x.shape[1]) if blocks is None else blocks
    x = x[np.all(np.abs(x) < HUGE, axis=1)]
    if len(x) == 0:
        return np.ones(x.shape[1])
    unit = np.abs(x).max(axis=0)  # divided by it, the squares of very small numbers do not vanish
    unit[unit == 0] = 1.0
    spread = pooled(unit * np.sqrt(np.var(x / unit, axis=0)), blocks)
    size = pooled(unit * np.sqrt(np.mean((x / unit) ** 2, axis=0)), blocks)
    spread = np.where(spread > NEGLIGIBLE * size, spread, size)
    known = spread[spread > 0]
    spread[spread == 0] = np.median(known) if len(known) else 1.0
    return spread


def coupled(spread: np.ndarray, jacobian: np.ndarray, is_discrete: bool) -> np.ndarray:
    """Return spreads `(state,)` of which none is rounding only.

    States that are fixed points already may agree in an entry, to the last digits. How the others' spreads
    change it then says what its scale is.

    Args:
        spread: of every entry.
        jacobian: Jacobians at some of the states, `(n, state, state)`.
        is_discrete: whether they are of a map; a flow moves for one over its fastest rate.
    """
    size = np.abs(np.where(np.isfinite(jacobian), jacobian, 0.0)).max(axis=0, initial=0.0)
    rate = 1.0
    if not is_discrete:
        balanced = size * (spread / spread[:, None])
        rate = np.abs(np.linalg.eigvals(balanced)).max()
        if not rate > NEGLIGIBLE * np.max(balanced):
            return spread  # a chain without feedback has no rate of its own
    np.fill_diagonal(size, 0.0)
    for _ in range(3):
        spread = np.maximum(spread, COUPLED * (size @ spread) / rate)
    return spread


def pooled(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Return values `(state,)` with every one replaced by the root-mean-square over its block."""
    out = np.empty(len(values))
    for block in np.unique(blocks):
        mine = blocks == block
        out[mine] = np.sqrt(np.mean(values[mine] ** 2))
    return out


def longest_step(x: np.ndarray, spread: np.ndarray) -> float:
    """Return the longest Newton step from states `(n, state)`, in units of the spread, in the 2-norm.

    Farther out a network can saturate until everything looks like a fixed point, and long steps jump over
    the small basins. States that all lie close together say little about the scale, so half their size
    stands in for a spread below it.
    """
    usable = x[np.all(np.abs(x) < HUGE, axis=1)]
    size = float(np.sqrt(np.mean((usable / spread) ** 2))) if len(usable) else 0.0
    return STEP * np.sqrt(x.shape[1]) * max(1.0, 0.5 * size)
