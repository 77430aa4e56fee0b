"""The trail shows the state and its fixed points of the same movement and time, wherever they come from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.io as pio
import pytest
import xarray as xr
from plot_data import build, lines_of

from fpanalysis import plot
from fpanalysis.plot import _trail
from fpanalysis.projection import principal_components

fixed_point_trail: Callable[..., Any] = plot.fixed_point_trail
TIME = np.round(np.arange(1, 13) * 0.05, 10)


def trail(n_trials=3, n_state=6, time=TIME, **options):
    """Return points of every trial and time, and the states at more times of more trials."""
    conditions = {"trial": np.arange(n_trials), "time": time}
    ds = build(n_state=n_state, n_points=4, conditions=conditions, **options)
    ds = ds.assign_coords(
        time=ds.time.assign_attrs(units="s"),
        direction=("trial", np.linspace(0, 3, n_trials), {"units": "rad"}),
    )
    more = np.round(np.arange(0, len(time) + 3) * 0.05, 10)
    walk = np.random.default_rng(2).normal(size=(n_trials + 1, len(more), n_state)).cumsum(axis=1)
    states = xr.Dataset(
        {"hidden": (("trial", "time", "unit"), walk)},
        coords={"trial": np.arange(n_trials + 1), "time": more, "unit": np.arange(n_state)},
    )
    return ds, states


def drawn(figure, mode, hover=True):
    """Yield the traces with points of this mode, with hover texts or without."""
    for trace in figure.data:
        if trace.mode == mode and trace.x[0] is not None and (trace.hovertext is not None) == hover:
            yield trace


def plane(ds, states):
    """Return the projection that the figure must have: of all points and whole paths together."""
    paths = states.hidden.sel(trial=ds.trial).values.reshape(-1, ds.sizes["state"])
    points = ds.x.values[ds.kind.values > 0]
    return principal_components(np.concatenate([points, paths]), 2)


def test_paths_and_points_are_those_of_the_datasets():
    ds, states = trail()
    figure = fixed_point_trail(ds, states)
    projection = plane(ds, states)
    trials = []
    for trace in drawn(figure, "lines"):
        for x, y, text in zip(trace.x, trace.y, trace.hovertext, strict=True):
            said = lines_of("<br>" + text)
            if "time" not in said:
                assert np.isnan(x) and np.isnan(y)
                continue
            at = states.hidden.sel(trial=int(said["trial"]), time=float(said["time"].split()[0]))
            np.testing.assert_allclose([x, y], projection(at.values), atol=1e-12)
        trials.append(trace.name)
        assert np.isnan(trace.x).sum() == 1
    assert trials == ["0", "1", "2"]
    seen = 0
    for trace in drawn(figure, "markers"):
        for x, y, text in zip(trace.x, trace.y, trace.hovertext, strict=True):
            said = lines_of(text)
            at = {"trial": int(said["trial"]), "time": float(said["time"].split()[0])}
            number = int(said["first"].removesuffix("</b>").rsplit(" ", 1)[1])
            point = ds.sel(at, method="nearest").sel(fixed_point=number)
            np.testing.assert_allclose([x, y], projection(point.x.values), atol=1e-12)
            apart = np.linalg.norm(point.x.values - states.hidden.sel(at, method="nearest").values)
            assert said["distance from the state"] == f"{apart:.4g}"
            assert ("slow" in trace.name) == (point.kind.item() == 2)
            assert (trace.name == "stable") == (point.kind.item() == 1 and point.is_stable.item())
            seen += 1
    assert seen == int((ds.kind > 0).sum())
    assert pio.from_json(figure.to_json())


def test_thin_lines_join_the_state_with_the_nearest_fixed_point():
    ds, states = trail()
    figure = fixed_point_trail(ds, states)
    (links,) = drawn(figure, "lines", hover=False)
    ends = np.stack([links.x, links.y], axis=1).reshape(-1, 3, 2)
    assert np.isnan(ends[:, 2]).all()
    projection = plane(ds, states)
    moments = np.unique(np.linspace(0, len(TIME) - 1, 8).round().astype(int))
    expected = []
    for trial in ds.trial.values:
        for time in TIME[moments]:
            here = ds.sel(trial=trial, time=time)
            state = states.hidden.sel(trial=trial, time=time).values
            fixed = here.x.values[here.kind.values == 1]
            nearest = fixed[np.linalg.norm(fixed - state, axis=1).argmin()]
            expected.append([projection(nearest), projection(state)])
    np.testing.assert_allclose(ends[:, :2], expected, atol=1e-12)


def test_starts_and_ends_are_marked():
    ds, states = trail()
    figure = fixed_point_trail(ds, states, color="direction")
    projection = plane(ds, states)
    for name, at in (("start", 0), ("end", -1)):
        marks = [trace for trace in drawn(figure, "markers", hover=False) if trace.name == name]
        place = np.array([[trace.x[0], trace.y[0]] for trace in marks])
        np.testing.assert_allclose(place, projection(states.hidden.values[:3, at]), atol=1e-12)
    assert figure.layout.legend.title.text == "direction (rad)"
    assert len({trace.line.dash for trace in drawn(figure, "lines")}) == 3
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.xaxis.title.text.startswith("PC 1 (")


@pytest.mark.parametrize("n_state", [1, 2])
def test_small_states_have_their_own_axes(n_state):
    ds, states = trail(n_state=n_state)
    layout = fixed_point_trail(ds, states).layout
    titles = [layout.xaxis.title.text, layout.yaxis.title.text]
    assert titles == (["time (s)", "hidden[0]"] if n_state == 1 else ["hidden[0]", "hidden[1]"])


def test_a_selected_trial_finds_its_states():
    ds, states = trail()
    figure = fixed_point_trail(ds.sel(trial=2), states)
    (path,) = drawn(figure, "lines")
    alone = fixed_point_trail(ds.sel(trial=[2]), states.sel(trial=[2]))
    np.testing.assert_array_equal(path.x, next(drawn(alone, "lines")).x)
    assert "trial = 2" in path.hovertext[0]


def test_states_of_a_vector_field_and_of_an_ensemble():
    ds, states = trail()
    x = states.hidden.rename(unit="state").assign_coords(state=ds.state)
    for given in (x, x.to_dataset(name="x"), x.transpose("state", "time", "trial")):
        np.testing.assert_array_equal(
            next(drawn(fixed_point_trail(ds, given), "lines")).x,
            next(drawn(fixed_point_trail(ds, states), "lines")).x,
        )
    names = xr.DataArray(["a", "b"], dims="model", coords={"model": ["a", "b"]}).model
    figure = fixed_point_trail(xr.concat([ds, ds], names), xr.concat([x, x], names), color="model")
    assert [trace.name for trace in drawn(figure, "lines")] == ["a", "b"]
    assert [int(np.isnan(trace.x).sum()) for trace in drawn(figure, "lines")] == [3, 3]


def test_very_many_movements_and_times_are_thinned(monkeypatch):
    monkeypatch.setattr(_trail, "_MOST_POINTS", 150)
    ds, states = trail(n_trials=60)
    figure = fixed_point_trail(ds, states)
    note = figure.layout.title.subtitle.text
    shown = sum(int(np.isnan(trace.x).sum()) for trace in drawn(figure, "lines"))
    assert f"{shown} of 60 movements shown" in note
    assert shown == 21
    said = [lines_of(text) for trace in drawn(figure, "markers") for text in trace.hovertext]
    assert len(said) < 200 < len(said) * 2
    every = int(note.split("one in ")[1].split()[0])
    times = {float(each["time"].split()[0]) for each in said}
    np.testing.assert_allclose(sorted(times), TIME[::every])


def test_little_or_nothing_to_draw():
    ds, states = trail()
    figure = fixed_point_trail(ds.assign(kind=ds.kind * 0), states)
    assert "no fixed points found" in figure.layout.annotations[0].text
    assert len(list(drawn(figure, "lines"))) == 3
    nothing = fixed_point_trail(ds.isel(trial=[]), states)
    assert "no movements" in nothing.layout.annotations[0].text
    one = fixed_point_trail(ds.isel(trial=[0], time=[3], fixed_point=[1]), states)
    assert sum(len(trace.x) for trace in drawn(one, "markers")) == 1
    assert "not finite" not in str(one.layout.annotations)
    states["hidden"][1, 4] = np.nan
    ds["x"][0, 2, 0] = np.nan
    assert fixed_point_trail(ds, states).to_json()
    blank = fixed_point_trail(ds.assign(x=ds.x * np.nan), states * np.nan)
    assert "no state is finite" in blank.layout.annotations[0].text
    unknown = fixed_point_trail(ds.drop_vars(["is_stable", "n_unstable", "eigenvalue"]), states)
    assert "stability not known" in {trace.name for trace in unknown.data}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds, s: (ds.isel(time=0), s), "ds: expected the condition 'time'"),
        (lambda ds, s: (ds, s.isel(time=0)), "states: they lack 'time'"),
        (lambda ds, s: (ds, s.isel(trial=[0, 1])), "states: they lack the values '2' of 'trial'"),
        (lambda ds, s: (ds, s.isel(time=slice(3))), "states: they lack the times '0.15', '0.2'"),
        (lambda ds, s: (ds, s.isel(unit=slice(4))), "states: its state has 4 entries"),
        (lambda ds, s: (ds, s.rename(hidden="h")), "states: the dataset has no variable 'x' or 'hidden'"),
        (lambda ds, s: (ds, s.expand_dims(model=["a", "b"])), "states: they differ along 'model'"),
        (lambda ds, s: (ds.drop_vars("x"), s), "ds: it has no variable 'x'"),
    ],
)
def test_states_of_something_else_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        fixed_point_trail(*change(*trail()))


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named():
    ds, states = trail()
    with pytest.raises(ValueError, match="color: .*did you mean 'direction'"):
        fixed_point_trail(ds, states, color="directon")
    with pytest.raises(TypeError, match="states: expected an xarray.Dataset"):
        fixed_point_trail(ds, states.hidden.values)
    with pytest.raises(TypeError, match="ds: expected the xarray.Dataset"):
        fixed_point_trail(states.hidden, states)
