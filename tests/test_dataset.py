"""The schema, and the crossing from arrays to xarray."""

import json

import numpy as np
import pytest
import xarray as xr
from systems import cubic, tanh_network

import fpanalysis as fpa
from fpanalysis.conditions import make_conditions
from fpanalysis.dataset import (
    Effort,
    Points,
    attributes,
    scatter,
    time_units,
    to_dataset,
    variable,
)
from fpanalysis.schema import FLAGS, SCHEMA, Kind, Stability, Status, words


def points(n_fixed, n_slow, hits):
    n = n_fixed + n_slow
    x = np.arange(n, dtype=float)[:, None]
    kind = np.array([Kind.FIXED] * n_fixed + [Kind.SLOW] * n_slow, int)
    sure = np.full(n, 1e-15), np.ones(n, bool), np.ones(n, bool), np.zeros(n)
    return Points(x, kind, 0.1 * x, np.zeros((n, 0)), *sure, np.array(hits, int), np.zeros(n, int))


@pytest.fixture
def result():
    conditions = make_conditions(("drive",), {"drive": xr.DataArray([1.0, 2, 3], dims="c")}, None)
    found = [points(2, 1, [1, 5, 9]), points(0, 0, []), points(1, 0, [1])]
    effort = Effort(np.full(len(found), 10), np.zeros(len(found), int), np.zeros(len(found), bool))
    return to_dataset(cubic(), conditions, found, effort, {})


def test_counts_leave_slow_points_out(result):
    assert result.n_fixed_points.values.tolist() == [2, 0, 1]
    assert result.n_slow_points.values.tolist() == [1, 0, 0]
    assert result.n_failed.values.tolist() == [4, 10, 9]
    assert result.n_candidates.values.tolist() == [10, 10, 10]
    assert result.status.values.tolist() == [Status.SOLVED, Status.NONE_FOUND, Status.SOLVED]
    np.testing.assert_allclose(result.coverage, [1 - 1 / 6, 0, 0])


def test_residual_and_q_come_from_the_recomputed_values(result):
    np.testing.assert_allclose(result.residual.values[0], [0, 0.1, 0.2])
    np.testing.assert_allclose(result.q.values[0], [0, 0.005, 0.02])
    assert np.isnan(result.residual.values[1]).all()


def test_rows_are_used_from_the_front(result):
    assert result.kind.values.tolist() == [[1, 1, 2], [0, 0, 0], [1, 0, 0]]
    assert result.n_hits.values.tolist() == [[1, 5, 9], [-1, -1, -1], [1, -1, -1]]
    np.testing.assert_array_equal(result.is_fixed, result.kind == Kind.FIXED)


@pytest.mark.parametrize(
    ("name", "rows", "filling"),
    [
        ("x", np.ones((2, 3)), np.nan),
        ("kind", np.ones(2, np.int8), 0),
        ("is_fixed", np.ones(2, bool), False),
        ("n_hits", np.ones(2, int), -1),
        ("eigenvalue", np.ones((2, 4), complex), np.nan),
    ],
)
def test_scatter_keeps_the_dtype(name, rows, filling):
    mask = np.array([[True, False], [False, True], [False, False]])
    out = scatter(name, mask, rows)
    assert out.dtype == rows.dtype
    assert out.shape == (3, 2, *rows.shape[1:])
    np.testing.assert_array_equal(out[mask], rows)
    np.testing.assert_array_equal(out[~mask], np.full((4, *rows.shape[1:]), filling, rows.dtype))


def test_every_variable_of_the_schema_has_words_for_itself():
    for name, said in SCHEMA.items():
        assert said.long_name and not said.long_name.endswith("."), name
        made = variable(name, ("a",), np.zeros((1,) * (len(said.dims) + 1)))
        assert made.dims == ("a", *said.dims)
        assert len(set(made.dims)) == len(made.dims)


def test_numbers_of_flags_never_change():
    """Files that were written before hold the numbers."""
    assert FLAGS["kind"] == ("none", "fixed", "slow")
    assert FLAGS["status"] == ("solved", "none_found", "bad_model", "bound_met")
    assert FLAGS["branch_begins"] == ("none", "start", "birth", "fold")
    assert FLAGS["branch_ends"] == ("none", "end", "death", "fold")
    assert FLAGS["mode_event"] == ("none", "crossing", "collision", "uncertain")
    assert words(Stability) == ("none", "stable", "unstable", "neutral", "undecided")
    for said in SCHEMA.values():
        assert said.flags is None or list(said.flags) == list(range(len(said.flags)))


def test_attributes_are_numbers_and_text():
    attrs = attributes([cubic()], {"tol": 1e-12, "seed": 3, "spectra": "full", "nested": {"a": [1]}})
    assert all(type(value) in (int, float, str) for value in attrs.values())
    assert json.loads(attrs["configuration"])["nested"] == {"a": [1]}
    assert (attrs["time_domain"], attrs["seed"], attrs["tol"]) == ("discrete", 3, 1e-12)
    assert attrs["created"].endswith("+00:00")
    assert "dt" not in attrs


def test_the_hash_tells_models_apart():
    one, same, other = (attributes([tanh_network(np.eye(2) * s)], {})["model_hash"] for s in (1, 1, 2))
    assert one == same != other
    slower = fpa.vector_field(cubic().function.cell, state=["x"], inputs=["drive"], dt=0.1)
    assert attributes([slower], {})["model_hash"] != attributes([cubic()], {})["model_hash"]


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"time_domain": "discrete"}, ("step", "1/step")),
        ({"time_domain": "discrete", "dt": 0.01}, ("s", "Hz")),
        ({"time_domain": "continuous"}, ("s", "Hz")),
    ],
)
def test_units_of_time(attrs, expected):
    assert time_units(xr.Dataset(attrs=attrs)) == expected
