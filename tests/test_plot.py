"""Figures say what the datasets say, whatever the conditions and however little was found."""

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest
from plot_data import build, fixed, fixed_points, lines_of, markers, names, spectrum, walks

from fpanalysis.projection import principal_components


@pytest.mark.parametrize("conditions", [{}, None, {"replicate": ["a", "b"]}])
@pytest.mark.parametrize("draw", [spectrum, fixed_points])
def test_figures_survive_json_and_show_every_point_once(draw, conditions):
    ds = build(conditions=conditions)
    figure = draw(ds)
    again = pio.from_json(figure.to_json())
    assert again.to_plotly_json().keys() == figure.to_plotly_json().keys()
    assert names(again) == names(figure)
    per_point = ds.sizes["mode"] if draw is spectrum else 1
    assert sum(len(trace.x) for trace in markers(figure)) == int((ds.kind > 0).sum()) * per_point
    assert figure.layout.template.layout.colorway[0] == "#0072B2"


def test_plotlys_default_template_stays():
    spectrum(build())
    assert pio.templates.default == "plotly"
    assert "fpanalysis" in pio.templates


def test_fixed_point_hover_is_what_the_dataset_says():
    ds = build()
    figure = fixed_points(ds)
    seen = set()
    for trace in markers(figure):
        for text in trace.hovertext:
            said = lines_of(text.replace("<br>y: ", "<br>y = "))
            number = said["first"].removesuffix("</b>").rsplit(" ", 1)[1]
            point = ds.sel(context=float(said["context"]), goal=int(said["goal"]), fixed_point=int(number))
            assert said["n_unstable"] == str(point.n_unstable.item())
            assert said["n_hits"] == str(point.n_hits.item())
            assert said["residual"] == f"{point.residual.item():.4g}"
            left, right = point.y.values
            assert said["y"] == f"left = {left:.4g}, right = {right:.4g}"
            seen.add((said["context"], said["goal"], number))
    assert len(seen) == int((ds.kind > 0).sum())


def test_legends_count_the_points():
    ds = build(n_state=12, n_points=90)
    is_fixed = ds.kind == 1
    stable = int((is_fixed & ds.is_stable).sum())
    assert 0 < stable < fixed(ds)
    assert [trace.name for trace in markers(spectrum(ds))] == [
        f"stable ({stable})",
        f"unstable ({fixed(ds) - stable})",
        f"slow points ({int((ds.kind == 2).sum())})",
    ]
    shown = [trace.name for trace in markers(fixed_points(ds))]
    most = int(ds.n_unstable.where(is_fixed, 0).max())
    assert shown[0] == f"stable ({stable})"
    assert f"1 unstable mode ({int((is_fixed & (ds.n_unstable == 1)).sum())})" in shown
    assert f"3–{most} unstable modes ({int((is_fixed & (ds.n_unstable >= 3)).sum())})" in shown
    assert shown[-1].startswith("slow points (")


@pytest.mark.parametrize("draw", [spectrum, fixed_points])
def test_no_two_kinds_share_a_symbol_or_a_colour(draw):
    traces = markers(draw(build(n_state=7, n_points=40)))
    assert len({trace.marker.symbol for trace in traces}) == len(traces)
    assert len({trace.marker.color for trace in traces}) == len(traces)


def test_neutral_points_are_neither_stable_nor_unstable():
    ds = build(conditions={}, n_points=3, n_slow=0)
    ds["is_stable"][:], ds["n_unstable"][:] = False, 0
    assert markers(spectrum(ds))[0].name == "neutral (3)"
    assert names(fixed_points(ds))[-1] == "neutral (3)"


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("draw", [spectrum, fixed_points])
def test_something_else_than_a_dataset_is_refused(draw):
    with pytest.raises(TypeError, match="expected the xarray.Dataset"):
        draw(build().x)


def test_states_are_needed():
    with pytest.raises(ValueError, match="no variable 'x'"):
        fixed_points(build().drop_vars("x"))


@pytest.mark.parametrize("color", [None, "context", "residual", "time_constant", "kind"])
@pytest.mark.parametrize("empty", ["rows", "kind"])
def test_nothing_found_is_said(color, empty):
    ds = build()
    ds = ds.isel(fixed_point=[]) if empty == "rows" else ds.assign(kind=ds.kind * 0)
    for figure in (spectrum(ds, color=color), fixed_points(ds), fixed_points(ds, walks(ds))):
        assert "no fixed points found" in figure.layout.annotations[0].text
        assert "768" in figure.layout.annotations[0].text
        assert pio.from_json(figure.to_json())


def test_one_point_and_one_mode():
    ds = build(conditions={})
    one = ds.isel(fixed_point=2)
    assert [len(trace.x) for trace in markers(spectrum(one))] == [6]
    assert "point 2" in spectrum(one).data[0].hovertext[0]
    assert [len(trace.x) for trace in markers(spectrum(one.isel(mode=3)))] == [1]
    assert "mode 3:" in spectrum(one.isel(mode=3)).data[0].hovertext[0]
    assert [len(trace.x) for trace in markers(fixed_points(one))] == [1]
    assert "PC 1" in fixed_points(one).layout.scene.xaxis.title.text


def test_identical_points_get_axes_with_an_extent():
    ds = build(conditions={})
    ds["x"] = ds.x * 0 + 0.1
    scene = fixed_points(ds).layout.scene
    assert scene.xaxis.title.text == "PC 1"
    assert scene.xaxis.range[0] < scene.xaxis.range[1]


