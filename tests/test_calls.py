"""Cells are called as (input, state), functions as (state, input), whatever they are wrapped in."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fpanalysis import find_fixed_points, vector_field

KEY = jax.random.key(0)
CELL = eqx.nn.GRUCell(2, 2, key=KEY)
LSTM = eqx.nn.LSTMCell(2, 2, key=KEY)
# Of one size, so that a swap gives no error.
X, U = jnp.array([0.3, -0.2]), jnp.array([0.7, 0.1])


class Net(eqx.Module):
    """A module with a step of its own, as a method."""

    weight: float

    def step(self, x, u):
        return -x + jnp.tanh(self.weight * x + u)

    def scaled(self, factor, x, u):
        return factor * self.step(x, u)


NET = Net(2.0)


def plain(x, u):
    return NET.step(x, u)


FUNCTIONS = {
    "a function": plain,
    "jit": jax.jit(plain),
    "filter_jit": eqx.filter_jit(plain),
    "filter_jit twice": eqx.filter_jit(eqx.filter_jit(plain)),
    "Partial": eqx.Partial(plain),
    "Partial with an argument": eqx.Partial(lambda factor, x, u: factor * NET.step(x, u), 1.0),
    "Partial of a method": eqx.Partial(NET.scaled, 1.0),
    "JAX's Partial": jax.tree_util.Partial(plain),
    "functools.partial": functools.partial(plain),
    "filter_checkpoint": eqx.filter_checkpoint(plain),
    "filter_vmap": eqx.filter_vmap(plain),
    "assert_max_traces": eqx.debug.assert_max_traces(plain, max_traces=None),
    "noinline": eqx.internal.noinline(plain),
    "a method": NET.step,
    "filter_jit of a method": eqx.filter_jit(NET.step),
}
CELLS = {
    "a cell": CELL,
    "its __call__": CELL.__call__,
    "filter_jit": eqx.filter_jit(CELL),
    "filter_jit of __call__": eqx.filter_jit(CELL.__call__),
    "Partial": eqx.Partial(CELL, key=None),
    "functools.partial": functools.partial(CELL, key=None),
    "filter_checkpoint": eqx.filter_checkpoint(CELL),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_given_the_state_first(name):
    field = vector_field(FUNCTIONS[name], state=2, inputs=2, time_domain="continuous")
    np.testing.assert_allclose(field(X, U), plain(X, U), rtol=1e-6)
    assert field.state == ("x[0]", "x[1]")


@pytest.mark.parametrize("name", CELLS)
def test_cells_are_given_the_input_first(name):
    field = vector_field(CELLS[name])
    np.testing.assert_allclose(field(X, U), CELL(U, X), rtol=1e-6)
    assert field.state == ("hidden[0]", "hidden[1]") and len(field.inputs) == 2


def test_modules_that_name_their_input_second_are_refused():
    class Swapped(eqx.Module):
        def __call__(self, x, u):
            return x + u

    with pytest.raises(ValueError, match=r"f: a module is called as cell\(input, state\), but Swapped names"):
        vector_field(Swapped(), state=2, inputs=2)


def test_a_known_cell_takes_its_own_sizes_only():
    assert vector_field(LSTM, state=4).state == ("hidden[0]", "hidden[1]", "cell[0]", "cell[1]")
    named = vector_field(LSTM, state=["a", "b", "c", "d"])
    assert named.state == ("a", "b", "c", "d") and named(jnp.ones(4), U).shape == (4,)
    options: dict[str, Any]
    for options, message in (
        ({"state": 5}, "state: expected the 4 of the LSTMCell, got 5"),
        ({"inputs": 3}, "inputs: expected the 2 of the LSTMCell, got 3"),
        ({"inputs": ["a"]}, "inputs: expected the 2 of the LSTMCell, got 1"),
        (
            {"readout": eqx.nn.Linear(4, 1, key=KEY)},
            r"readout: expected a layer that reads \(2,\), got one of 4",
        ),
        ({"outputs": ["a"]}, "outputs: there is no readout that gives 'a'"),
    ):
        with pytest.raises(ValueError, match=message):
            vector_field(LSTM, **options)


@pytest.mark.parametrize(
    ("f", "options", "message"),
    [
        (lambda x: x, {}, r"f: expected a function f\(x, u\) .*, got one with the arguments \(x\)"),
        (eqx.filter_jit(lambda t, x, u: x), {}, r"got one with the arguments \(t, x, u\)"),
        (jax.jit(lambda x: x), {}, r"got one with the arguments \(x\)"),
        (plain, {"state": 3.0}, "state: expected a number of entries, .*, got 3.0"),
        (plain, {"state": True}, "state: expected a number of entries, .*, got True"),
        (plain, {"state": ["a", 2]}, r"state: expected a number of entries, .*, got \['a', 2\]"),
        (plain, {"readout": np.ones((2, 2))}, "readout: expected a function of the state, .*, got ndarray"),
    ],
)
def test_what_is_no_state_function_or_readout_is_named(f, options, message, unchecked):
    with pytest.raises(TypeError, match=message):
        vector_field(f, **{"state": 2, "inputs": 2, **options})


def test_torch_modules_are_sent_to_load_torch():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="PyTorch module GRU; .*load_torch"):
        find_fixed_points(torch.nn.GRU(2, 3))
    with pytest.raises(TypeError, match="got GRU; load_torch reads PyTorch's modules"):
        vector_field(torch.nn.GRU(2, 3), state=3)
