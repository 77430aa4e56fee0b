"""Fixed points in two or three components: readout vectors, thinning, and trajectories of controllers."""

from typing import Any

import numpy as np
import plotly.io as pio
import pytest
import xarray as xr
from plot_data import build, fixed_points, lines_of, markers, names, walks

from fpanalysis.plot._kinds import kinds_of, thinned
from fpanalysis.plot._points import points_of
from fpanalysis.projection import principal_components


def with_readout(ds, spread=0.0, seed=2):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(2, ds.sizes["state"]))
    rows = matrix + spread * rng.normal(size=(*ds.kind.shape, *matrix.shape))
    rows = xr.DataArray(rows, dims=(*ds.kind.dims, "output", "state"))
    return ds.assign(output_jacobian=rows.where(ds.kind != 0)), matrix


def traces(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def places(trace):
    axes = (trace.x, trace.y) if trace.type != "scatter3d" else (trace.x, trace.y, trace.z)
    return np.stack([np.asarray(axis, float) for axis in axes], axis=1)


@pytest.mark.parametrize("n_axes", [2, 3])
def test_readout_vectors_are_directions(n_axes):
    ds, matrix = with_readout(build())
    # Far from the origin, where measuring a direction from the mean of the states would show.
    for shift in (0.0, 40.0):
        moved = ds.assign(x=ds.x + shift)
        arrows, texts = traces(fixed_points(moved, n_axes=n_axes), "readout vectors")
        steps = np.diff(places(arrows).reshape(2, 3, n_axes)[:, :2], axis=1)[:, 0]
        states = moved.x.values[moved.kind.values > 0]
        axes = principal_components(states, n_axes).axes
        expected = matrix / np.linalg.norm(matrix, axis=1, keepdims=True) @ axes.T
        ratio = steps / expected
        np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-9)
        assert ratio[0, 0] > 0
        assert list(texts.text) == ["left", "right"]
        np.testing.assert_allclose(places(arrows)[0], 0, atol=1e-9)


def test_readout_vectors_that_differ_are_averaged_and_the_figure_says_so():
    ds, _ = with_readout(build())
    assert not fixed_points(ds).layout.title.subtitle.text
    ds, _ = with_readout(build(), spread=0.5)
    assert "mean of those at all points" in fixed_points(ds).layout.title.subtitle.text


def test_many_outputs_and_outputs_without_weights():
    ds, _ = with_readout(build())
    wide = xr.concat([ds.output_jacobian.isel(output=0, drop=True)] * 9, dim="output")
    wide = wide.assign_coords(output=[f"o[{i}]" for i in range(9)])
    figure = fixed_points(ds.drop_vars(["y", "output", "output_jacobian"]).assign(output_jacobian=wide))
    assert "6 of 9 readout vectors shown" in figure.layout.title.subtitle.text
    assert traces(fixed_points(ds.assign(output_jacobian=0 * ds.output_jacobian)), "readout vectors") == []


@pytest.mark.parametrize("with_walks", [False, True])
def test_two_components_have_equal_scales(with_walks):
    ds = build()
    figure = fixed_points(ds, walks(ds) if with_walks else None, n_axes=2)
    assert {trace.type for trace in figure.data} == {"scatter"}
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.xaxis.title.text.startswith("PC 1 (")
    assert figure.layout.yaxis.title.text.startswith("PC 2 (")
    states = ds.x.values[ds.kind.values > 0]
    if not with_walks:
        expected = principal_components(states, 2)(states)
        drawn = np.concatenate([places(trace) for trace in markers(figure)])
        np.testing.assert_allclose(np.sort(drawn[:, 0]), np.sort(expected[:, 0]), atol=1e-12)
        np.testing.assert_allclose(np.sort(drawn[:, 1]), np.sort(expected[:, 1]), atol=1e-12)


def test_a_state_of_three_entries_in_two_axes_is_projected():
    figure = fixed_points(build(n_state=3), n_axes=2)
    assert figure.layout.xaxis.title.text.startswith("PC 1")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("n_axes", [1, 4, True, "two", 2.5])
def test_other_numbers_of_axes_are_refused(n_axes):
    with pytest.raises(ValueError, match=f"n_axes: expected 2 or 3, got {n_axes!r}"):
        fixed_points(build(), n_axes=n_axes)


