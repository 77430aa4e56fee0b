"""What values mean in a records store: equal or not, whatever type they were typed in."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fpanalysis as fpa
from fpanalysis.records import values
from fpanalysis.records.filters import any_of

SAME = [
    (1, 1.0),
    (0.8, np.float32(0.8)),
    (0.1, np.float16(0.1)),
    (0.0, -0.0),
    (3, np.int8(3)),
    (True, np.bool_(True)),
    ([1, 2], (1.0, np.float64(2))),
    ([1, 2], np.array([1, 2])),
    (math.nan, np.float32("nan")),
    ("a", np.str_("a")),
]
DIFFERENT = [1, True, "1", "true", None, "null", "None", math.nan, "nan", "$nan", math.inf, -math.inf, 2**53]
DIFFERENT += [2**53 + 1, 2**53 + 2, str(2**53 + 1), f"$int:{2**53 + 1}", [], [1], {}, "", 0, False]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_meaning_is_the_same_text(one, other):
    assert values.indexed(values.canonical(one)) == values.indexed(values.canonical(other))


def test_different_meanings_are_different_texts():
    texts = [values.indexed(values.canonical(value)) for value in DIFFERENT]
    assert len(set(texts)) == len(texts)


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=("Cs",))),
)


@given(st.one_of(_LEAVES, st.lists(_LEAVES)))
def test_values_come_back_from_their_text(value):
    back = values.plain(values.load(values.text(values.canonical(value))))
    assert back == value
    assert isinstance(back, bool) == isinstance(value, bool)


def test_not_a_number_comes_back():
    assert math.isnan(values.plain(values.load(values.text(values.canonical(math.nan)))))


def test_dotted_and_nested_names_are_the_same():
    nested = {"network": {"kind": "gru", "size": 5}, "seed": 1}
    assert values.nested({"network.kind": "gru", "network": {"size": 5}, "seed": 1.0}) == nested
    assert values.flat(nested) == {"network.kind": "gru", "network.size": 5, "seed": 1}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"a": 1, "a.b": 2}, "'a.b' lies within 'a'"),
        ({"a.b": 1, "a": {"b": 2}}, "given twice"),
    ],
)
def test_names_that_collide_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        values.nested(params)


@pytest.mark.parametrize("value", [object(), b"bytes", 1j, np.array([1j]), "\ud800", {1: 2}, {"": 1}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(TypeError, match="model_size"):
        values.canonical({"model_size": value})


def test_a_list_asks_for_any_of_its_items_and_a_list_within_for_a_list():
    assert any_of([1, "a"], "x").texts == ("1", '"a"')
    assert any_of([[1, 2]], "x").texts == ("[1,2]",)
    assert any_of([fpa.missing, fpa.between(0, 1)], "x").missing


def test_a_range_of_single_precision_is_the_one_that_was_typed():
    assert fpa.between(np.float32(0.1), 1).low == 0.1


@pytest.mark.parametrize(
    ("low", "high", "error"),
    [(2, 1, ValueError), (math.nan, 1, ValueError), ("1", 2, TypeError), (True, 2, TypeError)],
)
def test_ranges_that_are_none_are_refused(unchecked, low, high, error):
    with pytest.raises(error, match="low"):
        fpa.between(low, high)


def test_missing_is_one_and_stays_one():
    assert pickle.loads(pickle.dumps(fpa.missing)) is fpa.missing
    assert repr(fpa.missing) == "missing"
