"""Eigenpairs of many Jacobians, as arrays."""

from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar, overload

import jax
import numpy as np
from numpy.typing import NDArray

from fpanalysis._blas import one_blas_thread
from fpanalysis._numerics import in_float64
from fpanalysis.schema import TimeDomain

# Condition number of an eigenvalue above which its left and right eigenvector are taken as orthogonal.
DEFECTIVE_CONDITION = 1e10
# Moduli closer than this, relatively, are a tie when the phase of an eigenvector is chosen.
_TIE = 1e-9
_CHUNK_BYTES = 64 * 2**20
# Matrices whose largest entry has a larger binary exponent, or one this far below 0, are scaled for LAPACK.
_MODERATE = 256


_Vectors = TypeVar("_Vectors", np.ndarray, None)
_Eigenvalues = NDArray[np.complex128]


@dataclass(frozen=True)
class Spectrum(Generic[_Vectors]):
    """Eigenpairs of `n` matrices; the vectors and conditions are None where they were not asked for.

    Attributes:
        eigenvalue: complex128, shape (n, mode), sorted.
        right: `v` with `J v = λ v`, complex128, shape (n, state, mode), unit 2-norm.
        left: `w` with `wᴴ J = λ wᴴ`, complex128, shape (n, mode, state), `sum(conj(w) v) = 1`.
        condition: `1/|wᴴv|` for unit vectors, float64, shape (n, mode), at least 1, possibly infinite.
    """

    eigenvalue: _Eigenvalues
    right: _Vectors
    left: _Vectors
    condition: _Vectors


@overload
def eigenpairs(
    jacobian: np.ndarray, time_domain: TimeDomain, vectors: Literal[True] = True
) -> Spectrum[np.ndarray]: ...


@overload
def eigenpairs(
    jacobian: np.ndarray, time_domain: TimeDomain, vectors: bool
) -> Spectrum[np.ndarray] | Spectrum[None]: ...