def many(n=30_000, n_rare=5):
    rng = np.random.default_rng(0)
    kind = np.ones(n, np.int8)
    n_unstable = np.zeros(n, int)
    n_unstable[rng.choice(n, n_rare, replace=False)] = 1
    return xr.Dataset(
        {
            "x": (("fixed_point", "state"), rng.normal(size=(n, 5))),
            "kind": ("fixed_point", kind),
            "n_unstable": ("fixed_point", n_unstable),
            "is_stable": ("fixed_point", n_unstable == 0),
        },
        coords={"fixed_point": np.arange(n)},
        attrs={"time_domain": "discrete"},
    )


def test_many_points_are_thinned_and_rare_kinds_kept():
    ds = many()
    figure = fixed_points(ds)
    stable, saddles = markers(figure)
    assert (stable.name, saddles.name) == ("stable (29,995)", "1 unstable mode (5)")
    assert (len(stable.x), len(saddles.x)) == (19_995, 5)
    assert "20,000 of 30,000 points shown" in figure.layout.title.subtitle.text
    assert len(stable.hovertext) == len(stable.x)
    # The components are those of all points, and each hover text belongs to its point.
    projection = principal_components(ds.x.values, 3)
    for k in (0, 777, 19_994):
        number = int(stable.hovertext[k].split("</b>")[0].rsplit(" ", 1)[1])
        np.testing.assert_allclose(places(stable)[k], projection(ds.x.values[number]), atol=1e-9)
    again = markers(fixed_points(ds))[0]
    np.testing.assert_array_equal(again.x, stable.x)
    assert pio.from_json(figure.to_json())


@pytest.mark.parametrize("sizes", [(3, 4), (2, 30, 50), (40, 40, 40), (1, 1, 1, 90)])
def test_no_more_are_chosen_than_asked_for_and_small_kinds_whole(sizes):
    ds = many(sum(sizes), 0)
    code = np.repeat(np.arange(len(sizes)), sizes)
    ds["n_unstable"][:], ds["is_stable"][:] = code, code == 0
    kinds = kinds_of(points_of(ds))
    shown, words = thinned(kinds, 60)
    assert sum(map(len, shown)) <= 60
    assert bool(words) == (sum(sizes) > 60)
    for kind, rows in zip(kinds, shown, strict=True):
        assert kind.mask[rows].all()
        assert len(rows) == min(kind.mask.sum(), max(map(len, shown)))


def test_many_samples_in_two_components_draw_with_webgl():
    ds = build()
    figure = fixed_points(ds, walks(ds, n=60, n_time=1000), n_axes=2)
    assert {trace.type for trace in figure.data} == {"scattergl"}


def test_a_block_of_many_states_has_the_components_of_the_covariance():
    states = np.random.default_rng(1).normal(size=(9_001, 6)) * np.arange(1, 7) + 5
    found = principal_components(states, 3)
    value, vector = np.linalg.eigh(np.cov(states.T))
    np.testing.assert_allclose(found.share, value[::-1][:3] / value.sum(), rtol=1e-12)
    np.testing.assert_allclose(np.abs(np.sum(found.axes * vector[:, ::-1][:, :3].T, axis=1)), 1, atol=1e-12)
    off = states - found.mean
    left = (off**2).sum(axis=1) - (found(states) ** 2).sum(axis=1)
    np.testing.assert_allclose(found.distance(states) ** 2, left, atol=1e-9)


def test_trajectories_of_hidden_units():
    ds = build()
    hidden = walks(ds).x.drop_vars("state").rename(state="unit").assign_coords(unit=np.arange(6))
    for given in (hidden, hidden.to_dataset(name="hidden"), hidden.drop_vars("unit")):
        same = fixed_points(ds, walks(ds)).data[0]
        trace = fixed_points(ds, given).data[0]
        np.testing.assert_array_equal(trace.x, same.x)
    with pytest.raises(ValueError, match="trajectories: entry 0 of its state is 'hidden.5.'"):
        fixed_points(ds, hidden.isel(unit=slice(None, None, -1)))
    closed = ds.assign_coords(state=[*ds.state.values[:4], "plant.position[0]", "plant.position[1]"])
    with pytest.raises(ValueError, match="trajectories: .*hidden units only.*'plant.position"):
        fixed_points(closed, hidden)


