"""Jacobians against closed forms and finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fpanalysis import linearization, vector_field
from fpanalysis.linearization import jacobians


def test_tanh_network_matches_the_closed_form():
    rng = np.random.default_rng(0)
    w, b, c = rng.normal(size=(5, 5)), rng.normal(size=(5, 2)), rng.normal(size=(3, 5))
    field = vector_field(
        lambda x, u: jnp.tanh(w @ x + b @ u), state=5, inputs=2, readout=lambda x: c @ x**2, outputs=3
    )
    x, u = rng.normal(size=(7, 5)), rng.normal(size=(7, 2))
    found = jacobians(field, x, u)
    slope = 1 - np.tanh(x @ w.T + u @ b.T) ** 2
    np.testing.assert_allclose(found.state, slope[:, :, None] * w, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.input, slope[:, :, None] * b, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.output, 2 * c * x[:, None, :], rtol=1e-12, atol=1e-14)
    assert all(part.dtype == np.float64 for part in found)


def test_float32_gru_matches_finite_differences_in_float64():
    cell = eqx.nn.GRUCell(3, 6, key=jax.random.key(0))
    field = vector_field(cell, readout=eqx.nn.Linear(6, 2, key=jax.random.key(1)))
    rng = np.random.default_rng(1)
    x, u, h = rng.normal(size=(1, 6)), rng.normal(size=(1, 3)), 1e-6
    found = jacobians(field, x, u)
    with jax.enable_x64(True):
        double = jax.tree_util.tree_map(
            lambda a: jnp.asarray(a, jnp.float64) if eqx.is_inexact_array(a) else a, field
        )
        point, drive = jnp.asarray(x[0]), jnp.asarray(u[0])

        def slopes(f, size):
            return np.stack([np.asarray(f(d) - f(-d)) / (2 * h) for d in h * jnp.eye(size)], axis=1)

        by_x = slopes(lambda d: double(point + d, drive), 6)
        by_u = slopes(lambda d: double(point, drive + d), 3)
        y_by_x = slopes(lambda d: double.output(point + d), 6)
    np.testing.assert_allclose(found.state[0], by_x, atol=1e-9)
    np.testing.assert_allclose(found.input[0], by_u, atol=1e-9)
    np.testing.assert_allclose(found.output[0], y_by_x, atol=1e-9)
    assert jnp.zeros(1).dtype == jnp.float32


def test_chunks_give_what_one_piece_gives(monkeypatch):
    field = vector_field(lambda x, u: jnp.sin(x) * u, state=3, inputs=1)
    rng = np.random.default_rng(2)
    x, u = rng.normal(size=(11, 3)), rng.normal(size=(11, 1))
    whole = jacobians(field, x, u)
    monkeypatch.setattr(linearization, "_CHUNK_BYTES", 4 * 8 * 4 * 3 * 4)
    for one, many in zip(whole, jacobians(field, x, u), strict=True):
        np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_neither_inputs_nor_readout(n):
    field = vector_field(lambda x, u: -(x**3), state=2, time_domain="continuous")
    found = jacobians(field, np.full((n, 2), 2.0), np.zeros((n, 0)))
    assert found.state.shape == (n, 2, 2)
    assert found.input.shape == (n, 2, 0)
    assert found.output.shape == (n, 0, 2)
    np.testing.assert_allclose(found.state, np.broadcast_to(-12 * np.eye(2), (n, 2, 2)))


def test_a_second_call_does_not_compile_again():
    traces = []

    def f(x, u):
        traces.append(1)
        return jnp.tanh(x)

    field = vector_field(f, state=2)
    jacobians(field, np.zeros((5, 2)), np.zeros((5, 0)))
    n = len(traces)
    jacobians(field, np.ones((7, 2)), np.zeros((7, 0)))
    assert len(traces) == n


def test_shapes_are_checked():
    field = vector_field(lambda x, u: x, state=2)
    with pytest.raises(ValueError, match=r"x: expected an array of shape \(n, 2\), got \(3,\)"):
        jacobians(field, np.zeros(3), np.zeros((1, 0)))
    with pytest.raises(ValueError, match="u: expected one input for each of the 2 states"):
        jacobians(field, np.zeros((2, 2)), np.zeros((1, 0)))
