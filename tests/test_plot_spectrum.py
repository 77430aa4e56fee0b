"""The spectrum says what the dataset says, whatever it is coloured by and however many there are."""

import numpy as np
import pytest
import xarray as xr
from plot_data import build, lines_of, markers, spectrum

from fpanalysis.plot import _bins, _styles, assign_colors
from fpanalysis.plot._theme import SCALES, colorscale


def shown(figure):
    """Return the names of the groups."""
    return [trace.name for trace in markers(figure)]


def outlines(figure, along):
    """Return the histograms along the real or the imaginary axis."""
    name, other = {"real": ("yaxis", "y2"), "imaginary": ("xaxis", "x2")}[along]
    return [trace for trace in figure.data if trace.mode == "lines" and trace[name] == other]


def cloud(n_points, n_modes, seed=0):
    """Return eigenvalues in conjugate pairs, of points in two conditions."""
    half = np.random.default_rng(seed).normal(size=(2, n_points, n_modes // 2, 2)) @ [0.3, 0.1j]
    return xr.Dataset(
        {"eigenvalue": (("context", "fixed_point", "mode"), np.concatenate([half, half.conj()], axis=-1))},
        coords={"context": [0.0, 1.0]},
        attrs={"time_domain": "discrete"},
    )


def test_spectrum_hover_is_what_the_dataset_says():
    ds = build()
    figure = spectrum(ds)
    rng = np.random.default_rng(5)
    for _ in range(20):
        trace = markers(figure)[rng.integers(len(markers(figure)))]
        i = rng.integers(len(trace.x))
        text = trace.hovertext[i]
        said = lines_of(text)
        kind, number = said["first"].removeprefix("<b>").removesuffix("</b>").rsplit(" ", 1)
        mode = next(int(name.split()[1].rstrip(":")) for name in said if name.startswith("mode "))
        point = ds.sel(
            context=float(said["context"]), goal=int(said["goal"]), fixed_point=int(number), mode=mode
        )
        assert kind == ("fixed point" if point.kind == 1 else "slow point")
        assert complex(trace.x[i], trace.y[i]) == point.eigenvalue.item()
        assert said["goal_x"] == f"{point.goal_x.item():.6g} m"
        assert said["time_constant"] == f"{point.time_constant.item():.4g} s"
        assert said["frequency"] == f"{point.frequency.item():.4g} Hz"
        assert f"λ = {point.eigenvalue.item().real:.4g}" in text
        assert "is_stable" not in text


def test_long_form_has_its_conditions_in_the_hover_text():
    ds = build().stack(point=("context", "goal", "fixed_point")).reset_index("point")
    ds = ds.drop_vars("fixed_point").rename(point="fixed_point")
    ds = ds.isel(fixed_point=np.flatnonzero(ds.kind > 0))
    text = markers(spectrum(ds))[0].hovertext[0]
    assert {"context", "goal", "goal_x"} <= lines_of(text).keys()


@pytest.mark.parametrize(
    ("domain", "shape", "title"),
    [("discrete", "circle", "Re λ (dimensionless)"), ("continuous", "rect", "Re λ (1/s)")],
)
def test_the_boundary_of_stability(domain, shape, title):
    figure = spectrum(build(domain=domain))
    (boundary,) = figure.layout.shapes
    assert (boundary.type, boundary.layer, boundary.x1) == (shape, "below", 1 if shape == "circle" else 0)
    assert figure.layout.xaxis.title.text == title
    assert figure.layout.yaxis.scaleanchor == "x"


def test_no_boundary_is_guessed():
    ds = build()
    del ds.attrs["time_domain"]
    figure = spectrum(ds)
    assert not figure.layout.shapes
    assert "time_domain" in figure.layout.title.subtitle.text


@pytest.mark.parametrize("domain", ["discrete", "continuous"])
def test_all_eigenvalues_lie_within_the_axes(domain):
    ds = build(domain=domain)
    figure = spectrum(ds)
    values = ds.eigenvalue.values[np.isfinite(ds.eigenvalue.values)]
    for axis, part in ((figure.layout.xaxis, values.real), (figure.layout.yaxis, values.imag)):
        assert axis.range[0] < part.min()
        assert part.max() < axis.range[1]


def test_color_by_condition_has_a_symbol_and_a_colour_each():
    ds = build()
    figure = spectrum(ds, color="context")
    assert shown(figure) == ["-1.0", "0.0", "1.0"]
    assert len({trace.marker.symbol for trace in markers(figure)}) == 3
    assert len({trace.marker.color for trace in markers(figure)}) == 3
    assert figure.layout.legend.title.text == "context"
    for trace in markers(figure):
        assert all(lines_of(text)["context"] == trace.name for text in trace.hovertext)


def test_color_by_names_and_flags():
    ds = build(conditions={"replicate": ["fast <1>", "slow"]})
    assert shown(spectrum(ds, color="replicate")) == ["fast &lt;1&gt;", "slow"]
    assert shown(spectrum(ds, color="kind")) == ["fixed, stable", "fixed, unstable", "slow"]
    assert set(shown(spectrum(ds, color="is_stable"))) == {"False", "True, stable", "True, slow points"}


@pytest.mark.parametrize("color", ["residual", "time_constant", "n_hits", "fixed_point"])
def test_color_by_many_numbers_is_a_scale(color):
    ds = build()
    figure = spectrum(ds, color=color)
    low, high = figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax
    assert low < high
    assert figure.layout.coloraxis.colorbar.title.text.startswith(color)
    assert all(
        np.all((trace.marker.color >= low) & (trace.marker.color <= high)) for trace in markers(figure)
    )
    if color in ("residual", "n_hits"):
        assert color in lines_of(figure.data[0].hovertext[0])


def test_color_with_missing_and_infinite_values():
    ds = build(conditions={})
    ds["few"] = ("fixed_point", [1.0, 1.0, 2.0, np.nan, np.inf, 2.0, 2.0, 1.0, 1.0])
    assert shown(spectrum(ds, color="few")) == ["1.0", "2.0", "no value", "infinite"]
    ds["none"] = ("fixed_point", np.full(9, np.nan))
    assert shown(spectrum(ds, color="none")) == ["no value"]


def test_one_condition_selected_keeps_its_label():
    ds = build().sel(context=1.0)
    assert lines_of(spectrum(ds).data[0].hovertext[0])["context"] == "1.0"


def test_five_hundred_modes_draw_with_webgl():
    value = np.random.default_rng(0).normal(size=(120, 500, 2)) @ [0.5, 0.5j]
    ds = xr.Dataset({"eigenvalue": (("fixed_point", "mode"), value)}, attrs={"time_domain": "discrete"})
    figure = spectrum(ds)
    assert {trace.type for trace in markers(figure)} == {"scattergl"}
    assert sum(len(trace.x) for trace in markers(figure)) == 60_000
    few = spectrum(ds.isel(fixed_point=[0, 1]))
    assert {trace.type for trace in markers(few)} == {"scatter"}


@pytest.mark.parametrize(
    ("color", "message"),
    [
        ("contxt", "did you mean 'context'"),
        ("y", "along 'output'"),
        ("eigenvalue", "is complex"),
        ("zzzzzz", "it has 'context'"),
    ],
)
def test_color_that_cannot_be_is_explained(color, message):
    with pytest.raises(ValueError, match=f"color: .*{message}"):
        spectrum(build(), color=color)


def test_missing_spectra_are_explained():
    with pytest.raises(ValueError, match="spectra='values'.*eigendecompose"):
        spectrum(build().drop_vars("eigenvalue"))


@pytest.mark.parametrize("color", [None, "context", "is_stable", "mode"])
@pytest.mark.parametrize("domain", ["discrete", "continuous"])
def test_histograms_count_every_eigenvalue_where_it_lies(color, domain):
    ds = build(domain=domain)
    figure = spectrum(ds, color=color)
    values = ds.eigenvalue.values[np.isfinite(ds.eigenvalue.values)]
    for along, part, place, count in (
        ("real", values.real, "x", "y"),
        ("imaginary", values.imag, "y", "x"),
    ):
        found = outlines(figure, along)
        assert len(found) == len(figure.data) - len(markers(figure)) - len(found)
        middles = np.asarray(found[0][place])
        width = np.diff(middles).mean()
        assert np.abs(middles).min() < 1e-12
        edges = np.append(middles - width / 2, middles[-1] + width / 2)
        total = np.sum([trace[count] for trace in found], axis=0)
        np.testing.assert_array_equal(total, np.histogram(part, edges)[0])
        assert total[0] == total[-1] == 0
        assert (total > 0).sum() > 3
        for trace in found:
            filled = np.flatnonzero(trace[count])
            said = trace.hovertext[filled[0]]
            assert said.endswith(f": {trace[count][filled[0]]} eigenvalues")


def test_histograms_of_groups_look_like_their_markers():
    figure = spectrum(build(), color="context")
    for trace, outline in zip(markers(figure), outlines(figure, "real"), strict=True):
        assert outline.line.color == trace.marker.color
        assert (outline.legendgroup, outline.showlegend) == (trace.legendgroup, False)
        assert sum(outline.y) == len(trace.x)
    assert len({trace.line.dash for trace in outlines(figure, "real")}) == 3


def test_histograms_share_the_axes_of_the_plane():
    layout = spectrum(build()).layout
    assert (layout.yaxis2.anchor, layout.xaxis2.anchor) == ("x", "y")
    assert layout.yaxis.domain[1] < layout.yaxis2.domain[0]
    assert layout.xaxis.domain[1] < layout.xaxis2.domain[0]
    # Growing the ranges keeps scales equal and the histograms beside the data; shrinking domains would not.
    assert layout.xaxis.constrain == layout.yaxis.constrain == "range"


def test_very_many_groups_have_one_histogram():
    ds = build(conditions={"model": [f"m{i}" for i in range(20)]})
    figure = spectrum(ds, color="model")
    assert len(shown(figure)) == 20
    assert len(outlines(figure, "real")) == 1
    ds = build(conditions={"model": [f"m{i}" for i in range(60)]}, n_points=4)
    figure = spectrum(ds, color="model")
    assert shown(figure)[-1] == "18 others"
    (outline,) = outlines(figure, "real")
    assert sum(outline.y) == np.isfinite(ds.eigenvalue.values).sum()


def test_a_colour_scale_is_that_of_the_condition(monkeypatch):
    monkeypatch.setattr(_styles, "_ASSIGNED", {})
    ds = build(conditions={"level": np.arange(9.0)})
    assign_colors({"context": [0, 1], "level": np.arange(20.0)})
    axis = spectrum(ds, color="level").layout.coloraxis
    expected = [(place, color.lower()) for place, color in colorscale(SCALES[1])]
    assert [(place, color.lower()) for place, color in axis.colorscale] == expected
    assert (axis.cmin, axis.cmax) == (0, 19)
    assert spectrum(ds, color="residual").layout.coloraxis.colorscale[0][1] == SCALES[0][0]


def test_very_many_eigenvalues_are_thinned_and_none_that_lies_alone_is_lost(monkeypatch):
    monkeypatch.setattr(_bins, "_MOST_DRAWN", 3_000)
    monkeypatch.setattr(_bins, "_RESERVE", 1_000)
    monkeypatch.setattr(_bins, "_CHUNK", 7_000)
    ds = cloud(400, 50)
    ds["eigenvalue"][1, 7, 3] = 3.0 + 2.0j
    ds["eigenvalue"][0, 5, 6] = np.nan
    ds["residual"] = ("fixed_point", np.linspace(0, 1, 400))
    for color in (None, "context", "residual"):
        figure = spectrum(ds, color=color)
        drawn = np.concatenate([np.asarray(trace.x) + 1j * np.asarray(trace.y) for trace in markers(figure)])
        assert 2_000 < len(drawn) <= 3_000
        assert len(np.unique(drawn)) == len(drawn)
        assert np.isin(drawn, ds.eigenvalue.values).all()
        assert 3.0 + 2.0j in drawn
        note = figure.layout.title.subtitle.text
        assert f"{len(drawn):,} of 39,999 eigenvalues are drawn, at random<br>(seed 0)" in note
        assert sum(sum(trace.y) for trace in outlines(figure, "real")) == 39_999
        text = [text for trace in markers(figure) for text in trace.hovertext]
        for i in np.random.default_rng(1).integers(len(drawn), size=20):
            said = lines_of(text[i])
            number = int(said["first"].removesuffix("</b>").rsplit(" ", 1)[1])
            mode = next(int(name.split()[1].rstrip(":")) for name in said if name.startswith("mode "))
            point = ds.sel(context=float(said["context"])).isel(fixed_point=number, mode=mode)
            assert point.eigenvalue.item() == drawn[i]
        assert figure.to_json() == spectrum(ds, color=color).to_json()


def test_thinned_eigenvalues_are_a_fair_sample(monkeypatch):
    monkeypatch.setattr(_bins, "_MOST_DRAWN", 12_000)
    monkeypatch.setattr(_bins, "_RESERVE", 2_000)
    ds = cloud(1_000, 40, seed=3)
    drawn = np.concatenate([np.asarray(trace.x) for trace in markers(spectrum(ds))])
    everything = ds.eigenvalue.values.real.ravel()
    inside = np.abs(everything) < 0.3
    expected = inside.mean()
    found = (np.abs(drawn) < 0.3).mean()
    assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / len(drawn)) + 0.05


def test_padding_does_not_move_rows():
    ds = build()
    whole = (
        ds.where(ds.kind == 1)
        .isel(fixed_point=slice(0, 6))
        .assign(kind=ds.kind.isel(fixed_point=slice(0, 6)))
    )
    for part in (ds, whole):
        values = np.concatenate([np.asarray(t.x) + 1j * np.asarray(t.y) for t in markers(spectrum(part))])
        expected = part.eigenvalue.values[(part.kind > 0).values].ravel()
        np.testing.assert_array_equal(np.sort_complex(values), np.sort_complex(expected))
