"""Violins show the values that the dataset holds, each under its own conditions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.io as pio
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis.plot import _compare

compare: Callable[..., Any] = fpa.plot.compare


def measure(n_trials=6, seed=0):
    """Return a measure of two methods, three strengths and four replicates."""
    values = np.random.default_rng(seed).gamma(3.0, size=(2, 3, 4, n_trials))
    return xr.DataArray(
        values,
        dims=("method", "field_std", "replicate", "trial"),
        coords={
            "method": ["active", "std"],
            "field_std": ("field_std", [0.0, 0.4, 0.8], {"units": "N s/m"}),
            "replicate": np.arange(4),
            "trial": np.arange(n_trials),
            "direction": ("trial", np.linspace(0, 6, n_trials), {"units": "rad"}),
            "is_best": (("method", "field_std", "replicate"), np.arange(24).reshape(2, 3, 4) % 4 == 1),
        },
        name="peak_force",
        attrs={"long_name": "peak force", "units": "N"},
    )


def violins(figure):
    return [trace for trace in figure.data if trace.type == "violin"]


def named(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def points(figure):
    return named(figure, "values")


def medians(figure):
    """Return the places, medians and hover texts of all violins."""
    traces = named(figure, "median")
    return sorted(row for trace in traces for row in zip(trace.x, trace.y, trace.hovertext, strict=True))


def said(text):
    return dict(line.split(" = ", 1) for line in text.split("<br>") if " = " in line)


def notes(figure):
    return figure.layout.title.subtitle.text or ""


def test_every_violin_holds_the_values_of_its_conditions():
    values = measure()
    figure = compare(values, by="field_std", color="method")
    assert len(violins(figure)) == 6
    for violin in violins(figure):
        conditions = said(violin.name.replace(", ", "<br>"))
        place = [0.0, 0.4, 0.8].index(float(conditions["field_std"]))
        assert abs(violin.x0 - place) < 0.5
        one = values.sel({"method": conditions["method"], "field_std": float(conditions["field_std"])})
        assert violin.y.tolist() == np.sort(one.values.ravel()).tolist()
    assert figure.layout.xaxis.ticktext == ("0.0", "0.4", "0.8")
    assert figure.layout.xaxis.title.text == "field_std (N s/m)"
    assert figure.layout.yaxis.title.text == "peak force (N)"
    assert figure.layout.legend.title.text == "method"


def test_violins_stand_side_by_side_in_the_order_of_the_legend():
    figure = compare(measure(), by="field_std", color="replicate")
    legend = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert legend == ["0", "1", "2", "3"]
    edges = sorted((violin.x0 - violin.width / 2, violin.x0 + violin.width / 2) for violin in violins(figure))
    assert all(last <= first for (_, last), (first, _) in zip(edges[:-1], edges[1:], strict=True))
    order = [violin.legendgroup for violin in sorted(violins(figure), key=lambda violin: violin.x0)]
    assert order == legend * 3
    looks = {(trace.marker.symbol, trace.marker.color) for trace in points(figure)}
    assert len({symbol for symbol, _ in looks}) == len({color for _, color in looks}) == 4


def test_the_hover_text_of_a_point_is_what_the_dataset_says():
    values = measure()
    seen = 0
    for trace in points(compare(values, by="method", color="is_best")):
        for y, text in zip(trace.y, trace.hovertext, strict=True):
            labels = said(text)
            one = values.sel(
                {
                    "method": labels["method"],
                    "field_std": float(labels["field_std"].removesuffix(" N s/m")),
                    "replicate": int(labels["replicate"]),
                    "trial": int(labels["trial"]),
                }
            )
            assert y == one.item()
            assert labels["<b>peak_force"] == f"{y:.4g} N</b>"
            direction = float(labels["direction"].removesuffix(" rad"))
            assert direction == pytest.approx(one.direction.item(), rel=1e-5)
            assert labels["is_best"] == str(one.is_best.item())
            seen += 1
    assert seen == values.size


def test_bar_and_dot_are_quartiles_and_median_of_all_values():
    values = measure(n_trials=2000)
    figure = compare(values, by="method")
    bars = np.concatenate([trace.y for trace in named(figure, "quartiles")]).reshape(2, 3)
    for place, ((x, y, text), bar, method) in enumerate(
        zip(medians(figure), bars, ("active", "std"), strict=True)
    ):
        whole = values.sel({"method": method}).values
        assert (x, y) == (place, np.median(whole))
        low, high = np.percentile(whole, [25, 75])
        assert f"quartiles: {low:.4g} to {high:.4g} N" in text
        assert f"range: {whole.min():.4g} to {whole.max():.4g} N" in text
        assert "24,000 values" in text and f"method = {method}" in text
        assert bar[:2].tolist() == [low, high] and np.isnan(bar[2])


def test_many_values_are_thinned_evenly_and_the_figure_says_so():
    values = measure(n_trials=2000)
    figure = compare(values, by="method")
    for violin, method in zip(violins(figure), ("active", "std"), strict=True):
        whole = np.sort(values.sel({"method": method}).values.ravel())
        assert len(violin.y) == 2000
        assert (violin.y[0], violin.y[-1]) == (whole[0], whole[-1])
        shares = np.linspace(0.05, 0.95, 7)
        np.testing.assert_allclose(np.quantile(violin.y, shares), np.quantile(whole, shares), rtol=1e-3)
    assert {len(trace.x) for trace in points(figure)} == {100}
    assert "200 of 48,000 values are points, at most 100 a violin" in notes(figure)
    assert "violins: at most 2,000 values each" in notes(figure)
    assert notes(compare(measure(), by="method")) == ""
    assert compare(values, by="method").to_json() == figure.to_json()


def test_values_that_are_not_finite_are_left_out_and_counted():
    values = measure()
    values[0, 0, 0, :3], values[1, 1] = np.inf, np.nan
    figure = compare(values, by="field_std", color="method")
    assert "27 of 144 values are not finite<br>what is not finite is left out" in notes(figure)
    assert "3 more are not finite" in medians(figure)[0][2]
    assert "21 values" in medians(figure)[0][2]
    assert len(violins(figure)) == 5
    assert all(np.isfinite(violin.y).all() for violin in violins(figure))
    (mark,) = figure.layout.annotations
    assert mark.text == "none finite" and 1 < mark.x < 1.5


def test_few_or_equal_values_are_points_alone():
    values = measure(n_trials=1)
    figure = compare(values, by="field_std", color="method")
    assert not violins(figure)
    assert sum(len(trace.x) for trace in points(figure)) == 24
    assert len(medians(figure)) == 6
    assert "4 values" in medians(figure)[0][2]
    assert not violins(compare(measure() * 0 + 2.0, by="method"))
    one = compare(values.isel(method=0, field_std=0, replicate=0))
    assert [len(trace.x) for trace in points(one)] == [1]
    assert "1 value<br>" in medians(one)[0][2]


def test_without_by_the_color_takes_its_place():
    values = measure()
    assert compare(values, color="method").to_json() == compare(values, by="method").to_json()
    assert compare(values, by="method", color="method").to_json() == compare(values, by="method").to_json()
    alone = compare(values)
    assert [len(violin.y) for violin in violins(alone)] == [values.size]


@pytest.mark.parametrize(
    ("by", "ticks"),
    [
        ("replicate", ["0", "1", "2", "3"]),
        ("is_best", ["False", "True"]),
        ("method", ["active", "std"]),
        ("direction", 7),
    ],
)
def test_conditions_of_any_type(by, ticks):
    figure = compare(measure(n_trials=20), by=by)
    shown = figure.layout.xaxis.ticktext
    assert (len(shown) if isinstance(ticks, int) else list(shown)) == ticks


def test_several_measures_get_a_panel_each():
    values = measure()
    per_network = (
        values.mean("trial").rename("settling_time").assign_attrs(long_name="settling time", units="s")
    )
    ds = xr.Dataset({"peak_force": values, "settling_time": per_network})
    figure = compare(ds, by="field_std", color="method")
    assert figure.layout.yaxis.title.text == "peak force (N)"
    assert figure.layout.yaxis2.title.text == "settling time (s)"
    assert figure.layout.xaxis2.title.text == "field_std (N s/m)"
    upper, lower = figure.layout.yaxis.domain, figure.layout.yaxis2.domain
    assert lower[1] < upper[0]
    for axis, each in (("y", values), ("y2", per_network)):
        drawn = np.concatenate([trace.y for trace in points(figure) if (trace.yaxis or "y") == axis])
        np.testing.assert_array_equal(np.sort(drawn), np.sort(each.values.ravel()))
    again = pio.from_json(figure.to_json()).to_plotly_json()
    assert again["layout"]["yaxis2"]["title"]["text"] == "settling time (s)"


def test_names_are_shown_as_they_are():
    values = measure().assign_coords(method=["<b>fast</b>", "a & b"]).rename(None)
    values.attrs = {}
    figure = compare(values, by="method")
    assert figure.layout.xaxis.ticktext == ("&lt;b&gt;fast&lt;/b&gt;", "a &amp; b")
    assert figure.layout.yaxis.title.text == "value"


def test_a_dim_without_labels_is_a_condition_as_well():
    values = xr.DataArray(np.arange(40.0).reshape(2, 20), dims=("side", "trial"), name="x")
    figure = compare(values, by="side")
    assert figure.layout.xaxis.ticktext == ("0", "1")
    assert "side = 1" in points(figure)[1].hovertext[0]


def test_nothing_to_show_is_said():
    values = measure()
    for given, text in (
        (values.isel(trial=[]), "no values to show"),
        (values * np.nan, "no value is finite"),
    ):
        figure = compare(given, by="method")
        assert figure.layout.annotations[-1].text == text
        assert pio.from_json(figure.to_json())


def test_many_points_draw_with_webgl(monkeypatch):
    assert _compare.WEBGL_ABOVE == 50_000
    monkeypatch.setattr(_compare, "WEBGL_ABOVE", 143)
    assert {trace.type for trace in points(compare(measure(), by="method"))} == {"scattergl"}
    assert {trace.type for trace in points(compare(measure()[:, 1:], by="method"))} == {"scatter"}


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_compared_is_explained():
    values = measure()
    with pytest.raises(TypeError, match="values: .*got ndarray"):
        compare(values.values)
    with pytest.raises(ValueError, match="values: expected real numbers, but 'x' is of type complex128"):
        compare(xr.DataArray([1j], dims="trial", name="x"))
    with pytest.raises(ValueError, match="values: the dataset has no variables"):
        compare(xr.Dataset())
    with pytest.raises(ValueError, match="by: .*'peak_force', got 'metod' .did you mean 'method'"):
        compare(values, by="metod")
    with pytest.raises(
        ValueError, match="color: .*got 'trial'.*it could be 'method', 'field_std', 'replicate'"
    ):
        compare(values.mean("trial"), by="method", color="trial")
