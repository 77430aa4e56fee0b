"""What is listed is true where rounding, kinks, tails and singular Jacobians would have it otherwise."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import points

import fpanalysis as fpa
from fpanalysis.schema import Stability
from fpanalysis.verdict import Verdict

TWO = 2.0 * np.random.default_rng(1).normal(size=(64, 2))
RELU = jax.nn.relu


def found(f, n, flow=False, candidates=None):
    """Return the result for a function of the state alone; warnings are looked at elsewhere."""
    domain = "continuous" if flow else "discrete"
    model = fpa.vector_field(lambda x, u: f(x), state=n, time_domain=domain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fpa.find_fixed_points(model, candidates=candidates, progress=False)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * jnp.exp(-jnp.sum(x**2)),
        lambda x: jnp.exp(-(x**2)) / (1 + x**2),
        lambda x: jnp.exp(-jnp.abs(x)) * x,
    ],
)
@pytest.mark.parametrize("far", [5.557e7, 1e10])
def test_far_out_in_a_tail_nothing_rests_though_the_next_number_is_a_whole_step_away(f, far):
    x = points(found(f, 2, flow=True, candidates=np.concatenate([TWO[:16], far * TWO[:16]])))
    assert np.all(np.abs(x) < 1e-6)


@pytest.mark.parametrize(
    "f, root",
    [
        (lambda x: (x + 2) ** 4, -2.0),
        (lambda x: (x - 1e3) ** 3, 1e3),
        (lambda x: jnp.stack([x[0] ** 3, 2 * jnp.tanh(x[1]) - x[1]]), 0.0),
    ],
)
def test_multiple_roots_stay(f, root):
    n = 2 if root == 0 else 1
    ds = found(f, n, flow=True, candidates=root + TWO[:32, :n])
    x = points(ds)
    assert len(x) == (3 if root == 0 else 1) and np.abs(x[:, 0] - root).max() < 1e-3 * max(1, abs(root))
    assert not ds.is_isolated.values[ds.is_fixed.values].any()


def test_the_error_of_a_degenerate_point_knows_that_states_are_rounded():
    """Lorenz's origin at its pitchfork: all is exact near zero, and still x is known to 1e-8 only."""

    def lorenz(s):
        x, y, z = s
        return jnp.stack([10 * (y - x), x * (1 - z) - y, x * y - 8 / 3 * z])

    ds = found(lorenz, 3, flow=True)
    assert int(ds.n_fixed_points) == 1
    assert np.abs(ds.x.values[0]).max() <= ds.error.values[0] < 1e-3


@pytest.mark.parametrize(
    "f, flow",
    [
        (lambda x: jnp.stack([x[1] - x[0], x[0] - x[1]]), True),
        (lambda x: 3 * jnp.stack([x[1] - x[0], x[0] - x[1]]), True),
        (lambda x: x[::-1], False),
        (lambda x: jnp.stack([-x[0] - x[1], x[0] + x[1]]), True),
        (lambda x: jnp.array([[-1.0, -1.0], [1.0, 1.0]]) @ x, True),
        (lambda x: jnp.stack([x[1] - x[0], x[1] - x[0]]), True),
    ],
)
def test_on_a_line_of_fixed_points_none_is_isolated_nor_stable(f, flow):
    ds = found(f, 2, flow=flow, candidates=TWO[:16])
    assert int(ds.n_fixed_points) >= 16
    fixed = ds.is_fixed.values
    assert not ds.is_isolated.values[fixed].any() and np.isinf(ds.error.values[fixed]).all()
    assert (ds.stability.values[fixed] == Stability.NEUTRAL).all()


def test_a_ring_is_not_taken_for_the_point_in_its_middle():
    ds = found(lambda x: 30 * (1 - x[0] ** 2 - x[1] ** 2) * x, 2, flow=True, candidates=TWO[:16])
    assert int(ds.n_fixed_points) > 8
    on_ring = np.abs(np.linalg.norm(points(ds), axis=1) - 1) < 1e-9
    assert on_ring.sum() == int(ds.n_fixed_points) - 1


def test_a_regular_entry_beside_a_triple_zero():
    ds = found(lambda x: jnp.tanh(jnp.array([1.0, 1.5]) * x), 2, candidates=TWO)
    np.testing.assert_allclose(points(ds)[:, 1], [-0.85855964, 0, 0.85855964], atol=1e-7)


@pytest.mark.parametrize(
    "f, flow, at",
    [
        (lambda x: 2 * (RELU(x) - RELU(-x)), False, 0.0),
        (lambda x: jnp.tanh(2 * (RELU(x) - RELU(-x))), False, 0.0),
        (lambda x: -x + 3 * jnp.sign(x) * jnp.abs(x), True, 0.0),
        (lambda x: jnp.where(x == 1, 1.0, 2 * x - 1), False, 1.0),
    ],
)
def test_a_derivative_that_differs_from_that_of_equal_sides_is_none(f, flow, at):
    ds = found(f, 1, flow=flow)
    k = int(np.argmin(np.abs(ds.x.values[:, 0] - at)))
    assert ds.x.values[k, 0] == at and not ds.is_smooth.values[k]
    assert ds.stability.values[k] == Stability.UNDECIDED


@pytest.mark.parametrize(
    "f",
    [
        lambda x: jnp.sqrt(jnp.abs(x)) + 1e-6,
        lambda x: jnp.abs(x) + 5e-13,
        lambda x: jnp.interp(x, jnp.array([-1.0, 0, 1]), jnp.array([1.0, 1e-13, 1])),
    ],
)
def test_above_a_kink_that_stays_above_zero_nothing_rests(f):
    assert len(points(found(f, 1, flow=True, candidates=TWO[:16, :1]))) == 0


