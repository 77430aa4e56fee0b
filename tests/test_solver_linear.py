"""Newton directions: LAPACK on the host and JAX give the same, whatever the Jacobian."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fpanalysis.solvers._linear import directions, inverse
from fpanalysis.solvers._newton import AMPLIFICATION, Evaluation, jacobian_norm, newton_direction

CAP = 5.0
compiled = jax.jit(jax.vmap(newton_direction, in_axes=(0, 0, None)))


def both(f, jacobian, cap=CAP):
    """Return the directions for a batch from LAPACK and from JAX, `(n, state)` each."""
    n = len(f)
    zeros = np.zeros(n)
    with jax.enable_x64(True):
        batch = Evaluation(np.zeros_like(f), f, jacobian, zeros, zeros)
        host = directions(batch, np.arange(n), np.full(n, cap))
        device = compiled(jnp.asarray(f), jnp.asarray(jacobian), jnp.asarray(cap))
    return host, np.asarray(device)


def shortened(direction, cap=CAP):
    length = np.linalg.norm(direction, axis=-1, keepdims=True)
    return direction * np.minimum(1.0, cap / length)


@pytest.mark.parametrize("size", [1, 2, 7, 30])
def test_regular_jacobians(size):
    rng = np.random.default_rng(size)
    f, jacobian = rng.normal(size=(20, size)), rng.normal(size=(20, size, size)) + 2 * np.eye(size)
    host, device = both(f, jacobian)
    expected = shortened(-np.linalg.solve(jacobian, f[..., None])[..., 0])
    scale = np.linalg.cond(jacobian)[:, None]
    assert np.all(np.abs(host - expected) <= 1e-14 * CAP * scale)
    assert np.all(np.abs(device - expected) <= 1e-14 * CAP * scale)
    assert np.linalg.norm(host, axis=1).max() <= CAP * (1 + 1e-12)


def test_singular_jacobians_give_the_least_squares_step():
    """A zero mode: the step leaves it alone and solves the rest, as the pseudo-inverse does."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(10, 6, 6)))[0]
    values = np.array([0.0, 1.0, -0.5, 2.0, 0.7, -1.5])
    jacobian = basis * values @ basis.swapaxes(1, 2)
    jacobian[5:] = np.tile(np.diag(values), (5, 1, 1))  # exactly singular
    f = rng.normal(size=(10, 6))
    host, device = both(f, jacobian)
    expected = shortened(-np.einsum("nij,nj->ni", np.linalg.pinv(jacobian, rcond=1e-10), f))
    np.testing.assert_allclose(host, expected, atol=1e-5)
    np.testing.assert_allclose(device, expected, atol=1e-5)


@pytest.mark.parametrize("smallest", [1e-3, 1e-5, 1e-9, 1e-12])
def test_nearly_singular_jacobians(smallest):
    """Both ways agree on which step to take, and on the step as far as rounding lets them."""
    rng = np.random.default_rng(1)
    left, right = np.linalg.qr(rng.normal(size=(2, 10, 5, 5)))[0]
    jacobian = left * np.array([smallest, 1.0, 1.0, 1.0, 2.0]) @ right
    f = rng.normal(size=(10, 5))
    host, device = both(f, jacobian, cap=1e15)
    amplified = 1 / smallest > 10 * AMPLIFICATION
    bound = 1e-14 / smallest if not amplified else 1e-4
    assert np.all(np.linalg.norm(host - device, axis=1) <= bound * np.linalg.norm(host, axis=1))
    length = np.linalg.norm(host, axis=1) / np.linalg.norm(f, axis=1)
    assert np.all(length <= AMPLIFICATION)
    if not amplified:
        moved = np.einsum("nij,nj->ni", jacobian, host)
        np.testing.assert_allclose(moved, -f, atol=1e-9 + 1e-15 / smallest)


def test_one_bad_row_does_not_cost_the_others():
    rng = np.random.default_rng(2)
    f, jacobian = rng.normal(size=(6, 3)), rng.normal(size=(6, 3, 3)) + 3 * np.eye(3)
    good, _ = both(f, jacobian)
    jacobian[1], jacobian[2, 0, 0], f[3, 1] = 0.0, np.nan, np.nan
    host, device = both(f, jacobian)
    np.testing.assert_array_equal(host[[0, 4, 5]], good[[0, 4, 5]])
    np.testing.assert_array_equal(host[1], 0.0)
    np.testing.assert_array_equal(device[1], 0.0)
    assert np.all(np.isnan(host[2]))
    assert not np.any(np.isfinite(host[3]))


def test_only_the_rows_asked_for_in_their_order():
    rng = np.random.default_rng(3)
    f, jacobian = rng.normal(size=(9, 4)), rng.normal(size=(9, 4, 4)) + 3 * np.eye(4)
    batch = Evaluation(f, f, jacobian, f[:, 0], f[:, 0])
    whole = directions(batch, np.arange(9), np.full(9, 1.0))
    rows = np.array([7, 2, 3])
    np.testing.assert_array_equal(directions(batch, rows, np.full(3, 1.0)), whole[rows])
    capped = directions(batch, rows, np.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(np.linalg.norm(capped, axis=1), [0.1, 0.2, 0.3])


def test_a_zero_residual_gives_a_zero_step():
    host, device = both(np.zeros((2, 3)), np.tile(np.eye(3), (2, 1, 1)))
    np.testing.assert_array_equal(host, 0.0)
    np.testing.assert_array_equal(device, 0.0)


def test_inverse():
    matrix = np.random.default_rng(4).normal(size=(5, 5))
    found = inverse(matrix)
    assert found is not None
    np.testing.assert_allclose(found @ matrix, np.eye(5), atol=1e-12)
    assert inverse(np.zeros((2, 2))) is None
    assert inverse(np.full((2, 2), 1e-320)) is None


def test_the_norm_is_the_largest_row_sum():
    assert jacobian_norm(np.array([[1.0, -2.0], [0.5, 0.0]])) == 3.0
