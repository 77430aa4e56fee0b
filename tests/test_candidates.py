"""Where candidates come from."""

import jax.numpy as jnp
import numpy as np
import pytest
from systems import cubic, lorenz, points, tanh_network

import fpanalysis as fpa
from fpanalysis.candidates import between, visited
from fpanalysis.scales import longest_step, spread_of, units_of


def test_spread_is_the_root_mean_square_deviation_of_every_entry():
    x = np.random.default_rng(0).normal(size=(50, 4)) * [1e-12, 2, 3, 4e9] + 7e-12
    np.testing.assert_allclose(spread_of(x), np.sqrt(((x - x.mean(axis=0)) ** 2).mean(axis=0)))


def test_entries_of_one_unit_share_a_spread():
    x = np.random.default_rng(0).normal(size=(50, 3)) * [1, 2, 30]
    alone, pooled = spread_of(x), spread_of(x, np.array([0, 0, 1]))
    np.testing.assert_allclose(pooled, [np.sqrt((alone[:2] ** 2).mean())] * 2 + [alone[2]])


def test_units_are_known_of_cells_only():
    assert units_of(fpa.datasets.flipflop("lstm")).blocks.tolist() == [0] * 64 + [1] * 64
    assert not units_of(tanh_network(np.eye(2))).are_activities


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_spread_leaves_out_what_is_not_finite(bad):
    x = np.random.default_rng(1).normal(size=(20, 3))
    broken = np.concatenate([x, [[bad, 0, 0]]])
    np.testing.assert_array_equal(spread_of(broken), spread_of(x))
    assert longest_step(broken, spread_of(x)) == longest_step(x, spread_of(x))


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.full((5, 2), 3.0), 3.0),
        (np.array([[0.0, 3.0]] * 5), 3.0),
        (np.zeros((5, 2)), 1.0),
        (np.full((5, 2), np.nan), 1.0),
        (np.array([[2.0, 2.0]]), 2.0),
        (np.zeros((0, 2)), 1.0),
    ],
)
def test_spread_of_states_that_coincide_is_their_size(x, expected):
    np.testing.assert_array_equal(spread_of(x), np.full(x.shape[1], expected))


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_as_many_as_asked_for_and_finite(n):
    x, _ = visited(cubic(), np.array([[0.0], [0.1]]), n, seed=0)
    assert x.shape == (2, n, 1)
    assert np.all(np.isfinite(x))


def test_the_seed_decides():
    field, u = tanh_network([[1.5, 0.2], [0.1, 1.2]]), np.zeros((1, 0))
    one, same, other = (visited(field, u, 32, seed).x for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_states_of_the_lorenz_system_lie_around_its_attractor():
    x, spread = visited(lorenz(), np.zeros((1, 0)), 512, seed=0)
    assert np.all((4 < spread) & (spread < 40))
    assert 10 < np.median(x[0, :, 2]) < 35


@pytest.mark.parametrize("a", [1.5, 2.0, 3.9])
def test_escaping_paths_do_not_set_the_scale(a):
    assert visited(cubic(a), np.zeros((1, 1)), 256, seed=0).spread < 5.0


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1e7])
def test_states_lie_on_the_scale_of_the_attractors_wherever_that_is(size):
    field = fpa.vector_field(lambda x, u: size * jnp.tanh(2.0 * x / size), state=2)
    x, spread = visited(field, np.zeros((1, 0)), 256, seed=0)
    assert np.all((0.3 * size < spread) & (spread < 3 * size))
    assert np.abs(x).max() < 50 * size


def test_a_model_without_numbers_gives_random_starts():
    field = fpa.vector_field(lambda x, u: x * jnp.nan, state=3)
    x, spread = visited(field, np.zeros((1, 0)), 64, seed=0)
    assert np.all(np.isfinite(x))
    assert np.all((0.5 < spread) & (spread < 3))


def test_between_lies_half_way():
    points = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    x = between(points, np.full(2, 1e-9), 300, np.random.default_rng(0))
    middles = np.array([[5.0, 0.0], [0.0, 5.0], [5.0, 5.0]])
    distance = np.linalg.norm(x[:, None] - middles[None], axis=-1)
    assert distance.min(axis=1).max() < 1e-6
    assert set(distance.argmin(axis=1)) == {0, 1, 2}


@pytest.mark.parametrize("weight, bias", [(2.588, -0.0532), (2.3, -0.4), (3.1, -0.01)])
def test_parameters_that_are_inputs_give_the_points_that_constants_give(weight, bias):
    """Pulses change such parameters too, and take some paths to 1e14."""

    def f(x, u):
        z = u[0] * x + u[1]
        return jnp.where(z > 0, z, 0.1 * z)

    model = fpa.vector_field(f, state=1, inputs=2)
    assert visited(model, np.array([[weight, bias]]), 256, 0).spread < 1e4
    ds = fpa.find_fixed_points(model, inputs=[weight, bias], spectra=False, progress=False)
    right = [0.1 * bias / (1 - 0.1 * weight), bias / (1 - weight)]
    np.testing.assert_allclose(np.sort(points(ds)[:, 0]), right, rtol=1e-12)
