"""What must hold for any model and any candidates."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from systems import Polynomial, find, points, polynomial, tanh_network

import fpanalysis as fpa

quick = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
SIZE = 3
STARTS = np.random.default_rng(0).normal(size=(48, SIZE))
weights = hnp.arrays(np.float64, (SIZE, SIZE), elements=st.floats(-3, 3, width=32))
biases = hnp.arrays(np.float64, SIZE, elements=st.floats(-1, 1, width=32))


def quiet(model, candidates):
    """Find points without spectra, and without a word where there are none."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return find(model, candidates=candidates, spectra=False)


@quick
@given(weights, biases)
def test_points_of_random_tanh_networks_are_fixed(weight, bias):
    ds = quiet(tanh_network(weight, bias), STARTS)
    x = points(ds)
    assert np.all(np.abs(np.tanh(x @ weight.T + bias) - x) <= 1.1e-12)
    np.testing.assert_allclose(
        ds.residual.values, np.abs(np.tanh(x @ weight.T + bias) - x).max(axis=1), atol=1e-14
    )
    assert int(ds.n_hits.sum() + ds.n_failed) == len(STARTS)
    assert np.all(ds.n_hits >= 1)
    once = int((ds.n_hits == 1).sum())
    ended = int(ds.n_hits.sum())
    assert float(ds.coverage) == (1 - once / ended if ended else 0.0)


@quick
@given(hnp.arrays(np.float64, 4, elements=st.floats(-3, 3, width=32)))
def test_points_of_random_polynomial_maps_are_roots(coefficients):
    """Every point is a root, evaluated by numpy; every well-conditioned real root within reach is there."""
    starts = np.linspace(-4, 4, 48)[:, None]
    x = points(quiet(polynomial(coefficients), starts))[:, 0]
    powers = np.vander(x, 4, increasing=True)
    slack = 8 * np.finfo(float).eps * np.abs(powers * coefficients).sum(axis=1)
    assert np.all(np.abs(powers @ coefficients - x) <= 1e-12 * np.maximum(1, np.abs(x)) + slack)
    equation = coefficients - np.array([0, 1, 0, 0])
    assume(np.abs(equation[3]) > 0.05)
    roots = np.roots(equation[::-1])
    distance = np.abs(roots[:, None] - roots[None]) + 10 * np.eye(3)
    assume(distance.min() > 0.05)
    real = roots[(np.abs(roots.imag) < 1e-9) & (np.abs(roots) < 4)].real
    for root in real:
        assert np.abs(x - root).min(initial=np.inf) < 1e-9


@quick
@given(
    weights, biases,
    st.permutations(range(len(STARTS))),
    st.lists(st.integers(0, len(STARTS) - 1), max_size=20),
)  # fmt: skip
def test_the_order_and_repetition_of_candidates_change_only_counts(weight, bias, order, repeated):
    model = tanh_network(weight, bias)
    one = quiet(model, STARTS)
    x = points(one)
    jacobians = (1 - np.tanh(x @ weight.T + bias) ** 2)[:, :, None] * weight - np.eye(SIZE)
    assume(len(x) == 0 or np.linalg.cond(jacobians).max() < 1e3)
    other = quiet(model, np.concatenate([STARTS[order], STARTS[repeated]]))
    assert other.n_fixed_points == one.n_fixed_points
    spread = np.sqrt(STARTS.var(axis=0).mean())
    assert np.abs(points(other) - x).max(initial=0.0) <= 1e-12 * spread
    np.testing.assert_array_equal(other.kind, one.kind)
    assert other.status == one.status
    assert int(other.n_candidates) == len(STARTS) + len(repeated)
    assert int(other.n_hits.sum() + other.n_failed) == len(STARTS) + len(repeated)
    assert np.all(other.n_hits.values >= 1)


@quick
@given(weights, biases, st.integers(0, SIZE - 1), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_bad_entries_in_some_candidates_take_nothing_from_the_others(weight, bias, entry, bad):
    model = tanh_network(weight, bias)
    broken = np.repeat(STARTS, 2, axis=0)
    broken[::2, entry] = bad
    one, other = quiet(model, STARTS), quiet(model, broken)
    np.testing.assert_allclose(other.x, one.x, atol=1e-9)
    assert int(other.n_failed) == int(one.n_failed) + len(STARTS)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-0.9, 0.9), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_drawn_candidates_find_the_point_of_a_linear_map(slopes, seed):
    """`a x + 1` has one fixed point, `1 / (1 − a)`, wherever the candidates lie."""
    slope = np.resize(slopes, 4)
    ds = quiet_drawn(slope, seed)
    np.testing.assert_allclose(points(ds), [1 / (1 - slope)], rtol=1e-11)
    assert int(ds.n_hits.sum()) == 16


def quiet_drawn(slope, seed):
    model = fpa.vector_field(Polynomial(np.stack([np.ones(4), slope])[:, None, :][:, 0]), state=4)
    return find(model, n_candidates=16, seed=seed, spectra=False)
