"""Goals become the inputs of controllers, by role."""

import jax
import numpy as np
import pytest
import xarray as xr
from controllers import spring

import fpanalysis as fpa
from fpanalysis.conditions import make_conditions


def created(**options):
    return fpa.Controller.create(hidden_size=4, key=jax.random.key(0), **options)


def conditions(goal, controller=None, loop="clamped"):
    controller = created() if controller is None else controller
    entries = goal.inputs(controller, loop)
    return make_conditions(tuple(entries), entries, None), list(entries)


def test_a_grid_is_where_tasks_place_their_starts():
    trials = fpa.tasks.SimpleReaches(workspace=((0, 1), (2, 5))).validation(n_grid=3, n_directions=1)
    grid = fpa.grid(3, 3, ((0, 1), (2, 5)))
    np.testing.assert_allclose(grid.goal_x, trials.labels["start_x"])
    np.testing.assert_allclose(grid.goal_y, trials.labels["start_y"])
    np.testing.assert_array_equal(grid.sel(axis="x"), grid.goal_x)
    np.testing.assert_array_equal(grid.sel(axis="y"), grid.goal_y)
    assert fpa.grid(1, 1).values.tolist() == [[0.0, 0.0]]


def test_clamped_feedback_is_the_goal_at_rest():
    made, names = conditions(fpa.Goal(position=(0.3, -0.2), context=1.5))
    value = dict(zip(names, made.u[0], strict=True))
    assert value == {
        "context": 1.5,
        "feedback.position[0]": 0.3,
        "feedback.position[1]": -0.2,
        "feedback.velocity[0]": 0.0,
        "feedback.velocity[1]": 0.0,
        "target.position[0]": 0.3,
        "target.position[1]": -0.2,
        "target.velocity[0]": 0.0,
        "target.velocity[1]": 0.0,
    }
    assert made.dims == ()


def test_sweeps_are_dims_with_the_context_first():
    made, names = conditions(fpa.Goal(position=fpa.grid(3, 2), context=[-1, 0, 2, 5]))
    assert made.dims == ("context", "goal")
    assert made.template.context.values.tolist() == [-1, 0, 2, 5]
    assert made.template.goal_x.dims == made.template.goal_y.dims == ("goal",)
    u = made.u.reshape(4, 6, -1)
    np.testing.assert_array_equal(u[2, :, names.index("context")], 2.0)
    np.testing.assert_array_equal(u[1, :, names.index("target.position[0]")], made.template.goal_x)
    np.testing.assert_array_equal(u[3, :, names.index("feedback.position[1]")], made.template.goal_y)


def test_the_closed_loop_is_told_no_feedback():
    _, names = conditions(fpa.Goal(position=[(0.0, 0.1)]), loop="closed")
    assert tuple(names) == created().closed_loop().inputs


def test_feedback_elsewhere_and_moving():
    goal = fpa.Goal(
        position=fpa.grid(2, 2),
        velocity=(0.1, 0.0),
        feedback_position=[(0, 0), (0.5, 0), (1, 1)],
        feedback_velocity=0.2,
    )
    made, names = conditions(goal)
    assert made.dims == ("goal", "feedback")
    assert made.template.feedback_x.values.tolist() == [0, 0.5, 1]
    u = made.u.reshape(4, 3, -1)
    assert np.all(u[:, 2, names.index("feedback.position[1]")] == 1)
    assert np.all(u[..., names.index("target.velocity[0]")] == 0.1)
    assert np.all(u[..., names.index("feedback.velocity[1]")] == 0.2)


def test_feedback_beside_each_goal_shares_its_dim():
    grid = fpa.grid(2, 2)
    made, names = conditions(fpa.Goal(position=grid, feedback_position=grid + 0.1))
    assert made.dims == ("goal",)
    np.testing.assert_allclose(made.u[:, names.index("feedback.position[0]")], made.template.goal_x + 0.1)


def test_named_dims_are_kept_and_axes_found_by_name():
    positions = xr.DataArray([[1.0, 2.0], [3.0, 4.0]], dims=("axis", "reach"), coords={"axis": ["y", "x"]})
    levels = xr.DataArray([0.0, 1.0], dims="level", coords={"level": ["low", "high"]})
    made, names = conditions(fpa.Goal(position=positions, context=levels))
    assert made.dims == ("level", "reach") or made.dims == ("reach", "level")
    cell = dict(zip(made.dims, np.unravel_index(0, made.shape), strict=True))
    assert cell["reach"] == 0
    assert made.u[0, names.index("target.position[0]")] == 3.0
    assert made.u[0, names.index("target.position[1]")] == 1.0


