"""How far matrices are from normal, and how much they can make disturbances grow before they decay."""

import warnings
from typing import Any

import numpy as np

from fpanalysis._blas import one_blas_thread
from fpanalysis.accurate_products import Accurate, exponential
from fpanalysis.peaks import NEARLY, Peak, Powers, largest_power, norms
from fpanalysis.schema import TimeDomain
from fpanalysis.spectra.stability import is_neutral
from fpanalysis.spectrum import Spectrum, scaled

# Powers that are formed one after the other for all matrices; most peaks lie among them.
_DIRECT_POWERS = 64
# Norms above which rounding in the first powers may show.
_DELICATE = 300.0
# Samples of e^{Jt} are at most this far apart, times 1/‖J‖; maxima in between are then looked for.
_STEP = 0.25
# Share of ‖J‖² below which the difference of two sums has lost too many digits.
_CANCELLED = 1e-6


def henrici(jacobian: np.ndarray, eigenvalue: np.ndarray) -> np.ndarray:
    """Return Henrici's number `√(‖J‖_F² − Σ|λ|²)/‖J‖_F` of every matrix: from 0, for normal ones, to 1.

    Where the difference cancels, it is taken from the Schur form instead, whose part above the diagonal has
    the same norm. Normal matrices come out as some 1e-16, by rounding.

    Source: Henrici 1962, Numerische Mathematik 4; Trefethen and Embree 2005, Spectra and Pseudospectra.

    Args:
        jacobian: `(n, state, state)`.
        eigenvalue: `(n, mode)`.

    Example:
        >>> import numpy as np
        >>> henrici(np.array([[[0.5, 1.0], [0.0, 0.5]]]), np.array([[0.5, 0.5]])).round(3)
        array([0.816])
    """
    # By powers of two, so that no squares overflow or vanish.
    exponent = np.frexp(np.abs(jacobian).max(axis=(1, 2), initial=0.0))[1]
    jacobian = scaled(jacobian, -exponent[:, None, None])
    square = np.sum(jacobian**2, axis=(1, 2))
    rest = square - np.sum(np.abs(scaled(eigenvalue, -exponent[:, None])) ** 2, axis=1)
    with one_blas_thread():
        for row in np.flatnonzero((rest < _CANCELLED * square) & (square > 0)):
            rest[row] = _off_diagonal(jacobian[row])
    return np.sqrt(rest / np.where(square > 0, square, 1.0))


def _off_diagonal(matrix: np.ndarray) -> float:
    """Return the square sum of what stands beside the eigenvalues in the complex Schur form."""
    from scipy.linalg import schur  # slow to import, and for nearly normal matrices only

    triangular = schur(matrix, output="complex")[0]
    return float(np.sum(np.abs(np.triu(triangular, 1)) ** 2))


def initial_growth(jacobian: np.ndarray, time_domain: TimeDomain) -> np.ndarray:
    """Return the fastest growth of any disturbance at the very beginning.

    In discrete time `‖J‖₂`, the largest factor of one step; in continuous time the largest eigenvalue of
    `(J + Jᵀ)/2`, a rate (1/s). Source: Trefethen and Embree 2005, chapters 14 and 16.

    Args:
        jacobian: `(n, state, state)`.
        time_domain: `"discrete"` or `"continuous"`.

    Returns:
        Factors or rates `(n,)`; NaN where a matrix is not finite.

    Example:
        >>> import numpy as np
        >>> initial_growth(np.array([[[-1.0, 4.0], [0.0, -1.0]]]), "continuous")
        array([1.])
    """
    with one_blas_thread():
        if time_domain == "discrete":
            return norms(jacobian)
        finite = np.asarray(np.isfinite(jacobian).all(axis=(1, 2)))
        known = np.where(finite[:, None, None], jacobian, 0.0)
        fastest = np.linalg.eigvalsh(0.5 * known + 0.5 * known.transpose(0, 2, 1)).max(
            axis=-1, initial=-np.inf
        )
        return np.where(finite, fastest, np.nan)


def peak_growth(
    jacobian: np.ndarray,
    spectrum: Spectrum[np.ndarray],
    time_domain: TimeDomain,
    margin: np.ndarray | None = None,
) -> np.ndarray:
    """Return the largest factor by which any disturbance ever grows: `sup ‖Jᵏ‖₂` or `sup ‖e^{Jt}‖₂`.

    At least 1, since time 0 counts; infinite for matrices with neutral or growing modes. Modes are used for
    that alone, since sums over nearly dependent ones cancel. In discrete time powers are looked at until one
    whose norm is at most 1 proves that no later one is larger than the earlier ones; in continuous time they
    are those of `e^{Jh}` with `h` about `1/(8‖J‖)`, and the maxima in between are found as well. All of the
    first 4096 powers are looked at, then samples that are refined where they are large (`largest_power`), so
    that stiff flows and slow maps take hardly longer.

    The result is right to a relative 1e-6. Two cases have less: where two or more oscillations of different
    frequency last for more than 4,096 steps it is the largest of some thousand phases, which may be 1e-3
    below the largest of all; and where rounding is amplified by more than 1e24, 32 digits do not suffice.
    That begins with peaks of about 1e9 where modes are slow and nearly parallel. The result is NaN then, with
    a warning, and so it is where powers grow though the computed eigenvalues decay.

    Args:
        jacobian: `(n, state, state)`.
        spectrum: their eigenpairs.
        time_domain: `"discrete"` or `"continuous"`.
        margin: how far from the boundary of stability modes count as neutral, `(n,)`; see `neutral_margin`.

    Returns:
        Factors `(n,)`; NaN where they cannot be computed.

    Warns:
        UserWarning: some cannot be computed.

    Example:
        >>> import numpy as np
        >>> from fpanalysis.spectrum import eigenpairs
        >>> jacobian = np.array([[[0.5, 2.0], [0.0, 0.4]]])
        >>> peak_growth(jacobian, eigenpairs(jacobian, "discrete"), "discrete").round(3)
        array([2.098])
    """
    value = spectrum.eigenvalue
    inside = np.abs(value) < 1.0 if time_domain == "discrete" else value.real < 0.0
    decays = np.all(inside & ~is_neutral(value, time_domain, margin), axis=-1)
    out = np.where(np.isnan(value).any(axis=-1), np.nan, np.inf)
    if decays.any():
        # What overflows is not finite, and seen to be.
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            peaks = _peaks if time_domain == "discrete" else _peaks_in_time
            out[decays] = peaks(jacobian[decays])
        _warn(out[decays])
    return out


