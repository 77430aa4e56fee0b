"""What rounding leaves open: modes of non-normal Jacobians that may lie on either side of the boundary."""

import numpy as np

from fpanalysis.schema import TimeDomain
from fpanalysis.spectra.stability import growth, neutral_margin

# A Jacobian and LAPACK's eigenvalues of it are right for a matrix that differs by this many times n eps ‖J‖.
_BACKWARD = 4.0
# The shift of an eigenvalue by its condition number is one of first order; nearly defective ones shift more.
_SAFETY = 100.0
# Modes farther from the boundary than this share of 1, in continuous time of the largest |λ|, are not moved
# across: where so much is open, rounding has spread the computed modes up to the boundary as well.
_NEAR = 0.25


def may_be_open(jacobian: np.ndarray, eigenvalue: np.ndarray, time_domain: TimeDomain) -> np.ndarray:
    """Return which matrices need a look at their condition numbers, without knowing these.

    The resolvent is tried on one vector, at the boundary next to the first mode on either side of it.

    Args:
        jacobian: `(n, state, state)`.
        eigenvalue: `(n, mode)`.
        time_domain: `"discrete"` or `"continuous"`.

    Returns:
        Booleans `(n,)`; False where a matrix is not finite.
    """
    out = np.zeros(len(jacobian), bool)
    n = jacobian.shape[-1]
    rate, near = growth(eigenvalue, time_domain), _is_near(eigenvalue, time_domain)
    vector = np.exp(2j * np.pi * np.random.default_rng(0).uniform(size=(n, 1)))
    error = _error(n, n * np.abs(jacobian).max(axis=(1, 2), initial=0.0))
    for side in (rate > 0, rate < 0):
        rows = np.flatnonzero((near & side).any(axis=-1))
        mode = np.argmin(np.where(near & side, np.abs(rate), np.inf)[rows], axis=-1)
        boundary = _boundary(eigenvalue[rows, mode], time_domain)
        try:
            system = jacobian[rows] - boundary[:, None, None] * np.eye(n)
            size = np.linalg.norm(np.linalg.solve(system, vector[None])[..., 0], axis=-1)
        except np.linalg.LinAlgError:  # one is singular; it does not say which
            size = np.full(len(rows), np.inf)
        out[rows] |= ~(size * _SAFETY * error[rows] < np.sqrt(n))
    return out


def rounding_margin(
    jacobian: np.ndarray, eigenvalue: np.ndarray, condition: np.ndarray, time_domain: TimeDomain
) -> np.ndarray:
    """Return how near the boundary of stability a mode must count as neutral, because of rounding.

    A mode is open if the boundary next to it belongs to the pseudospectrum of rounding: if a matrix that
    differs from the Jacobian by `4 n eps ‖J‖` has an eigenvalue there. That is looked at for the modes alone
    that their condition numbers let come near. Parts of the state that do not act back on each other are
    looked at one by one, and each with its entries in the units that make it smallest: neither has a part in
    the eigenvalues.

    Source: Trefethen and Embree 2005, Spectra and Pseudospectra, chapters 2 and 52.

    Args:
        jacobian: `(n, state, state)`.
        eigenvalue: `(n, mode)`.
        condition: of the eigenvalues, `(n, mode)`.
        time_domain: `"discrete"` or `"continuous"`.

    Returns:
        Margins `(n,)`, in the unit of eigenvalues; 0 where the usual one does.

    Example:
        >>> import numpy as np
        >>> from fpanalysis.spectrum import eigenpairs
        >>> turn = np.kron([[1, 1], [1, -1]], [[1, 1], [1, -1]]) / 2
        >>> chain = np.diag([-1, -2, -3, -1024]) / 1024 + np.diag([512, 512, 0], 1)
        >>> jacobian = (turn @ chain @ turn)[None]
        >>> found = eigenpairs(jacobian, "continuous")
        >>> margin = rounding_margin(jacobian, found.eigenvalue, found.condition, "continuous")
        >>> bool(margin[0] > 1e-4)
        True
    """
    out = np.zeros(len(jacobian))
    distance = np.abs(growth(eigenvalue, time_domain))
    size = jacobian.shape[-1] * np.abs(jacobian).max(axis=(1, 2), initial=0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        reach = _SAFETY * _error(jacobian.shape[-1], size)[:, None] * condition
    # One of a conjugate pair is enough.
    open_ = _is_near(eigenvalue, time_domain) & (distance <= reach) & (np.imag(eigenvalue) >= 0)
    for row in np.flatnonzero(open_.any(axis=-1)):
        blocks = _blocks(jacobian[row])
        modes = np.flatnonzero(open_[row])
        modes = modes[np.argsort(-distance[row, modes])]  # the farthest that is open decides
        for mode, value in zip(modes, _boundary(eigenvalue[row, modes], time_domain).tolist(), strict=True):
            if any(_reaches(block, value) for block in blocks):
                out[row] = distance[row, mode]
                break
    return out


def _is_near(eigenvalue: np.ndarray, time_domain: TimeDomain) -> np.ndarray:
    """Return which modes rounding could have moved across; False for those that are neutral in any case."""
    distance = np.abs(growth(eigenvalue, time_domain))
    size = 1.0 if time_domain == "discrete" else np.abs(eigenvalue).max(axis=-1, keepdims=True, initial=0.0)
    return (distance > neutral_margin(eigenvalue, time_domain)) & (distance <= _NEAR * size)


def _boundary(value: np.ndarray, time_domain: TimeDomain) -> np.ndarray:
    """Return the points of the boundary of stability next to eigenvalues."""
    return value / np.abs(value) if time_domain == "discrete" else 1j * np.imag(value)


def _error(n: int, size: np.ndarray | float) -> np.ndarray:
    return np.asarray(_BACKWARD * n * np.finfo(float).eps * size)


def _blocks(matrix: np.ndarray) -> list[np.ndarray]:
    """Return the irreducible diagonal blocks of more than one row, balanced."""
    from scipy.linalg import matrix_balance  # slow to import, and for few points only
    from scipy.sparse.csgraph import connected_components

    n, label = connected_components(matrix != 0, connection="strong")
    parts = [np.flatnonzero(label == k) for k in range(n)]
    return [matrix_balance(matrix[np.ix_(part, part)], permute=False)[0] for part in parts if len(part) > 1]


def _reaches(block: np.ndarray, value: complex) -> bool:
    """Return whether rounding can give a matrix this eigenvalue."""
    smallest = np.linalg.svd(block - value * np.eye(len(block)), compute_uv=False)[-1]
    return bool(smallest <= _error(len(block), float(np.linalg.norm(block, 2))))
