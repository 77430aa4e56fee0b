"""Several conditions at once: dims, labels, padding, and the same points as one call for each."""

import numpy as np
import pytest
import xarray as xr
from systems import cubic, cubic_roots, find, points

import fpanalysis as fpa
from fpanalysis.schema import FLAGS, SCHEMA, Kind, Status

DRIVES = [-0.6, 0.0, 0.1, 0.6]  # the cubic map at a = 1.5 has 1, 3, 3 and 1 fixed points
STARTS = np.linspace(-2, 2, 41)[:, None]


@pytest.fixture(scope="module")
def sweep():
    """Return the cubic map's points under four drives."""
    drives = xr.DataArray(DRIVES, dims="context", coords={"context": ["a", "b", "c", "d"]})
    return find(cubic(), {"drive": drives}, candidates=STARTS)


def test_points_of_every_condition_are_the_roots_of_its_polynomial(sweep):
    expected = [cubic_roots(1.5, drive) for drive in DRIVES]
    assert sweep.n_fixed_points.values.tolist() == [len(roots) for roots in expected] == [1, 3, 3, 1]
    for c, roots in enumerate(expected):
        one = sweep.isel(context=c)
        np.testing.assert_allclose(one.x.values[: len(roots), 0], roots, atol=1e-12)
        np.testing.assert_allclose(one.eigenvalue.values[: len(roots), 0], 1.5 - 3 * roots**2, atol=1e-11)


def test_dims_coordinates_and_dtypes(sweep):
    assert sweep.x.dims == ("context", "fixed_point", "state")
    assert dict(sweep.sizes) == {
        "context": 4, "fixed_point": 3, "state": 1, "input": 1, "mode": 1, "state_out": 1,
    }  # fmt: skip
    for name, array in sweep.data_vars.items():
        assert array.dims == ("context", *SCHEMA[str(name)][0]), name
        assert array.attrs["long_name"], name
    assert set(sweep.coords) == set(sweep.sizes)
    assert sweep.context.values.tolist() == ["a", "b", "c", "d"]
    assert sweep.state.values.tolist() == sweep.state_out.values.tolist() == ["x"]
    assert sweep.input.values.tolist() == ["drive"]
    np.testing.assert_array_equal(sweep.u.values[:, 0], DRIVES)
    dtypes = {"kind": np.int8, "status": np.int8, "is_fixed": bool, "is_stable": bool, "is_defective": bool}
    for name, dtype in dtypes.items():
        assert sweep[name].dtype == dtype, name
    for name in ("n_hits", "n_unstable", "n_failed", "n_candidates", "n_fixed_points", "n_slow_points"):
        assert sweep[name].dtype == np.int64, name
    for name in ("x", "residual", "q", "u", "jacobian", "time_constant", "coverage"):
        assert sweep[name].dtype == np.float64, name
    assert sweep.eigenvalue.dtype == sweep.left_eigenvector.dtype == np.complex128
    assert all(type(variable.data) is np.ndarray for variable in sweep.variables.values())


def test_flags_follow_cf(sweep):
    for name in ("kind", "status", "stability"):
        attrs, meanings = sweep[name].attrs, FLAGS[name]
        assert attrs["flag_meanings"].split() == list(meanings)
        assert attrs["flag_values"].dtype == np.int8
        assert attrs["flag_values"].tolist() == list(range(len(meanings)))
    assert sweep.attrs["time_domain"] == "discrete"
    assert all(isinstance(value, int | float | str) for value in sweep.attrs.values())


def test_unused_rows_hold_their_filling(sweep):
    padding = sweep.kind.values == Kind.NONE
    assert padding.sum() == 4
    np.testing.assert_array_equal(sweep.is_fixed, ~padding)
    for name, array in sweep.data_vars.items():
        if "fixed_point" not in array.dims:
            continue
        unused, used, filling = array.values[padding], array.values[~padding], SCHEMA[str(name)].filling
        assert np.all(np.isnan(unused)) if np.isnan(filling) else np.all(unused == filling), name
        assert not np.any(np.isnan(used)), name
    np.testing.assert_array_equal(
        sweep.n_hits.where(sweep.is_fixed, 0).sum("fixed_point") + sweep.n_failed, 41
    )


