"""How far matrices are from normal, and how much they can make disturbances grow before they decay."""

from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from fpanalysis.schema import TimeDomain
from fpanalysis.spectra.stability import stability
from fpanalysis.spectrum import DEFECTIVE_CONDITION, Spectrum

# Powers that are formed one after the other; beyond them only modes that have not died out matter.
_DIRECT_POWERS = 64
_NEGLIGIBLE = 1e-12
_CHUNK = 2048
_MOST_POWERS = 2_000_000
# Samples of e^{Jt} in the time 1/‖J‖, between which the maximum is then refined.
_SAMPLES = 4.0


def henrici(jacobian: np.ndarray, eigenvalue: np.ndarray) -> np.ndarray:
    """Return Henrici's number `√(‖J‖_F² − Σ|λ|²)/‖J‖_F` of every matrix: 0 for normal ones, below 1 for all.

    Source: Henrici 1962, Numerische Mathematik 4; Trefethen and Embree 2005, Spectra and Pseudospectra.

    Args:
        jacobian: `(n, state, state)`.
        eigenvalue: `(n, mode)`.

    Example:
        >>> import numpy as np
        >>> henrici(np.array([[[0.5, 1.0], [0.0, 0.5]]]), np.array([[0.5, 0.5]])).round(3)
        array([0.816])
    """
    square = np.sum(jacobian**2, axis=(1, 2))
    rest = np.maximum(square - np.sum(np.abs(eigenvalue) ** 2, axis=1), 0.0)
    return np.sqrt(rest / np.where(square > 0, square, 1.0))


def initial_growth(jacobian: np.ndarray, time_domain: TimeDomain) -> np.ndarray:
    """Return the fastest growth of any disturbance at the very beginning.

    In discrete time `‖J‖₂`, the largest factor of one step; in continuous time the largest eigenvalue of
    `(J + Jᵀ)/2`, a rate (1/s). Source: Trefethen and Embree 2005, chapters 14 and 16.

    Args:
        jacobian: `(n, state, state)`.
        time_domain: `"discrete"` or `"continuous"`.

    Example:
        >>> import numpy as np
        >>> initial_growth(np.array([[[-1.0, 4.0], [0.0, -1.0]]]), "continuous")
        array([1.])
    """
    with threadpool_limits(1, user_api="blas"):
        if time_domain == "discrete":
            return _norms(jacobian)
        return np.linalg.eigvalsh(0.5 * (jacobian + jacobian.transpose(0, 2, 1))).max(
            axis=-1, initial=-np.inf
        )


def peak_growth(jacobian: np.ndarray, spectrum: Spectrum[np.ndarray], time_domain: TimeDomain) -> np.ndarray:
    """Return the largest factor by which any disturbance ever grows: `sup ‖Jᵏ‖₂` or `sup ‖e^{Jt}‖₂`.

    At least 1, since time 0 counts; infinite for matrices with neutral or growing modes. In discrete time
    all powers are looked at, until one whose norm is at most 1 proves that the later ones are no larger
    than the earlier ones (`‖Jᵐ⁺ʳ‖ ≤ ‖Jᵐ‖ ‖Jʳ‖`). Powers beyond the 64th are taken from the modes that have
    not died out by then (of defective ones 6,400 powers at most). In continuous time the largest of samples,
    4 in the time `1/‖J‖`, is refined to a relative 1e-6.

    Args:
        jacobian: `(n, state, state)`.
        spectrum: their eigenpairs, with vectors.
        time_domain: `"discrete"` or `"continuous"`.

    Returns:
        Factors `(n,)`.

    Example:
        >>> import numpy as np
        >>> from fpanalysis.spectrum import eigenpairs
        >>> jacobian = np.array([[[0.5, 2.0], [0.0, 0.4]]])
        >>> peak_growth(jacobian, eigenpairs(jacobian, "discrete"), "discrete").round(3)
        array([2.098])
    """
    is_stable = stability(spectrum.eigenvalue, time_domain).is_stable
    out = np.full(len(jacobian), np.inf)
    if not is_stable.any():
        return out
    stable, rows = jacobian[is_stable], np.flatnonzero(is_stable)
    with threadpool_limits(1, user_api="blas"):
        if time_domain == "discrete":
            out[rows] = _peaks(stable, _modes(spectrum, rows, None)).norm
        else:
            out[rows] = _peaks_in_time(stable, spectrum, rows)
    return out


class _Modes(NamedTuple):
    """What powers of matrices are made of: `Jᵏ = right diag(multiplierᵏ) left^H`."""

    multiplier: np.ndarray
    right: np.ndarray
    left: np.ndarray
    condition: np.ndarray


class _Peak(NamedTuple):
    """The largest norm of the powers of every matrix, and which power has it."""

    norm: np.ndarray
    power: np.ndarray


