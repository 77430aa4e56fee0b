"""Steady states of network, plant and delay line together."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from controllers import A, settled, spring

import fpanalysis as fpa
from fpanalysis.linearization import jacobians


def find(controller, goal, **options):
    return fpa.find_fixed_points(controller, goal, loop="closed", progress=False, **options)


def posture(plant, position, k):
    """Return the state of the arm at a position, elbow down (0) or up (1)."""
    with jax.enable_x64(True):
        return np.asarray(plant.postures(jnp.asarray(position))[k]["angle"])


@pytest.mark.parametrize("delay", [0, 5])
@pytest.mark.parametrize("field", [None, fpa.fields.Curl(0.7), fpa.fields.Constant(1.0, 0.4)])
def test_a_spring_rests_where_it_balances_the_field(delay, field):
    controller = spring(2.0, 2.0, delay=delay)
    ds = find(controller, fpa.Goal(position=[[0.3, -0.2], [-0.5, 0.1]]), field=field)
    push = np.zeros(2) if not isinstance(field, fpa.fields.Constant) else np.array([np.cos(0.4), np.sin(0.4)])
    balance = np.arctanh(push * A / 2.0) / A  # stiffness/A · tanh(A · (offset)) = push
    assert ds.n_fixed_points.values.tolist() == [1, 1]
    np.testing.assert_allclose(ds.offset.values[:, 0], np.tile(balance, (2, 1)), atol=1e-12)
    np.testing.assert_allclose(
        ds.position.values[:, 0], [[0.3, -0.2] + balance, [-0.5, 0.1] + balance], atol=1e-12
    )
    np.testing.assert_allclose(ds.offset_norm.values[:, 0], np.linalg.norm(balance), atol=1e-12)
    np.testing.assert_allclose(ds.force.values[:, 0], np.tile(-push, (2, 1)), atol=1e-12)
    assert float(ds.residual.max()) < 1e-14
    assert bool(ds.is_stable.all())


@pytest.mark.parametrize("delay", [0, 5])
def test_eigenvalues_are_those_of_the_linear_loop_written_out(delay):
    stiffness, damping, dt = 2.0, 2.0, 0.05
    ds = find(spring(stiffness, damping, delay=delay), fpa.Goal(position=(0.0, 0.0)))
    # One axis: position, velocity, then the delay line, newest first; the units have no memory of their own.
    step = scipy.linalg.expm(dt * np.array([[0.0, 1, 0], [0, 0, 1], [0, 0, 0]]))[:2]
    n = 2 * (1 + delay)
    matrix = np.zeros((n, n))
    matrix[:2, :2] = step[:, :2]
    matrix[:2, n - 2 :] += step[:, 2:] @ np.array([[-stiffness, -damping]])
    matrix[2:, :-2] += np.eye(n - 2)
    expected = np.linalg.eigvals(matrix)
    found = ds.eigenvalue.values[0]
    for value in expected[np.abs(expected) > 1e-3]:
        assert np.sum(np.abs(found - value) < 1e-9) == 2  # one for each axis
    assert np.sum(np.abs(found) > 1e-3) == 2 * np.sum(np.abs(expected) > 1e-3)


def test_modes_of_the_delay_line_are_labelled_and_never_divided_by():
    ds = find(spring(2.0, 2.0, delay=5), fpa.Goal(position=(0.1, 0.2)))
    defective = ds.is_defective.values[0]
    assert defective.any()
    np.testing.assert_allclose(ds.eigenvalue.values[0, defective], 0.0, atol=1e-2)
    assert np.all(np.isfinite(ds.left_eigenvector.values[0]))
    assert bool(ds.is_stable.all())


def test_states_are_named_by_block():
    ds = find(spring(delay=2), fpa.Goal(position=(0.0, 0.0)))
    names = [str(name) for name in ds.state.values]
    assert {name.split("[")[0] for name in names} == {"hidden", "plant.position", "plant.velocity", "delay"}
    assert {"delay[0].position[0]", "delay[1].velocity[1]", "plant.position[1]", "hidden[3]"} <= set(names)
    assert ds.attrs["loop"] == "closed"


def test_an_unstable_loop_is_said_to_be_unstable_and_is():
    controller = spring(20.0, 1.0, delay=5)
    ds = find(controller, fpa.Goal(position=(0.0, 0.0)))
    assert not bool(ds.is_stable.any())
    x = ds.x.values[0] + 1e-6
    path = fpa.simulate(controller.closed_loop(), np.broadcast_to(ds.u.values, (400, 5)), x, progress=False)
    assert np.abs(path.x.values[-100:] - ds.x.values[0]).max() > 1e-2


@pytest.mark.parametrize("delay", [0, 5])
@pytest.mark.parametrize("field", [None, fpa.fields.Curl(1.0), fpa.fields.Constant(0.5, 1.0)])
def test_a_settled_simulation_is_the_stable_point(delay, field):
    controller = spring(2.0, 2.0, delay=delay)
    ds = find(controller, fpa.Goal(position=(0.3, 0.1)), field=field, spectra="values")
    end = settled(controller, field, ds.u.values, (-0.4, 0.2))
    np.testing.assert_allclose(ds.x.values[ds.is_stable.values], end[None], atol=1e-8)


@pytest.mark.parametrize("field", [None, fpa.fields.Curl(0.8)])
def test_a_trained_controller_settles_at_its_stable_point(field):
    controller = fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8, replicate=0).one()
    assert isinstance(controller, fpa.Controller)
    ds = find(controller, fpa.Goal(position=(0.3, -0.2), context=1.0), field=field)
    end = settled(controller, field, ds.u.values, (-0.4, 0.2))
    np.testing.assert_allclose(ds.x.values[ds.is_stable.values], end[None], atol=1e-8)
    lines = jacobians(controller.closed_loop(field), ds.x.values, ds.u.values[None])
    np.testing.assert_array_equal(lines.state, ds.jacobian.values)


def arm_spring(**options):
    plant = fpa.plants.TwoLinkArm()
    angle = posture(plant, (0.05, 0.4), 0)
    (l1, l2), (a, b) = plant.lengths, angle
    jacobian = np.array(
        [
            [-l1 * np.sin(a) - l2 * np.sin(a + b), -l2 * np.sin(a + b)],
            [l1 * np.cos(a) + l2 * np.cos(a + b), l2 * np.cos(a + b)],
        ]
    )
    return spring(8.0, 1.5, plant=plant, dt=0.01, matrix=jacobian.T, **options)


@pytest.mark.parametrize("delay", [0, 5])
def test_an_arm_has_a_point_for_each_posture_and_none_for_whole_turns(delay):
    controller = arm_spring(delay=delay)
    ds = find(controller, fpa.Goal(position=(0.05, 0.4)))
    names = ["plant.angle[0]", "plant.angle[1]"]
    angles = ds.x.sel(state=names).values
    expected = [posture(controller.plant, (0.05, 0.4), k) for k in (0, 1)]
    assert int(ds.n_fixed_points) == 2
    np.testing.assert_allclose(angles[np.argsort(angles[:, 1])[::-1]], expected, atol=1e-10)
    assert np.all((angles > -np.pi) & (angles <= np.pi))
    np.testing.assert_allclose(ds.offset_norm.values, 0.0, atol=1e-12)
    is_down = angles[:, 1] > 0
    assert ds.is_stable.values.tolist() == is_down.tolist()
    assert json.loads(ds.attrs["periodic"]) == names
    end = settled(controller, None, ds.u.values, (0.08, 0.35))
    np.testing.assert_allclose(ds.x.values[is_down], end[None], atol=1e-8)


def test_candidates_whole_turns_away_find_the_same_points():
    controller = arm_spring()
    goal = fpa.Goal(position=(0.05, 0.4))
    ds = find(controller, goal, spectra=False)
    turns = np.isin(ds.state.values, ["plant.angle[0]"]) * 2 * np.pi
    starts = np.concatenate([ds.x.values + k * turns for k in (-2, 0, 1)])
    again = find(controller, goal, spectra=False, candidates=starts)
    assert int(again.n_fixed_points) == 2
    np.testing.assert_allclose(again.x.values, ds.x.values, atol=1e-10)
    assert again.n_hits.values.tolist() == [3, 3]


def test_linearize_and_eigendecompose_serve_a_closed_loop():
    controller, field = spring(delay=1), fpa.fields.Curl(0.5)
    whole = find(controller, fpa.Goal(position=[[0.1, 0.0], [0.0, 0.2]]), field=field)
    bare = find(controller, fpa.Goal(position=[[0.1, 0.0], [0.0, 0.2]]), field=field, spectra=False)
    again = fpa.eigendecompose(fpa.linearize(controller, bare, field=field, progress=False), progress=False)
    np.testing.assert_array_equal(again.jacobian, whole.jacobian)
    np.testing.assert_array_equal(again.eigenvalue, whole.eigenvalue)


def test_the_amplitude_of_a_field_is_no_part_of_what_is_compiled():
    loops = [spring().closed_loop(fpa.fields.Curl(a)) for a in (0.5, 1.5)]
    one, other = (jax.tree_util.tree_structure(loop) for loop in loops)
    assert one == other
    assert loops[0].function.field.amplitude == 0.5


@pytest.mark.parametrize(
    ("goal", "options", "message"),
    [
        ({"velocity": 0.1}, {}, "a moving body is no steady state"),
        ({"feedback_position": (0.0, 0.0)}, {}, "feedback comes from the body"),
        ({}, {"field": "curl"}, "expected a force field"),
        ({}, {"loop": "clamped", "field": fpa.fields.Curl(1.0)}, "stands still"),
        ({}, {"loop": "open"}, "expected 'clamped' or 'closed', got 'open'"),
    ],
)
def test_bad_input(goal, options, message, unchecked):
    controller = spring()
    with pytest.raises((TypeError, ValueError), match=message):
        fpa.find_fixed_points(
            controller, fpa.Goal(position=(0.0, 0.0), **goal), **{"loop": "closed", **options}
        )


@pytest.mark.parametrize("delay", [0, 2])
def test_disturbances_are_added_to_what_is_felt_and_commanded(delay):
    controller = spring(delay=delay)
    loop, plain = controller.closed_loop(disturbed=True), controller.closed_loop()
    assert loop.inputs[: len(plain.inputs)] == plain.inputs
    rng = np.random.default_rng(0)
    x, u, extra = rng.normal(size=len(loop.state)), rng.normal(size=len(plain.inputs)), rng.normal(size=6)
    step = fpa.simulate(loop, np.concatenate([u, extra])[None], x, progress=False).x.values[0]
    still = fpa.simulate(loop, np.concatenate([u, np.zeros(6)])[None], x, progress=False).x.values[0]
    np.testing.assert_array_equal(still, fpa.simulate(plain, u[None], x, progress=False).x.values[0])
    names = list(loop.state)
    felt = "plant" if delay == 0 else f"delay[{delay - 1}]"
    moved = x.copy()
    for k, block in enumerate(("position", "velocity")):
        for axis in range(2):
            moved[names.index(f"{felt}.{block}[{axis}]")] += extra[2 * k + axis]
    hidden = fpa.simulate(plain, u[None], moved, progress=False).x.values[0][:4]
    np.testing.assert_allclose(step[:4], hidden, atol=1e-12)
    assert not np.allclose(step, still)


def test_a_swinging_spring_rings_as_its_mode_predicts():
    controller = spring(16.0, 2.0)
    ds = find(controller, fpa.Goal(position=(0.0, 0.0))).isel(fixed_point=0)
    loop = controller.closed_loop(disturbed=True)
    u = np.zeros((200, len(loop.inputs)))
    u[0, loop.inputs.index("disturbance.position[0]")] = 1e-4
    path = fpa.simulate(loop, u, ds.x.values, progress=False)
    position = path.y.isel(output=[0, 1]).rename(output="axis")
    found = fpa.measures.ringing(position)
    mode = int(np.argmax(ds.frequency.values * (ds.time_constant.values > 0.1)))
    f, tau = float(ds.frequency[mode]), float(ds.time_constant[mode])
    np.testing.assert_allclose(found.swing_frequency, f, rtol=0.1)
    np.testing.assert_allclose(found.swing_ratio, np.exp(-1 / (2 * f * tau)), rtol=0.1)
    with pytest.raises(ValueError, match="expected the dims 'time' and 'axis'"):
        fpa.measures.ringing(position.rename(time="t"))
