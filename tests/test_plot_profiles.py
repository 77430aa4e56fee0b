"""Profiles: means, spreads and quantiles as xarray has them, zero behind the curves."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest
import xarray as xr
from reach_data import N_TIME, means, notes, profiles, reaches, said, singles, trial_of, turned

from fpanalysis.plot import _lines, _series

LEAD = ("method", "replicate", "trial")


def on_row(traces, row):
    names = (None, "y") if row == 0 else (f"y{row + 1}",)
    return [trace for trace in traces if trace.yaxis in names]


def areas(figure):
    return [trace for trace in figure.data if trace.fill == "toself"]


def edges(area):
    """Return the lower and the upper edge of a band over time."""
    np.testing.assert_array_equal(area.x[:N_TIME], area.x[N_TIME:][::-1])
    return np.asarray(area.y[:N_TIME]), np.asarray(area.y[N_TIME:][::-1])


def components(ds, name):
    """Return a variable along and across the reach, and its norm, as `(method, curve, time, 3)`."""
    values = ds[name].values - (ds.start.values[:, None] if name == "position" else 0)
    flat = turned(values, ds)
    norm = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.concatenate([flat, norm], axis=-1).reshape(len(ds.method), -1, N_TIME, 3)


@pytest.mark.parametrize("name", ["velocity", "force", "position"])
@pytest.mark.parametrize("band", ["std", "sem", "quantiles"])
def test_means_and_bands_are_those_of_numpy(name, band):
    ds = reaches()
    figure = profiles(ds, name, "method", components=["along", "across", "norm"], band=band)
    values = components(ds, name)
    mean = values.mean(axis=1)
    half = values.std(axis=1, ddof=1) / (np.sqrt(values.shape[1]) if band == "sem" else 1)
    ends = (mean - half, mean + half)
    if band == "quantiles":
        ends = np.quantile(values, [0.05, 0.95], axis=1)
    for row in range(3):
        for k, trace in enumerate(on_row(means(figure), row)):
            np.testing.assert_array_equal(trace.x, ds.time.values)
            np.testing.assert_allclose(trace.y, mean[k, :, row], atol=1e-14)
            np.testing.assert_allclose(trace.customdata.T, [end[k, :, row] for end in ends], atol=1e-14)
            assert trace.hovertext == f"<b>mean of 27 trials</b><br>method = {'ab'[k]}"
        for k, area in enumerate(on_row(areas(figure), row)):
            np.testing.assert_allclose(edges(area), [end[k, :, row] for end in ends], atol=1e-14)


def test_groups_that_are_not_neighbours_and_work_in_parts(monkeypatch):
    ds = reaches()
    monkeypatch.setattr(_series, "_PART", 5 * 8 * N_TIME)
    monkeypatch.setattr(_series, "_BLOCK", 5 * 8 * ds.effort[..., 0].size)
    for band in ("std", "quantiles"):
        figure = profiles(ds, "effort", "direction", band=band)
        for trace, area, trial in zip(
            means(figure), areas(figure), np.argsort(ds.direction.values), strict=True
        ):
            values = ds.effort.isel(trial=trial).values.reshape(-1, N_TIME)
            np.testing.assert_allclose(trace.y, values.mean(axis=0), atol=1e-14)
            low, high = edges(area)
            if band == "std":
                np.testing.assert_allclose(high - low, 2 * values.std(axis=0, ddof=1), atol=1e-14)
            else:
                np.testing.assert_allclose([low, high], np.quantile(values, [0.05, 0.95], axis=0))


@pytest.mark.parametrize("n", [2, 3, 20, 21, 22, 41])
def test_quantiles_of_few_values(n):
    ds = reaches(n_trial=n, methods=("a",), n_replicate=1)
    low, high = edges(areas(profiles(ds, "effort", band="quantiles"))[0])
    np.testing.assert_allclose(
        [low, high], np.quantile(ds.effort.values[0, 0], [0.05, 0.95], axis=0), atol=1e-14
    )


def test_small_spreads_about_large_means_are_not_lost():
    ds = reaches()
    ds["effort"][:] = 1e6 + 1e-4 * np.random.default_rng(0).normal(size=ds.effort.shape)
    (area,) = areas(profiles(ds, "effort"))
    low, high = edges(area)
    np.testing.assert_allclose((high - low) / 2, ds.effort.std(LEAD, ddof=1), rtol=1e-5)


def test_the_zero_line_is_behind_the_curves_and_in_sight():
    ds = reaches()
    ds["effort"][:] = 5 + np.abs(ds.effort)
    for name in ("velocity", "effort", "hidden"):
        figure = profiles(ds, name, "method", max_curves=3)
        axes = [axis for key, axis in figure.to_dict()["layout"].items() if key.startswith("yaxis")]
        assert len(axes) == {"velocity": 2, "effort": 1, "hidden": 4}[name]
        for axis in axes:
            assert axis["zeroline"] and axis["zerolinelayer"] == "below traces" and axis["zerolinewidth"] == 2
            # Inside the frame, which would cover it.
            assert axis["autorangeoptions"]["include"][0] < 0 < axis["autorangeoptions"]["include"][1]
            assert "zerolinecolor" not in axis
        # Plotly would draw the line above everything if any trace had this.
        assert all(trace.zorder is None for trace in figure.data)
    for template in ("fpanalysis", "fpanalysis_dark"):
        look: Any = pio.templates[template]
        assert look.layout.yaxis.zerolinecolor != look.layout.yaxis.gridcolor


def test_a_perturbation_is_a_grey_band_below_every_row_with_a_name():
    figure = profiles(reaches(), "force", perturbation=(0.2, 0.3))
    shapes = figure.layout.shapes
    assert [(shape.xref, shape.yref) for shape in shapes] == [("x", "y domain"), ("x2", "y2 domain")]
    for shape in shapes:
        assert (shape.x0, shape.x1, shape.y0, shape.y1, shape.layer) == (0.2, 0.3, 0, 1, "below")
    assert [shape.showlegend for shape in shapes] == [True, False]
    assert shapes[0].name == "perturbation (0.2 to 0.3 s)"


@pytest.mark.parametrize(
    ("name", "asked", "titles"),
    [
        ("velocity", None, ["velocity<br>along the reach (m/s)", "velocity<br>across the reach (m/s)"]),
        ("velocity", ["x", "norm"], ["velocity<br>x (m/s)", "velocity<br>norm (m/s)"]),
        ("position", "along", ["position from start<br>along the reach (m)"]),
        ("torque", None, ["torque<br>shoulder (N m)", "torque<br>elbow (N m)"]),
        ("torque", "elbow", ["torque<br>elbow (N m)"]),
        ("hidden", ["5", "norm"], ["activity<br>unit 5", "activity<br>norm"]),
        ("hidden", None, [f"activity<br>unit {k}" for k in range(4)]),
        ("effort", None, ["effort"]),
    ],
)
def test_components_are_the_ones_asked_for_or_those_that_there_are(name, asked, titles):
    ds = reaches()
    figure = profiles(ds, name, components=asked)
    axes = [figure.layout[f"yaxis{k}"] for k in ("", *range(2, len(titles) + 1))]
    assert [axis.title.text for axis in axes] == titles
    assert figure.layout[f"xaxis{len(titles) if len(titles) > 1 else ''}"].title.text == "time (s)"
    assert ("4 of 6 entries along 'unit' shown" in notes(figure)) == (name == "hidden" and asked is None)
    for trace, title in zip(means(figure), titles, strict=True):
        entry = title.split("<br>")[-1].split(" (")[0].removeprefix("unit ")
        if entry in ("x", "shoulder", "elbow", *"0123"):
            dim = ds[name].dims[-1]
            expected = ds[name].mean(LEAD).sel({dim: int(entry) if dim == "unit" else entry})
            np.testing.assert_allclose(trace.y, expected, atol=1e-14)


def test_without_starts_vectors_are_shown_along_the_axes():
    figure = profiles(reaches().drop_vars("start"), "velocity")
    assert figure.layout.yaxis2.title.text == "velocity<br>y (m/s)"


def test_single_trials_are_shown_on_request_with_their_labels():
    ds = reaches()
    assert not singles(profiles(ds, "velocity", "method"))
    figure = profiles(ds, "velocity", "peak", max_curves=2)
    assert len(singles(figure)) == 2 * 2 * 7
    for row, name in enumerate(("along", "across")):
        for trace in on_row(singles(figure), row):
            one = trial_of(ds, trace.hovertext)
            np.testing.assert_allclose(trace.y, turned(one.velocity.values, one)[:, row], atol=1e-14)
            assert float(said(trace.hovertext)["peak"].removesuffix(" m/s")) == pytest.approx(
                one.peak.item(), rel=1e-5
            )
            assert f"{name} the reach = %{{y" in trace.hovertemplate
    assert "14 of 54 curves shown, at most 2 a group" in notes(figure)


def test_groups_differ_in_colour_and_dash_and_stand_in_the_legend_once():
    figure = profiles(reaches(methods=("a", "b", "c")), "velocity", "method")
    first = on_row(means(figure), 0)
    assert len({trace.line.color for trace in first}) == len({trace.line.dash for trace in first}) == 3
    assert [trace.name for trace in figure.data if trace.showlegend] == ["a (27)", "b (27)", "c (27)"]
    for area, trace in zip(on_row(areas(figure), 0), first, strict=True):
        assert area.fillcolor == trace.line.color and area.opacity < 0.5


def test_what_is_left_out_is_counted_and_only_where_it_must_be():
    ds = reaches()
    ds["velocity"][0, 0, 3, 5, 0] = np.nan
    ds["target_position"][4] = ds.start[4]
    figure = profiles(ds, "velocity", "method")
    assert "1 of 54 trials left out: values that are not finite" in notes(figure)
    assert "6 of 54 trials left out: target at start" in notes(figure)
    assert [trace.name for trace in on_row(means(figure), 0)] == ["a (23)", "b (24)"]
    along = profiles(ds, "velocity", "method", components="norm")
    assert [trace.name for trace in means(along)] == ["a (26)", "b (27)"]
    # The whole trial, or the mean would be of other trials at one time than at the next.
    whole = np.delete(components(ds, "velocity")[0], 3, axis=0)
    np.testing.assert_allclose(means(along)[0].y, whole[..., 2].mean(axis=0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ds: ds.isel(trial=slice(0, 0)), "no trials"),
        (
            lambda ds: ds.assign(velocity=np.nan * ds.velocity),
            "54 of 54 trials left out:<br>values that are not",
        ),
        (lambda ds: ds.assign(target_position=0 * ds.target_position + ds.start), "target at start"),
    ],
)
def test_nothing_to_draw_is_said(change, words):
    figure = profiles(change(reaches()), "velocity", "method", band="quantiles", perturbation=(0.1, 0.2))
    assert words in figure.layout.annotations[0].text
    assert not figure.data


@pytest.mark.parametrize("band", [None, "std", "sem", "quantiles"])
def test_one_trial_has_a_mean_and_no_band(band):
    one = reaches().isel(method=0, replicate=0, trial=2)
    figure = profiles(one, "velocity", band=band)
    np.testing.assert_allclose([t.y for t in means(figure)], turned(one.velocity.values, one).T, atol=1e-14)
    assert not areas(figure)
    assert {trace.mode for trace in profiles(one.isel(time=[3]), "velocity").data} == {"markers"}


def test_any_dataset_with_time_can_be_shown():
    ds = xr.Dataset({"rate": (("cell", "time"), np.arange(12.0).reshape(3, 4))})
    figure = profiles(ds, "rate")
    np.testing.assert_array_equal(means(figure)[0].y, [4, 5, 6, 7])
    assert figure.layout.xaxis.title.text == "time (steps)"


def test_webgl_and_json(monkeypatch):
    monkeypatch.setattr(_lines, "WEBGL_ABOVE", 100)
    figure = profiles(reaches(), "velocity", "method", max_curves=4, perturbation=(0.1, 0.2))
    assert {type(trace) for trace in [*singles(figure), *means(figure)]} == {go.Scattergl}
    again: Any = pio.from_json(figure.to_json())
    assert again.to_plotly_json().keys() == figure.to_plotly_json().keys()
    assert [trace.hovertext for trace in again.data] == [trace.hovertext for trace in figure.data]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("velocty", {}, "variable: the dataset has no variable 'velocty' .did you mean 'velocity'"),
        ("direction", {}, "variable: 'direction' lacks the dim 'time'"),
        ("velocity", {"band": "sdt"}, "band: expected 'std', 'sem', 'quantiles' or None, got 'sdt' .did you"),
        ("velocity", {"components": "acros"}, "components: .*'acros' .did you mean 'across'"),
        ("torque", {"components": "along"}, "components: .*'along', which needs 'start'"),
        ("effort", {"components": "x"}, "components: expected None for 'effort'"),
        ("velocity", {"components": []}, "components: expected at least one"),
        ("velocity", {"perturbation": (0.3, 0.2)}, "perturbation: expected its beginning and its later end"),
        ("velocity", {"perturbation": (0.3,)}, "perturbation: .* got .0.3,."),
        ("velocity", {"color": "metod"}, "color: .*did you mean 'method'"),
    ],
)
def test_wrong_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        profiles(reaches(), name, **options)
