"""The point mass against SciPy's integrators and closed forms, and what all plants have in common."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float
from scipy.integrate import solve_ivp

from fpanalysis.control.fields import AbstractField, Constant, Curl, NoField
from fpanalysis.control.plants import PointMass, TwoLinkArm


class Duffing(AbstractField):
    """A spring that stiffens: not affine."""

    amplitude: float | Float[Array, ""] = 0.0

    def force(self, position, velocity):
        return -self.amplitude * position * (1.0 + jnp.sum(position**2))


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def run(plant, field, dt, commands, start, velocity=(0.0, 0.0)):
    """Return positions and velocities of the effector after each command."""
    step = plant.stepper(field, dt)
    state = {**plant.at_rest(jnp.asarray(start, float)), "velocity": jnp.asarray(velocity, float)}

    def advance(state, command):
        state = step(state, command)
        return state, jnp.concatenate(plant.effector(state))

    return jax.lax.scan(advance, state, jnp.asarray(commands, float))[1]


def reference(force, mass, damping, dt, commands, start, velocity):
    """Return the same from SciPy, with forces and motion as complex numbers."""
    motion = np.array([complex(*start), complex(*velocity)])
    rows = []
    for command in np.asarray(commands):
        push = complex(*command)
        slope = lambda t, y, push=push: [y[1], (push + force(*y) - damping * y[1]) / mass]
        motion = solve_ivp(slope, (0, dt), motion, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        rows.append([motion[0].real, motion[0].imag, motion[1].real, motion[1].imag])
    return np.array(rows)


COMMANDS = np.random.default_rng(0).normal(size=(12, 2))
START, VELOCITY = (0.3, -0.2), (-0.5, 0.8)


@pytest.mark.parametrize(
    ("field", "force"),
    [
        (None, lambda p, v: 0.0),
        (NoField(2.0), lambda p, v: 0.0),
        (Curl(1.6), lambda p, v: 1.6j * v),
        (Curl(-3.0), lambda p, v: -3.0j * v),
        (Constant(2.0, 0.7), lambda p, v: 2.0 * np.exp(0.7j)),
    ],
)
@pytest.mark.parametrize(("mass", "damping"), [(1.0, 0.0), (0.5, 1.3)])
def test_exact_steps_in_affine_fields(float64, field, force, mass, damping):
    found = run(PointMass(mass, damping), field, 0.05, COMMANDS, START, VELOCITY)
    expected = reference(force, mass, damping, 0.05, COMMANDS, START, VELOCITY)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_long_steps_are_exact_too(float64):
    found = run(PointMass(0.5, 1.3), Curl(3.0), 0.6, COMMANDS, START, VELOCITY)
    expected = reference(lambda p, v: 3.0j * v, 0.5, 1.3, 0.6, COMMANDS, START, VELOCITY)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_other_fields_take_steps_of_fifth_order(float64):
    errors = []
    for halvings in range(3):
        dt, commands = 0.1 / 2**halvings, np.repeat(COMMANDS, 2**halvings, axis=0)
        found = run(PointMass(0.5, 0.3), Duffing(4.0), dt, commands, START, VELOCITY)[-1]
        force = lambda p, v: -4.0 * p * (1 + abs(p) ** 2)
        expected = reference(force, 0.5, 0.3, 0.1, COMMANDS, START, VELOCITY)[-1]
        errors.append(np.max(np.abs(found - expected)))
    assert errors[0] < 1e-5
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert np.all((orders > 4.5) & (orders < 6.5)), orders


def test_float32_steps_are_exact_to_rounding():
    found = run(PointMass(0.5, 1.3), Curl(1.6), 0.05, COMMANDS, START, VELOCITY)
    expected = reference(lambda p, v: 1.6j * v, 0.5, 1.3, 0.05, COMMANDS, START, VELOCITY)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("amplitude", [1.6, -1.6, 0.1, 7.0])
def test_curl_fields_keep_kinetic_energy(float64, amplitude):
    motion = run(PointMass(), Curl(amplitude), 0.05, np.zeros((10_000, 2)), START, VELOCITY)
    energy = np.sum(np.asarray(motion)[:, 2:] ** 2, axis=1) / np.sum(np.square(VELOCITY))
    assert np.max(np.abs(energy - 1)) < 1e-11


@pytest.mark.parametrize(("amplitude", "mass"), [(1.6, 1.0), (-0.4, 0.5)])
def test_eulers_method_adds_energy_in_curl_fields(float64, amplitude, mass):
    plant = PointMass(mass, integrator="euler")
    motion = np.asarray(run(plant, Curl(amplitude), 0.05, np.zeros((50, 2)), START, VELOCITY))
    energy = np.sum(motion[:, 2:] ** 2, axis=1)
    np.testing.assert_allclose(energy[1:] / energy[:-1], 1 + (amplitude * 0.05 / mass) ** 2, rtol=1e-12)
    # Explicit: the position moves with the velocity before the step.
    np.testing.assert_allclose(motion[1:, :2] - motion[:-1, :2], 0.05 * motion[:-1, 2:], atol=1e-14)


def test_eulers_method_is_of_first_order(float64):
    errors = []
    for parts in (200, 400):
        plant, commands = PointMass(0.5, 1.3, "euler"), np.repeat(COMMANDS, parts, axis=0)
        found = run(plant, Curl(1.6), 0.05 / parts, commands, START, VELOCITY)[-1]
        expected = reference(lambda p, v: 1.6j * v, 0.5, 1.3, 0.05, COMMANDS, START, VELOCITY)[-1]
        errors.append(np.max(np.abs(found - expected)))
    np.testing.assert_allclose(errors[0] / errors[1], 2.0, rtol=0.02)


def test_the_derivative_is_newtons_law():
    state = {"position": jnp.array([1.0, 2.0]), "velocity": jnp.array([3.0, -4.0])}
    slope = PointMass(2.0, 0.5).derivative(state, jnp.array([1.0, 0.0]), jnp.array([0.0, 6.0]))
    np.testing.assert_allclose(slope["position"], [3.0, -4.0])
    np.testing.assert_allclose(slope["velocity"], [(1.0 - 1.5) / 2, (6.0 + 2.0) / 2])


def test_at_rest_the_mass_stays(float64):
    found = run(PointMass(0.5, 1.3), Curl(2.0), 0.05, np.zeros((20, 2)), START)
    np.testing.assert_array_equal(found, np.tile([*START, 0.0, 0.0], (20, 1)))


# What follows holds for every plant.

PLANTS = [PointMass(), PointMass(damping=0.5, integrator="euler"), TwoLinkArm()]
both = pytest.mark.parametrize("plant", PLANTS, ids=["exact", "euler", "arm"])
fields = pytest.mark.parametrize("field", [None, Curl(0.8), Constant(0.8, 1.0), Duffing(0.8)])


def center(plant):
    return jnp.mean(jnp.asarray(plant.workspace, float), axis=0)


@eqx.filter_jit
def final(plant, field, commands, dt=0.05):
    """Return the last state of a run from the middle of the workspace."""
    step = plant.stepper(field, dt)
    return jax.lax.scan(lambda s, u: (step(s, u), None), plant.at_rest(center(plant)), commands)[0]


@both
@fields
def test_dtypes_are_kept(plant, field):
    with jax.enable_x64(True):
        step = plant.stepper(field, 0.05)
        for dtype in (jnp.float32, jnp.float64):
            state = plant.at_rest(center(plant).astype(dtype))
            state = step(state, jnp.ones(2, dtype))
            found = {leaf.dtype for leaf in jax.tree.leaves((state, plant.effector(state)))}
            assert found == {jnp.dtype(dtype)}
    state = plant.stepper(field, 0.05)(plant.at_rest(center(plant)), jnp.ones(2))
    assert {leaf.dtype for leaf in state.values()} == {jnp.dtype(jnp.float32)}


@both
@pytest.mark.parametrize("make", [Curl, Duffing])
def test_batched_amplitudes_give_what_single_ones_give(float64, plant, make):
    amplitudes = jnp.linspace(-1, 1, 4)
    commands = jnp.asarray(np.random.default_rng(1).normal(size=(4, 10, 2)))
    batched = eqx.filter_jit(jax.vmap(final, in_axes=(None, 0, 0)))(
        plant, jax.vmap(make)(amplitudes), commands
    )
    for k, amplitude in enumerate(amplitudes):
        single = final(plant, make(amplitude), commands[k])
        jax.tree.map(lambda a, b, k=k: np.testing.assert_allclose(a[k], b, atol=1e-12), batched, single)


@both
@pytest.mark.parametrize("make", [Curl, Duffing])
def test_gradients_match_finite_differences(float64, plant, make):
    @jax.jit
    def loss(amplitude, commands):
        return jnp.sum(plant.effector(final(plant, make(amplitude), commands))[0] * jnp.array([1.0, 2.0]))

    commands = jnp.asarray(np.random.default_rng(2).normal(size=(6, 2)))
    by_amplitude, by_command = jax.grad(loss, argnums=(0, 1))(jnp.asarray(0.7), commands)
    h, bump = 1e-6, jnp.zeros((6, 2)).at[1, 0].set(1e-6)
    slope = (loss(jnp.asarray(0.7 + h), commands) - loss(jnp.asarray(0.7 - h), commands)) / (2 * h)
    np.testing.assert_allclose(by_amplitude, slope, rtol=1e-6, atol=1e-9)
    slope = (loss(jnp.asarray(0.7), commands + bump) - loss(jnp.asarray(0.7), commands - bump)) / (2 * h)
    np.testing.assert_allclose(by_command[1, 0], slope, rtol=1e-6, atol=1e-9)


@both
def test_the_effector_starts_at_rest_where_it_should(plant):
    position, velocity = plant.effector(plant.at_rest(center(plant)))
    np.testing.assert_allclose(position, center(plant), atol=1e-6)
    np.testing.assert_array_equal(velocity, [0.0, 0.0])


@both
def test_states_name_the_blocks_that_are_angles(plant):
    assert set(plant.periodic) <= set(plant.at_rest(center(plant)))


def test_what_plants_say_of_themselves():
    assert (PointMass().command_name, PointMass().periodic, PointMass().reach_length) == ("force", (), 0.5)
    assert (TwoLinkArm().command_name, TwoLinkArm().periodic) == ("torque", ("angle",))
    assert PointMass().workspace == ((-1.0, -1.0), (1.0, 1.0)) and TwoLinkArm().reach_length == 0.1


@both
def test_plants_have_no_leaves(plant):
    assert jax.tree.leaves(plant) == []
    # So a tree that holds one can be mapped over whole, without saying what belongs to the plant.
    positions = jax.vmap(lambda tree: tree["plant"].effector(tree["plant"].at_rest(tree["start"]))[0])(
        {"plant": plant, "start": jnp.tile(center(plant), (3, 1))}
    )
    assert positions.shape == (3, 2)


@pytest.mark.parametrize("make", [PointMass, TwoLinkArm])
def test_equal_plants_compile_once(make):
    traced = []

    @eqx.filter_jit
    def rest(plant, position):
        traced.append(plant)
        return plant.at_rest(position)

    box = [[-0.1, 0.3], [0.1, 0.4]]
    rest(make(workspace=box, reach_length=1), jnp.array([0.1, 0.3]))
    rest(make(workspace=tuple(map(tuple, box)), reach_length=np.float32(1)), jnp.array([0.0, 0.3]))
    assert len(traced) == 1
    rest(make(workspace=box, reach_length=0.2), jnp.array([0.0, 0.3]))
    assert len(traced) == 2
    assert hash(jax.tree.structure(make())) == hash(jax.tree.structure(make()))
    assert jax.tree.structure(make()) != jax.tree.structure(make(reach_length=0.2))


@both
@pytest.mark.parametrize("dt", [0.0, -0.1, np.nan, np.inf, "0.1", None])
def test_time_steps_must_be_positive(unchecked, plant, dt):
    with pytest.raises(ValueError, match="dt: expected a positive finite number, got"):
        plant.stepper(None, dt)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mass": 0.0}, "mass: expected a positive finite number, got 0.0"),
        ({"mass": -1.0}, "mass: expected a positive finite number, got -1.0"),
        ({"mass": np.nan}, "mass: .* got nan"),
        ({"mass": "heavy"}, "mass: .* got 'heavy'"),
        ({"mass": True}, "mass: .* got True"),
        ({"damping": -0.1}, "damping: expected a finite number of at least 0, got -0.1"),
        ({"damping": np.inf}, "damping: .* got inf"),
        ({"reach_length": 0}, "reach_length: expected a positive finite number"),
        (
            {"integrator": "eular"},
            r"integrator: expected one of 'exact', 'euler', got 'eular' \(did you mean 'euler'",
        ),
        ({"integrator": None}, "integrator: expected one of 'exact', 'euler', got None"),
        ({"workspace": 1.0}, "workspace: expected .* got 1.0"),
        ({"workspace": ((0, 0), (0, 1))}, "workspace: .* with minima below maxima"),
        ({"workspace": ((0, 0), (1, np.nan))}, "workspace: expected"),
        ({"workspace": ((0, 0), (1, "b"))}, "workspace: expected"),
    ],
)
def test_bad_hyperparameters(unchecked, arguments, message):
    with pytest.raises(ValueError, match=message):
        PointMass(**arguments)


@both
@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([[0.1, 0.3], [np.nan, 0.3]], r"starts\[1\]: expected finite positions, got \(nan, 0.3\) m"),
        ([np.inf, 0.3], r"starts: expected finite positions, got \(inf, 0.3\) m"),
        ([[[0.1, 0.3], [0.1, -np.inf]]], r"starts\[0, 1\]: expected finite positions"),
        ([0.1, 0.3, 0.2], r"starts: expected positions of shape \(..., 2\), got shape \(3,\)"),
        (0.1, r"starts: expected positions of shape \(..., 2\), got shape \(\)"),
    ],
)
def test_positions_that_are_none(plant, positions, message):
    with pytest.raises(ValueError, match=message):
        plant.check_reachable(np.array(positions), "starts")


def test_the_point_mass_can_be_everywhere():
    PointMass().check_reachable(np.array([[1e6, -1e6], [0.0, 0.0]]), "starts")
    PointMass().check_reachable(np.zeros((0, 2)), "starts")
