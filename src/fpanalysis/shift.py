"""How far fixed points move with the input, as arrays."""

from typing import NamedTuple

import numpy as np

from fpanalysis._blas import one_blas_thread
from fpanalysis.schema import TimeDomain

# Condition number above which I − J counts as singular.
SINGULAR = 1e12
# Squarings and steps of the power iteration, together like 16 × 20 steps.
_SQUARINGS = 4
_STEPS = 20


class Shift(NamedTuple):
    """How fixed points move.

    Attributes:
        shift: per unit of each input, `(n, state, input)`; infinite where the system is singular to rounding.
        condition: condition number of each system, `(n,)`, infinite where it is exactly singular.
    """

    shift: np.ndarray
    condition: np.ndarray


def shifts(
    jacobian: np.ndarray,
    input_jacobian: np.ndarray,
    time_domain: TimeDomain,
    is_isolated: np.ndarray | None = None,
) -> Shift:
    """Return `(I − J)⁻¹ B`, in continuous time `−J⁻¹ B`, for every point.

    The condition number says by how much relative errors of the entries of the system `S` can be larger in
    the result: the largest eigenvalue of `|S⁻¹| (I + |J|)`, in continuous time of `|S⁻¹| |J|`. It is the
    smallest condition number that any choice of units for the entries of the state gives, so that it does
    not depend on the one that was made. Where it is above `SINGULAR` nothing is left of the shift.

    Source: Bauer 1963, Numerische Mathematik 5; Higham 2002, Accuracy and Stability of Numerical Algorithms,
    chapter 7.

    Args:
        jacobian: `J = ∂F/∂x`, `(n, state, state)`.
        input_jacobian: `B = ∂F/∂u`, `(n, state, input)`.
        time_domain: `"discrete"` or `"continuous"`.
        is_isolated: `(n,)`; points that are not isolated, or degenerate, have singular systems whatever
            rounding has left of that. All are isolated if left out.

    Returns:
        A `Shift`; NaN where a Jacobian is not finite.

    Example:
        >>> import numpy as np
        >>> shifts(np.array([[[0.5]]]), np.array([[[1.0]]]), "discrete")
        Shift(shift=array([[[2.]]]), condition=array([3.]))
    """
    one = np.eye(jacobian.shape[-1])
    system, size = (one - jacobian, one) if time_domain == "discrete" else (-jacobian, 0.0)
    size = size + np.abs(jacobian)
    condition = np.full(len(system), np.nan)
    shift = np.full(input_jacobian.shape, np.nan)
    finite = np.isfinite(system).all(axis=(1, 2)) & np.isfinite(input_jacobian).all(axis=(1, 2))
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        inverse = _inverses(system[finite])
        condition[finite] = _perron_roots(np.abs(inverse) @ size[finite])
        shift[finite] = inverse @ input_jacobian[finite]
    condition[finite] = np.where(np.isfinite(inverse).all(axis=(1, 2)), condition[finite], np.inf)
    if is_isolated is not None:
        condition[~np.asarray(is_isolated, bool) & finite] = np.inf
    shift[condition > SINGULAR] = np.inf
    return Shift(shift, condition)


def _inverses(matrix: np.ndarray) -> np.ndarray:
    """Return inverses, infinite where a matrix is exactly singular.

    Rows and columns are brought to one size before, by powers of two, which is exact: entries of a state in
    different units would mislead the choice of pivots.
    """
    rows = _power_of_two(np.abs(matrix).max(axis=2, keepdims=True, initial=0.0))
    scaled = matrix / rows
    columns = _power_of_two(np.abs(scaled).max(axis=1, keepdims=True, initial=0.0))
    scaled = scaled / columns
    try:
        inverse = np.linalg.inv(scaled)
    except np.linalg.LinAlgError:  # it does not say which of them
        inverse = np.stack([_inverse(one) for one in scaled])
    return inverse / columns.transpose(0, 2, 1) / rows.transpose(0, 2, 1)


def _inverse(matrix: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return np.full_like(matrix, np.inf)


def _power_of_two(size: np.ndarray) -> np.ndarray:
    return np.ldexp(1.0, np.frexp(np.where(size > 0, size, 1.0))[1])


def _perron_roots(matrix: np.ndarray) -> np.ndarray:
    """Return the largest eigenvalues of matrices without negative entries, to a percent or so."""
    largest = matrix.max(axis=(1, 2), initial=0.0)
    usable = np.isfinite(largest) & (largest > 0)
    out = np.where(usable, 0.0, np.where(largest > 0, np.inf, 0.0))
    if not usable.any():
        return out
    one = matrix[usable] / largest[usable, None, None]
    power = one
    for _ in range(_SQUARINGS):
        power = power @ power
        power = power / power.max(axis=(1, 2), keepdims=True)
    vector = np.ones((*power.shape[:2], 1))
    for _ in range(_STEPS):
        vector = power @ vector
        vector = vector / vector.max(axis=1, keepdims=True)
    seen = vector > 0
    ratio = np.where(seen, one @ vector, 0.0) / np.where(seen, vector, 1.0)
    out[usable] = ratio.max(axis=(1, 2)) * largest[usable]
    return out
