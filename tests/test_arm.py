"""The two-link arm against the Lagrangian of two rigid bodies, and its steps against tight integration."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import cumulative_simpson

from fpanalysis.control.fields import Constant, Curl
from fpanalysis.control.plants import TwoLinkArm

# Nothing is symmetric or zero here, so that a slip in any term shows.
ODD = TwoLinkArm(
    lengths=(0.4, 0.25),
    masses=(2.0, 0.7),
    inertias=(0.06, 0.03),
    centers_of_mass=(0.15, 0.1),
    friction=((0.07, 0.01), (0.03, 0.04)),
    workspace=((0.2, 0.2), (0.3, 0.3)),
)
arms = pytest.mark.parametrize("arm", [TwoLinkArm(), ODD], ids=["default", "odd"])


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def hand(arm, angle):
    """Return the position of the hand."""
    first, both = angle[0], angle[0] + angle[1]
    x = arm.lengths[0] * jnp.cos(first) + arm.lengths[1] * jnp.cos(both)
    y = arm.lengths[0] * jnp.sin(first) + arm.lengths[1] * jnp.sin(both)
    return jnp.stack([x, y])


def kinetic_energy(arm, angle, rate):
    """Return the energy of two rigid bodies that move and turn about their centres of mass."""

    def centers(angle):
        toward = lambda turn: jnp.stack([jnp.cos(turn), jnp.sin(turn)])
        first, both = angle[0], angle[0] + angle[1]
        return [
            arm.centers_of_mass[0] * toward(first),
            arm.lengths[0] * toward(first) + arm.centers_of_mass[1] * toward(both),
        ]

    velocities = jax.jvp(centers, (angle,), (rate,))[1]
    spins = (rate[0], rate[0] + rate[1])
    energy = jnp.zeros(())
    for k in range(2):
        about_center = arm.inertias[k] - arm.masses[k] * arm.centers_of_mass[k] ** 2  # parallel axes
        energy += 0.5 * arm.masses[k] * jnp.sum(velocities[k] ** 2) + 0.5 * about_center * spins[k] ** 2
    return energy


def acceleration(arm, angle, rate, torque, force):
    """Return the angular acceleration from the Euler–Lagrange equations."""
    push = jax.jacfwd(lambda q: hand(arm, q))(angle).T @ force - jnp.array(arm.friction) @ rate
    momentum = jax.grad(kinetic_energy, argnums=2)
    mass = jax.jacfwd(momentum, argnums=2)(arm, angle, rate)
    drift = jax.jacfwd(momentum, argnums=1)(arm, angle, rate) @ rate
    return jnp.linalg.solve(
        mass, torque + push - drift + jax.grad(kinetic_energy, argnums=1)(arm, angle, rate)
    )


def draws(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


@arms
def test_equations_of_motion_follow_from_the_lagrangian(arm):
    angle, rate, torque, force = 2 * draws(4, 50, 2)
    state = {"angle": angle, "angular_velocity": rate}
    found = jax.vmap(arm.derivative)(state, torque, force)
    expected = jax.vmap(lambda *motion: acceleration(arm, *motion))(angle, rate, torque, force)
    np.testing.assert_array_equal(found["angle"], rate)
    np.testing.assert_allclose(found["angular_velocity"], expected, rtol=1e-10, atol=1e-10)


@arms
def test_forces_on_the_hand_do_their_virtual_work(arm):
    # At rest without friction, M θ'' = Jᵀ f, and a small turn δ does the work δ·Jᵀf = f·(hand moves).
    h, (angle, force, turn) = 1e-6, draws(3, 2)
    still = {"angle": angle, "angular_velocity": jnp.zeros(2)}
    mass = jax.hessian(kinetic_energy, argnums=2)(arm, angle, jnp.zeros(2))
    torque = mass @ arm.derivative(still, jnp.zeros(2), force)["angular_velocity"]
    moved = arm.effector({**still, "angle": angle + h * turn})[0]
    moved -= arm.effector({**still, "angle": angle - h * turn})[0]
    np.testing.assert_allclose(torque @ turn, force @ moved / (2 * h), rtol=1e-8)


@arms
def test_position_and_velocity_of_the_hand(arm):
    angle, rate = draws(2, 30, 2)
    position, velocity = jax.vmap(arm.effector)({"angle": angle, "angular_velocity": rate})
    h, place = 1e-6, jax.vmap(lambda q: hand(arm, q))
    np.testing.assert_allclose(position, place(angle), atol=1e-14)
    difference = (place(angle + h * rate) - place(angle - h * rate)) / (2 * h)
    np.testing.assert_allclose(velocity, difference, atol=1e-9)


@eqx.filter_jit
def run(arm, field, dt, state, commands):
    """Return the states after each command."""
    step = arm.stepper(field, dt)

    def advance(state, command):
        state = step(state, command)
        return state, state

    return jax.lax.scan(advance, state, commands)[1]


def test_without_friction_and_commands_energy_stays():
    arm = TwoLinkArm(friction=((0, 0), (0, 0)))
    start = {"angle": jnp.array([0.3, 1.2]), "angular_velocity": jnp.array([2.0, -3.0])}
    states = run(arm, Curl(1.5), 0.005, start, jnp.zeros((2000, 2)))
    energy = jax.vmap(lambda state: kinetic_energy(arm, *state.values()))(states)
    before = kinetic_energy(arm, *start.values())
    assert np.max(np.abs(energy / before - 1)) < 1e-8
    # It did something meanwhile: the angles are counted over full turns.
    assert np.max(np.abs(states["angle"])) > 2 * np.pi


def test_friction_takes_energy():
    start = {"angle": jnp.array([0.3, 1.2]), "angular_velocity": jnp.array([2.0, -3.0])}
    states = run(TwoLinkArm(), None, 0.01, start, jnp.zeros((300, 2)))
    energy = jax.vmap(lambda state: kinetic_energy(TwoLinkArm(), *state.values()))(states)
    rate = np.asarray(states["angular_velocity"])
    power = -np.sum(rate * (rate @ np.array(TwoLinkArm().friction)), axis=1)
    assert np.all(power < 0)
    np.testing.assert_allclose(energy - energy[0], cumulative_simpson(power, dx=0.01, initial=0), atol=1e-7)


def reach(arm, n, seed):
    """Return states with the hand in the workspace, moving at 1 m/s or so, and torques of about 2 N m."""
    rng = np.random.default_rng(seed)
    position = jnp.asarray(rng.uniform(*arm.workspace, size=(n, 2)))
    state = jax.vmap(arm.at_rest)(position)
    rate = jnp.asarray(rng.uniform(-3, 3, size=(n, 2)))
    return {**state, "angular_velocity": rate}, jnp.asarray(rng.normal(0, 2, size=(n, 2)))


@eqx.filter_jit
def tight(arm, field, dt, states, commands):
    """Return the states after `dt`, to 1e-12, by adaptive integration."""
    slope = lambda t, state, command: arm.derivative(state, command, field.force(*arm.effector(state)))

    def step(state, command):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(slope),
            diffrax.Dopri8(),
            0.0,
            dt,
            dt / 4,
            state,
            args=command,
            stepsize_controller=diffrax.PIDController(rtol=1e-12, atol=1e-13),
        )
        return jax.tree.map(lambda y: y[-1], solution.ys)

    return jax.vmap(step)(states, commands)


def hand_errors(arm, field, dt):
    """Return by how much one step misses the position of the hand, in m."""
    states, commands = reach(arm, 200, seed=3)
    found = jax.jit(jax.vmap(arm.stepper(field, dt)))(states, commands)
    expected = tight(arm, field, jnp.asarray(dt), states, commands)
    positions = [jax.vmap(arm.effector)(states)[0] for states in (found, expected)]
    return np.linalg.norm(positions[0] - positions[1], axis=1)


def test_steps_are_accurate_and_of_fifth_order():
    coarse, middle, fine = (
        hand_errors(TwoLinkArm(), Curl(jnp.asarray(1.5)), dt) for dt in (0.05, 0.02, 0.01)
    )
    assert np.max(coarse) < 1e-5
    assert np.max(fine) < 1e-9
    # One step, so one order more than over a fixed time.
    order = np.log2(np.median(middle) / np.median(fine))
    assert 5.5 < order < 7.5


def test_constant_fields_push_the_hand():
    assert np.max(hand_errors(TwoLinkArm(), Constant(jnp.asarray(2.0), jnp.asarray(1.0)), 0.01)) < 1e-9


@arms
def test_inverse_kinematics_finds_every_position(arm):
    rng = np.random.default_rng(5)
    corners = np.array([[x, y] for x in np.array(arm.workspace)[:, 0] for y in np.array(arm.workspace)[:, 1]])
    shortest, longest = arm.reach
    distance, direction = rng.uniform(1.001 * shortest, 0.999 * longest, 500), rng.uniform(-np.pi, np.pi, 500)
    around = np.stack([distance * np.cos(direction), distance * np.sin(direction)], axis=1)
    positions = jnp.asarray(np.concatenate([corners, around]))
    arm.check_reachable(np.asarray(positions), "positions")
    state = jax.vmap(arm.at_rest)(positions)
    found, velocity = jax.vmap(arm.effector)(state)
    np.testing.assert_allclose(found, positions, atol=1e-12)
    assert not np.any(velocity)
    # A right arm: the elbow bends forward only, and lies clockwise of the line from shoulder to hand.
    assert np.all((state["angle"][:, 1] > 0) & (state["angle"][:, 1] < np.pi))
    elbow = arm.lengths[0] * np.exp(1j * np.asarray(state["angle"][:, 0]))
    across = np.conj(np.asarray(positions) @ np.array([1, 1j])) * elbow
    assert np.all(across.imag < 0)


def test_inverse_kinematics_in_float32():
    with jax.enable_x64(False):
        arm = TwoLinkArm()
        positions = jnp.asarray(np.random.default_rng(6).uniform(*arm.workspace, size=(200, 2)), jnp.float32)
        found = jax.vmap(lambda position: arm.effector(arm.at_rest(position))[0])(positions)
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, positions, atol=1e-6)


def test_all_reaches_from_the_workspace_are_reachable():
    arm = TwoLinkArm()
    (left, low), (right, high) = arm.workspace
    x, y = np.meshgrid(np.linspace(left, right, 21), np.linspace(low, high, 21))
    turn = np.linspace(0, 2 * np.pi, 61)
    ends = np.stack(
        [
            x[..., None] + arm.reach_length * np.cos(turn),
            y[..., None] + arm.reach_length * np.sin(turn),
        ],
        axis=-1,
    )
    arm.check_reachable(ends, "targets")


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (
            [0.5, 0.5],
            r"targets: .* more than 0.03 m and less than 0.63 m .* got \(0.5, 0.5\) m, 0.7071 m from it",
        ),
        ([[0.0, 0.4], [0.01, 0.02]], r"targets\[1\]: expected .* got \(0.01, 0.02\) m, 0.02236 m from it"),
        ([0.63, 0.0], r"targets: expected"),
        ([0.0, 0.0], r"targets: expected"),
    ],
)
def test_positions_out_of_reach(positions, message):
    with pytest.raises(ValueError, match=message):
        TwoLinkArm().check_reachable(np.array(positions), "targets")
    assert TwoLinkArm().reach == pytest.approx((0.03, 0.63))


def test_a_traced_position_out_of_reach_has_no_posture():
    state = jax.jit(TwoLinkArm().at_rest)(jnp.array([0.5, 0.5]))
    assert np.all(np.isnan(state["angle"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lengths": (0.3, 0.0)}, r"lengths\[1\]: expected a positive finite number, got 0.0"),
        ({"lengths": 0.3}, "lengths: expected two numbers, one per link, got 0.3"),
        ({"masses": (1.4, -1.0)}, r"masses\[1\]: expected a positive finite number, got -1.0"),
        ({"masses": (1.4, 1.0, 1.0)}, "masses: expected two numbers"),
        ({"inertias": (np.nan, 0.045)}, r"inertias\[0\]: .* got nan"),
        ({"inertias": (0.025, 0.025)}, r"inertias\[1\]: expected at least .* 0.0256 kg m² for the forearm"),
        ({"centers_of_mass": ("a", 0.1)}, r"centers_of_mass\[0\]: .* got 'a'"),
        ({"friction": 0.05}, "friction: expected two rows of two finite numbers, got 0.05"),
        ({"friction": ((0.05, np.inf), (0.0, 0.05))}, "friction: expected two rows of two finite numbers"),
        ({"friction": ((0.05, "a"), (0.0, 0.05))}, "friction: expected two rows of two finite numbers"),
        ({"friction": ((-0.05, 0.0), (0.0, 0.05))}, "friction: expected a matrix that takes energy"),
        ({"reach_length": -0.1}, "reach_length: expected a positive"),
        ({"workspace": ((0.3, 0.3), (0.2, 0.4))}, "workspace: .* with minima below maxima"),
        (
            {"workspace": ((0.1, 0.3), (0.4, 0.6))},
            r"workspace: expected a position that the arm can reach, .* \(0.4, 0.6\) m",
        ),
        (
            {"workspace": ((-0.1, -0.1), (0.1, 0.1))},
            r"workspace: expected a position that the arm can reach, .* \(0, 0\) m",
        ),
    ],
)
def test_bad_hyperparameters(unchecked, arguments, message):
    with pytest.raises(ValueError, match=message):
        TwoLinkArm(**arguments)


def test_lists_and_whole_numbers_do_as_well():
    arm = TwoLinkArm(masses=[1, 1], friction=[[0, 0], [0, 0]])
    assert arm == TwoLinkArm(masses=(1.0, 1.0), friction=((0.0, 0.0), (0.0, 0.0)))
    assert isinstance(arm.masses[0], float)
