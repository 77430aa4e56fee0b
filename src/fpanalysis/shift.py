"""How far fixed points move with the input, as arrays."""

from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from fpanalysis.schema import TimeDomain


class Shift(NamedTuple):
    """How fixed points move.

    Attributes:
        shift: per unit of each input, `(n, state, input)`; infinite where the system is exactly singular.
        condition: condition number of each system in the 2-norm, `(n,)`.
    """

    shift: np.ndarray
    condition: np.ndarray


def shifts(jacobian: np.ndarray, input_jacobian: np.ndarray, time_domain: TimeDomain) -> Shift:
    """Return `(I − J)⁻¹ B`, in continuous time `−J⁻¹ B`, for every point.

    Args:
        jacobian: `J = ∂F/∂x`, `(n, state, state)`.
        input_jacobian: `B = ∂F/∂u`, `(n, state, input)`.
        time_domain: `"discrete"` or `"continuous"`.

    Example:
        >>> import numpy as np
        >>> shifts(np.array([[[0.5]]]), np.array([[[1.0]]]), "discrete").shift.tolist()
        [[[2.0]]]
    """
    system = np.eye(jacobian.shape[-1]) - jacobian if time_domain == "discrete" else -jacobian
    if len(system) == 0:
        return Shift(np.zeros_like(input_jacobian), np.zeros(0))
    with threadpool_limits(1, user_api="blas"):
        condition = np.linalg.cond(system)
        shift = np.full_like(input_jacobian, np.inf)
        solvable = np.isfinite(condition)
        shift[solvable] = np.linalg.solve(system[solvable], input_jacobian[solvable])
    return Shift(shift, condition)
