"""Which points meet at a fold within a step of a condition, as arrays."""

import numpy as np

from fpanalysis.unique import wrap
from fpanalysis.vector_field import TimeDomain

# A pair that would meet within so many steps is taken to have met in this one.
STEPS = 1.5
# Cosine between the line through a pair and the way it moves apart: at a fold it is 1.
_ALONG = 0.5


def indices(jacobian: np.ndarray, time_domain: TimeDomain) -> np.ndarray:
    """Return the index of each point, the sign of `det(I − J)`, in continuous time of `det(−J)`.

    It stays the same along a branch, and two points that meet at a fold have opposite ones.

    Args:
        jacobian: `(n, state, state)`.
        time_domain: `"discrete"` or `"continuous"`.

    Returns:
        1, −1, or 0 where it is not known, `(n,)`.

    Example:
        >>> import numpy as np
        >>> indices(np.array([[[0.5]], [[2.0]], [[1.0]]]), "discrete")
        array([ 1, -1,  0])
    """
    system = np.eye(jacobian.shape[-1]) - jacobian if time_domain == "discrete" else -jacobian
    sign = np.linalg.slogdet(system).sign
    return np.where(np.isfinite(sign), sign, 0.0).astype(int)


def difference(x: np.ndarray, y: np.ndarray, periodic: np.ndarray) -> np.ndarray:
    """Return `x − y`, of angles the shorter way around."""
    delta = x - y
    return np.where(periodic, wrap(delta), delta) if np.any(periodic) else delta


def steps_to_meeting(x: np.ndarray, move: np.ndarray, index: np.ndarray, periodic: np.ndarray) -> np.ndarray:
    """Return after how many steps the points of each pair meet at a fold, infinite if at none.

    Near a fold the square of the distance `d` of a pair falls linearly to 0, after
    `d² / (−2 d · d')` steps. Such a pair has opposite indices, and approaches along the line through it.

    Source: Kuznetsov 2004, Elements of Applied Bifurcation Theory, section 3.2.

    Args:
        x: states, `(k, state)`.
        move: how far each point moves in a step by its sensitivity, `(k, state)`; it grows without bound
            towards a fold.
        index: of each point, `(k,)`.
        periodic: which entries of the state are angles, `(state,)`.

    Returns:
        Steps, `(k, k)`; symmetric.

    Example:
        >>> import numpy as np
        >>> x, move = np.array([[-1.0], [1.0]]), np.array([[1.0], [-1.0]])
        >>> steps_to_meeting(x, move, np.array([1, -1]), np.array([False])).tolist()
        [[inf, 0.5], [0.5, inf]]
    """
    apart = difference(x[:, None], x[None], periodic)
    with np.errstate(invalid="ignore"):  # of infinite moves
        towards = move[None] - move[:, None]
        along = np.sum(apart * towards, axis=-1)
        length = np.linalg.norm(apart, axis=-1) * np.linalg.norm(towards, axis=-1)
        meets = (index[:, None] * index[None] < 0) & (along > 0) & (along >= _ALONG * length)
    square = np.sum(apart**2, axis=-1)
    return np.where(meets, 0.5 * square / np.where(meets, along, 1.0), np.inf)


def fold_pairs(steps: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs that meet within a step, soonest first, each point in one pair at most.

    Args:
        steps: as from `steps_to_meeting`, `(k, k)`.

    Example:
        >>> import numpy as np
        >>> fold_pairs(np.array([[np.inf, 1.0, 0.5], [1.0, np.inf, np.inf], [0.5, np.inf, np.inf]]))
        [(0, 2)]
    """
    pairs: list[tuple[int, int]] = []
    rows, columns = np.nonzero(np.triu(steps <= STEPS, 1))
    taken: set[int] = set()
    for k in np.argsort(steps[rows, columns], kind="stable"):
        pair = int(rows[k]), int(columns[k])
        if not taken.intersection(pair):
            pairs.append(pair)
            taken.update(pair)
    return pairs
