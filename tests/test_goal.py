"""Goals become the inputs of controllers, by role."""

import jax
import numpy as np
import pytest
import xarray as xr
from controllers import spring

import fpanalysis as fpa
from fpanalysis.conditions import make_conditions
from fpanalysis.control.network import Network


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


def test_coordinates_say_the_positions_that_are_shown():
    # xarray keeps goal_x in arithmetic, so that every part here comes with the grid's.
    grid = fpa.grid(2, 2)
    goal = fpa.Goal(position=grid + 0.1, feedback_position=grid - 0.2, context=10 * grid.sel(axis="x"))
    made, names = conditions(goal)
    for axis in range(2):
        shown, felt = (made.u[:, names.index(f"{each}.position[{axis}]")] for each in ("target", "feedback"))
        np.testing.assert_array_equal(made.template[f"goal_{'xy'[axis]}"], shown)
        np.testing.assert_array_equal(made.template[f"feedback_{'xy'[axis]}"], felt)
        np.testing.assert_allclose(shown, grid[:, axis] + 0.1)
        np.testing.assert_allclose(felt, grid[:, axis] - 0.2)
    assert made.template.goal_x.attrs == made.template.feedback_x.attrs == {"units": "m"}


def test_one_goal_felt_at_many_places_has_no_goal_coordinates():
    made, names = conditions(fpa.Goal(position=(0.5, 0.5), feedback_position=fpa.grid(3, 1)))
    assert set(made.template.coords) == {"goal", "feedback_x", "feedback_y"}
    np.testing.assert_array_equal(made.template.feedback_x, made.u[:, names.index("feedback.position[0]")])


def test_along_more_dims_coordinates_stay_where_they_are_true():
    grid, shift = fpa.grid(2, 2), xr.DataArray([0.0, 0.1], dims="session")
    kept, _ = conditions(fpa.Goal(position=grid.expand_dims(session=2)))
    assert {"goal_x", "goal_y"} < set(kept.template.coords)
    moved, names = conditions(fpa.Goal(position=grid + shift))
    assert set(moved.template.coords) == {"goal", "session"}
    u = moved.u.reshape(2, 4, -1)
    expected = np.tile([0.1 if "position" in name else 0.0 for name in names], (4, 1))
    np.testing.assert_allclose(u[1] - u[0], expected, atol=1e-15)


def test_context_is_labelled_with_its_values_unless_it_has_labels():
    bare = xr.DataArray([2.0, 1.0], dims="context")
    made, names = conditions(fpa.Goal(position=(0, 0), context=bare))
    assert made.template.context.values.tolist() == made.u[:, names.index("context")].tolist() == [2.0, 1.0]
    named = bare.assign_coords(context=["high", "low"])
    made, _ = conditions(fpa.Goal(position=(0, 0), context=named))
    assert made.template.context.values.tolist() == ["high", "low"]


def test_a_goal_does_not_change():
    given = np.array([0.1, 0.2])
    goal = fpa.Goal(position=given)
    given[0] = 9.0
    assert goal.position.values.tolist() == [0.1, 0.2]
    with pytest.raises(AttributeError):
        goal.position = given  # pyright: ignore[reportAttributeAccessIssue]


def test_a_goal_in_few_words():
    goal = fpa.Goal(fpa.grid(2, 3), (0.1, 0.0), 1.0, feedback_velocity=0.0, go=[0, 1])
    assert repr(goal) == (
        "Goal(position: goal 6, velocity: (0.1, 0), context: 1, feedback_velocity: 0, go: go 2)"
    )


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


def test_an_input_of_several_entries_is_said_by_one_number_or_along_axis():
    controller = created(inputs={"cue": 3, "target.position": 2})
    both = [1.0, [1.0, 2.0, 3.0]]
    for cue, expected in zip((1.0, xr.DataArray(both[1], dims="axis")), both, strict=True):
        made, names = conditions(fpa.Goal(position=(0.3, 0.4), cue=cue), controller)
        assert made.dims == ()
        np.testing.assert_array_equal(made.u[0, [names.index(f"cue[{i}]") for i in range(3)]], expected)


@pytest.mark.parametrize("name", ["position", "velocity"])
def test_feedback_that_the_network_does_not_feel(name):
    felt = {"position": "velocity", "velocity": "position"}[name]
    sizes = {"target.position": 2, f"feedback.{felt}": 2}
    network = Network.create(sizes, {"force": 2}, hidden_size=4, dt=0.05, key=jax.random.key(0))
    controller = fpa.Controller(network, fpa.plants.PointMass(), 0, 0.0, 0.0, 0.05)
    goal = fpa.Goal(position=(0, 0), **{f"feedback_{name}": (0.1, 0.0)})
    with pytest.raises(ValueError, match=f"feedback_{name} is given, but .* no input 'feedback.{name}'"):
        goal.inputs(controller, "clamped")


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ({"velocity": 0.1}, "a moving body is no steady state"),
        ({"feedback_position": (0, 0)}, "feedback_position is given, but in the closed loop"),
        ({"feedback_velocity": 0.0}, "feedback_velocity is given, but in the closed loop"),
    ],
)
def test_what_the_closed_loop_cannot_be_told(goal, message):
    fpa.Goal(position=(0, 0)).inputs(created(), "closed")
    with pytest.raises(ValueError, match=message):
        fpa.Goal(position=(0, 0), **goal).inputs(created(), "closed")


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
        (
            {"position": xr.DataArray(np.zeros((0, 2)), dims=("goal", "axis"))},
            "position: expected at least one, got",
        ),
        ({"position": (0, 0), "context": xr.DataArray([], dims="context")}, "context: expected a number or"),
        (
            {"position": (0, 0), "context": xr.DataArray([1, 1], dims="context")},
            "context: expected every value",
        ),
        ({"position": (0, 0), "go": np.inf}, "go: expected finite numbers"),
        ({"position": (0, 0), "target.velocity": 0.1}, "say the input 'target.velocity' with velocity="),
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
        ({"inputs": {"go": 1, "target.position": 2}}, {}, r"also has the input 'go'; .* Goal\(…, go=1.0\)"),
        ({"inputs": {"go.now": 1, "target.position": 2}}, {}, r"Goal\(…, \*\*{'go.now': 1.0}\)"),
        ({"inputs": {"target.position": 3}}, {}, "'target.position' is said by 2 numbers .* has the size 3"),
        ({}, {"context": xr.DataArray([1.0, 2.0], dims="axis")}, "'context' is said by 2 numbers .* size 1"),
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
        (
            lambda c: fpa.Goal(position=(0, 0)).inputs(c, "close"),
            r"loop: expected one of .* 'close' \(did you mean 'closed'",
        ),
        (lambda c: fpa.grid(0, 3), "nx: expected a whole number"),
        (lambda c: fpa.grid(3, 3, ((1, 1), (0, 0))), "workspace: expected"),
    ],
)
def test_calls_that_make_no_sense(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(spring())
