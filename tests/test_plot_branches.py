"""Branches along a condition: what is drawn is the mathematics, and says what the dataset says."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.io as pio
import pytest
import xarray as xr
from plot_data import build, lines_of, markers

import fpanalysis as fpa
from fpanalysis import plot
from fpanalysis.plot import _bifurcation
from fpanalysis.schema import Stability

bifurcation: Callable[..., Any] = plot.bifurcation
spectrum_by: Callable[..., Any] = plot.spectrum_by


def swept(f, values):
    """Return the branches of a function of one input."""
    field = fpa.vector_field(f, state=["x"], inputs=["r"], time_domain="continuous")
    values = xr.DataArray(np.asarray(values, float), dims="r", coords={"r": np.asarray(values, float)})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*no fixed point.*")
        ds = fpa.find_fixed_points(field, {"r": values}, n_candidates=48, progress=False)
    return fpa.follow(ds, "r")


@pytest.fixture(scope="module")
def pitchfork():
    """Return the branches of `dx/dt = r x - x³`, at values of `r` among which 0 is not."""
    return swept(lambda x, u: u * x - x**3, np.linspace(-0.5, 1.0, 26))


@pytest.fixture(scope="module")
def fold():
    """Return the branches of `dx/dt = r - x²`."""
    return swept(lambda x, u: u - x**2, np.linspace(-0.33, 1.0, 20))


def lines(figure, name):
    """Return the pieces of the lines of this name, each as `(point, 2)`."""
    found = []
    for trace in figure.data:
        if trace.mode == "lines" and trace.name == name and trace.x[0] is not None:
            points = np.stack([trace.x, trace.y], axis=1).astype(float)
            gaps = np.flatnonzero(np.isnan(points[:, 0]))
            found += [part[~np.isnan(part[:, 0])] for part in np.split(points, gaps)]
    return [part for part in found if len(part)]


def legend(figure):
    """Return the names in the legend."""
    return [trace.name for trace in figure.data if trace.showlegend is not False]


def test_a_pitchfork_changes_its_line_where_it_loses_stability(pitchfork):
    figure = bifurcation(pitchfork, "x")
    stable, unstable = lines(figure, "stable"), lines(figure, "unstable")
    assert (len(stable), len(unstable)) == (3, 1)
    r = pitchfork.r.values
    middle = next(part for part in stable if part[0, 0] == r[0])
    # The leading eigenvalue of the middle branch is r itself, so that interpolation is exact.
    np.testing.assert_allclose(middle[-1], [0, 0], atol=1e-9)
    np.testing.assert_allclose(unstable[0][0], middle[-1], atol=1e-15)
    np.testing.assert_allclose(np.concatenate([middle, unstable[0][1:]])[:, 0], np.sort([*r, 0]), atol=1e-9)
    outer = [part for part in stable if part is not middle]
    assert sorted(np.sign(part[0, 1]) for part in outer) == [-1, 1]
    for part in outer:
        np.testing.assert_allclose(part[:, 1] ** 2, part[:, 0], rtol=1e-9)
        np.testing.assert_allclose(part[:, 0], r[r > 0])
    assert "birth (2)" in legend(figure)
    dashes = {trace.name: trace.line.dash for trace in figure.data if trace.mode == "lines"}
    assert dashes == {"stable": "solid", "unstable": "dash"}


def test_a_fold_has_two_branches_that_begin_at_it(fold):
    figure = bifurcation(fold, "x", "r")
    (stable,), (unstable,) = lines(figure, "stable"), lines(figure, "unstable")
    r = fold.r.values[fold.r.values > 0]
    np.testing.assert_allclose(stable, np.stack([r, np.sqrt(r)], axis=1), rtol=1e-9)
    np.testing.assert_allclose(unstable, np.stack([r, -np.sqrt(r)], axis=1), rtol=1e-9)
    (mark,) = [trace for trace in figure.data if trace.name == "fold (2)"]
    np.testing.assert_allclose(mark.x, r[0])
    np.testing.assert_allclose(np.sort(mark.y), [-np.sqrt(r[0]), np.sqrt(r[0])])
    texts = [
        lines_of(text) for trace in markers(figure) if trace.hovertext is not None for text in trace.hovertext
    ]
    assert sum(text.get("branch_begins") == "fold" for text in texts) == 2
    assert sum(text.get("branch_ends") == "end" for text in texts) == 2


def test_a_neutral_point_is_where_the_line_changes(pitchfork):
    r = pitchfork.r.values
    before = r[r < 0][-1]
    stability = pitchfork.stability
    neutral = (pitchfork.r == before) & (stability == Stability.STABLE)
    ds = pitchfork.assign(
        stability=xr.where(neutral, np.int8(Stability.NEUTRAL), stability, keep_attrs=False)
    )
    figure = bifurcation(ds, "x")
    assert "neutral (1)" in legend(figure)
    (unstable,) = lines(figure, "unstable")
    np.testing.assert_allclose(unstable[0], [before, 0], atol=1e-9)
    middle = next(part for part in lines(figure, "stable") if part[0, 0] == r[0])
    np.testing.assert_allclose(middle[-1], unstable[0])
    assert all(np.ptp(part[:, 0]) == 0 for part in lines(figure, "neutral"))


@pytest.mark.parametrize("y", ["residual", "hidden[3]", "right", "n_hits"])
def test_points_are_drawn_where_the_dataset_has_them(y):
    ds = fpa.follow(build(), "context")
    figure = bifurcation(ds, y)
    seen = 0
    for trace in markers(figure):
        if trace.hovertext is None:
            continue
        for x, height, text in zip(trace.x, trace.y, trace.hovertext, strict=True):
            said = lines_of(text)
            number = int(said["first"].removesuffix("</b>").rsplit(" ", 1)[1])
            point = ds.sel(context=float(said["context"]), goal=int(said["goal"]), fixed_point=number)
            expected = {"hidden[3]": point.x.sel(state="hidden[3]"), "right": point.y.sel(output="right")}
            value = expected[y] if y in expected else point[y]
            assert (x, height) == (point.context.item(), value.item())
            assert float(said[y]) == pytest.approx(value.item(), rel=1e-3)
            if not said["first"].startswith("<b>slow"):
                assert int(said["branch"]) == point.branch.item()
                assert trace.name == ("stable" if point.is_stable else "unstable")
            seen += 1
    assert seen == int((ds.kind > 0).sum())
    slow = int((ds.kind == 2).sum())
    assert f"slow points ({slow})" in legend(figure)
    assert pio.from_json(figure.to_json())


def test_lines_join_the_points_of_one_branch():
    ds = fpa.follow(build(), "context")
    figure = bifurcation(ds, "x" if "x" in ds.state else "hidden[0]")
    pieces = lines(figure, "stable") + lines(figure, "unstable")
    steps = sum(abs(np.diff(part[:, 0])).sum() for part in pieces)
    linked = [len(np.unique(ds.branch.isel(goal=g))) for g in range(ds.sizes["goal"])]
    expected = 0
    for g in range(len(linked)):
        branch = ds.branch.isel(goal=g).values
        for k in np.unique(branch[branch >= 0]):
            at = ds.context.values[(branch == k).any(axis=1)]
            expected += np.ptp(at)
    assert steps == pytest.approx(expected)


def test_branches_coloured_by_a_condition_keep_their_dashes(pitchfork):
    two = xr.concat([pitchfork, pitchfork], xr.DataArray(["a", "b"], dims="model", name="model"))
    two.branch.attrs = pitchfork.branch.attrs
    figure = bifurcation(two, "x", color="model")
    drawn = [trace for trace in figure.data if trace.mode == "lines" and trace.x[0] is not None]
    assert {(trace.legendgroup, trace.line.dash) for trace in drawn} == {
        (model, dash) for model in "ab" for dash in ("solid", "dash")
    }
    assert len({trace.line.color for trace in drawn}) == 2
    points = [trace for trace in markers(figure) if trace.hovertext is not None]
    assert len({trace.marker.symbol for trace in points}) == 2
    for trace in points:
        assert all(lines_of(text)["model"] == trace.name for text in trace.hovertext)
    assert figure.layout.legend.title.text == "model"


def test_very_many_branches_are_thinned(monkeypatch):
    monkeypatch.setattr(_bifurcation, "_MOST_POINTS", 30)
    monkeypatch.setattr(_bifurcation, "_MOST_SLOW", 1)
    ds = fpa.follow(build(), "context")
    figure = bifurcation(ds, "residual")
    n = sum(len(np.unique(each[each >= 0])) for each in ds.branch.transpose("goal", ...).values)
    note = figure.layout.title.subtitle.text
    shown = int(note.split("<br>")[1].split()[0])
    assert f"{shown} of {n} branches shown" in note
    drawn = [lines_of(t) for trace in markers(figure) if trace.hovertext is not None for t in trace.hovertext]
    of = {(said["goal"], said["branch"]) for said in drawn if "branch" in said}
    assert len(of) == shown < n
    assert len([said for said in drawn if "branch" in said]) <= 30
    assert f"slow points (1 of {int((ds.kind == 2).sum())})" in legend(figure)


def test_names_on_the_axis_and_unknown_stability():
    ds = fpa.follow(build(conditions={"method": ["fast", "slow", "x < y"]}), "method")
    ds = ds.drop_vars(["n_unstable", "is_stable", "eigenvalue", "right_eigenvector"])
    figure = bifurcation(ds, "residual")
    assert list(figure.layout.xaxis.ticktext) == ["fast", "slow", "x &lt; y"]
    assert f"stability not known ({int((ds.branch >= 0).sum())})" in legend(figure)


def test_little_or_nothing_to_draw():
    ds = fpa.follow(build(), "context")
    empty = ds.assign(kind=ds.kind * 0)
    for figure in (bifurcation(empty, "residual"), bifurcation(ds.isel(fixed_point=[]), "residual")):
        assert "no fixed points found" in figure.layout.annotations[0].text
    one = ds.isel(fixed_point=[0], goal=0, context=[1])
    figure = bifurcation(one, "residual")
    assert sum(len(trace.x) for trace in markers(figure) if trace.hovertext is not None) == 1
    figure = bifurcation(ds.isel(fixed_point=0), "hidden[0]")
    assert sum(len(trace.x) for trace in markers(figure) if trace.hovertext is not None) == 6
    ds["residual"][0, 0, 0] = np.nan
    assert "1 points without a value" in bifurcation(ds, "residual").layout.title.subtitle.text


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": "residul"}, "y: .*did you mean 'residual'"),
        ({"y": "x"}, "y: .*more than one value per point, along 'state'"),
        ({"y": "hidden[9]"}, "y: .*got 'hidden.9.'"),
        (
            {"y": "residual", "dim": "goal"},
            "dim: .*along 'context', got 'goal'; call fpa.follow.ds, \"goal\"",
        ),
        ({"y": "residual", "dim": "contxt"}, "dim: .*did you mean 'context'"),
        ({"y": "residual", "color": "n_hits"}, "color: expected .*one value per curve"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        bifurcation(fpa.follow(build(), "context"), **arguments)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("draw", [lambda ds: bifurcation(ds, "residual"), spectrum_by])
def test_datasets_that_were_not_followed_are_explained(draw):
    with pytest.raises(ValueError, match='ds: it has no branches; call fpa.follow.ds, "context". first'):
        draw(build())
    with pytest.raises(TypeError, match="expected the xarray.Dataset"):
        draw(3)
    with pytest.raises(ValueError, match="along 'context', which is no longer among its conditions"):
        draw(fpa.follow(build(), "context").isel(context=0))