@pytest.mark.parametrize("n_state", [1, 2, 3, 5])
@pytest.mark.parametrize("with_walks", [False, True])
def test_number_of_axes_follows_the_state(n_state, with_walks):
    ds = build(n_state=n_state)
    figure = fixed_points(ds, walks(ds) if with_walks else None)
    axis = figure.layout.xaxis if n_state < 3 else figure.layout.scene.xaxis
    assert {trace.type for trace in figure.data} == {"scatter" if n_state < 3 else "scatter3d"}
    assert axis.title.text.startswith("PC 1 (") if n_state > 3 else axis.title.text == "hidden[0]"


def test_rows_that_are_not_finite_are_counted():
    ds = build(conditions={}, n_slow=0)
    ds["x"][4, 2] = np.nan
    ds["eigenvalue"][4] = np.nan
    figure = fixed_points(ds)
    assert sum(len(trace.x) for trace in markers(figure)) == 8
    assert "1 more" in figure.layout.title.subtitle.text
    figure = spectrum(ds)
    assert sum(len(trace.x) for trace in markers(figure)) == 8 * 6
    assert "6 of 54 eigenvalues" in figure.layout.title.subtitle.text
    ds["eigenvalue"][:] = np.nan
    assert "no eigenvalue is finite" in spectrum(ds).layout.annotations[0].text


def test_unknown_stability_is_one_neutral_kind():
    ds = build().drop_vars(["n_unstable", "is_stable", "eigenvalue", "right_eigenvector"])
    assert names(fixed_points(ds)) == [
        f"stability not known ({fixed(ds)})",
        f"slow points ({int((ds.kind == 2).sum())})",
    ]
    ds = build().assign(
        n_unstable=lambda ds: ds.n_unstable * 0 - 1, is_stable=lambda ds: ds.is_stable & False
    )
    assert markers(fixed_points(ds))[0].name == f"stability not known ({fixed(ds)})"
    assert "n_unstable = not known" in markers(fixed_points(ds))[0].hovertext[0]
    assert spectrum(ds).data[0].name == f"stability not known ({fixed(ds)})"


def test_unstable_directions_lie_along_the_eigenvectors():
    ds = build(n_state=3, conditions={}, n_slow=2)
    (segments,) = [trace for trace in fixed_points(ds).data if trace.name == "unstable directions"]
    ends = np.stack([segments.x, segments.y, segments.z], axis=1).reshape(-1, 3, 3)
    assert np.isnan(ends[:, 2]).all()
    value = ds.eigenvalue.values
    chosen = (np.abs(value) > 1) & (np.imag(value) >= 0) & (ds.kind.values == 1)[:, None]
    row, mode = np.nonzero(chosen)
    assert len(ends) == len(row) > 0
    np.testing.assert_allclose(ends[:, :2].mean(axis=1), ds.x.values[row], atol=1e-12)
    direction = ds.right_eigenvector.values[row, :, mode].real
    step = ends[:, 1] - ends[:, 0]
    cosine = (step * direction).sum(1) / np.linalg.norm(step, axis=1) / np.linalg.norm(direction, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-12)


def test_trajectories_as_lines_with_gaps():
    ds = build()
    for given in (walks(ds), walks(ds).x, walks(ds).x.transpose("state", "time", "trial")):
        trace = fixed_points(ds, given).data[0]
        assert (trace.name, trace.mode) == ("trajectories (4)", "lines")
        assert np.flatnonzero(np.isnan(trace.x)).tolist() == [20, 41, 62, 83]
    single = fixed_points(ds, walks(ds).isel(trial=0))
    assert single.data[0].name == "trajectories (1)"


def test_too_many_trajectories_are_thinned_and_the_legend_says_so():
    ds = build()
    figure = fixed_points(ds, walks(ds, n=500, n_time=1000))
    assert figure.data[0].name == "trajectories (200 of 500)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda walk: walk.isel(time=0), "dims 'time' and 'state'"),
        (lambda walk: walk.isel(state=slice(3)), "has 3 entries"),
        (lambda walk: walk.isel(state=slice(None, None, -1)), "entry 0 of its state is 'hidden"),
        (lambda walk: walk.rename(x="z"), "no variable 'x'"),
    ],
)
def test_trajectories_of_another_kind_are_refused(change, message):
    ds = build()
    with pytest.raises(ValueError, match=f"trajectories: .*{message}"):
        fixed_points(ds, change(walks(ds)))


@pytest.mark.parametrize("n", [1, 2, 5, 400])
def test_principal_components_are_those_of_the_covariance(n):
    states = np.random.default_rng(2).normal(size=(n, 8)) * np.arange(1, 9)
    found = principal_components(states, 3)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(3), atol=1e-12)
    if n < 2:
        assert np.isnan(found.share).all()
        return
    variance = np.sort(np.linalg.eigvalsh(np.cov(states.T)))[::-1]
    np.testing.assert_allclose(found.share, variance[:3] / variance.sum(), atol=1e-12)
    np.testing.assert_allclose(found(states).var(axis=0, ddof=1), variance[:3], atol=1e-10 * variance[0])
    np.testing.assert_array_equal(found.axes, principal_components(states, 3).axes)


def test_the_real_network(gru_points):
    assert names(spectrum(gru_points))[0] == "stable (8)"
    assert isinstance(fixed_points(gru_points), go.Figure)
    assert "stable (8)" in names(fixed_points(gru_points))
