"""Modes, sensitivities and summaries of results."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from controllers import spring

import fpanalysis as fpa


@pytest.fixture(scope="module")
def controller():
    return fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8, replicate=1).one()


@pytest.fixture(scope="module")
def found(controller):
    goal = fpa.Goal(position=fpa.grid(2, 1), context=[0.0, 2.0])
    return fpa.find_fixed_points(controller, goal, progress=False)


def test_driven_modes_are_what_an_input_does_to_their_amplitude(controller, found):
    ds = fpa.modes(found)
    one = ds.isel(context=0, goal=1, fixed_point=0)
    field = controller.network.vector_field()
    du = np.zeros(len(field.inputs))
    du[3] = 1e-6
    path = fpa.simulate(field, (one.u.values + du)[None], one.x.values, progress=False)
    back = fpa.simulate(field, (one.u.values - du)[None], one.x.values, progress=False)
    change = (path.x.values[0] - back.x.values[0]) / 2e-6
    amplitude = one.left_eigenvector.values.conj() @ change
    np.testing.assert_allclose(one.mode_input.values[:, 3], amplitude, rtol=1e-5, atol=1e-7)
    shown = np.asarray(controller.network.readout.weight, float) @ one.right_eigenvector.values
    np.testing.assert_allclose(one.mode_output.values, shown, atol=1e-12)


def test_modes_have_dims_units_and_pass_through_a_file(found, tmp_path):
    ds = fpa.modes(found)
    assert ds.mode_input.dims == ("context", "goal", "fixed_point", "mode", "input")
    assert ds.mode_output.dims == ("context", "goal", "fixed_point", "output", "mode")
    assert ds.henrici.dims == ds.peak_growth.dims == ("context", "goal", "fixed_point")
    assert bool(((ds.henrici > 0) & (ds.henrici < 1)).all())
    assert bool((ds.peak_growth >= np.maximum(1.0, ds.initial_growth) - 1e-12).all())
    fpa.save(ds, tmp_path / "modes.nc")
    xr.testing.assert_identical(fpa.open_dataset(tmp_path / "modes.nc"), ds)


def test_defective_modes_are_not_driven():
    ds = fpa.find_fixed_points(
        spring(2.0, 2.0, delay=3), fpa.Goal(position=(0.0, 0.0)), loop="closed", progress=False
    )
    ds = fpa.modes(ds)
    assert bool(ds.is_defective.any())
    np.testing.assert_array_equal(np.isnan(ds.mode_input).any("input"), ds.is_defective)
    assert bool(np.isfinite(ds.mode_output).all())
    assert bool(np.isfinite(ds.peak_growth).all())


def test_modes_of_padded_rows_are_empty_and_saddles_grow_without_bound(gru):
    inputs = xr.DataArray([[0.0, 0, 0], [1.0, 0, 0]], dims=("pulse", "input"))
    ds = fpa.modes(fpa.find_fixed_points(gru, inputs, n_candidates=256, progress=False))
    np.testing.assert_array_equal(np.isnan(ds.peak_growth), ~ds.is_fixed)
    np.testing.assert_array_equal(np.isinf(ds.peak_growth), ds.is_fixed & ~ds.is_stable)


@pytest.mark.parametrize("time_domain", ["discrete", "continuous"])
def test_a_jacobian_that_is_not_finite_costs_its_own_numbers_only(time_domain):
    rate = -0.5 if time_domain == "continuous" else 0.5
    model = fpa.vector_field(lambda x, u: rate * x + u, state=2, inputs=2, time_domain=time_domain)
    ds = fpa.find_fixed_points(
        model, xr.DataArray(np.eye(2), dims=("c", "input")), n_candidates=8, progress=False
    )
    expected = fpa.modes(ds)
    ds["jacobian"][0, 0, 0, 1] = np.nan
    ds = fpa.eigendecompose(ds)
    with pytest.warns(UserWarning, match="Jacobians of 1 of 2 points are not finite"):
        found = fpa.modes(ds)
    for name in ("henrici", "initial_growth", "peak_growth"):
        assert np.isnan(found[name][0]).all()
        assert (found[name][1] == expected[name][1]).all()


@pytest.mark.parametrize("call", [fpa.modes, lambda ds: fpa.modes(ds, "context"), fpa.sensitivity])
def test_without_spectra_there_is_one_error(found, call):
    with pytest.raises(ValueError, match="spectra='full'"):
        call(found.drop_vars(["jacobian", "eigenvalue"]))


def differences(model, ds, row, name, step=1e-5):
    """Return central differences of a point that is solved again under another input, `(state,)`."""
    point = ds.isel(row)
    ends = []
    for sign in (1, -1):
        u = point.u.copy()
        u.loc[{"input": name}] += sign * step
        again = fpa.find_fixed_points(
            model,
            u.drop_vars([c for c in u.coords if c != "input"]),
            candidates=point.x.values[None],
            progress=False,
        )
        ends.append(again.x.values[0])
    return (ends[0] - ends[1]) / (2 * step)


def test_sensitivities_of_a_controller_against_points_solved_again(controller, found):
    ds = fpa.sensitivity(found)
    field = controller.network.vector_field()
    row = {"context": 1, "goal": 0, "fixed_point": 0}
    for name in ("context", "feedback.position[1]", "target.velocity[0]"):
        expected = differences(field, ds, row, name)
        shift = ds.sensitivity.isel(row).sel(input=name).values
        assert np.linalg.norm(shift - expected) <= 1e-6 * np.linalg.norm(expected)
    readout = np.asarray(controller.network.readout.weight, float)
    np.testing.assert_allclose(
        ds.output_sensitivity.isel(row), readout @ ds.sensitivity.isel(row).values, atol=1e-12
    )


def test_sensitivities_of_all_points_of_the_flip_flop(gru, gru_points):
    ds = fpa.sensitivity(gru_points)
    for k in range(27):
        expected = differences(gru, ds, {"fixed_point": k}, "pulse[1]", 3e-6)
        shift = ds.sensitivity.values[k, :, 1]
        assert np.linalg.norm(shift - expected) <= 1e-6 * np.linalg.norm(expected)


def test_sensitivity_in_continuous_time():
    drag = fpa.vector_field(lambda x, u: u - x - x**3, state=["x"], inputs=["push"], time_domain="continuous")
    ds = fpa.sensitivity(fpa.find_fixed_points(drag, {"push": 2.0}, n_candidates=32, progress=False))
    np.testing.assert_allclose(ds.sensitivity.values, [[[1 / (1 + 3 * ds.x.values[0, 0] ** 2)]]], rtol=1e-12)


def test_a_singular_system_warns_and_costs_nothing_else():
    """Along a line attractor no finite shift follows; a second condition is an ordinary point."""
    import jax.numpy as jnp

    line = fpa.vector_field(
        lambda x, u: jnp.stack([x[0] * jnp.where(u[0] > 0, 0.5, 1.0), 0.5 * x[1] + u[0]]), state=2, inputs=1
    )
    level = xr.DataArray([0.0, 1.0], dims="level")
    starts = np.array([[0.3, 0.0]])
    ds = fpa.find_fixed_points(line, inputs={"input[0]": level}, candidates=starts, progress=False)
    with pytest.warns(UserWarning, match="1 of 2 points are singular to rounding"):
        ds = fpa.sensitivity(ds)
    np.testing.assert_allclose(ds.sensitivity.values[1, 0, :, 0], [0.0, 2.0], atol=1e-12)
    assert ds.sensitivity_condition.values[0, 0] > 1e12


def test_exactly_singular_systems_cost_nothing_but_a_warning():
    """A network that averages its units is singular for LU along the line on which it rests."""
    average = fpa.vector_field(
        lambda x, u: np.full((2, 2), 0.5) @ x + u[0] * np.array([1.0, -1.0]), state=2, inputs=["r"],
        outputs=["y"], readout=lambda x: x[:1],
    )  # fmt: skip
    r = xr.DataArray([0.0, 0.1], dims="c", coords={"c": [0.0, 0.1]})
    starts = np.array([[0.3, 0.3]])
    found = fpa.find_fixed_points(average, {"r": r}, candidates=starts, progress=False)
    with pytest.warns(UserWarning, match="singular to rounding"):
        ds = fpa.sensitivity(found)
    assert np.isposinf(ds.sensitivity_condition.values[ds.is_fixed.values]).all()
    assert np.isposinf(ds.sensitivity.values[ds.is_fixed.values]).all()
    assert np.isposinf(ds.output_sensitivity.values[ds.is_fixed.values]).all()
    assert int(fpa.follow(found, "c").branch.max()) >= 0


def test_points_that_are_not_isolated_have_no_sensitivity(found):
    isolated = found.is_fixed & (found.goal != found.goal[0])
    with pytest.warns(UserWarning, match="singular to rounding"):
        ds = fpa.sensitivity(found.assign(is_isolated=isolated))
    np.testing.assert_array_equal(np.isposinf(ds.sensitivity_condition), found.is_fixed & ~isolated)


def test_summaries_have_a_row_for_each_condition(found):
    table = fpa.summarize(found)
    assert isinstance(table, pd.DataFrame)
    assert table.index.names == ["context", "goal", "goal_x", "goal_y"]
    assert table["fixed points"].tolist() == [1] * 4
    np.testing.assert_allclose(table["force (N)"], found.force_norm.values.ravel())
    np.testing.assert_allclose(table["time constant (s)"], found.time_constant.max("mode").values.ravel())
    at = found.time_constant.argmax("mode")
    np.testing.assert_allclose(table["frequency (Hz)"], found.frequency.isel(mode=at).values.ravel())
    assert table["note"].str.contains("does not vanish").all()


def test_summaries_of_a_true_steady_state_and_of_a_closed_loop():
    goal = fpa.Goal(position=(0.2, 0.1))
    clamped = fpa.summarize(fpa.find_fixed_points(spring(), goal, progress=False))
    assert clamped["note"].tolist() == [""]
    closed = fpa.find_fixed_points(
        spring(), goal, loop="closed", field=fpa.fields.Constant(1.0), progress=False
    )
    table = fpa.summarize(closed)
    np.testing.assert_allclose(table["offset (m)"], closed.offset_norm.values[0])
    assert "force (N)" not in table
    shaky = fpa.find_fixed_points(spring(20.0, 1.0, delay=5), goal, loop="closed", progress=False)
    assert fpa.summarize(shaky)["note"].tolist() == ["no point is stable"]
    assert float(fpa.summarize(shaky)["time constant (s)"].iloc[0]) < 0


def test_summaries_of_conditions_that_failed():
    import equinox as eqx
    import jax.numpy as jnp

    from fpanalysis.control.ensemble import Ensemble

    good = spring()
    bad = eqx.tree_at(lambda c: c.network.cell.bias, good, jnp.full(4, np.nan))
    table = xr.Dataset({"member": ("replicate", [0, 1])}, {"replicate": [0, 1]})
    with pytest.warns(UserWarning, match="1 of 2 members"):
        ds = fpa.find_fixed_points(Ensemble([good, bad], table), fpa.Goal(position=(0, 0)), progress=False)
    assert fpa.summarize(ds)["note"].tolist() == ["", "the model's weights are not finite"]
    none = fpa.vector_field(lambda x, u: x + 1.0 + 0.0 * u, state=1, inputs=1)
    with pytest.warns(UserWarning, match="no fixed point"):
        ds = fpa.find_fixed_points(none, n_candidates=16, progress=False)
    assert fpa.summarize(ds)["note"].tolist() == ["no fixed point was found"]
    assert fpa.summarize(ds)["fixed points"].tolist() == [0]