def _warn(peak: np.ndarray) -> None:
    if unknown := int(np.isnan(peak).sum()):
        warnings.warn(
            f"peak_growth is NaN for {unknown} of {len(peak)} matrices: they amplify rounding errors beyond "
            "32 digits, or grow without bound though their computed eigenvalues decay (see "
            "eigenvalue_condition)",
            stacklevel=4,
        )


def _peaks(matrix: np.ndarray) -> np.ndarray:
    norm, going = _first_powers(matrix)
    out = norm.max(axis=1)
    for row in np.flatnonzero(going | (out > _DELICATE)).tolist():
        powers = Powers(Accurate(matrix[row], np.zeros_like(matrix[row])))
        out[row] = _with_later(powers, norm[row]).norm
    return out


def _with_later(powers: Powers, first: np.ndarray) -> Peak:
    """Return the peak of all powers, given norms of the first ones."""
    best = float(first.max())
    if best > _DELICATE:
        all_of_them = largest_power(powers, 1, 1.0)
        return all_of_them._replace(norm=float(np.maximum(first[1], all_of_them.norm)))  # NaN stays
    later = largest_power(powers, _DIRECT_POWERS, best)
    return Peak(float(np.maximum(best, later.norm)), _tops(first) + later.powers)


def _tops(norm: np.ndarray) -> list[int]:
    """Return which powers have norms nearly as large as the largest, and larger than those next to them."""
    around = np.pad(norm, 1, constant_values=-1.0)
    is_top = (norm >= around[:-2]) & (norm > around[2:]) & (norm >= NEARLY * norm.max())
    return np.flatnonzero(is_top).tolist()


def _first_powers(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the norms of the powers 0 to 64 of every matrix, `(n, power)`, and where larger ones may follow.

    Norms are at least 1 where they are not computed since the peak lies before.
    """
    norm = np.ones((len(matrix), _DIRECT_POWERS + 1))
    power, rows = matrix, np.arange(len(matrix))
    for k in range(1, _DIRECT_POWERS + 1):
        bound = _bounds(power)
        # The norm itself is needed only where it may be a new maximum, or may be the end.
        near = np.flatnonzero(bound > 1.0)
        bound[near] = norms(power[near])
        norm[rows, k] = np.maximum(bound, 1.0)
        on = bound > 1.0
        rows, power = rows[on], power[on]
        if len(rows) == 0 or k == _DIRECT_POWERS:
            break
        power = power @ matrix[rows]
    going = np.zeros(len(matrix), bool)
    going[rows] = True
    return norm, going


def _peaks_in_time(jacobian: np.ndarray) -> np.ndarray:
    from scipy.linalg import expm  # slow to import, and for continuous time only

    out = np.ones(len(jacobian))
    rows = np.flatnonzero(initial_growth(jacobian, "continuous") > 0)  # others only decay
    # A power of two, so that J times it is exact.
    step = np.ldexp(1.0, np.frexp(_STEP / norms(jacobian[rows]))[1] - 1)
    scaled = jacobian[rows] * step[:, None, None]
    norm, going = _first_powers(expm(scaled))
    for i, row in enumerate(rows.tolist()):
        peak = Peak(float(norm[i].max()), _tops(norm[i]))
        base = None
        if going[i] or peak.norm > _DELICATE:
            base = Powers(exponential(scaled[i]))
            peak = _with_later(base, norm[i])
        out[row] = _between(scaled[i], peak, base)
    return out


def _between(matrix: np.ndarray, peak: Peak, powers: Powers | None) -> float:
    """Return the largest norm of `e^(matrix t)` at any `t`, given where it is largest at integers."""
    from scipy.linalg import expm
    from scipy.optimize import minimize_scalar

    best = peak.norm
    for k in peak.powers:
        before = max(k - 1, 0)
        start = powers.power(before).high if powers and before else expm(matrix * float(before))

        def lower(t: float, start: np.ndarray = start) -> float:
            return -float(np.linalg.norm(start @ expm(matrix * t), 2))

        found: Any = minimize_scalar(
            lower, bounds=(0.0, float(k + 1 - before)), method="bounded", options={"xatol": 1e-4}
        )
        best = np.maximum(best, -float(found.fun))
    return float(best)


def _bounds(matrix: np.ndarray) -> np.ndarray:
    """Return upper bounds of the 2-norms that cost next to nothing."""
    size = np.abs(matrix)
    frobenius = np.sqrt(np.sum(size * size, axis=(1, 2)))
    mixed = np.sqrt(size.sum(axis=1).max(axis=-1) * size.sum(axis=2).max(axis=-1))
    return np.minimum(frobenius, mixed)
