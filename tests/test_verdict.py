"""What is listed is true: zeros that rounding makes, scales, degenerate points, kinks, searches that end."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import xarray as xr
from systems import assert_same_points, find, points, tanh_network

import fpanalysis as fpa
from fpanalysis.schema import Stability, Status

NINE = 2.0 * np.eye(2) + 0.3 * np.array([[0.0, 1.0], [-1.0, 0.0]])


def strong_gru(n: int, gain: float, seed: int) -> eqx.nn.GRUCell:
    cell = eqx.nn.GRUCell(1, n, key=jax.random.key(seed))
    rng = np.random.default_rng(seed)
    weights = gain * rng.normal(size=(3 * n, n)) / np.sqrt(n), rng.normal(size=3 * n), rng.normal(size=n)
    return eqx.tree_at(lambda c: (c.weight_hh, c.bias, c.bias_n), cell, weights)


def gru_rest(cell: eqx.nn.GRUCell, h: np.ndarray) -> np.ndarray:
    """Return n(h) − h in NumPy, for rows of h."""
    n = cell.hidden_size
    W, b, b_n = (np.asarray(w, float) for w in (cell.weight_hh, cell.bias, cell.bias_n))
    own = h @ W.T
    reset = 1 / (1 + np.exp(-(b[:n] + own[:, :n])))
    return np.tanh(b[2 * n :] + reset * (own[:, 2 * n :] + b_n)) - h


def gru_in_own_words(cell: eqx.nn.GRUCell) -> fpa.VectorField:
    """Return the same equations as a function, in which nothing is known of gates."""
    n = cell.hidden_size

    def step(h, u):
        own, b = jnp.asarray(cell.weight_hh) @ h, jnp.asarray(cell.bias)
        reset, update = (jax.nn.sigmoid(b[k * n : (k + 1) * n] + own[k * n : (k + 1) * n]) for k in (0, 1))
        new = jnp.tanh(b[2 * n :] + reset * (own[2 * n :] + jnp.asarray(cell.bias_n)))
        return (1.0 - update) * new + update * h

    return fpa.vector_field(step, state=n)


@pytest.mark.parametrize("seed", range(4))
def test_gates_that_close_make_no_points(seed):
    """A GRU rests where h = n(h), and nowhere outside of the cube, however its equations are written."""
    cell = strong_gru(3, 5.0, seed)
    x = points(find(cell, n_candidates=256, spectra=False))
    assert len(x) and np.abs(gru_rest(cell, x)).max() < 1e-12
    assert_same_points(points(find(gru_in_own_words(cell), n_candidates=256, spectra=False)), x, atol=1e-9)


def test_a_saturated_gate_inside_the_bounded_set():
    """At h = 0.7 the update gate is 1 to rounding: F(h) − h = 0.0 and J = 1, while n − h = −1.6."""

    def step(h, u):
        z = jax.nn.sigmoid(60.0 * h)
        return (1.0 - z) * jnp.tanh(-2.0 * h) + z * h

    model = fpa.vector_field(step, state=1)
    with jax.enable_x64(True):
        assert model(jnp.array([0.7]), jnp.zeros(0))[0] == 0.7
    ds = find(model, candidates=np.linspace(-1, 1, 41)[:, None])
    np.testing.assert_array_equal(points(ds), [[0.0]])
    assert int(ds.n_failed) < 41


@pytest.mark.parametrize(
    ("rate", "roots"),
    [
        (lambda x, u: x * jnp.exp(-(x**2)), [0.0]),
        (lambda x, u: (x - 1.0) * jnp.exp(-(x**2)), [1.0]),
        (lambda x, u: x / (1.0 + x**4), [0.0]),
        (lambda x, u: jnp.exp(-x) - jnp.exp(-2.0 * x), [0.0]),
    ],
)
@pytest.mark.parametrize("time_domain", ["continuous", "discrete"])
def test_tails_are_no_points(rate, roots, time_domain):
    move = rate if time_domain == "continuous" else lambda x, u: x + rate(x, u)
    starts = np.concatenate([np.linspace(-6, 40, 47), [200.0, 1e4]])[:, None]
    ds = find(fpa.vector_field(move, state=1, time_domain=time_domain), candidates=starts, spectra=False)
    np.testing.assert_allclose(points(ds)[:, 0], roots, atol=1e-12)


def test_a_fast_large_entry_makes_no_point_of_a_slow_one():
    model = fpa.vector_field(
        lambda x, u: jnp.stack([-1e6 * (x[0] - 1e6), 0.1 + x[1] ** 2]), state=2, time_domain="continuous"
    )
    starts = np.stack([np.full(32, 1e6), np.linspace(-2, 2, 32)], axis=1)
    with pytest.warns(UserWarning, match="no fixed point"):
        assert find(model, candidates=starts, spectra=False).n_fixed_points == 0


@pytest.mark.parametrize("units", [[1.0, 1.0], [1e-12, 1e9], [1e9, 1e-3], [1e-7, 1e-7]])
@pytest.mark.parametrize("time", [1.0, 1e-9, 1e9])
def test_units_of_states_and_time_change_nothing(units, time):
    """From the same candidates, `D F(D⁻¹ x)` has the same points, errors, spectra and stability."""
    unit, rates = np.array(units), time
    starts = np.random.default_rng(0).normal(size=(128, 2))

    def network(unit, time):
        weight = NINE

        def rate(x, u):
            return time * unit * (jnp.tanh(weight @ (x / unit)) - x / unit)

        return fpa.vector_field(rate, state=2, time_domain="continuous")

    plain, other = find(network(np.ones(2), 1.0), candidates=starts), None
    other = find(network(unit, rates), candidates=starts * unit)
    assert other.n_fixed_points == plain.n_fixed_points == 9
    np.testing.assert_allclose(other.x / unit, plain.x, atol=1e-12)
    np.testing.assert_array_equal(other.stability, plain.stability)
    np.testing.assert_allclose(other.eigenvalue / rates, plain.eigenvalue, rtol=1e-9, atol=1e-12)
    assert np.all(other.error.values <= 1e-12 * unit.max())


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e7])
def test_default_candidates_find_points_wherever_they_are(size):
    ds = find(fpa.vector_field(lambda x, u: size * jnp.tanh(NINE @ (x / size)), state=2), spectra=False)
    assert ds.n_fixed_points == 9
    offset = find(
        fpa.vector_field(lambda x, u: 0.5 * x + 0.5 * size, state=2), n_candidates=64, spectra=False
    )
    np.testing.assert_allclose(points(offset), [[size, size]])


@pytest.mark.parametrize("gap", [1e-6, 1e-8, 0.0])
def test_a_network_at_its_pitchfork_rests_at_zero(gap):
    """The largest eigenvalue of W is 1 − gap: Newton's method converges linearly, and W is not symmetric."""
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(5, 5))
    weight *= (1.0 - gap) / max(value.real for value in np.linalg.eigvals(weight) if abs(value.imag) < 1e-9)
    ds = find(tanh_network(weight), n_candidates=128)
    near = np.abs(points(ds)).max(axis=1) < 1e-5
    assert near.sum() == 1
    k = int(np.flatnonzero(near)[0])
    assert np.abs(points(ds)[k]).max() <= ds.error.values[k] < 1e-3
    if gap == 0.0:
        assert not ds.is_isolated.values[k] and ds.stability.values[k] != Stability.STABLE


