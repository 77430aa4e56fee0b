"""Systems whose fixed points are known some other way, for the tests of the finder."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr

import fpanalysis as fpa


class Cubic(eqx.Module):
    """The map `a x − x³ + u`, entry by entry."""

    a: np.ndarray

    def __call__(self, u, x):
        return self.a * x - x**3 + u


class Tanh(eqx.Module):
    """The network `tanh(W x + b)`."""

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, u, x):
        return jnp.tanh(self.weight @ x + self.bias)


class Polynomial(eqx.Module):
    """The map `Σ c[k] x^k` of one number."""

    coefficients: np.ndarray

    def __call__(self, u, x):
        return jnp.polyval(self.coefficients[::-1], x)


def cubic(a: float = 1.5) -> fpa.VectorField:
    """Return the scalar cubic map, with an input `drive` added."""
    return fpa.vector_field(Cubic(np.array(a)), state=["x"], inputs=["drive"])


def cubic_roots(a: float, drive: float) -> np.ndarray:
    """Return the fixed points of the scalar cubic map, sorted: the real roots of a polynomial."""
    roots = np.roots([-1.0, 0.0, a - 1.0, drive])
    return np.sort(roots[np.abs(roots.imag) < 1e-6].real)


def tanh_network(weight: Any, bias: Any = None) -> fpa.VectorField:
    """Return a tanh network in float64."""
    weight = np.asarray(weight, float)
    return fpa.vector_field(Tanh(weight, np.zeros(len(weight)) if bias is None else bias), state=len(weight))


def polynomial(coefficients: Any) -> fpa.VectorField:
    """Return a polynomial map of one number, the constant coefficient first."""
    return fpa.vector_field(Polynomial(np.asarray(coefficients, float)), state=1)


def lorenz() -> fpa.VectorField:
    """Return the Lorenz system at its usual parameters: σ = 10, ρ = 28, β = 8/3."""

    def rate(x, u):
        return jnp.stack([10.0 * (x[1] - x[0]), x[0] * (28.0 - x[2]) - x[1], x[0] * x[1] - 8.0 / 3.0 * x[2]])

    return fpa.vector_field(rate, state=["x", "y", "z"], time_domain="continuous")


def find(model: Any, *args: Any, **options: Any) -> xr.Dataset:
    """Find fixed points without a progress bar."""
    return fpa.find_fixed_points(model, *args, **({"progress": False} | options))


def points(ds: xr.Dataset) -> np.ndarray:
    """Return the fixed points of a result with one condition, `(n, state)`."""
    return ds["x"].values[ds["is_fixed"].values]


def assert_same_points(found: Any, expected: Any, atol: float = 1e-9) -> None:
    """Assert that two sets of states hold the same points, whatever their order."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    distance = np.linalg.norm(found[:, None] - expected[None], axis=-1)
    assert len(set(distance.argmin(axis=1))) == len(expected)
    assert distance.min(axis=1).max(initial=0.0) <= atol
