"""Inputs and candidates become arrays, whatever way they are said."""

import numpy as np
import pytest
import xarray as xr

from fpanalysis.conditions import make_conditions, spread_candidates
from fpanalysis.schema import RESERVED

NAMES = ("left", "right", "cue[0]", "cue[1]")


@pytest.mark.parametrize("name", ["x", "stability", "mode", "joint", "rank", "candidate"])
def test_conditions_cannot_have_names_that_results_use(name):
    assert name in RESERVED
    with pytest.raises(ValueError, match=f"'{name}' cannot name a dim or coordinate"):
        make_conditions(("drive",), {"drive": xr.DataArray([1.0, 2], dims=name)}, None)


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        (None, [0, 0, 0, 0]),
        ({}, [0, 0, 0, 0]),
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        ((1, True, 3, 4), [1, 1, 3, 4]),
        (np.arange(4, dtype=np.float32), [0, 1, 2, 3]),
        ({"right": 2}, [0, 2, 0, 0]),
        ({"cue": 3, "left": np.float32(1)}, [1, 0, 3, 3]),
        ({"cue": [3, 4]}, [0, 0, 3, 4]),
        ({"cue[1]": xr.DataArray(5.0)}, [0, 0, 0, 5]),
        ({"cue": xr.DataArray([3.0, 4.0], dims="input")}, [0, 0, 3, 4]),
        (xr.DataArray([1.0, 2, 3, 4], dims="input"), [1, 2, 3, 4]),
        (xr.DataArray([1.0, 2, 3, 4], dims="input", coords={"input": list(NAMES[::-1])}), [4, 3, 2, 1]),
    ],
)
def test_one_condition(goal, expected):
    conditions = make_conditions(NAMES, goal, None)
    np.testing.assert_array_equal(conditions.u, [expected])
    assert conditions.u.dtype == np.float64
    assert (conditions.dims, conditions.shape) == ((), ())
    assert conditions.label(0) == "the only condition"
    np.testing.assert_array_equal(make_conditions(NAMES, None, goal).u, conditions.u)


def test_an_input_given_by_block_and_by_name():
    with pytest.raises(ValueError, match=r"goal: 'cue\[0\]' is given twice"):
        make_conditions(NAMES, {"cue": [1, 2], "cue[0]": 3}, None)


def test_named_dims_are_kept_in_order_with_their_labels():
    values = np.arange(24.0).reshape(4, 3, 2)
    goal = xr.DataArray(
        values, dims=("input", "a", "b"), coords={"a": ["x1", "y1", "z1"], "side": ("b", [-1, 1])}
    )
    conditions = make_conditions(NAMES, goal, None)
    assert (conditions.dims, conditions.shape) == (("a", "b"), (3, 2))
    np.testing.assert_array_equal(conditions.u, values.transpose(1, 2, 0).reshape(6, 4))
    assert conditions.label(3) == "a=y1, b=1"
    assert set(conditions.template.coords) == {"a", "b", "side"}


def test_a_mapping_broadcasts_its_dims():
    goal = {
        "left": xr.DataArray([1.0, 2.0], dims="a"),
        "cue[0]": xr.DataArray([[5.0, 6.0, 7.0], [8.0, 9.0, 10.0]], dims=("a", "b")),
        "right": 4.0,
    }
    conditions = make_conditions(NAMES, goal, None)
    table = conditions.u.reshape(*conditions.shape, 4)
    table = table if conditions.dims == ("a", "b") else table.swapaxes(0, 1)
    np.testing.assert_array_equal(table[..., 0], [[1, 1, 1], [2, 2, 2]])
    np.testing.assert_array_equal(table[..., 1], 4.0)
    np.testing.assert_array_equal(table[..., 2], goal["cue[0]"])
    np.testing.assert_array_equal(table[..., 3], 0.0)


def test_the_callers_arrays_are_left_alone():
    goal = xr.DataArray([[1.0, 2, 3, 4]], dims=("a", "input"), coords={"input": list(NAMES)})
    before = goal.copy(deep=True)
    make_conditions(NAMES, goal, None)
    xr.testing.assert_identical(goal, before)


STATE = ("h", "c")


def test_shared_candidates_are_the_same_for_every_condition():
    conditions = make_conditions(("i",), {"i": xr.DataArray(np.zeros(3), dims="a")}, None)
    starts = np.arange(8.0).reshape(4, 2)
    found = spread_candidates(starts, STATE, conditions)
    np.testing.assert_array_equal(found, np.tile(starts, (3, 1, 1)))


def test_candidates_over_some_of_the_dims():
    drives = xr.DataArray(np.zeros((2, 3)), dims=("a", "b"))
    conditions = make_conditions(("i",), {"i": drives}, None)
    starts = np.arange(3 * 4 * 2.0).reshape(3, 4, 2)
    given = xr.DataArray(starts, dims=("b", "candidate", "state"), coords={"state": ["c", "h"]})
    found = spread_candidates(given, STATE, conditions).reshape(2, 3, 4, 2)
    for a in range(2):
        np.testing.assert_array_equal(found[a], starts[..., ::-1])


def test_whole_numbers_become_floats():
    conditions = make_conditions((), None, None)
    found = spread_candidates([[1, 2], [3, 4]], STATE, conditions)
    assert found.dtype == np.float64
    assert found.shape == (1, 2, 2)