def test_of_a_triple_root_rounding_leaves_one_point_with_its_play():
    gains = np.linspace(0.8, 1.2, 5)
    sweep = xr.DataArray(gains, dims="g", coords={"g": gains})
    model = fpa.vector_field(lambda x, u: u[0] * jnp.tanh(x - 1.0) + 1.0, state=1, inputs=["g"])
    ds = find(model, {"g": sweep}, n_candidates=128)
    assert ds.n_fixed_points.values.tolist() == [1, 1, 1, 3, 3]
    critical = ds.isel(g=2, fixed_point=0)
    assert not critical.is_isolated and 1e-7 < critical.error < 1e-3
    assert abs(float(critical.x[0]) - 1.0) <= critical.error
    assert critical.stability == Stability.NEUTRAL
    assert ds.isel(g=3).is_isolated.all()


@pytest.mark.parametrize(
    ("move", "time_domain"),
    [
        (lambda x, u: jnp.stack([-(x[0] ** 2), -x[1]]), "continuous"),
        (lambda x, u: jnp.stack([x[0] - x[0] ** 2, 0.5 * x[1]]), "discrete"),
        (lambda x, u: jnp.stack([x[1], -(x[0] ** 2) + x[0] * x[1]]), "continuous"),
    ],
    ids=["fold of a flow", "fold of a map", "Bogdanov-Takens"],
)
def test_points_at_a_bifurcation_are_neutral(move, time_domain):
    ds = find(fpa.vector_field(move, state=2, time_domain=time_domain), n_candidates=128)
    assert ds.n_fixed_points == 1 and not ds.is_isolated[0]
    assert np.abs(points(ds)).max() <= ds.error[0] < 1e-6
    assert (int(ds.stability[0]), int(ds.n_unstable[0])) == (Stability.NEUTRAL, 0)