def test_condition_dims_are_absent_where_nothing_varies():
    ds = find(cubic(), {"drive": 0.1}, candidates=STARTS, spectra=False)
    assert ds.x.dims == ("fixed_point", "state")
    assert ds.status.dims == ds.coverage.dims == ()
    assert set(ds.coords) == {"fixed_point", "state", "input"}


def test_together_and_one_by_one_agree_exactly(sweep):
    for c, drive in enumerate(DRIVES):
        one = find(cubic(), [drive], candidates=STARTS)
        n = int(one.n_fixed_points)
        together = sweep.isel(context=c, fixed_point=slice(n)).drop_vars("context")
        spread = STARTS.std()
        np.testing.assert_allclose(together.x, one.x, rtol=0, atol=1e-12 * spread)
        for name in ("n_hits", "n_failed", "n_fixed_points", "is_stable", "status", "kind"):
            np.testing.assert_array_equal(together[name], one[name], err_msg=name)


def test_drawn_candidates_find_the_same_points_together_and_alone():
    drives = xr.DataArray(DRIVES, dims="context")
    together = find(cubic(), {"drive": drives}, n_candidates=128, spectra=False)
    for c, drive in enumerate(DRIVES):
        np.testing.assert_allclose(
            points(together.isel(context=c))[:, 0], cubic_roots(1.5, drive), atol=1e-12
        )


def test_two_named_dims_and_coordinates_along_them():
    goal = xr.DataArray(
        [[[-0.6], [0.0], [0.1]], [[0.1], [0.6], [0.0]]],
        dims=("session", "goal", "input"),
        coords={"session": [7, 8], "goal_x": ("goal", [0.5, 1.5, 2.5]), "made": "today"},
    )
    ds = find(cubic(), goal, candidates=STARTS, spectra="values")
    assert ds.x.dims == ("session", "goal", "fixed_point", "state")
    assert ds.n_fixed_points.values.tolist() == [[1, 3, 3], [3, 1, 3]]
    assert ds.goal_x.dims == ("goal",)
    assert ds.goal.values.tolist() == [0, 1, 2]
    assert ds.session.values.tolist() == [7, 8]
    assert "made" not in ds.coords
    np.testing.assert_allclose(points(ds.sel(session=8, goal=2))[:, 0], cubic_roots(1.5, 0.0), atol=1e-12)


def test_a_mapping_spans_the_product_of_its_dims():
    model = fpa.vector_field(lambda x, u: 1.5 * x - x**3 + u[0] * u[1], state=1, inputs=["gain", "drive"])
    goal = {
        "drive": xr.DataArray([0.0, 0.3], dims="drive_level"),
        "gain": xr.DataArray([1.0, -2.0, 0.5], dims="gain_level", coords={"gain_level": [1, 2, 3]}),
    }
    ds = find(model, goal, candidates=STARTS, spectra=False)
    assert set(ds.x.dims[:2]) == {"drive_level", "gain_level"}
    for i, drive in enumerate([0.0, 0.3]):
        for j, gain in enumerate([1.0, -2.0, 0.5]):
            one = ds.isel(drive_level=i, gain_level=j)
            np.testing.assert_array_equal(one.u, [gain, drive])
            np.testing.assert_allclose(points(one)[:, 0], cubic_roots(1.5, gain * drive), atol=1e-12)


def test_named_inputs_are_put_in_the_models_order():
    model = fpa.vector_field(lambda x, u: 0.5 * x + u, state=2, inputs=["left", "right"])
    goal = xr.DataArray([1.0, 2.0], dims="input", coords={"input": ["right", "left"]})
    ds = find(model, goal, n_candidates=8, spectra=False)
    np.testing.assert_allclose(points(ds), [[4.0, 2.0]])
    np.testing.assert_array_equal(ds.u, [2.0, 1.0])


def test_candidates_may_differ_between_conditions():
    drives = xr.DataArray([0.0, 0.1], dims="context", coords={"context": [1, 2]})
    roots = np.stack([cubic_roots(1.5, drive) for drive in drives.values])
    starts = xr.DataArray(
        roots[:, 1:, None], dims=("context", "candidate", "state"), coords={"context": [1, 2], "state": ["x"]}
    )
    ds = find(cubic(), {"drive": drives}, candidates=starts.transpose("state", "candidate", "context"))
    np.testing.assert_allclose(ds.x.values, roots[:, 1:, None], atol=1e-12)
    assert np.all(ds.n_hits == 1)
    assert ds.coverage.values.tolist() == [0.0, 0.0]


