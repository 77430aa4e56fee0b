"""The bundled flip-flop networks: every one of their 27 points, whatever the solver does to be fast."""

from importlib.resources import files

import numpy as np
import pytest
import scipy.special
import xarray as xr
from safetensors.numpy import load_file
from systems import assert_same_points, find, points

import fpanalysis as fpa
from fpanalysis.solvers._pool import Starts, solve_pool
from fpanalysis.verdict import Verdict

CELLS = ("tanh", "gru", "lstm")


@pytest.fixture(scope="module", params=CELLS)
def found(request):
    """Return a cell's name, and its points from the given starts."""
    model, states = fpa.datasets.flipflop(request.param), fpa.datasets.flipflop_states(request.param)
    return request.param, find(model, candidates=states)


def numpy_step(cell: str, x: np.ndarray) -> np.ndarray:
    """Return the next states `(n, state)` under zero input, by PyTorch's formulas."""
    path = files("fpanalysis.datasets") / f"flipflop_{cell}64.safetensors"
    arrays = {name.removeprefix("rnn."): array for name, array in load_file(str(path)).items()}
    from_input, from_state = arrays["bias_ih_l0"], arrays["bias_hh_l0"]
    if cell != "gru":
        # Cells with one bias hold the sum in the precision of the file.
        from_input, from_state = from_input + from_state, 0.0
    from_input = from_input.astype(float)
    from_state = x[:, :64] @ arrays["weight_hh_l0"].astype(float).T + from_state
    sigmoid = scipy.special.expit
    if cell == "tanh":
        return np.tanh(from_input + from_state)
    if cell == "gru":
        (ri, zi, ni), (rh, zh, nh) = np.split(from_input, 3), np.split(from_state, 3, axis=1)
        z = sigmoid(zi + zh)
        return (1 - z) * np.tanh(ni + sigmoid(ri + rh) * nh) + z * x
    i, f, g, o = np.split(from_input + from_state, 4, axis=1)
    c = sigmoid(f) * x[:, 64:] + sigmoid(i) * np.tanh(g)
    return np.concatenate([sigmoid(o) * np.tanh(c), c], axis=1)


def test_all_points_from_the_given_starts(found):
    cell, ds = found
    assert ds.n_fixed_points == 27
    assert ds.is_stable.sum() == 8
    assert ds.n_candidates == 1024
    assert ds.n_hits.sum() + ds.n_failed == 1024
    assert ds.coverage > 0.99
    x = points(ds)
    assert np.abs(numpy_step(cell, x) - x).max() <= 1e-13
    assert ds.residual.max() <= 1e-13
    np.testing.assert_allclose(ds.q, 0.5 * ds.residual.values**2, atol=1e-25)
    distance = np.linalg.norm(x[:, None] - x[None], axis=-1)
    assert distance[~np.eye(27, dtype=bool)].min() > 0.1


def test_stable_points_hold_the_eight_memories(found):
    """Each stable point reads out one of the eight combinations of ±1, and no two the same."""
    _, ds = found
    memory = ds.y.values[ds.is_stable.values]
    np.testing.assert_allclose(np.abs(memory), 1.0, atol=0.1)
    assert len({tuple(row) for row in np.sign(memory).astype(int)}) == 8
    assert sorted(ds.n_unstable.values.tolist()) == [0] * 8 + [1] * 12 + [2] * 6 + [3]


def test_points_are_sorted(found):
    _, ds = found
    spread = np.sqrt(fpa.datasets.flipflop_states(found[0]).var(axis=0).mean())
    rows = np.round(ds.x.values / (1e-6 * spread))
    assert [tuple(row) for row in rows] == sorted(tuple(row) for row in rows)


@pytest.mark.parametrize("cell", ["tanh", "gru"])
def test_retiring_starts_early_changes_nothing(cell):
    model, states = fpa.datasets.flipflop(cell), fpa.datasets.flipflop_states(cell)
    spread = np.sqrt(states.var(axis=0).mean())
    scale, cap = np.full((1, states.shape[1]), spread), np.array([0.3 * np.sqrt(states.shape[1])])
    ends = []
    for retire in (True, False):
        starts = Starts(states, np.zeros(len(states), int), np.zeros((1, 3)), scale, cap)
        ends.append(solve_pool(model, starts, 1e-12, Verdict(model), lambda n: None, retire=retire))
    one, other = (end.known.of(0).x for end in ends)
    nearest = np.linalg.norm(one[:, None] - other[None], axis=-1).argmin(axis=1)
    assert_same_points(one, other, atol=1e-12 * spread)
    assert len(one) == 27
    ended = ends[0].point >= 0
    np.testing.assert_array_equal(ended, ends[1].point >= 0)
    np.testing.assert_array_equal(nearest[ends[0].point[ended]], ends[1].point[ended])


@pytest.mark.parametrize("cell", CELLS)
def test_default_candidates_find_all_points(cell, request):
    ds = find(request.getfixturevalue(cell), spectra="values")
    assert ds.n_fixed_points == 27
    assert ds.is_stable.sum() == 8


def test_two_calls_are_identical_bit_for_bit(tanh):
    one, other = find(tanh, n_candidates=128), find(tanh, n_candidates=128)
    assert {name for name in one.attrs if one.attrs[name] != other.attrs[name]} <= {"created"}
    one.attrs = other.attrs = {}
    xr.testing.assert_identical(one, other)
    for name in one.variables:
        assert one[name].values.tobytes() == other[name].values.tobytes(), name


def test_other_seeds_find_the_same_points(tanh):
    one, other = (find(tanh, seed=seed, spectra=False) for seed in (0, 1))
    assert one.n_fixed_points == other.n_fixed_points == 27
    spread = np.sqrt(fpa.datasets.flipflop_states("tanh").var(axis=0).mean())
    assert_same_points(points(one), points(other), atol=1e-12 * spread)
    assert not np.array_equal(one.n_hits, other.n_hits)
    assert (one.attrs["seed"], other.attrs["seed"]) == (0, 1)


def test_a_sweep_of_inputs_on_the_gru(gru):
    pulses = xr.DataArray(np.eye(3), dims=("pulse", "input"))
    ds = find(gru, pulses, candidates=fpa.datasets.flipflop_states("gru"), spectra="values")
    assert ds.x.dims == ("pulse", "fixed_point", "state")
    assert np.all(ds.n_fixed_points >= 1)
    assert ds.residual.max() <= 1e-13
    padding = ~ds.is_fixed.values
    assert np.all(np.isnan(ds.x.values[padding]))
    assert np.all(np.isfinite(ds.x.values[~padding]))
