"""Paths in the plane are those of the dataset, and say which they are."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest
import xarray as xr
from reach_data import N_TIME, notes, reaches, said, singles, trajectories, trial_of

from fpanalysis.plot import _lines

PANELS = ["position", "velocity", "force"]


@pytest.mark.parametrize("color", [None, "method", "direction", "is_best", "peak"])
def test_every_path_is_the_one_that_its_hover_text_names(color):
    ds = reaches()
    figure = trajectories(ds, color, panels=PANELS, max_curves=4)
    for row, name in enumerate(PANELS, start=1):
        axis = "x" if row == 1 else f"x{row}"
        traces = [trace for trace in singles(figure) if trace.xaxis in (axis, None if row == 1 else axis)]
        assert traces
        for trace in traces:
            one = trial_of(ds, trace.hovertext)
            np.testing.assert_array_equal(np.stack([trace.x, trace.y], axis=1), one[name].values)
            np.testing.assert_array_equal(trace.customdata, ds.time.values)
            assert f"{name} x = %{{x:.4~g}}" in trace.hovertemplate
            if color in ("method", "is_best"):
                assert trace.name == str(one[color].item())
            if color is not None:
                assert color in said(trace.hovertext)


def test_the_hover_text_says_every_label():
    ds = reaches()
    for trace in singles(trajectories(ds)):
        words, one = said(trace.hovertext), trial_of(ds, trace.hovertext)
        assert words["is_best"] == str(one.is_best.item())
        assert words["direction"] == f"{one.direction.item():.6g} rad" or one.direction.item() == 0
        assert words.keys() == {"method", "replicate", "trial", "direction", "is_best"}


def test_axes_have_the_same_scale_and_titles_with_units():
    figure = trajectories(reaches(), panels=PANELS)
    titles = [figure.layout[f"yaxis{k}"].title.text for k in ("", 2, 3)]
    assert titles == ["position y (m)", "velocity y (m/s)", "force y (N)"]
    for k in ("", 2, 3):
        assert figure.layout[f"yaxis{k}"].scaleanchor == f"x{k}"
        assert figure.layout[f"xaxis{k}"].constrain == "domain"


def test_ranges_show_everything_even_of_a_straight_path():
    ds = reaches(n_trial=1, methods=("a",), n_replicate=1)
    ds["position"][..., 1] = 0.25
    ds["start"][..., 1] = 0.25
    ds["target_position"][..., 1] = 0.25
    layout = trajectories(ds).layout
    assert (
        layout.xaxis.range[0] < ds.position[..., 0].min() < ds.position[..., 0].max() < layout.xaxis.range[1]
    )
    width, height = np.diff(layout.xaxis.range), np.diff(layout.yaxis.range)
    assert layout.yaxis.range[0] < 0.25 < layout.yaxis.range[1]
    assert height > 0.4 * width


def test_marks_are_at_the_starts_and_the_last_targets():
    ds = reaches()
    marks = {trace.name: trace for trace in trajectories(ds, max_curves=100).data if trace.mode == "markers"}
    for name, places in (("start", ds.start), ("goal", ds.target_position.isel(time=-1))):
        drawn = np.stack([marks[name].x, marks[name].y], axis=1)
        expected = np.unique(places.values.round(9), axis=0)
        np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])
    assert marks["start"].marker.symbol != marks["goal"].marker.symbol
    without = trajectories(ds.drop_vars("start"))
    assert {"start", "goal"}.isdisjoint(trace.name for trace in without.data)


def test_groups_differ_in_colour_and_dash_and_stand_in_the_legend_once():
    figure = trajectories(reaches(methods=("a", "b", "c")), "method", panels=PANELS)
    looks = {trace.name: (trace.line.color, trace.line.dash) for trace in singles(figure)}
    assert len({color for color, _ in looks.values()}) == len({dash for _, dash in looks.values()}) == 3
    in_legend = [trace.name for trace in singles(figure) if trace.showlegend]
    assert sorted(in_legend) == ["a", "b", "c"]
    assert figure.layout.legend.title.text == "method"
    assert trajectories(reaches(), "peak").layout.legend.title.text == "peak (m/s)"


def test_values_beyond_those_that_can_be_told_apart_are_not_lost():
    ds = reaches(n_trial=48)
    ds["settling"] = ds.peak.where(ds.peak > 0.1, np.inf).where(ds.trial > 2)
    ds = ds.assign_coords(name=("trial", [f"reach {k}" for k in range(48)]))
    shown = [trace.name for trace in singles(trajectories(ds, "settling", max_curves=100))]
    n_infinite, n_missing = int(np.isinf(ds.settling).sum()), int(np.isnan(ds.settling).sum())
    assert (shown.count("infinite"), shown.count("no value")) == (n_infinite, n_missing)
    assert len(shown) == 6 * 48 and n_infinite > 5
    named = singles(trajectories(ds, "name", max_curves=100))
    assert len(named) == 6 * 48
    assert sum(trace.name == "6 others" for trace in named) == 6 * 6
    looks = {trace.name: (trace.line.color, trace.line.dash) for trace in named}
    assert len(looks) == len(set(looks.values())) == 43


def test_thinning_and_what_is_left_out_are_said():
    ds = reaches()
    ds["velocity"][0, 0, 3, 5, 0] = np.nan
    ds["position"][1, 2, 4, 0, 1] = np.inf
    figure = trajectories(ds, panels=["position", "velocity"], max_curves=100)
    assert notes(figure) == "2 of 54 trials left out: values that are not finite"
    assert len(singles(figure)) == 2 * 52
    some = trajectories(ds, "method", max_curves=5)
    assert notes(some).endswith("10 of 53 curves shown, at most 5 a group, chosen at random (seed 0)")
    assert [trace.hovertext for trace in singles(some)] == [
        trace.hovertext for trace in singles(trajectories(ds, "method", max_curves=5))
    ]


def test_many_samples_are_drawn_with_webgl(monkeypatch):
    assert _lines.WEBGL_ABOVE == 50_000
    monkeypatch.setattr(_lines, "WEBGL_ABOVE", 20 * N_TIME)
    ds = reaches()
    assert {type(trace) for trace in singles(trajectories(ds, max_curves=20))} == {go.Scatter}
    assert {type(trace) for trace in singles(trajectories(ds, max_curves=21))} == {go.Scattergl}


def test_single_models_trials_and_samples_can_be_drawn():
    ds = reaches()
    one_model = ds.isel(method=0, replicate=1)
    assert len(singles(trajectories(one_model, "direction"))) == 9
    one = one_model.isel(trial=4)
    (trace,) = singles(trajectories(one))
    np.testing.assert_array_equal(trace.x, one.position.sel(axis="x"))
    assert said(trace.hovertext)["trial"] == "4"
    (dot,) = singles(trajectories(one.isel(time=slice(2, 3))))
    assert dot.mode == "markers"
    assert len(singles(trajectories(ds.drop_vars(["time", "axis"]), panels="target_position"))) == 9


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda ds: ds.isel(trial=slice(0, 0)), {}, "no trials"),
        (lambda ds: ds.isel(time=slice(0, 0)), {}, "no trials"),
        (lambda ds: ds.assign(position=np.nan * ds.position), {}, "no trial has finite values"),
        (lambda ds: ds, {"max_curves": 0}, "max_curves is 0"),
    ],
)
def test_nothing_to_draw_is_said(change, options, words):
    figure = trajectories(change(reaches()), "method", **options)
    assert words in figure.layout.annotations[0].text
    assert not figure.data


def test_figures_survive_json():
    figure = trajectories(reaches(), "method", panels=PANELS)
    again: Any = pio.from_json(figure.to_json())
    assert again.to_plotly_json().keys() == figure.to_plotly_json().keys()
    assert [trace.hovertext for trace in again.data] == [trace.hovertext for trace in figure.data]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"panels": "velocty"}, "panels: .* got 'velocty' .did you mean 'velocity'"),
        ({"panels": ["torque"]}, "panels: expected variables with the dims 'time' and 'axis', got 'torque'"),
        ({"panels": []}, "panels: expected at least one"),
        ({"color": "methd"}, "color: .* .did you mean 'method'"),
        ({"color": "force"}, "color: .* more than one value per curve"),
        ({"max_curves": -1}, "max_curves: expected a whole number"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        trajectories(reaches(), **options)


@pytest.mark.usefixtures("unchecked")
def test_wrong_datasets_are_named():
    with pytest.raises(TypeError, match="got DataArray"):
        trajectories(reaches().position)
    with pytest.raises(ValueError, match="two entries along 'axis', got 1"):
        trajectories(reaches().isel(axis=[0]))
    with pytest.raises(ValueError, match="the dataset has 'none'|the dataset has none"):
        trajectories(xr.Dataset())
