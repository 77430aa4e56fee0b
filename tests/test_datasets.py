"""The bundled networks compute what PyTorch's equations say, written out here once more in NumPy."""

from importlib.resources import as_file, files

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from fpanalysis import datasets
from fpanalysis.vector_field import check_finite, float64

CELLS = ("tanh", "gru", "lstm")


def weights_of(cell):
    with as_file(files("fpanalysis.datasets") / f"flipflop_{cell}64.safetensors") as path:
        return load_file(path)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(cell, w, x, u):
    """One step as PyTorch documents it; the biases are summed in float32 where they only appear as a sum."""
    b_ih, b_hh = w["rnn.bias_ih_l0"], w["rnn.bias_hh_l0"]
    b = (b_ih + b_hh).astype(np.float64)
    w = {name: array.astype(np.float64) for name, array in w.items()}
    h, c = x[:64], x[64:]
    gi, gh = w["rnn.weight_ih_l0"] @ u, w["rnn.weight_hh_l0"] @ h
    if cell == "tanh":
        return np.tanh(gi + gh + b)
    if cell == "gru":
        r, z = np.split(sigmoid((gi + gh + b)[:128]), 2)
        n = np.tanh(gi[128:] + b_ih[128:] + r * (gh[128:] + b_hh[128:]))
        return (1 - z) * n + z * h
    i, f, g, o = np.split(gi + gh + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return np.concatenate([sigmoid(o) * np.tanh(c), c])


@pytest.mark.parametrize("cell", CELLS)
def test_field_in_float64_equals_numpy(cell):
    w, states = weights_of(cell), datasets.flipflop_states(cell)[:32]
    inputs = np.random.default_rng(0).normal(size=(32, 3))
    with jax.enable_x64(True):
        field = float64(datasets.flipflop(cell))
        nexts = np.asarray(jax.vmap(field)(jnp.asarray(states), jnp.asarray(inputs)))
        outputs = np.asarray(jax.vmap(field.output)(jnp.asarray(states)))
    expected = np.stack([step(cell, w, x, u) for x, u in zip(states, inputs, strict=True)])
    assert np.max(np.abs(nexts - expected)) < 1e-14
    read = states[:, :64] @ w["readout.weight"].T.astype(np.float64) + w["readout.bias"]
    assert np.max(np.abs(outputs - read)) < 1e-13


@pytest.mark.parametrize("cell", CELLS)
def test_names_sizes_and_dtype(cell):
    field, states = datasets.flipflop(cell), datasets.flipflop_states(cell)
    assert field.inputs == ("pulse[0]", "pulse[1]", "pulse[2]")
    assert field.outputs == ("bit[0]", "bit[1]", "bit[2]")
    names = [f"{block}[{i}]" for block in ("hidden", "cell")[: 1 + (cell == "lstm")] for i in range(64)]
    assert list(field.state) == names
    assert field.time_domain == "discrete" and field.dt is None
    assert {leaf.dtype for leaf in jax.tree_util.tree_leaves(field)} == {jnp.dtype("float32")}
    assert states.shape == (1024, len(names)) and states.dtype == np.float64 and np.isfinite(states).all()
    check_finite(field)


@pytest.mark.parametrize("cell", CELLS)
def test_a_stored_bit_is_held(cell):
    """A pulse on every input, then silence: the outputs keep the signs of the pulses."""
    field, bits = datasets.flipflop(cell), jnp.array([1.0, -1.0, 1.0], jnp.float32)
    x, step_ = jnp.zeros(len(field.state), jnp.float32), eqx.filter_jit(field)
    for t in range(60):
        x = step_(x, bits if t == 0 else jnp.zeros(3, jnp.float32))
    np.testing.assert_allclose(field.output(x), bits, atol=0.1)


@pytest.mark.parametrize("function", [datasets.flipflop, datasets.flipflop_states])
def test_misspelt_cell(function):
    with pytest.raises(
        ValueError, match=r"cell: expected one of 'tanh', 'gru', 'lstm', got 'ltsm'.*mean 'lstm'"
    ):
        function("ltsm")
