"""Whatever JAX and NumPy are set to, and inside of transformations: the same numbers, or one sentence."""

import contextlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis._numerics import in_float64
from fpanalysis.linearization import jacobians
from fpanalysis.trajectories import trajectories


@contextlib.contextmanager
def _no_rules():
    """Undo what `conftest.py` sets."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


# NaN and infinite values come of starts that diverge, tiny ones of states in small units.
SETTINGS = {
    "as it is": contextlib.nullcontext,
    "debug_nans": lambda: jax.debug_nans(True),
    "debug_infs": lambda: jax.debug_infs(True),
    "disable_jit": lambda: jax.disable_jit(True),
    "x64": lambda: jax.enable_x64(True),
    "no x64": lambda: jax.enable_x64(False),
    "no rules for promotion": _no_rules,
    "NumPy's errors": lambda: np.errstate(all="raise"),
}
TRANSFORMATIONS = {
    "jit": jax.jit,
    "grad": jax.grad,
    "vmap": lambda f: jax.vmap(f, axis_size=3),
    "scan": lambda f: lambda w: jax.lax.scan(lambda carry, _: (f(carry), None), w, length=2)[0],
}
TRACED = "that JAX is tracing; call this outside of jax.jit, jax.grad, jax.vmap and loops of jax.lax"
WEIGHTS = jnp.asarray([[0.5, -1.0], [1.0, 0.5]], jnp.float32)


@pytest.fixture(params=SETTINGS)
def setting(request):
    """Set JAX and NumPy for a test as their users may have."""
    with SETTINGS[request.param]():
        yield request.param


@pytest.fixture(scope="module")
def flow():
    """Return a flow that leaves the finite numbers beyond ±1, at rest where every entry is −1, 0 or 1."""
    return fpa.vector_field(lambda x, u: x**3 - x + 0 * u[0], state=2, inputs=1, time_domain="continuous")


@pytest.fixture(scope="module")
def network():
    """Return a function that closes over weights in single precision."""
    return fpa.vector_field(lambda x, u: jnp.tanh(WEIGHTS @ x + u), state=2, inputs=2)


def test_fixed_points_under_every_setting(setting, flow):
    ds = fpa.find_fixed_points(flow, n_candidates=96, progress=False)
    found = ds["x"].values[ds["is_fixed"].values]
    corners = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 2, indexing="ij"), -1).reshape(-1, 2)
    np.testing.assert_allclose(found[np.lexsort(found.round(6).T[::-1])], corners, atol=1e-12)
    rates = 3 * corners**2 - 1
    eigenvalues = np.real(ds["eigenvalue"].values[ds["is_fixed"].values])
    np.testing.assert_allclose(np.sort(eigenvalues), np.sort(rates))


def test_trajectories_under_every_setting(setting, flow):
    """The flow in closed form: `x² = 1/(1 + (1/x₀² − 1) e^{2t})`, which blows up within finite time."""
    x0, times = np.array([[0.5, -0.9], [2.0, 0.0]]), np.arange(1, 6) * 0.1
    x = trajectories(flow, x0, np.zeros((2, 5, 1)), 0.1).x
    inside = x0[0] / np.sqrt(x0[0] ** 2 + (1 - x0[0] ** 2) * np.exp(2 * times[:, None]))
    np.testing.assert_allclose(x[0], inside, rtol=1e-7)
    assert np.isfinite(x[1, 0]).all() and not np.isfinite(x[1, 1:, 0]).any()


def test_jacobians_under_every_setting(setting, network):
    x = np.random.default_rng(0).normal(size=(3, 2))
    slope = 1 - np.tanh(x @ np.asarray(WEIGHTS, float).T) ** 2
    got = jacobians(network, x, np.zeros((3, 2)))
    np.testing.assert_allclose(got.state, slope[:, :, None] * np.asarray(WEIGHTS, float), rtol=1e-13)
    assert got.state.dtype == np.float64


def test_tiny_and_huge_numbers_under_every_setting(setting):
    tiny = fpa.vector_field(lambda x, u: 1e-200 * jnp.tanh(2e200 * x), state=2)
    with np.errstate(under="ignore"):
        states = 1e-200 * np.array([[0.1, 0.2]])
        expected = 1e-200 * np.tanh(np.array([0.2, 0.4]))
    np.testing.assert_allclose(
        fpa.simulate(tiny, 1, states, progress=False)["x"].values[0], expected[None], rtol=1e-12, atol=0
    )
    ds = fpa.flow_field(tiny, tiny.state, extent=((-1e-200, 1e100), (-1.0, 1e-170)), n=3)
    np.testing.assert_allclose(ds["flow"][:, :, 0], np.broadcast_to(-ds["first"], (3, 3)).T, atol=2e-200)
    assert np.isfinite(ds["speed"]).all()


@pytest.mark.parametrize("unit", [1e-200, 1e150])
def test_points_of_tiny_and_huge_states(unit):
    weights = np.array([[1.5, 0.3], [0.2, 1.2]])
    model = fpa.vector_field(
        lambda x, u: unit * jnp.tanh(weights @ (x / unit) + jnp.array([1e-3, 0.0]) * u[0]),
        state=2,
        inputs=["i"],
    )
    starts = unit * np.random.default_rng(0).standard_normal((32, 2))
    inputs = {"i": xr.DataArray([0.0, 0.1], {"i": [0.0, 0.1]})}
    with np.errstate(all="raise"):
        ds = fpa.find_fixed_points(model, inputs=inputs, candidates=starts, progress=False)
        ds = fpa.sensitivity(fpa.modes(fpa.eigendecompose(fpa.linearize(model, ds)), "i"))
        assert (ds.n_fixed_points >= 1).all() and (fpa.to_long(ds).peak_growth >= 1).all()
        assert len(fpa.summarize(ds)) == 2
        fpa.plot.fixed_points(ds)
        fpa.plot.spectrum(ds)
        fpa.plot.bifurcation(ds, "x[0]")
        fpa.plot.spectrum_by(ds, "i")


def test_settings_are_the_callers_own_again(flow):
    with jax.debug_nans(True), np.errstate(all="raise"):
        with in_float64():
            assert jnp.zeros(1).dtype == np.float64
            assert np.isnan(jnp.log(-jnp.ones(1)))
        assert jnp.zeros(1).dtype == np.float32
        with pytest.raises(FloatingPointError):
            jnp.log(-jnp.ones(1))
        with pytest.raises(FloatingPointError):
            np.square(np.float64(1e-200))
        with pytest.raises(ZeroDivisionError), in_float64():
            raise ZeroDivisionError
        assert jnp.zeros(1).dtype == np.float32


def inside(transformation, call):
    """Call a function on a number that JAX traces, and return the number."""

    def function(number):
        call(number)
        return number

    number = jnp.ones(3) if transformation == "vmap" else jnp.asarray(1.0)
    return TRANSFORMATIONS[transformation](function)(number)


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_numbers_inside_of_transformations_are_computed_at_once(transformation, network):
    x, u = np.array([[0.1, 0.2]]), np.zeros((1, 3, 2))
    found, got = [], []

    def call(_):
        got.append(trajectories(network, x, u).x)
        got.append(jacobians(network, x, u[:, 0]).state)
        found.append(fpa.find_fixed_points(network, n_candidates=16, progress=False))

    inside(transformation, call)
    np.testing.assert_array_equal(got[0], trajectories(network, x, u).x)
    np.testing.assert_array_equal(got[1], jacobians(network, x, u[:, 0]).state)
    assert found[0].equals(fpa.find_fixed_points(network, n_candidates=16, progress=False))


def scaled(cell, number):
    return eqx.tree_at(lambda cell: cell.bias_n, cell, cell.bias_n * number)


CELL = eqx.nn.GRUCell(2, 3, key=jax.random.key(0))
PLANE = {"extent": ((-1, 1), (-1, 1)), "n": 3}
# What is traced, and what a message calls it.
CALLS = {
    "weights": ("model", lambda n, net: fpa.find_fixed_points(scaled(CELL, n))),
    "weights of a simulation": ("model", lambda n, net: fpa.simulate(scaled(CELL, n), 3)),
    "constants": ("model", lambda n, net: fpa.simulate(fpa.vector_field(lambda x, u: n * x, state=2), 3)),
    "constants of a search": (
        "model",
        lambda n, net: fpa.find_fixed_points(fpa.vector_field(lambda x, u: n * jnp.tanh(x), state=2)),
    ),
    "inputs": ("inputs", lambda n, net: fpa.find_fixed_points(net, inputs=jnp.ones(2) * n)),
    "goal": ("goal", lambda n, net: fpa.find_fixed_points(net, [n, 0.0])),
    "an input": (
        r"inputs\['input\[0\]'\]",
        lambda n, net: fpa.find_fixed_points(net, inputs={"input[0]": n}),
    ),
    "labelled inputs": (
        "inputs",
        lambda n, net: fpa.find_fixed_points(net, inputs=xr.DataArray(jnp.ones(2) * n, dims="input")),
    ),
    "candidates": ("candidates", lambda n, net: fpa.find_fixed_points(net, candidates=jnp.ones((4, 2)) * n)),
    "inputs of a simulation": ("inputs", lambda n, net: fpa.simulate(net, jnp.ones((4, 2)) * n)),
    "x0": ("x0", lambda n, net: fpa.simulate(net, 3, jnp.ones(2) * n)),
    "dt": ("dt", lambda n, net: fpa.simulate(net, 3, dt=n)),
    "dt of a model": ("dt", lambda n, net: fpa.vector_field(lambda x, u: x, state=2, dt=n)),
    "through": ("through", lambda n, net: fpa.flow_field(net, net.state, through=[n, n], **PLANE)),
    "position": ("position", lambda n, net: fpa.Goal(position=jnp.ones(2) * n)),
    "context": ("context", lambda n, net: fpa.Goal(position=(0.0, 0.0), context=n)),
}


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("transformation", ["jit", "grad", "vmap"])
def test_traced_values_are_refused_in_one_sentence(transformation, what, network, unchecked):
    argument, call = CALLS[what]
    with pytest.raises(TypeError, match=f"^{argument}: .*{TRACED}") as caught:
        inside(transformation, lambda number: call(number, network))
    assert "\n" not in str(caught.value)


def test_linearize_of_traced_weights(network, unchecked):
    ds = fpa.find_fixed_points(network, n_candidates=16, spectra=False, progress=False)
    with pytest.raises(TypeError, match=f"^model: .*{TRACED}"):
        inside(
            "grad", lambda n: fpa.linearize(fpa.vector_field(lambda x, u: n * x + u, state=2, inputs=2), ds)
        )


@pytest.mark.parametrize("transformation", ["jit", "grad", "vmap"])
def test_a_function_of_traced_values_can_be_wrapped_and_called(transformation):
    """Only what needs numbers refuses: the vector field itself is an ordinary function."""
    if transformation == "vmap":
        gains = jnp.asarray([1.0, 2.0, 3.0])
        got = jax.vmap(lambda n: fpa.vector_field(lambda x, u: n * x, state=2)(jnp.ones(2), jnp.zeros(0)))(
            gains
        )
        np.testing.assert_array_equal(got, gains[:, None] * np.ones((1, 2)))
        return

    def total(n):
        return jnp.sum(fpa.vector_field(lambda x, u: n**2 * x, state=2)(jnp.ones(2), jnp.zeros(0)))

    got = TRANSFORMATIONS[transformation](total)(jnp.asarray(3.0))
    assert float(got) == {"jit": 18.0, "grad": 12.0}[transformation]
