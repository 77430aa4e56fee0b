"""Bad input: one clear error that names the argument, what it was and what was expected, before any work."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from systems import find, tanh_network

import fpanalysis as fpa

pytestmark = pytest.mark.usefixtures("unchecked")


def array(shape, *dims, **coords):
    return xr.DataArray(np.zeros(shape), dims=dims, coords=coords)


# What is given, the kind of error, and a pattern of what it says.
BAD_ARGUMENTS = [
    ({"goal": [0.1], "inputs": [0.1]}, TypeError, "goal, inputs: expected one of the two, got both"),
    (
        {"goal": [0.1, 0.2, 0.3]},
        ValueError,
        r"goal: expected shape \(2,\), one number an input \('left', 'right'\), got \(3,\)",
    ),
    ({"inputs": 0.1}, ValueError, r"inputs: expected shape \(2,\).* got \(\)"),
    (
        {"goal": np.zeros((4, 2))},
        ValueError,
        r"got \(4, 2\); for several conditions give a DataArray with a named dim",
    ),
    ({"goal": [0.1, np.nan]}, ValueError, "goal: expected finite numbers, got 1 that are not"),
    ({"goal": {"left": np.inf}}, ValueError, "goal: expected finite numbers, got 1 that are not"),
    (
        {"goal": "left"},
        TypeError,
        "goal: expected numbers, a mapping from input names or a DataArray, got 'left'",
    ),
    ({"goal": ["1.0", "2.0"]}, TypeError, r"goal: expected numbers.* got \['1.0', '2.0'\]"),
    ({"goal": [1j, 2j]}, TypeError, r"goal: expected numbers.* got \[1j, 2j\]"),
    ({"goal": {"left": "high"}}, TypeError, r"goal\['left'\]: expected numbers, got 'high'"),
    (
        {"goal": {"lefd": 1.0}},
        ValueError,
        r"goal: the model has no input 'lefd' \(did you mean 'left'\?\); it has 'left', 'right'",
    ),
    (
        {"goal": {"left": [1.0, 2.0]}},
        ValueError,
        r"goal\['left'\]: expected a number, got shape \(2,\); to sweep an input",
    ),
    ({"goal": {0: 1.0}}, ValueError, "goal: the model has no input '0'"),
    (
        {"goal": array((3,), "context")},
        ValueError,
        r"goal: expected a DataArray with a dim 'input', got dims \('context',\)",
    ),
    ({"goal": array((3,), "input")}, ValueError, "goal: expected 2 entries along 'input' .*, got 3"),
    (
        {"goal": array((2,), "input", input=["left", "rihgt"])},
        ValueError,
        r"no input 'rihgt' \(did you mean 'right'\?\)",
    ),
    (
        {"goal": array((1,), "input", input=["left"])},
        ValueError,
        "goal: no values are given for the input 'right'",
    ),
    (
        {"goal": array((2,), "input", input=["left", "left"])},
        ValueError,
        "goal: the names along 'input' repeat: 'left', 'left'",
    ),
    (
        {"goal": array((0, 2), "context", "input")},
        ValueError,
        "goal: expected at least one condition, got .*'context': 0",
    ),
    ({"goal": {"left": array((0,), "context")}}, ValueError, "goal: expected at least one condition"),
    ({"goal": array((3, 2), "fixed_point", "input")}, ValueError, "goal: 'fixed_point' cannot name a dim"),
    ({"goal": array((3, 2), "x", "input")}, ValueError, "goal: 'x' cannot name a dim"),
    ({"goal": {"left": array((3,), "state")}}, ValueError, "goal: 'state' cannot name a dim"),
    (
        {"goal": array((3, 2), "a", "input", kind=("a", [1, 2, 3]))},
        ValueError,
        "goal: 'kind' cannot name a dim or coordinate",
    ),
    ({"goal": array((3, 2), 0, "input")}, ValueError, r"goal: expected dims with text for names, got \[0\]"),
    (
        {"goal": array((3, 2), "a", "input", a=pd.array([1, None, 3], dtype="Int64"))},
        ValueError,
        "goal: the labels 'a' are missing at 1 of 3 positions, first at 1",
    ),
    (
        {"goal": {"left": array((2,), "c", c=[0, 1]), "right": array((2,), "c", c=[0, 2])}},
        ValueError,
        "goal: the coordinates of its DataArrays do not agree",
    ),
    (
        {"goal": {"left": array((2,), "c"), "right": array((3,), "c")}},
        ValueError,
        "goal: the coordinates of its DataArrays do not agree",
    ),
    ({"goal": xr.DataArray([["a", "b"]], dims=("c", "input"))}, TypeError, "goal: expected numbers, got"),
    (
        {"candidates": np.zeros((0, 2))},
        ValueError,
        "candidates: expected at least one state to start from, got none",
    ),
    (
        {"candidates": np.zeros(2)},
        ValueError,
        r"candidates: expected shape \(candidate, 2\), one state a row, got \(2,\)",
    ),
    (
        {"candidates": np.zeros((5, 3))},
        ValueError,
        r"candidates: expected shape \(candidate, 2\).* got \(5, 3\)",
    ),
    ({"candidates": [["a", "b"]]}, TypeError, "candidates: expected numbers, got"),
    ({"candidates": "all"}, TypeError, "candidates: expected numbers, got 'all'"),
    (
        {"candidates": array((5, 2), "candidate", "sate")},
        ValueError,
        r"candidates: expected the dims 'candidate', 'state'.* got \('candidate', 'sate'\)",
    ),
    (
        {"candidates": array((5, 2, 3), "candidate", "state", "context")},
        ValueError,
        "candidates: expected the dims",
    ),
    (
        {"candidates": array((5, 3), "candidate", "state")},
        ValueError,
        "candidates: expected 2 entries along 'state' .'a', 'b'., got 3",
    ),
    (
        {"candidates": array((5, 2), "candidate", "state", state=["a", "c"])},
        ValueError,
        "candidates: the model has no state 'c'",
    ),
    (
        {"candidates": array((5, 2, 3), "candidate", "state", "c"), "goal": array((2, 2), "c", "input")},
        ValueError,
        "candidates: their coordinates are not those of the conditions",
    ),
    (
        {
            "candidates": array((5, 2, 2), "candidate", "state", "c", c=[3, 4]),
            "goal": array((2, 2), "c", "input"),
        },
        ValueError,
        "candidates: their coordinates are not those of the conditions",
    ),
    ({"n_candidates": 0}, ValueError, "n_candidates: expected a whole number of at least 1, got 0"),
    ({"n_candidates": 2.5}, ValueError, "n_candidates: expected a whole number of at least 1, got 2.5"),
    ({"n_candidates": True}, ValueError, "n_candidates: expected a whole number of at least 1, got True"),
    (
        {"spectra": "ful"},
        ValueError,
        r"spectra: expected 'full', 'values' or False, got 'ful' \(did you mean 'full'\?\)",
    ),
    ({"spectra": True}, ValueError, "spectra: expected 'full', 'values' or False, got True"),
    ({"solver": "newton"}, TypeError, "solver: expected an Optimistix root finder or .*, got 'newton'"),
    ({"solver": fpa.solvers.DampedNewton}, TypeError, "solver: expected an Optimistix root finder"),
    ({"tol": 0.0}, ValueError, "tol: expected a number between 0 and 1, got 0.0"),
    ({"tol": np.nan}, ValueError, "tol: expected a number between 0 and 1, got nan"),
    ({"tol": "tight"}, ValueError, "tol: expected a number between 0 and 1, got 'tight'"),
    ({"seed": -1}, ValueError, "seed: expected a whole number of at least 0, got -1"),
    ({"seed": 1.5}, ValueError, "seed: expected a whole number of at least 0, got 1.5"),
    ({"seed": None}, ValueError, "seed: expected a whole number of at least 0, got None"),
    ({"memory_limit": "1GB"}, ValueError, "memory_limit: expected a number of bytes, got '1GB'"),
]


@pytest.fixture(scope="module")
def watched():
    """Return a model with two states and inputs, and the list of the times that it was called."""
    calls: list[int] = []

    def step(x, u):
        calls.append(1)
        return 0.5 * x + u

    model = fpa.vector_field(step, state=["a", "b"], inputs=["left", "right"])
    calls.clear()
    return model, calls


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments(arguments, error, message, watched):
    model, calls = watched
    with pytest.raises(error, match=message) as caught:
        find(model, **arguments)
    assert type(caught.value) is error
    assert not calls, "the model was traced before the error"


class Neither(eqx.Module):
    """A module that says nothing of its size."""

    def __call__(self, u, x):
        return x


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("model.pt", TypeError, "model: expected a VectorField or an Equinox cell, got str 'model.pt'"),
        (None, TypeError, "model: expected a VectorField or an Equinox cell, got NoneType"),
        (
            lambda x, u: x,
            TypeError,
            r"model: .* got a function; wrap it first: vector_field\(f, state=\.\.\.\)",
        ),
        (
            Neither(),
            ValueError,
            r"model: Neither is no recurrent cell .*: vector_field\(cell, state=\.\.\., inp",
        ),
        (eqx.nn.Linear(2, 2, key=jax.random.key(0)), ValueError, "model: Linear is no recurrent cell"),
    ],
)
def test_models_of_another_kind(model, error, message):
    with pytest.raises(error, match=message):
        find(model)
    with pytest.raises(error, match=message):
        fpa.linearize(model, xr.Dataset())


def test_weights_that_are_not_finite_are_named():
    weight = np.array([[1.0, np.nan], [0.0, 1.0]])
    with pytest.raises(
        ValueError, match=r"model: expected finite weights, but .*weight.* hold NaN"
    ) as caught:
        find(tanh_network(weight))
    assert "bias" not in str(caught.value)
    cell = eqx.nn.GRUCell(2, 3, key=jax.random.key(0))
    broken = eqx.tree_at(
        lambda cell: (cell.bias, cell.weight_hh), cell, replace_fn=lambda array: array * np.inf
    )
    with pytest.raises(ValueError, match="model: expected finite weights") as caught:
        find(fpa.vector_field(broken, readout=eqx.nn.Linear(3, 1, key=jax.random.key(1))))
    for name, named in (("bias'", True), ("weight_hh", True), ("weight_ih", False), ("readout", False)):
        assert (name in str(caught.value)) == named


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"state": 0}, ValueError, "state: the state has no entries; a vector field needs at least one"),
        ({"state": []}, ValueError, "state: the state has no entries"),
        ({}, ValueError, "state: expected the number of entries, their names or an example state"),
        ({"state": -1}, ValueError, "state: expected a number of entries of at least 0, got -1"),
        ({"state": ["a", "a"]}, ValueError, r"state: names must differ, got \['a', 'a'\]"),
        ({"state": 3}, ValueError, r"f: it must return a state like the one it is given, \(3,\), got \(2,\)"),
        (
            {"state": 2, "inputs": "left"},
            TypeError,
            "inputs: expected a number or a sequence of names, got 'left'",
        ),
        (
            {"state": 2, "time_domain": "contin"},
            ValueError,
            "time_domain: expected 'discrete' or 'continuous'",
        ),
        ({"state": 2, "dt": 0.0}, ValueError, "dt: expected a positive number of seconds or None, got 0.0"),
    ],
)
def test_vector_fields_that_cannot_be(arguments, error, message):
    with pytest.raises(error, match=message):
        fpa.vector_field(lambda x, u: jnp.zeros(2), **arguments)


def test_an_error_in_the_model_itself_is_the_models_own():
    def step(x, u):
        raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match="not today"):
        fpa.vector_field(step, state=2)


def test_a_model_without_inputs_takes_none():
    model = fpa.vector_field(lambda x, u: x, state=1)
    with pytest.raises(ValueError, match=r"goal: expected shape \(0,\), .*there is none.*, got \(1,\)"):
        find(model, [1.0])
    with pytest.raises(ValueError, match="goal: the model has no input 'drive'; it has none"):
        find(model, {"drive": 1.0})


def test_long_names_are_cut():
    model = fpa.vector_field(lambda x, u: x[:1] * 0 + u.sum() + x, state=1, inputs=100)
    with pytest.raises(ValueError, match=r"\(100 in all\)") as caught:
        find(model, [1.0])
    assert len(str(caught.value)) < 300
