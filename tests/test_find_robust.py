"""Bad starts, models that leave the finite numbers, unusual scales and unusual but legitimate calls."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from systems import assert_same_points, cubic, cubic_roots, find, points, tanh_network

import fpanalysis as fpa

ROOTS = cubic_roots(1.5, 0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_a_bad_start_costs_nothing_but_itself(bad):
    starts = np.linspace(-2, 2, 21)[:, None]
    good = find(cubic(), candidates=starts)
    ds = find(cubic(), candidates=np.concatenate([[[bad]], starts, [[bad]]]))
    xr.testing.assert_equal(ds.x, good.x)
    np.testing.assert_array_equal(ds.n_hits, good.n_hits)
    assert ds.n_failed == good.n_failed + 2


def test_only_bad_starts_end_in_an_empty_row():
    with pytest.warns(UserWarning, match=r"in 1 of 1 conditions \(the only condition\): none of the 3"):
        ds = find(cubic(), candidates=[[np.nan], [np.inf], [np.nan]])
    assert (int(ds.n_failed), ds.sizes["fixed_point"]) == (3, 0)


@pytest.mark.parametrize("slow_points", [False, True])
def test_a_model_without_a_number_to_give(slow_points):
    model = fpa.vector_field(lambda x, u: x * jnp.nan, state=2)
    with pytest.warns(UserWarning, match="no fixed point"):
        ds = find(model, n_candidates=16, slow_points=slow_points)
    assert ds.n_failed == 16


def test_a_model_defined_on_half_of_the_state_space():
    """`log x + 1.5` is NaN below zero; its fixed points satisfy `x = exp(x − 1.5)`."""
    model = fpa.vector_field(lambda x, u: jnp.log(x) + 1.5, state=1)
    ds = find(model, n_candidates=128)
    x = points(ds)[:, 0]
    assert len(x) == 2
    np.testing.assert_allclose(np.exp(x - 1.5), x, rtol=1e-12)
    np.testing.assert_allclose(ds.eigenvalue.values[:, 0], 1 / x, rtol=1e-12)


@pytest.mark.parametrize("time_domain", ["discrete", "continuous"])
def test_a_model_that_blows_up_does_not_set_the_scale_of_the_candidates(time_domain):
    """From most starts this goes to infinity within a few steps; four points lie near the origin."""
    model = fpa.vector_field(
        lambda x, u: jnp.exp(x * x) - 1.0 - (x if time_domain == "continuous" else 0.0),
        state=2,
        time_domain=time_domain,
    )
    ds = find(model)
    root = points(ds).max()
    assert np.expm1(root**2) == pytest.approx(root, rel=1e-12)
    assert_same_points(points(ds), root * np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))


@pytest.mark.parametrize("a", [2.0, 3.9])
def test_default_candidates_find_what_escaping_paths_leave(a):
    """The cubic map sends all but the middle of the line to infinity."""
    ds = find(cubic(a), n_candidates=256, spectra=False)
    np.testing.assert_allclose(points(ds)[:, 0], cubic_roots(a, 0.0), atol=1e-12)


def test_one_candidate():
    for options in ({"candidates": [[0.6]]}, {"n_candidates": 1}):
        ds = find(cubic(), **options)
        assert (int(ds.n_candidates), int(ds.n_fixed_points), ds.n_hits.values.tolist()) == (1, 1, [1])
        assert np.min(np.abs(ROOTS - points(ds))) < 1e-12
        assert ds.coverage == 0.0


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_few_drawn_candidates(n):
    ds = find(cubic(), n_candidates=n)
    assert ds.n_hits.sum() + ds.n_failed == n


def test_identical_candidates():
    ds = find(cubic(), candidates=np.full((20, 1), 0.6))
    assert ds.n_hits.values.tolist() == [20]
    assert ds.coverage == 1.0
    np.testing.assert_allclose(points(ds), [[ROOTS[2]]], atol=1e-12)


def test_candidates_that_are_fixed_points_already():
    ds = find(cubic(), candidates=np.repeat(ROOTS, 3)[:, None])
    np.testing.assert_allclose(points(ds)[:, 0], ROOTS, atol=1e-14)
    assert ds.n_hits.values.tolist() == [3, 3, 3]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("time_domain", ["discrete", "continuous"])
def test_scales(scale, time_domain):
    """The same map in other units: `s F(x / s)`."""
    drift = 1.0 if time_domain == "continuous" else 0.0

    def step(x, u):
        z = x / scale
        return scale * ((1.5 - drift) * z - z**3 + 0.1)

    model = fpa.vector_field(step, state=1, time_domain=time_domain)
    ds = find(model, candidates=scale * np.linspace(-2, 2, 81)[:, None])
    np.testing.assert_allclose(points(ds)[:, 0] / scale, cubic_roots(1.5, 0.1), rtol=1e-5)
    assert ds.n_failed <= 40


def test_large_offsets():
    """Points at 1e6 ± 1: the tolerance is relative, the roots are right to the rounding of the state."""
    model = fpa.vector_field(lambda x, u: 1.5 * (x - 1e6) - (x - 1e6) ** 3 + 1e6, state=1)
    ds = find(model, candidates=1e6 + np.linspace(-2, 2, 41)[:, None])
    np.testing.assert_allclose(points(ds)[:, 0] - 1e6, ROOTS, atol=1e-8)


def test_points_much_nearer_than_the_spread_are_told_apart():
    """Two true points 2e-4 apart among candidates spread over a thousand: Newton says that they differ."""
    near = 1e-4
    model = fpa.vector_field(lambda x, u: x + (x - near) * (x + near), state=1)
    starts = np.concatenate([np.linspace(-1000, 1000, 41), [-3e-4, 3e-4]])[:, None]
    np.testing.assert_allclose(points(find(model, candidates=starts))[:, 0], [-near, near], rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_keep_their_precision(dtype):
    """Weights enter the float64 search as they are: rounded in a float32 model, in full in a float64 one."""
    weight = np.array([[1.7, -0.3], [0.4, 1.6]]).astype(dtype)
    ds = find(tanh_network_of(weight), n_candidates=128)
    x = points(ds)
    assert len(x) > 1
    assert np.abs(np.tanh(x @ weight.astype(float).T) - x).max() <= 1e-15
    assert ds.x.dtype == np.float64
    assert jnp.zeros(1).dtype == jnp.float32


def tanh_network_of(weight):
    with jax.enable_x64(True):
        array = jnp.asarray(weight)
    return eqx.tree_at(lambda field: field.function.cell.weight, tanh_network(weight), array)


def test_an_equinox_cell_is_a_model():
    cell = eqx.nn.GRUCell(2, 5, key=jax.random.key(0))
    ds = find(cell, [0.5, -0.5], n_candidates=32)
    assert ds.n_fixed_points == 1
    assert ds.state.values.tolist() == [f"hidden[{i}]" for i in range(5)]
    assert ds.input.values.tolist() == ["input[0]", "input[1]"]
    assert "y" not in ds


def test_states_may_be_trees():
    """A tree with a scalar in it: names tell the entries apart."""
    model = fpa.vector_field(
        lambda x, u: {"a": jnp.tanh(2 * x["b"][0]), "b": jnp.stack([x["a"], 0.5 * x["b"][1]])},
        state={"a": 0.0, "b": np.zeros(2)},
    )
    ds = find(model, n_candidates=128)
    assert ds.state.values.tolist() == ["a", "b[0]", "b[1]"]
    x = points(ds)
    assert len(x) == 3
    np.testing.assert_allclose(x[:, 0], np.tanh(2 * x[:, 0]), atol=1e-13)
    np.testing.assert_allclose(x[:, :2], np.stack([x[:, 0]] * 2, axis=1), atol=1e-13)


def test_ways_to_say_the_same_input():
    starts = np.linspace(-2, 2, 11)[:, None]
    ways = (
        {"goal": 0.1}, {"inputs": [0.1]}, {"goal": {"drive": 0.1}}, {"goal": jnp.array([0.1])},
        {"goal": {"drive": xr.DataArray(0.1, coords={"made": 3})}},
        {"inputs": xr.DataArray([0.1], dims="input")},
    )  # fmt: skip
    first, *others = [find(cubic(), candidates=starts, spectra=False, **way) for way in ways]
    np.testing.assert_allclose(points(first)[:, 0], cubic_roots(1.5, 0.1), atol=1e-7)
    for other in others:
        np.testing.assert_allclose(other.x, first.x, atol=1e-7)
        assert set(other.coords) == set(first.coords)


def test_a_block_of_inputs_is_named_at_once():
    model = fpa.vector_field(lambda x, u: 0.5 * x + u, state=2, inputs=2)
    for goal in ({"input": [1.0, 2.0]}, {"input[0]": 1.0, "input[1]": 2.0}, [1, 2]):
        np.testing.assert_allclose(points(find(model, goal, n_candidates=4)), [[2.0, 4.0]])
    np.testing.assert_allclose(points(find(model, {"input": 1.0}, n_candidates=4)), [[2.0, 2.0]])
    np.testing.assert_allclose(points(find(model, {}, n_candidates=4)), [[0.0, 0.0]])


def test_a_model_without_inputs():
    model = fpa.vector_field(lambda x, u: 0.5 * x + 1.0, state=1)
    for goal in (None, [], {}):
        ds = find(model, goal, n_candidates=4)
        np.testing.assert_allclose(points(ds), [[2.0]])
        assert "u" not in ds
        assert "input" not in ds.dims
    ds = find(model, xr.DataArray(np.zeros((2, 0)), dims=("context", "input")), n_candidates=4)
    assert ds.n_fixed_points.values.tolist() == [1, 1]


def test_numpy_numbers_are_numbers(unchecked):
    ds = find(cubic(), n_candidates=np.int32(8), seed=np.int64(3), tol=np.float32(1e-9), spectra=False)
    assert (ds.attrs["seed"], int(ds.n_candidates)) == (3, 8)
    assert ds.attrs["tol"] == pytest.approx(1e-9)
    assert all(type(value) in (int, float, str) for value in ds.attrs.values())


@pytest.mark.parametrize("tol", [1e-12, 1e-8, 1e-3])
def test_no_tolerance_makes_a_fixed_point_where_there_is_none(tol):
    """With a kink at its minimum, `x + |x| + 1e-9` comes near to returning to itself, and never does."""
    model = fpa.vector_field(lambda x, u: x + jnp.abs(x) + 1e-9, state=1)
    with pytest.warns(UserWarning, match="no fixed point"):
        assert find(model, n_candidates=64, tol=tol).n_fixed_points == 0