def _modes(spectrum: Spectrum[np.ndarray], rows: np.ndarray, step: np.ndarray | None) -> _Modes:
    value = spectrum.eigenvalue[rows]
    multiplier = value if step is None else np.exp(value * step[:, None])
    return _Modes(multiplier, spectrum.right[rows], spectrum.left[rows], spectrum.condition[rows])


def _peaks(matrix: np.ndarray, modes: _Modes) -> _Peak:
    n, size, _ = matrix.shape
    peak = _Peak(np.ones(n), np.zeros(n, int))
    power, rows = matrix.copy(), np.arange(n)
    for k in range(1, _DIRECT_POWERS + 1):
        bound = _bounds(power)
        # The norm itself is needed only where it may be a new maximum, or may be the end.
        near = np.flatnonzero(bound > 1.0)
        norm = np.minimum(bound, 1.0)
        norm[near] = _norms(power[near])
        _raise_to(peak, rows, norm, k)
        going = norm > 1.0
        rows, power = rows[going], power[going]
        if len(rows) == 0 or k == _DIRECT_POWERS:
            break
        power = power @ matrix[rows]
    for row in rows.tolist():
        _slow_peak(peak, row, matrix[row], _Modes(*(part[row] for part in modes)))
    return peak


def _slow_peak(peak: _Peak, row: int, matrix: np.ndarray, modes: _Modes) -> None:
    """Look at the powers beyond the direct ones, in the subspace of the modes that still matter there."""
    size = np.abs(modes.multiplier)
    slow = size**_DIRECT_POWERS * np.minimum(modes.condition, 1 / _NEGLIGIBLE) > _NEGLIGIBLE
    if np.any(modes.condition[slow] > DEFECTIVE_CONDITION):
        _continued(peak, row, matrix)
        return
    right: np.ndarray = np.linalg.qr(modes.right[:, slow]).R
    left: np.ndarray = np.linalg.qr(modes.left[slow].T).R
    value, reach = modes.multiplier[slow], float(np.linalg.norm(right, 2) * np.linalg.norm(left, 2))
    slowest = float(size[slow].max())
    for start in range(_DIRECT_POWERS + 1, _MOST_POWERS, _CHUNK):
        if reach * slowest**start <= 1.0:
            return
        k = np.arange(start, start + _CHUNK)
        power = np.exp(np.log(value)[None] * k[:, None])
        norm = _norms((right[None] * power[:, None]) @ left.conj().T)
        best = int(np.argmax(norm))
        _raise_to(peak, np.array([row]), norm[best : best + 1], start + best)
        if np.any(norm <= 1.0):
            return


def _continued(peak: _Peak, row: int, matrix: np.ndarray) -> None:
    """Go on with powers one after the other, where modes have no eigenvectors of their own."""
    power = np.linalg.matrix_power(matrix, _DIRECT_POWERS + 1)
    for k in range(_DIRECT_POWERS + 1, 100 * _DIRECT_POWERS):
        norm = _norms(power[None])
        _raise_to(peak, np.array([row]), norm, k)
        if norm[0] <= 1.0:
            return
        power = power @ matrix


def _raise_to(peak: _Peak, rows: np.ndarray, norm: np.ndarray, k: int) -> None:
    higher = norm > peak.norm[rows]
    peak.norm[rows[higher]], peak.power[rows[higher]] = norm[higher], k


def _peaks_in_time(jacobian: np.ndarray, spectrum: Spectrum[np.ndarray], rows: np.ndarray) -> np.ndarray:
    from scipy.linalg import expm  # slow to import, and for continuous time only
    from scipy.optimize import minimize_scalar

    step = 1.0 / (_SAMPLES * np.maximum(_norms(jacobian), np.finfo(float).tiny))
    peak = _peaks(expm(jacobian * step[:, None, None]), _modes(spectrum, rows, step))
    out = peak.norm.copy()
    for i in np.flatnonzero(initial_growth(jacobian, "continuous") > 0):

        def lower(t: float, matrix: np.ndarray = jacobian[i]) -> float:
            return -float(np.linalg.norm(expm(matrix * t), 2))

        k = peak.power[i]
        bounds = (max(k - 1, 0) * step[i], (k + 1) * step[i])
        found: Any = minimize_scalar(
            lower, bounds=bounds, method="bounded", options={"xatol": 1e-4 * step[i]}
        )
        out[i] = max(out[i], -float(found.fun))
    return out


def _norms(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.svd(matrix, compute_uv=False).max(axis=-1, initial=0.0)


def _bounds(matrix: np.ndarray) -> np.ndarray:
    """Return upper bounds of the 2-norms that cost next to nothing."""
    size = np.abs(matrix)
    frobenius = np.sqrt(np.sum(size * size, axis=(1, 2)))
    mixed = np.sqrt(size.sum(axis=1).max(axis=-1) * size.sum(axis=2).max(axis=-1))
    return np.minimum(frobenius, mixed)
