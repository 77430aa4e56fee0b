"""The figure of a flow shows the numbers of its dataset, and says what it leaves out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.io as pio
import pytest
import xarray as xr
from plot_data import build, lines_of, walks

from fpanalysis import plot

flow: Callable[..., Any] = plot.flow

NAMES = [f"hidden[{i}]" for i in range(6)]


def field(n=21, named=False, slow=0.1):
    """Return a flow by hand: along both axes `first² + second² − 1` and `first − second`, and one way out."""
    axes = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 2)))[0].T
    axes = np.eye(6)[[2, 4]] if named else axes
    grid = np.linspace(-2.0, 2.0, n)
    x, y = np.meshgrid(grid, grid, indexing="ij")
    along = np.stack([x**2 + y**2 - 1, x - y], axis=-1)
    in_plane = np.linalg.norm(along, axis=-1)
    names = [NAMES[2], NAMES[4]] if named else ["PC 1", "PC 2"]
    return xr.Dataset(
        {
            "flow": (("first", "second", "plane_axis"), along, {"units": "1/step"}),
            "speed": (("first", "second"), np.hypot(in_plane, slow), {"units": "1/step"}),
            "speed_in_plane": (("first", "second"), in_plane, {"units": "1/step"}),
            "origin": ("state", np.linspace(-0.2, 0.3, 6)),
            "axes": (("plane_axis", "state"), axes),
            "variance_share": ("plane_axis", [np.nan, np.nan] if named else [0.61, 0.0312]),
            "u": ("input", [0.0, 1.5]),
        },
        coords={
            "first": grid,
            "second": grid,
            "plane_axis": names,
            "state": NAMES,
            "input": ["context", "a <b>"],
        },
        attrs={"time_domain": "discrete"},
    )


def of_type(figure, kind):
    return [trace for trace in figure.data if trace.type == kind]


def markers(figure):
    return [trace for trace in of_type(figure, "scatter") if trace.mode == "markers"]


def notes(figure):
    return figure.layout.title.subtitle.text or ""


def segments(trace):
    """Return the two ends of every line of a trace, `(line, 2, axis)`."""
    return np.stack([trace.x, trace.y], axis=1).reshape(-1, 3, 2)[:, :2]


def test_colour_and_hover_are_the_speed():
    ds = field()
    (heat,) = of_type(flow(ds), "heatmap")
    np.testing.assert_allclose(10**heat.z.T, ds.speed.values)
    np.testing.assert_array_equal(heat.customdata[..., 0].T, ds.speed.values)
    np.testing.assert_array_equal(heat.customdata[..., 1].T, ds.speed_in_plane.values)
    np.testing.assert_array_equal(heat.x, ds["first"].values)
    np.testing.assert_array_equal(heat.y, ds["second"].values)
    assert "PC 1 = %{x" in heat.hovertemplate
    assert heat.hovertemplate.count("1/step") == 2


def test_a_logarithmic_scale_says_the_speeds_themselves():
    bar = flow(field()).layout.coloraxis.colorbar
    assert bar.title.text == "speed (1/step)"
    assert len(bar.ticktext) > 2
    for place, text in zip(bar.tickvals, bar.ticktext, strict=True):
        assert 10**place == pytest.approx(float(text))


def test_speeds_within_a_decade_are_coloured_as_they_are():
    ds = field(slow=3.0)
    figure = flow(ds)
    np.testing.assert_array_equal(of_type(figure, "heatmap")[0].z.T, ds.speed.values)
    assert figure.layout.coloraxis.colorbar.ticktext is None


def test_very_small_and_very_large_speeds_have_powers_on_the_bar():
    ds = field()
    ds["speed"] = ds.speed * 0 + 10.0 ** np.linspace(-9, 7, 21)
    assert "10<sup>-6</sup>" in flow(ds).layout.coloraxis.colorbar.ticktext


def test_nullclines_are_where_the_components_vanish():
    ds = field()
    first, second = of_type(flow(ds), "contour")
    assert (first.name, second.name) == ("PC 1 does not change", "PC 2 does not change")
    for trace, name in ((first, "PC 1"), (second, "PC 2")):
        np.testing.assert_array_equal(trace.z.T, ds.flow.sel(plane_axis=name).values)
        assert trace.contours.start == trace.contours.end == 0
        assert trace.showlegend
    assert first.line.color != second.line.color
    assert first.line.dash != second.line.dash


def test_a_component_without_a_sign_change_is_said_to_have_none():
    ds = field()
    ds["flow"][..., 0] = abs(ds.flow[..., 0]) + 0.1
    figure = flow(ds)
    assert len(of_type(figure, "contour")) == 1
    assert "no nullcline of PC 1" in notes(figure)


def test_arrows_point_along_the_flow_and_are_short_where_it_leaves_the_plane():
    ds = field(slow=2.0)
    (arrows,) = [trace for trace in flow(ds).data if trace.name == "direction"]
    ends = segments(arrows)
    middle, step = ends.mean(axis=1), ends[:, 1] - ends[:, 0]
    x, y = middle.T
    expected = np.stack([x**2 + y**2 - 1, x - y], axis=1)
    size = np.linalg.norm(expected, axis=1)
    cosine = (step * expected).sum(axis=1) / np.linalg.norm(step, axis=1) / size
    np.testing.assert_allclose(cosine, 1, atol=1e-9)
    length = np.linalg.norm(step, axis=1)
    share = size / np.hypot(size, 2.0)
    np.testing.assert_allclose(length / length.max(), np.maximum(share, 0.3) / share.max(), rtol=1e-9)
    assert length.max() < 4 / 18
    assert arrows.marker.angleref == "previous"
    assert "short arrows" in notes(flow(ds))
    assert "short arrows" not in notes(flow(field(slow=1e-9)))


def test_points_lie_where_they_are_projected_and_say_how_far_off():
    ds, points = field(), build(n_state=6)
    points["x"] = 0.4 * points.x
    figure = flow(ds, points)
    seen = 0
    for trace in markers(figure):
        for x, y, text in zip(trace.x, trace.y, trace.hovertext, strict=True):
            said = lines_of(text)
            number = int(said["first"].removesuffix("</b>").rsplit(" ", 1)[1])
            one = points.sel(context=float(said["context"]), goal=int(said["goal"]), fixed_point=number)
            off = one.x.values - ds.origin.values
            place, (left,) = np.linalg.lstsq(ds.axes.values.T, off, rcond=None)[:2]
            np.testing.assert_allclose([x, y], place, atol=1e-12)
            assert said["distance from the plane"] == f"{np.sqrt(left):.4g}"
            seen += 1
    assert seen == int((points.kind > 0).sum())


def test_points_far_from_the_plane_are_smaller_and_fainter():
    ds = field(named=True)
    points = build(n_state=6, conditions={}, n_points=3, n_slow=0)
    points["kind"][:], points["n_unstable"][:], points["is_stable"][:] = 1, 0, True
    base = ds.origin.values * [1, 1, 0, 1, 0, 1]
    points["x"][:] = base + np.outer([0.0, 0.5, 9.0], np.eye(6)[0])
    figure = flow(ds, points)
    (trace,) = markers(figure)
    assert trace.marker.size[0] > trace.marker.size[1] > trace.marker.size[2] > 0
    assert 1 == trace.marker.opacity[0] > trace.marker.opacity[1] > trace.marker.opacity[2] > 0
    assert "faint points lie off the plane" in notes(figure)


def test_what_is_not_shown_is_counted():
    ds, points = field(), build(n_state=6, n_slow=0)
    points = points.assign(u=(("context", "goal", "input"), np.zeros((3, 2, 2))))
    points["u"][..., 1] = [[1.5], [1.5], [0.0]]
    points["x"] = 0.1 * points.x
    points["x"][0, 0, 0] += 50 * ds.axes[0].values
    points["x"][0, 0, 1, 2] = np.nan
    n = int((points.kind > 0).sum())
    figure = flow(ds, points)
    assert "input: a &lt;b&gt; = 1.5" in notes(figure)
    assert f"1 of {n} points have states that are not finite" in notes(figure)
    assert f"1 of {n - 1} points lie beyond the part shown" in notes(figure)
    other = int((points.kind.isel(context=2) > 0).sum())
    assert f"{other} of {n - 2} points belong to another input" in notes(figure)
    assert sum(len(trace.x) for trace in markers(figure)) == n - 2


def test_no_points_found_is_said():
    points = build(n_state=6)
    figure = flow(field(), points.assign(kind=points.kind * 0))
    assert "no fixed points found (n_candidates: 768)" in notes(figure)
    assert markers(figure) == []


@pytest.mark.parametrize("hidden", [False, True])
def test_trajectories_run_along_the_plane(hidden):
    ds = field()
    given = walks(build(n_state=6))
    states = given.x.values
    if hidden:
        given = given.drop_vars("state").rename(x="hidden", state="unit").assign_coords(unit=np.arange(6))
    figure = flow(ds, trajectories=given)
    (trace,) = [trace for trace in figure.data if (trace.name or "").startswith("trajectories")]
    place = ((states - ds.origin.values) @ ds.axes.values.T).reshape(4, 20, 2)
    np.testing.assert_allclose(np.reshape(trace.x, (4, 21))[:, :20], place[..., 0], atol=1e-12)
    np.testing.assert_allclose(np.reshape(trace.y, (4, 21))[:, :20], place[..., 1], atol=1e-12)
    assert "trajectories (4)" in notes(figure)


def test_axes_are_titled_and_show_the_whole_plane():
    layout = flow(field()).layout
    assert layout.xaxis.title.text == "PC 1 (61 % of variance)"
    assert layout.yaxis.title.text == "PC 2 (3 % of variance)"
    assert tuple(layout.xaxis.range) == (-2.0, 2.0)
    named = flow(field(named=True))
    assert named.layout.xaxis.title.text == "hidden[2]"
    assert "hidden[2] and hidden[4]" in named.layout.title.text


def test_many_nodes_and_points_are_thinned_and_the_figure_says_so():
    points = build(n_state=6, conditions={"replicate": list(range(1000))}, n_points=9)
    points["x"] = 0.2 * points.x
    figure = flow(field(n=401), points)
    (heat,) = of_type(figure, "heatmap")
    assert max(heat.z.shape) <= 160
    assert f"{heat.z.size:,} of 160,801 nodes drawn" in notes(figure)
    assert sum(len(trace.x) for trace in markers(figure)) <= 5_000
    assert "points shown,<br>chosen at random" in notes(figure)
    assert pio.from_json(figure.to_json())


def test_nodes_that_are_not_finite_are_left_blank():
    ds = field()
    for name in ("speed", "speed_in_plane", "flow"):
        ds[name][3:5, 7] = np.nan
    figure = flow(ds)
    assert "not finite at 2 of 441 nodes" in notes(figure)
    (heat,) = of_type(figure, "heatmap")
    assert int(np.isnan(heat.z.astype(float)).sum()) == 2
    assert heat.zsmooth is False
    none = flow(ds.assign(speed=ds.speed * np.nan))
    assert "not finite anywhere" in none.layout.annotations[0].text


def test_a_plane_at_rest():
    ds = field()
    figure = flow(ds.assign({name: 0 * ds[name] for name in ("flow", "speed", "speed_in_plane")}))
    assert len(of_type(figure, "contour")) == 0
    assert pio.from_json(figure.to_json())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((field().speed,), TypeError, "field: expected the xarray.Dataset of flow_field, got DataArray"),
        ((build(),), ValueError, "field: .*no variable 'flow', 'speed'"),
        ((field().expand_dims(context=2),), ValueError, "field: .*several along 'context'; choose one"),
        ((field(), build().x), TypeError, "points: expected the xarray.Dataset"),
        ((field(), build(n_state=4)), ValueError, "points: its state has 4 entries, that of the flow 6"),
        ((field(), None, 3), TypeError, "trajectories: expected an xarray.Dataset"),
        ((field(), None, walks(build(n_state=4))), ValueError, "trajectories: its state has 4 entries"),
    ],
)
def test_bad_arguments_are_named(given, error, message):
    with pytest.raises(error, match=message):
        flow(*given)
