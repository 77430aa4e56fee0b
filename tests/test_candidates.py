"""Where candidates come from."""

import jax.numpy as jnp
import numpy as np
import pytest
from systems import cubic, lorenz, tanh_network

import fpanalysis as fpa
from fpanalysis.candidates import between, longest_step, spread_of, visited


def test_spread_is_the_root_mean_square_deviation():
    x = np.random.default_rng(0).normal(size=(50, 4)) * [1, 2, 3, 4] + 7
    np.testing.assert_allclose(spread_of(x), np.sqrt(((x - x.mean(axis=0)) ** 2).mean()))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_spread_leaves_out_what_is_not_finite(bad):
    x = np.random.default_rng(1).normal(size=(20, 3))
    broken = np.concatenate([x, [[bad, 0, 0]]])
    assert spread_of(broken) == spread_of(x)
    assert longest_step(broken) == longest_step(x)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.full((5, 2), 3.0), 3.0),
        (np.zeros((5, 2)), 1.0),
        (np.full((5, 2), np.nan), 1.0),
        (np.array([[2.0, 2.0]]), 2.0),
        (np.zeros((0, 2)), 1.0),
    ],
)
def test_spread_of_states_that_coincide_is_their_size(x, expected):
    assert spread_of(x) == expected


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_as_many_as_asked_for_and_finite(n):
    x = visited(cubic(), np.array([[0.0], [0.1]]), n, seed=0)
    assert x.shape == (2, n, 1)
    assert np.all(np.isfinite(x))


def test_the_seed_decides():
    field, u = tanh_network([[1.5, 0.2], [0.1, 1.2]]), np.zeros((1, 0))
    one, same, other = (visited(field, u, 32, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_states_of_the_lorenz_system_lie_around_its_attractor():
    x = visited(lorenz(), np.zeros((1, 0)), 512, seed=0)[0]
    assert 5 < spread_of(x) < 40
    assert 10 < x[:, 2].mean() < 35


@pytest.mark.parametrize("a", [1.5, 2.0, 3.9])
def test_escaping_paths_do_not_set_the_scale(a):
    assert spread_of(visited(cubic(a), np.zeros((1, 1)), 256, seed=0)[0]) < 5.0


def test_a_model_without_numbers_gives_random_starts():
    field = fpa.vector_field(lambda x, u: x * jnp.nan, state=3)
    x = visited(field, np.zeros((1, 0)), 64, seed=0)[0]
    assert np.all(np.isfinite(x))
    assert 0.5 < spread_of(x) < 3


def test_between_lies_half_way():
    points = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    x = between(points, 1e-9, 300, np.random.default_rng(0))
    middles = np.array([[5.0, 0.0], [0.0, 5.0], [5.0, 5.0]])
    distance = np.linalg.norm(x[:, None] - middles[None], axis=-1)
    assert distance.min(axis=1).max() < 1e-6
    assert set(distance.argmin(axis=1)) == {0, 1, 2}