def eigenpairs(
    jacobian: np.ndarray, time_domain: TimeDomain, vectors: bool = True
) -> Spectrum[np.ndarray] | Spectrum[None]:
    """Return the eigenvalues and the left and right eigenvectors of every matrix.

    Both come from one factorisation by LAPACK's general solver (`geev`: Anderson et al., LAPACK Users'
    Guide, 1999), many matrices side by side. Modes are sorted by modulus (discrete time) or real part
    (continuous time), largest first; conjugate pairs stay together, the positive imaginary part first.

    A right eigenvector has unit 2-norm, and the first of its largest components is real and positive.
    A left eigenvector is scaled so that `sum(conj(w) v) = 1`, unless the mode is defective: where the
    condition exceeds `DEFECTIVE_CONDITION`, `w` keeps unit norm. The condition is the computed one. That
    of a Jordan block of size k which rounding has already split is about eps^(1/k − 1), so a 2 × 2 block
    in a general basis stays near 1e8, and only what is block-triangular (a delay line) is sure to show.

    Args:
        jacobian: real matrices, shape (n, state, state).
        time_domain: `"discrete"` or `"continuous"`; decides the order.
        vectors: False for eigenvalues only, in about half the time.

    Returns:
        A `Spectrum`; rows whose matrix holds NaN or infinite entries are NaN throughout.

    Raises:
        ValueError: the matrices are not square, or the time domain is not known.

    Example:
        >>> import numpy as np
        >>> jacobian = np.array([[[0.0, -0.5], [0.5, 0.0]], [[0.1, 0.0], [0.0, -0.9]]])
        >>> eigenpairs(jacobian, "discrete").eigenvalue.round(3)
        array([[ 0. +0.5j,  0. -0.5j],
               [-0.9+0.j ,  0.1+0.j ]])
    """
    jacobian = np.asarray(jacobian, dtype=np.float64)
    if jacobian.ndim != 3 or jacobian.shape[1] != jacobian.shape[2]:
        raise ValueError(f"jacobian: expected an array of shape (n, state, state), got {jacobian.shape}")
    if time_domain not in ("discrete", "continuous"):
        raise ValueError(f"time_domain: expected 'discrete' or 'continuous', got {time_domain!r}")
    n, size, _ = jacobian.shape
    exponent = np.frexp(np.where(np.isfinite(jacobian), np.abs(jacobian), 0.0).max(axis=(1, 2), initial=0.0))[
        1
    ]
    exponent = np.where(np.abs(exponent) > _MODERATE, exponent, 0)
    jacobian = scaled(jacobian, -exponent[:, None, None])
    result = _empty(n, size, vectors)
    bad = np.asarray(~np.isfinite(jacobian).all(axis=(1, 2)))
    most = max(1, _CHUNK_BYTES // max(1, 48 * size * size))
    chunk = 1 << (most.bit_length() - 1)  # a power of two needs no padding
    # The solver takes the matrices of a batch in parallel. LAPACK's own threads on top of that would cost
    # more than they give: 10 times the wall time for 100 × 100 matrices on two cores.
    with one_blas_thread(), in_float64():
        for start in range(0, n, chunk):
            rows = slice(start, min(start + chunk, n))
            part = _ordered(_geev(jacobian[rows], bad[rows], vectors), time_domain)
            for whole, piece in zip(_arrays(result), _arrays(part), strict=True):
                whole[rows] = piece
    result.eigenvalue[:] = scaled(result.eigenvalue, exponent[:, None])
    for whole in _arrays(result):
        whole[bad] = np.nan
    return result


def scaled(numbers: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Return real or complex numbers times `2^exponent`, which rounds nothing that stays a normal number."""
    if not np.iscomplexobj(numbers):
        return np.ldexp(numbers, exponent)
    out = np.empty(np.broadcast_shapes(numbers.shape, exponent.shape), np.complex128)
    out.real, out.imag = np.ldexp(np.real(numbers), exponent), np.ldexp(np.imag(numbers), exponent)
    return out


def _arrays(spectrum: Spectrum[np.ndarray] | Spectrum[None]) -> list[np.ndarray]:
    return [array for array in vars(spectrum).values() if array is not None]


def _empty(n: int, size: int, vectors: bool) -> Spectrum[np.ndarray] | Spectrum[None]:
    eigenvalue = np.empty((n, size), np.complex128)
    if not vectors:
        return Spectrum(eigenvalue, None, None, None)
    right, left = (np.empty((n, size, size), np.complex128) for _ in range(2))
    return Spectrum(eigenvalue, right, left, np.empty((n, size)))


@partial(jax.jit, static_argnames="vectors")
def _eig(matrices: jax.Array, vectors: bool) -> list[jax.Array]:
    return jax.lax.linalg.eig(matrices, compute_left_eigenvectors=vectors, compute_right_eigenvectors=vectors)


def _geev(matrices: np.ndarray, bad: np.ndarray, vectors: bool) -> list[_Eigenvalues]:
    """Return eigenvalues and, if asked for, left and right eigenvectors (in columns), as LAPACK gives them.

    JAX's wrapper is taken because it lets go of the interpreter lock and SciPy's does not, and NumPy's
    has no left eigenvectors.
    """
    n, size, _ = matrices.shape
    # Padding to a power of two saves compilations; zero matrices cost next to nothing.
    padded = np.zeros((1 << max(n - 1, 0).bit_length(), size, size))
    padded[:n] = np.where(bad[:, None, None], 0.0, matrices)
    return [np.array(part[:n]) for part in map(np.asarray, _eig(padded, vectors))]


def _ordered(parts: list[_Eigenvalues], time_domain: TimeDomain) -> Spectrum[np.ndarray] | Spectrum[None]:
    """Return one chunk of LAPACK's results, sorted and scaled."""
    order = _order(parts[0], time_domain)
    eigenvalue = np.take_along_axis(parts[0], order, axis=1)
    if len(parts) == 1:
        return Spectrum(eigenvalue, None, None, None)
    left, right = (_normalised(np.take_along_axis(v, order[:, None, :], axis=2)) for v in parts[1:])
    overlap = np.einsum("nsm,nsm->nm", left.conj(), right)
    modulus = np.abs(overlap)
    condition = np.divide(1.0, modulus, out=np.full_like(modulus, np.inf), where=modulus > 1e-300)
    condition = np.maximum(condition, 1.0)  # unit vectors overlap by at most one; rounding may exceed it
    scale = np.where(condition > DEFECTIVE_CONDITION, 1.0, overlap.conj())
    return Spectrum(eigenvalue, right, np.swapaxes(left / scale[:, None, :], 1, 2), condition)


def _order(eigenvalue: _Eigenvalues, time_domain: TimeDomain) -> np.ndarray:
    """Return the indices that sort the modes of each row.

    LAPACK gives the two members of a conjugate pair next to each other and exactly conjugate, so their
    modulus and real part agree to the last bit. `pair` keeps equal pairs from interleaving.
    """
    primary = np.abs(eigenvalue) if time_domain == "discrete" else eigenvalue.real
    pair = np.arange(eigenvalue.shape[1]) - (eigenvalue.imag < 0)
    keys = (-eigenvalue.imag, pair, -np.abs(eigenvalue.imag), -eigenvalue.real, -primary)
    return np.lexsort(keys, axis=-1)


def _normalised(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors (columns) with unit norm and the first of their largest components positive."""
    modulus = np.abs(vectors)
    largest = modulus.max(axis=1, keepdims=True)
    first = np.argmax(modulus >= (1 - _TIE) * largest, axis=1, keepdims=True)
    pivot = np.take_along_axis(vectors, first, axis=1)
    vectors = vectors * (pivot.conj() / (np.abs(pivot) * np.linalg.norm(vectors, axis=1, keepdims=True)))
    np.put_along_axis(vectors, first, np.abs(np.take_along_axis(vectors, first, axis=1)), axis=1)
    return vectors