def test_candidates_are_sorted_into_the_models_order():
    model = fpa.vector_field(lambda x, u: 2.0 * x, state=["a", "b"])
    starts = xr.DataArray([[5.0, np.nan]], dims=("candidate", "state"), coords={"state": ["b", "a"]})
    with pytest.warns(UserWarning, match="no fixed point"):
        ds = find(model, candidates=starts)
    assert ds.n_failed == 1
    assert ds.state.values.tolist() == ["a", "b"]


@pytest.mark.parametrize("spectra", ["full", "values", False])
def test_a_condition_without_a_fixed_point_is_an_empty_row(spectra):
    """`x + d` returns to itself only where d is zero; there every state does."""
    model = fpa.vector_field(lambda x, u: x + u, state=1, inputs=1)
    goal = xr.DataArray([[1.0], [0.0]], dims=("step", "input"), coords={"step": [5, 6]})
    with pytest.warns(UserWarning, match=r"1 of 2 conditions \(step=5\): none of the 1 candidates") as caught:
        ds = find(model, goal, candidates=[[0.25]], spectra=spectra)
    assert len(caught) == 1
    assert ds.n_fixed_points.values.tolist() == [0, 1]
    assert ds.n_failed.values.tolist() == [1, 0]
    assert [FLAGS["status"][i] for i in ds.status.values] == ["none_found", "solved"]
    assert ds.coverage.values.tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(ds.x.values, [[[np.nan]], [[0.25]]])


@pytest.mark.parametrize("spectra", ["full", "values", False])
@pytest.mark.parametrize("n_conditions", [0, 3])
def test_no_fixed_point_anywhere(spectra, n_conditions):
    model = fpa.vector_field(lambda x, u: x + 1.0, state=2, inputs=1)
    goal = xr.DataArray(np.zeros((n_conditions, 1)), dims=("context", "input")) if n_conditions else None
    with pytest.warns(
        UserWarning, match=rf"in {n_conditions or 1} of {n_conditions or 1} conditions"
    ) as caught:
        ds = find(model, goal, n_candidates=16, spectra=spectra)
    assert len(caught) == 1
    assert ds.sizes["fixed_point"] == 0
    assert np.all(ds.n_failed == 16)
    assert np.all(ds.status == Status.NONE_FOUND)
    assert fpa.to_long(ds).sizes["fixed_point"] == 0
    if spectra is False:
        assert fpa.eigendecompose(fpa.linearize(model, ds)).eigenvalue.shape[-2:] == (0, 2)
    else:
        assert ds.eigenvalue.shape[-2:] == (0, 2)


def test_long_form_has_every_point_once(sweep):
    long = fpa.to_long(sweep)
    assert long.sizes["fixed_point"] == 8
    assert "context" not in long.dims
    assert long.context.values.tolist() == list("abbbcccd")
    assert long["rank"].values.tolist() == [0, 0, 1, 2, 0, 1, 2, 0]
    np.testing.assert_allclose(
        long.x.values[:, 0], np.concatenate([cubic_roots(1.5, drive) for drive in DRIVES]), atol=1e-12
    )
    np.testing.assert_array_equal(long.u.values[:, 0], np.repeat(DRIVES, [1, 3, 3, 1]))
    np.testing.assert_array_equal(long.n_failed, np.repeat(sweep.n_failed.values, [1, 3, 3, 1]))
    assert {name: long[name].dtype for name in long.data_vars} == {
        name: sweep[name].dtype for name in sweep.data_vars
    }
    assert long.attrs == sweep.attrs
    assert long.kind.attrs.keys() == sweep.kind.attrs.keys()
    assert np.all(long.kind == 1)


def test_long_form_of_one_condition():
    ds = find(cubic(), candidates=STARTS)
    long = fpa.to_long(ds)
    xr.testing.assert_equal(long.drop_vars("rank")[list(ds.data_vars)].x, ds.x)
    assert long["rank"].values.tolist() == [0, 1, 2]