def test_inputs_are_found_by_role_whatever_they_are_called():
    controller = created().renamed({"target.position": "aim", "context": "cue"})
    made, names = conditions(fpa.Goal(position=(0.3, 0.4), context=2.0), controller)
    assert made.u[0, names.index("aim[1]")] == 0.4
    assert made.u[0, names.index("cue")] == 2.0


def test_controllers_with_other_inputs():
    controller = created(inputs={"go": 1, "target.position": 2})
    made, names = conditions(fpa.Goal(position=(0.3, 0.4), go=[0.0, 1.0]), controller)
    assert made.dims == ("go",)
    assert made.u[:, names.index("go")].tolist() == [0.0, 1.0]
    assert not any(name.startswith(("context", "target.velocity")) for name in names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"position": (0.0, 0.0, 0.0)}, r"position: expected shape \(2,\) or \(n, 2\), got \(3,\)"),
        ({"position": np.zeros((0, 2))}, r"position: expected shape .* got \(0, 2\)"),
        ({"position": 0.5}, r"position: expected shape"),
        ({"position": "centre"}, "position: expected numbers, got 'centre'"),
        ({"position": (0.0, np.nan)}, "position: expected finite numbers"),
        ({"position": xr.DataArray([0.0, 1.0], dims="x")}, "with a dim 'axis' of length 2"),
        ({"position": (0, 0), "velocity": (1, 2, 3)}, "velocity: expected a number, shape"),
        ({"position": (0, 0), "context": []}, "context: expected a number or a list"),
        ({"position": (0, 0), "context": [1, 1]}, "context: expected every value once"),
        (
            {"position": (0, 0), "context": [[1, 2]]},
            "context: expected a number or a list of them, got shape",
        ),
        ({"position": (0, 0), "context": "high"}, "context: expected numbers, got 'high'"),
    ],
)
def test_what_is_no_goal(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fpa.Goal(**arguments)


@pytest.mark.parametrize(
    ("controller", "goal", "message"),
    [
        ({}, {"velocity": 0.1}, "its velocity is 0.1, not 0; say with feedback_velocity"),
        ({"inputs": {"target.position": 2}}, {"context": 1.0}, "no context input"),
        (
            {"inputs": {"target.position": 2}},
            {"velocity": 0.1, "feedback_velocity": 0},
            "no input 'target.vel",
        ),
        ({"inputs": {"context": 1}}, {}, "no input 'target.position'"),
        ({"inputs": {"go": 1, "target.position": 2}}, {}, "also has the input 'go'"),
        ({"inputs": {"go": 1, "target.position": 2}}, {"goo": 1.0}, r"input 'goo' \(did you mean 'go'\?\)"),
        ({"plant": fpa.plants.TwoLinkArm()}, {}, r"goal.position: .* arm can reach"),
    ],
)
def test_what_does_not_go_with_the_controller(controller, goal, message):
    with pytest.raises(ValueError, match=message):
        fpa.find_fixed_points(created(**controller), fpa.Goal(position=(0.0, 0.0), **goal))


def test_feedback_out_of_reach():
    controller = created(plant=fpa.plants.TwoLinkArm())
    goal = fpa.Goal(position=(0.0, 0.4), feedback_position=[(0.0, 0.4), (0.0, 2.0)])
    with pytest.raises(ValueError, match=r"goal.feedback_position\[1\]: .* reach"):
        fpa.find_fixed_points(controller, goal)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: fpa.find_fixed_points(c), "goal: a controller needs one"),
        (lambda c: fpa.find_fixed_points(c, fpa.Goal(position=(0, 0)), inputs={"context": 1}), "got both"),
        (
            lambda c: fpa.find_fixed_points(c, inputs={"contxt": 1}),
            r"no input 'contxt' \(did you mean 'context'",
        ),
        (lambda c: fpa.find_fixed_points(c.network, fpa.Goal(position=(0, 0))), "a Goal is for controllers"),
        (lambda c: fpa.find_fixed_points(c.network.vector_field(), loop="closed"), "needs a Controller"),
        (lambda c: fpa.grid(0, 3), "nx: expected a whole number"),
        (lambda c: fpa.grid(3, 3, ((1, 1), (0, 0))), "workspace: expected"),
    ],
)
def test_calls_that_make_no_sense(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(spring())