def test_a_continuum_stays_and_its_error_is_infinite():
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    weight = basis @ np.diag([1.0, 0.5, -0.3, 0.1]) @ basis.T
    starts = np.random.default_rng(2).normal(size=(16, 4))
    ds = find(fpa.vector_field(lambda x, u: weight @ x, state=4), candidates=starts)
    assert ds.n_fixed_points == 16
    assert np.isinf(ds.error).all() and not ds.is_isolated.any()
    assert (ds.stability == Stability.NEUTRAL).all()
    np.testing.assert_allclose(points(ds) @ basis[:, 1:], 0.0, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_error_is_never_below_the_true_distance(seed):
    """The distance to the root of 40 digits that Newton's method leads to, from every listed point."""
    rng = np.random.default_rng(seed)
    weight, bias = 3.0 * rng.normal(size=(3, 3)), rng.normal(size=3)
    ds = find(tanh_network(weight, bias), n_candidates=256, spectra=False)
    with mpmath.workdps(40):
        W, b = mpmath.matrix(weight.tolist()), mpmath.matrix(bias.tolist())
        for x, error in zip(points(ds), ds.error.values, strict=True):
            root = mpmath.findroot(
                lambda *h: [mpmath.tanh(v) - w for v, w in zip(W * mpmath.matrix(h) + b, h, strict=True)],
                [mpmath.mpf(v) for v in x],
            )
            distance = max(abs(root[k] - mpmath.mpf(x[k])) for k in range(3))
            assert distance <= error <= 1e-9
    assert np.all(ds.error > 0)


@pytest.mark.parametrize(
    "move",
    [
        lambda x, u: jax.nn.relu(2.0 * x),
        lambda x, u: 0.8 * x + 0.3 * jax.nn.relu(x),
        lambda x, u: 0.5 * jnp.abs(x),
        lambda x, u: jnp.clip(3.0 * x, 0.0, 1.0),
        lambda x, u: jax.nn.leaky_relu(0.9 * x),
    ],
    ids=["relu", "leaky integration", "abs", "clip", "leaky relu"],
)
def test_on_a_kink_stability_is_undecided(move):
    model = fpa.vector_field(move, state=2)
    with pytest.warns(UserWarning, match="on a kink"):
        ds = find(model, candidates=np.random.default_rng(0).normal(size=(32, 2)))
    k = int(np.argmin(np.abs(points(ds)).max(axis=1)))
    assert np.abs(points(ds)[k]).max() == 0.0
    assert not ds.is_smooth[k] and not ds.is_stable[k] and np.isnan(ds.eigenvalue[k]).all()
    assert (int(ds.stability[k]), int(ds.n_unstable[k])) == (Stability.UNDECIDED, -1)


def test_beside_a_kink_all_is_as_usual():
    ds = find(fpa.vector_field(lambda x, u: 0.5 * jax.nn.relu(x) + 1.0, state=2), n_candidates=16)
    np.testing.assert_allclose(points(ds), [[2.0, 2.0]])
    assert ds.is_smooth.all() and ds.is_stable.all()


def test_a_model_that_rounds_is_named_and_its_points_are_told_apart_at_that_precision():
    def rounded(x, u):
        return jnp.tanh(jnp.asarray(NINE, jnp.float32) @ x.astype(jnp.float32)).astype(x.dtype)

    with pytest.warns(UserWarning, match="computes in float32"):
        ds = find(fpa.vector_field(rounded, state=2), spectra=False)
    exact = find(tanh_network(NINE.astype(np.float32)), spectra=False)
    assert_same_points(points(ds), points(exact), atol=1e-5)
    distance = np.abs(points(ds)[:, None] - points(exact)[None]).max(axis=-1).min(axis=1)
    assert np.all(distance <= ds.error.values) and np.all(ds.error > 0)


def test_a_continuum_that_turns_with_the_input_does_not_go_on_for_ever():
    def turning(x, u):
        along = jnp.stack([jnp.cos(u[0]), jnp.sin(u[0])])
        return x - 0.5 * along * (along @ x)

    u = xr.DataArray(0.1 * np.arange(3)[:, None], dims=("time", "input"))
    ds = find(fpa.vector_field(turning, state=2, inputs=["a"]), inputs=u, spectra=False)
    assert (ds.n_fixed_points > 0).all() and (ds.n_fixed_points <= 64).all()
    assert not ds.is_isolated.any()


def test_bounds_that_are_met_are_said(monkeypatch):
    from fpanalysis import neighbours

    monkeypatch.setattr(neighbours, "MOST_POINTS", 1)
    u = xr.DataArray(0.01 * np.arange(3)[:, None], dims=("time", "input"))
    model = fpa.vector_field(lambda x, u: jnp.tanh(3.0 * x) + u, state=1, inputs=["a"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ds = find(model, inputs=u, spectra=False)
    assert any("bound_met" in str(warning.message) for warning in caught)
    assert (ds.n_points_dropped > 0).any()
    assert (ds.status.values[ds.n_points_dropped.values > 0] == Status.BOUND_MET).all()


@pytest.mark.parametrize("wraps", [True, False])
def test_maps_of_angles_may_wrap_them(wraps):
    def step(x, u):
        moved = x + 0.3 * jnp.sin(2 * (x + 2))
        return jnp.mod(moved, 2 * jnp.pi) if wraps else moved

    ds = find(fpa.vector_field(step, state=["a"], periodic=["a"]), spectra=False)
    expected = np.sort((np.arange(4) * np.pi / 2 - 2 + np.pi) % (2 * np.pi) - np.pi)
    np.testing.assert_allclose(points(ds)[:, 0], expected, atol=1e-12)


def test_where_there_must_be_a_point_no_warning_says_that_there_may_be_none():
    cell = strong_gru(4, 3.0, 0)
    with pytest.warns(UserWarning, match="There is at least one") as caught:
        find(cell, candidates=np.full((2, 4), np.nan))
    assert "may also have none" not in str(caught[0].message)