def test_edges_of_symbols_are_left_to_the_template():
    ds = build(n_points=40)
    for figure in (fixed_points(ds), fixed_points(ds, n_axes=2)):
        for trace in markers(figure):
            filled = not trace.marker.symbol.endswith("open")
            assert (trace.marker.line.color is None) == filled
        dark: Any = pio.templates["fpanalysis_dark"]
        kind = figure.data[-1].type
        assert dark.data[kind][0].marker.line.color == dark.layout.paper_bgcolor


def test_the_real_network_with_its_readout(gru_points):
    figure = fixed_points(gru_points)
    assert names(figure)[:3] == ["unstable directions", "readout vectors", "readout vectors"]
    assert list(figure.data[2].text) == ["bit[0]", "bit[1]", "bit[2]"]


@pytest.mark.parametrize("n_axes", [2, 3])
@pytest.mark.parametrize(("color", "unit"), [("context", ""), ("goal_x", " m"), ("n_hits", None)])
def test_points_are_coloured_by_what_the_dataset_says(color, unit, n_axes):
    ds = build()
    figure = fixed_points(ds, color=color, n_axes=n_axes)
    values = ds[color].broadcast_like(ds.kind).where(ds.kind > 0).values
    assert sum(len(trace.x) for trace in markers(figure)) == np.isfinite(values).sum()
    for trace in markers(figure):
        shown = [float(lines_of(text)[color].removesuffix(unit or "")) for text in trace.hovertext]
        if unit is None:
            assert (
                trace.marker.coloraxis == "coloraxis" and figure.layout.coloraxis.colorbar.title.text == color
            )
            np.testing.assert_array_equal(trace.marker.color, shown)
        else:
            assert {float(trace.name)} == set(shown)
    if unit is not None:
        assert len({(trace.marker.symbol, trace.marker.color) for trace in markers(figure)}) == ds[color].size
        assert figure.layout.legend.title.text == color + (" (m)" if unit else "")


def test_every_symbol_of_a_group_can_be_drawn_in_space():
    conditions = {"context": [f"c{i}" for i in range(7)]}
    symbols = {
        trace.marker.symbol for trace in markers(fixed_points(build(conditions=conditions), color="context"))
    }
    assert len(symbols) == 7 and "x" not in symbols


@pytest.mark.parametrize(
    ("color", "message"),
    [
        ("contxt", "color: expected a coordinate or variable.*'contxt' .did you mean 'context'"),
        ("eigenvalue", "color: 'eigenvalue' has more than one value per point, along 'mode'"),
    ],
)
def test_colours_without_one_value_per_point_are_refused(color, message):
    for ds in (build(), build(conditions={"context": []})):
        with pytest.raises(ValueError, match=message):
            fixed_points(ds, color=color)


def test_axes_of_a_scene_have_equal_scales_and_hold_all_that_is_drawn():
    ds, _ = with_readout(build())
    stretched = ds.assign(x=ds.x * xr.DataArray([9.0, 4, 3, 0.1, 0.1, 0.1], dims="state"))
    scene = fixed_points(stretched, walks(ds)).layout.scene
    ratio = np.array([scene.aspectratio[name] for name in "xyz"])
    ends = np.array([scene[f"{name}axis"].range for name in "xyz"])
    np.testing.assert_allclose(ratio / np.diff(ends)[:, 0], ratio[0] / np.diff(ends)[0, 0])
    for trace in fixed_points(stretched, walks(ds)).data:
        place = places(trace)
        assert np.all(np.isnan(place) | ((place > ends[:, 0]) & (place < ends[:, 1])))
    lost = walks(ds)
    lost.x[0, 5:] = np.inf
    with_lost = fixed_points(stretched, lost).layout.scene
    assert all(np.isfinite(with_lost[f"{name}axis"].range).all() for name in "xyz")
    long = fixed_points(ds.assign(x=ds.x * xr.DataArray([900.0, 4, 3, 1, 1, 1], dims="state"))).layout.scene
    shares = np.array([long.aspectratio[name] for name in "xyz"])
    assert shares.min() / shares.max() == pytest.approx(0.25)