def test_linearize_and_eigendecompose_a_selection(sweep):
    bare = find(cubic(), {"drive": sweep.u.isel(input=0, drop=True)}, candidates=STARTS, spectra=False)
    for pick in ({"context": 1}, {"context": [0, 2]}, {"fixed_point": 0}, {"fixed_point": [1]}):
        again = fpa.eigendecompose(fpa.linearize(cubic(), bare.isel(pick)))
        for name in (
            "jacobian",
            "input_jacobian",
            "eigenvalue",
            "right_eigenvector",
            "is_stable",
            "n_unstable",
        ):
            xr.testing.assert_allclose(again[name], sweep[name].isel(pick), rtol=1e-13)


def test_linearize_and_eigendecompose_check_what_they_get(sweep):
    other = fpa.vector_field(lambda x, u: x, state=["y"], inputs=["drive"])
    with pytest.raises(ValueError, match="ds: its state entries are not the model's: expected 'y', got 'x'"):
        fpa.linearize(other, sweep)
    with pytest.raises(ValueError, match="ds: expected the variable 'jacobian'; call linearize"):
        fpa.eigendecompose(sweep.drop_vars("jacobian"))
    with pytest.raises(ValueError, match="ds: expected a dataset made by find_fixed_points"):
        fpa.to_long(xr.Dataset({"a": 1}))


def test_eigenvalues_alone_equal_those_of_full_spectra(sweep):
    drives = sweep.u.isel(input=0, drop=True)
    values = find(cubic(), {"drive": drives}, candidates=STARTS, spectra="values")
    none = find(cubic(), {"drive": drives}, candidates=STARTS, spectra=False)
    for name in ("eigenvalue", "time_constant", "frequency", "is_stable", "n_unstable"):
        xr.testing.assert_allclose(values[name], sweep[name], rtol=1e-12)
        assert name not in none
    for name in (
        "jacobian",
        "input_jacobian",
        "right_eigenvector",
        "left_eigenvector",
        "eigenvalue_condition",
    ):
        assert name in sweep
        assert name not in values
        assert name not in none
    xr.testing.assert_identical(none.x, sweep.x)


def test_spectra_above_the_memory_limit_are_cut_with_a_warning():
    with pytest.warns(
        UserWarning, match=r"full spectra would take .* GiB, more than the limit of .*: only eigen"
    ):
        ds = find(cubic(), candidates=STARTS, memory_limit=100)
    assert "eigenvalue" in ds
    assert "jacobian" not in ds
    exact = 3 * (8 + 8 + 2 * 16)
    assert "jacobian" in find(cubic(), candidates=STARTS, memory_limit=exact)


@pytest.mark.parametrize("vectors", [True, False])
def test_spectra_heed_what_is_known_of_the_points(sweep, vectors):
    """A margin makes modes neutral; where there is no derivative there is no spectrum."""
    known = sweep.isel(context=[int(sweep.n_fixed_points.values.argmax())])
    used = np.flatnonzero(known.kind.values[0] != Kind.NONE)
    smooth, margin = np.zeros((2, 1, known.sizes["fixed_point"]))
    smooth[0, used[1:]], margin[0, used[-1]] = 1, 100.0
    dims = ("context", "fixed_point")
    given = known.assign(is_smooth=(dims, smooth == 1), stability_margin=(dims, margin))
    ds = fpa.eigendecompose(given.transpose("fixed_point", ...), vectors=vectors, progress=False)
    words = [FLAGS["stability"][code] for code in ds.stability.values[0]]
    expected = [FLAGS["stability"][code] for code in known.stability.values[0]]
    assert words[used[0]] == "undecided"
    assert words[used[-1]] == "neutral"
    assert words[used[1] : used[-1]] == expected[used[1] : used[-1]]
    assert ds.n_unstable.values[0, used[[0, -1]]].tolist() == [-1, 0]
    assert not ds.is_stable.values[0, used[[0, -1]]].any()
    assert np.isinf(ds.time_constant.values[0, used[-1]]).all()
    names = ("eigenvalue", "time_constant", "frequency")
    vector_names = ("right_eigenvector", "left_eigenvector", "eigenvalue_condition")
    for name in (*names, *vector_names) if vectors else names:
        assert np.isnan(ds[name].values[0, used[0]]).all(), name
        np.testing.assert_array_equal(np.isnan(ds[name].values[0, used[1:]]), False)
    if vectors:
        assert not ds.is_defective.values[0, used[0]].any()