@pytest.mark.parametrize("gate", [-20.0, -22.0])
def test_one_point_known_badly_is_listed_once(gate):
    x = points(found(lambda x: x + jax.nn.sigmoid(gate) * (jnp.tanh(2 * x + 0.5) - x), 1))
    assert len(x) == 3


@pytest.mark.parametrize("bits, name", [(23, "float32"), (10, "float16"), (7, "bfloat16"), (52, "float64")])
def test_numbers_rounded_in_place_are_noticed(bits, name):
    model = fpa.vector_field(lambda x, u: jax.lax.reduce_precision(jnp.tanh(2 * x), 8, bits), state=1)
    assert Verdict(model).precision.name == name


@pytest.mark.parametrize("r", [-0.6, 0.1, 0.45, 0.5])
@pytest.mark.parametrize("power", [3, 5])
def test_a_flow_with_an_input_is_searched_on_its_own_scale(r, power):
    model = fpa.vector_field(
        lambda x, u: u[0] + x - x**power, state=1, inputs=["r"], time_domain="continuous"
    )
    roots = np.roots([-1] + [0] * (power - 2) + [1, r])
    roots = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
    for seed in range(2):
        ds = fpa.find_fixed_points(model, {"r": r}, seed=seed, spectra=False, progress=False)
        np.testing.assert_allclose(points(ds)[:, 0], roots, atol=1e-9)


@pytest.mark.parametrize("where", [[0.0, 0.0], [0.7, -1.3], [2e-4, -5e-4]])
@pytest.mark.parametrize("sign, stability", [(-1.0, Stability.STABLE), (1.0, Stability.UNSTABLE)])
def test_a_point_at_which_automatic_differentiation_gives_nan_is_found(where, sign, stability):
    """The derivative of a norm is NaN at zero, where that of x(1 + ‖x‖) is 1."""
    where = np.array(where)

    def f(x):
        return sign * (x - where) * (1 + jnp.linalg.norm(x - where))

    assert np.isnan(jax.jacobian(f)(jnp.asarray(where, jnp.float32))).all()
    ds = found(f, 2, flow=True)
    assert int(ds.n_fixed_points) == 1 and int(ds.stability[0]) == stability
    assert np.all(np.abs(ds.x.values[0] - where) <= ds.error.values[0]) and ds.error.values.max() < 1e-13
    np.testing.assert_allclose(ds.eigenvalue.values[0], sign)


def test_a_double_zero_is_seen_though_the_function_is_flat_at_most_starts():
    def f(x):
        tail = jnp.exp(-(x[1] ** 6))
        return jnp.stack([x[1] * (x[0] + x[1]) * tail, -0.5391 * (2 * x[0] + x[0] ** 2 + x[1])])

    ds = found(f, 2, flow=True)
    at_zero = int(np.argmin(np.abs(ds.x.values).max(axis=1)))
    assert np.abs(ds.x.values[at_zero]).max() < 1e-6
    assert not ds.is_isolated.values[at_zero] and int(ds.stability[at_zero]) == Stability.NEUTRAL


def test_where_most_paths_leave_for_infinity_they_do_not_set_the_scale():
    """All that stays goes to zero in one entry, and creeps on for ever in the other: nothing rests."""

    def f(x, u):
        leaky = jnp.where(x[0] > 0, x[0], 0.1 * x[0])
        return jnp.stack([7.0 * leaky * (jnp.exp(-(x[1] ** 2)) + 15.0 * x[0]), x[1] + jnp.exp(-(x[0] ** 2))])

    with pytest.warns(UserWarning, match="no fixed point"):
        ds = fpa.find_fixed_points(fpa.vector_field(f, state=2), n_candidates=256, progress=False)
    assert int(ds.n_fixed_points) == 0


def test_where_the_next_number_is_as_good_as_any_other_state_nothing_is_listed():
    """A sine of more than 1e18 is anything between −1 and 1 from one number to the next."""
    near = np.concatenate([np.linspace(-1.0, 1.0, 100), np.linspace(3.75, 4.0, 100)])[:, None]
    ds = found(lambda x: jnp.sin(jnp.exp(jnp.exp(x))), 1, candidates=near)
    assert np.all(np.abs(points(ds)) <= 1.0)


@jax.custom_jvp
def spike(x):
    return jnp.where(x > 0, 1.0, 0.0)


@spike.defjvp
def _surrogate(primals, tangents):
    return spike(*primals), tangents[0] / (1.0 + jnp.abs(primals[0])) ** 2


@pytest.mark.parametrize(
    "f, right",
    [
        (lambda x: jnp.tanh(2 * x) + 0.5 * jax.lax.stop_gradient(jnp.tanh(2 * x)), 1.4923522926789434),
        (lambda x: 0.5 * x + spike(x - 0.3), 2.0),
    ],
)
def test_where_the_derivative_is_another_functions_stability_is_undecided(f, right):
    with pytest.warns(UserWarning, match="stop_gradient"):
        ds = fpa.find_fixed_points(fpa.vector_field(lambda x, u: f(x), state=1), progress=False)
    at = int(np.argmin(np.abs(ds.x.values[:, 0] - right)))
    assert abs(ds.x.values[at, 0] - right) <= ds.error.values[at] < 1e-13
    assert not ds.is_smooth.values[at] and int(ds.stability[at]) == Stability.UNDECIDED


def test_derivatives_that_are_right_stay_smooth_whoever_wrote_them():
    """A softmax subtracts a maximum whose gradient it stops; the derivative of a GELU may be a rule."""
    weight = 1.5 * np.random.default_rng(0).normal(size=(3, 3))
    ds = found(lambda x: jax.nn.softmax(weight @ x) * jax.nn.logsumexp(x), 3)
    assert int(ds.n_fixed_points) > 0 and ds.is_smooth.values.all()
