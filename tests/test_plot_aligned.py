"""Aligned paths: turned as complex numbers turn, averaged over all trials, each with its labels."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest
from reach_data import N_TIME, aligned_trajectories, means, notes, reaches, said, singles, trial_of, turned

from fpanalysis.plot import _lines, _series
from fpanalysis.plot._bands import ellipses, swept


def aligned(ds):
    """Return all paths of a dataset as `(method, replicate, trial, time, axis)`."""
    return turned(ds.position.values - ds.start.values[:, None], ds)


def test_hover_of_random_trials_equals_the_labels_of_the_dataset():
    ds = reaches()
    traces = singles(aligned_trajectories(ds, "method"))
    assert len(traces) == 40
    for k in np.random.default_rng(3).integers(len(traces), size=12):
        trace = traces[k]
        words, one = said(trace.hovertext), trial_of(ds, trace.hovertext)
        assert words.keys() == {"method", "replicate", "trial", "direction", "is_best"}
        for name in ("method", "replicate", "trial", "is_best"):
            assert words[name] == str(one[name].item())
        assert float(words["direction"].removesuffix(" rad")) == pytest.approx(one.direction.item(), rel=1e-5)
        path = turned(one.position.values - one.start.values, one)
        np.testing.assert_allclose(np.stack([trace.x, trace.y], axis=1), path, atol=1e-14)
        assert trace.name == words["method"]
        np.testing.assert_array_equal(trace.customdata, ds.time.values)


def test_a_target_to_the_left_of_the_path_is_on_the_positive_side():
    ds = reaches(n_trial=4)
    reach = (ds.target_position.isel(time=-1) - ds.start).values
    left = np.stack([-reach[:, 1], reach[:, 0]], axis=-1)
    ds["position"][:] = (ds.start.values + left)[:, None]
    for trace in singles(aligned_trajectories(ds)):
        np.testing.assert_allclose(trace.x, 0, atol=1e-15)
        np.testing.assert_allclose(trace.y, 0.3)


@pytest.mark.parametrize("max_curves", [0, 3, 100])
def test_means_are_over_all_trials_of_a_group(max_curves):
    ds = reaches()
    figure = aligned_trajectories(ds, "method", max_curves=max_curves)
    assert len(singles(figure)) == min(2 * max_curves, 54)
    for k, trace in enumerate(means(figure)):
        mean = aligned(ds)[k].mean(axis=(0, 1))
        np.testing.assert_allclose(np.stack([trace.x, trace.y], axis=1), mean, atol=1e-14)
        assert trace.hovertext == f"<b>mean of 27 trials</b><br>method = {'ab'[k]}"
        assert trace.name == f"{'ab'[k]} (27)"
        assert trace.line.width > 2 * max((other.line.width for other in singles(figure)), default=1)
    shown = "6 of 54 curves shown, at most 3 a group, chosen at random (seed 0)"
    assert (shown in notes(figure)) == (max_curves == 3)


def test_work_in_parts_changes_nothing(monkeypatch):
    whole = means(aligned_trajectories(reaches(), "direction"))
    monkeypatch.setattr(_series, "_PART", 5 * 8 * N_TIME * 2)
    for one, two in zip(whole, means(aligned_trajectories(reaches(), "direction")), strict=True):
        np.testing.assert_allclose(one.y, two.y, atol=1e-15)


def test_axes_have_the_same_scale_units_and_marks():
    figure = aligned_trajectories(reaches(), "method", band="covariance")
    layout = figure.layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == (
        "along the reach (m)",
        "across the reach (m)",
    )
    assert layout.yaxis.scaleanchor == "x"
    for trace in figure.data:
        assert layout.xaxis.range[0] < np.nanmin(trace.x) <= np.nanmax(trace.x) < layout.xaxis.range[1]
        assert layout.yaxis.range[0] < np.nanmin(trace.y) <= np.nanmax(trace.y) < layout.yaxis.range[1]
    start, goal = figure.data[:2]
    assert (start.x, start.y) == ((0,), (0,))
    np.testing.assert_allclose((goal.x, goal.y), [[0.3], [0.0]], atol=1e-9)


def test_of_many_targets_those_of_the_trials_shown_are_marked():
    ds = reaches(n_trial=30)
    ds["target_position"][:] = ds.start + (ds.target_position - ds.start) * (1 + ds.trial)
    figure = aligned_trajectories(ds, max_curves=4)
    shown = [0.3 * (1 + int(said(trace.hovertext)["trial"])) for trace in singles(figure)]
    np.testing.assert_allclose(sorted(figure.data[1].x), np.unique(np.round(shown, 9)))
    assert len(aligned_trajectories(ds, max_curves=0).data) == 3


def test_groups_differ_in_colour_and_dash():
    figure = aligned_trajectories(reaches(methods=("a", "b", "c")), "method", band="swept")
    assert len({trace.line.color for trace in means(figure)}) == 3
    assert len({trace.line.dash for trace in means(figure)}) == 3
    for group in "abc":
        traces = [trace for trace in figure.data if trace.legendgroup == group]
        colors = {trace.fillcolor if trace.fill == "toself" else trace.line.color for trace in traces}
        assert len(traces) == 22 and len(colors) == 1
        assert sum(trace.showlegend for trace in traces) == 1


def test_ellipses_are_one_standard_deviation():
    ds = reaches()
    figure = aligned_trajectories(ds, band="covariance")
    (trace,) = [trace for trace in figure.data if trace.hoverinfo == "skip"]
    corners = np.stack([trace.x, trace.y], axis=1)
    paths = aligned(ds).reshape(-1, N_TIME, 2)
    n_found = 0
    for places in np.split(corners, np.flatnonzero(np.isnan(corners[:, 0]))):
        places = places[np.isfinite(places[:, 0])]
        if len(places) == 0:
            continue
        away = places - np.mean(places[:-1], axis=0)
        fits = [
            np.allclose(np.sum(away @ np.linalg.inv(np.cov(paths[:, time].T)) * away, axis=1), 1)
            and np.allclose(np.mean(places[:-1], axis=0), paths[:, time].mean(axis=0))
            for time in range(N_TIME)
        ]
        assert sum(fits) == 1
        n_found += 1
    assert n_found >= 6
    assert "ellipses: 1 standard deviation" in notes(figure)


def polygons(outline):
    ends = np.flatnonzero(np.isnan(outline[:, 0]))
    return [part[np.isfinite(part[:, 0])] for part in np.split(outline, ends) if np.isfinite(part).any()]


def inside(polygon, points):
    """Say which points lie in a convex polygon whose corners go round counter-clockwise."""
    edges, away = np.diff(polygon, axis=0), points[:, None] - polygon[:-1]
    return np.all(edges[:, 0] * away[..., 1] - edges[:, 1] * away[..., 0] >= -1e-12, axis=1)


def test_the_swept_region_covers_every_ellipse_and_what_lies_between():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(9, 2)).cumsum(axis=0)
    roots = rng.normal(size=(9, 2, 2)) * rng.uniform(0.1, 1, size=(9, 1, 1))
    parts = polygons(swept(mean, roots @ roots.transpose(0, 2, 1)))
    assert len(parts) == 8
    disc = rng.normal(size=(400, 2))
    disc *= 0.97 * np.sqrt(rng.random((400, 1))) / np.linalg.norm(disc, axis=1, keepdims=True)
    for k, polygon in enumerate(parts):
        assert np.all(polygon[0] == polygon[-1])
        for share in (0.0, 0.3, 1.0):
            ends = [mean[j] + disc @ roots[j].T for j in (k, k + 1)]
            assert inside(polygon, (1 - share) * ends[0] + share * ends[1]).all()


def test_a_disc_on_a_straight_line_sweeps_a_stadium():
    mean = np.stack([np.linspace(0, 1, 40), np.zeros(40)], axis=1)
    parts = polygons(swept(mean, np.broadcast_to(0.01 * np.eye(2), (40, 2, 2))))
    points = np.random.default_rng(0).uniform([-0.2, -0.2], [1.2, 0.2], size=(10_000, 2))
    area = np.any([inside(polygon, points) for polygon in parts], axis=0).mean() * 1.4 * 0.4
    assert area == pytest.approx(0.2 + np.pi * 0.01, rel=0.04)


def test_bands_without_width_are_the_path_itself():
    mean = np.random.default_rng(0).normal(size=(5, 2))
    for band in (swept, ellipses):
        places = band(mean, np.zeros((5, 2, 2)))
        corners = places[np.isfinite(places[:, 0])]
        assert np.abs(corners[:, None] - mean).sum(axis=2).min(axis=1).max() == 0


def test_groups_of_one_trial_have_no_band():
    ds = reaches().isel(replicate=0, trial=0)
    for band in ("covariance", "swept"):
        figure = aligned_trajectories(ds, "method", band=band)
        assert not [trace for trace in figure.data if trace.hoverinfo == "skip"]
        assert [trace.name for trace in means(figure)] == ["a (1)", "b (1)"]


def test_what_is_not_finite_or_has_no_direction_is_left_out():
    ds = reaches()
    ds["position"][0, 0, 3, 5, 0] = np.nan
    ds["target_position"][4] = ds.start[4]
    figure = aligned_trajectories(ds, "method")
    assert "1 of 54 trials left out: values that are not finite" in notes(figure)
    assert "6 of 54 trials left out: target at start" in notes(figure)
    assert [trace.name for trace in means(figure)] == ["a (23)", "b (24)"]
    kept = np.delete(aligned(ds)[0].reshape(-1, N_TIME, 2), [3, 4, 13, 22], axis=0)
    np.testing.assert_allclose(means(figure)[0].y, kept[..., 1].mean(axis=0), atol=1e-14)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ds: ds.isel(trial=slice(0, 0)), "no trials"),
        (lambda ds: ds.assign(position=np.nan * ds.position), "no trial is finite"),
        (lambda ds: ds.assign(target_position=0 * ds.target_position + ds.start), "has a direction"),
    ],
)
def test_nothing_to_draw_is_said(change, words):
    figure = aligned_trajectories(change(reaches()), "method", band="swept")
    assert words in figure.layout.annotations[0].text
    assert not figure.data


def test_one_model_one_trial_one_sample():
    one = reaches().isel(method=0, replicate=0, trial=2)
    figure = aligned_trajectories(one, band="swept")
    assert means(figure)[0].name == "single trial"
    np.testing.assert_array_equal(means(figure)[0].x, singles(figure)[0].x)
    dots = aligned_trajectories(reaches().isel(time=[4]), "method", band="swept")
    assert {trace.mode for trace in [*singles(dots), *means(dots)]} == {"markers"}


def test_webgl_draws_the_means_as_well_or_they_would_be_hidden(monkeypatch):
    monkeypatch.setattr(_lines, "WEBGL_ABOVE", 100)
    figure = aligned_trajectories(reaches(), "method")
    assert {type(trace) for trace in [*singles(figure), *means(figure)]} == {go.Scattergl}
    assert means(figure)[-1] is figure.data[-1]


def test_figures_survive_json():
    figure = aligned_trajectories(reaches(), "method", band="swept")
    again: Any = pio.from_json(figure.to_json())
    assert [trace.hovertext for trace in again.data] == [trace.hovertext for trace in figure.data]
    assert again.to_plotly_json().keys() == figure.to_plotly_json().keys()


@pytest.mark.usefixtures("unchecked")
def test_wrong_arguments_are_named():
    ds = reaches()
    with pytest.raises(ValueError, match="band: expected None, 'covariance' or 'swept', got 'swep' .did you"):
        aligned_trajectories(ds, band="swep")
    with pytest.raises(ValueError, match="ds: it has no variable 'position'"):
        aligned_trajectories(ds.drop_vars("position"))
    with pytest.raises(ValueError, match="'start' is not in it"):
        aligned_trajectories(ds.drop_vars("start"))
    with pytest.raises(ValueError, match="color: .*did you mean 'method'"):
        aligned_trajectories(ds, "metod")
    with pytest.raises(ValueError, match="max_curves"):
        aligned_trajectories(ds, max_curves=2.5)
    with pytest.raises(TypeError, match="ds: expected"):
        aligned_trajectories(ds.position)
