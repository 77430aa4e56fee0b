"""Numbers as callers hold them: labels of pandas are matched or refused, masks are never dropped."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis._given import labelled, numbers
from fpanalysis.conditions import conditions_from, make_conditions, spread_candidates

pytestmark = pytest.mark.usefixtures("unchecked")

NAMES = ("p", "q")
MODEL = fpa.vector_field(lambda x, u: jnp.tanh(0.5 * x + u), state=["a", "b"], inputs=list(NAMES))
BOX = ((-1.0, 1.0), (-1.0, 1.0))
BACKWARDS = pd.Series({"q": 0.2, "p": 0.1})


def flow(u=None, **options):
    return fpa.flow_field(MODEL, ("a", "b"), u, **({"extent": BOX} | options), n=2)


def run(inputs, x0=None):
    return fpa.simulate(MODEL, inputs, x0, progress=False)


def inputs(value):
    return conditions_from(NAMES, value, "inputs")


def candidates(value):
    return spread_candidates(value, ("a", "b"), make_conditions(NAMES, None, None))


def goal(value):
    return fpa.Goal(position=value).position


def test_labels_of_a_series_are_matched_by_name():
    assert inputs(BACKWARDS).u.tolist() == [[0.1, 0.2]]
    assert fpa.find_fixed_points(MODEL, inputs=BACKWARDS, progress=False).u.values.tolist() == [0.1, 0.2]
    assert flow(BACKWARDS).u.values.tolist() == [0.1, 0.2]
    state = pd.Series({"b": 2.0, "a": 1.0})
    assert run(3, state).x0.values.tolist() == [1.0, 2.0]
    deep = fpa.vector_field(lambda x, u: -x, state=["a", "b", "c"])
    through = pd.Series({"c": 3.0, "b": 2.0, "a": 1.0})
    assert fpa.flow_field(deep, ("a", "b"), through=through, extent=BOX, n=2).origin.values[2] == 3.0
    assert goal(pd.Series({"y": 0.2, "x": 0.1})).values.tolist() == [0.1, 0.2]


def test_columns_of_a_dataframe_are_matched_by_name():
    table = pd.DataFrame({"q": [0.2, 0.4, 0.6], "p": [0.1, 0.3, 0.5]})
    assert run(table).u.values.tolist() == table[["p", "q"]].to_numpy().tolist()
    found = inputs(table)
    assert found.dims == ("condition",)
    assert found.u.tolist() == table[["p", "q"]].to_numpy().tolist()
    states = pd.DataFrame({"b": [2.0, 4.0], "a": [1.0, 3.0]})
    assert candidates(states).tolist() == [[[1.0, 2.0], [3.0, 4.0]]]
    trials = run(table, states)
    assert trials.x0.dims == ("trial", "state")
    assert trials.x0.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert goal(pd.DataFrame({"y": [0.2], "x": [0.1]})).values.tolist() == [[0.1, 0.2]]


def test_rows_of_a_dataframe_become_conditions_with_their_labels():
    named = pd.DataFrame({"q": [0.2, 0.4], "p": [0.1, 0.3]}, index=pd.Index(["lo", "hi"], name="context"))
    found = inputs(named)
    assert found.dims == ("context",)
    assert found.template["context"].values.tolist() == ["lo", "hi"]
    index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["rule", "cue"])
    levels = inputs(named.set_axis(index)).template
    assert levels["cue"].values.tolist() == [1, 2]
    time = pd.DataFrame({"q": [0.2, 0.4], "p": [0.1, 0.3]}, index=[0.1, 0.2])
    assert run(time).attrs["dt"] == pytest.approx(0.1)
    sweep = inputs({"p": named["p"]})
    assert sweep.template["context"].values.tolist() == ["lo", "hi"]
    assert sweep.u[:, 0].tolist() == [0.1, 0.3]


def test_integers_that_increase_are_positions():
    assert inputs(pd.Series([0.1, 0.2])).u.tolist() == [[0.1, 0.2]]
    assert inputs(pd.DataFrame([[9.0, 0.1, 0.2]]).iloc[:, 1:]).u.tolist() == [[0.1, 0.2]]
    assert candidates(pd.DataFrame([[1.0, 2.0]])).tolist() == [[[1.0, 2.0]]]
    with pytest.raises(ValueError, match="inputs: the model has no input '1'"):
        inputs(pd.Series([0.1, 0.2]).iloc[::-1])


def test_labels_within_a_block_are_matched_by_name():
    names = ("go", "cue[0]", "cue[1]")
    for cue in (
        pd.Series({"cue[1]": 0.2, "cue[0]": 0.1}),
        xr.DataArray([0.2, 0.1], {"input": ["cue[1]", "cue[0]"]}),
    ):
        assert conditions_from(names, {"cue": cue}, "inputs").u.tolist() == [[0.0, 0.1, 0.2]]
    with pytest.raises(ValueError, match=r"inputs\['cue'\]: the model has no input 'cue\[2\]'"):
        conditions_from(names, {"cue": pd.Series({"cue[2]": 0.2, "cue[0]": 0.1})}, "inputs")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inputs(pd.Series({"left": 1.0, "q": 2.0})), "inputs: the model has no input 'left'"),
        (lambda: inputs(pd.Series({"p": 1.0})), "inputs: no values are given for the input 'q'"),
        (lambda: inputs({"p": pd.Series({"q": 1.0})}), r"inputs\['p'\]: the model has no input 'q'"),
        (lambda: flow(pd.Series({"pp": 1.0, "q": 2.0})), r"u: .* no input 'pp' \(did you mean 'p'\?\)"),
        (lambda: candidates(pd.DataFrame({"a": [1.0], "bb": [2.0]})), "no state 'bb' .did you mean 'b'.*"),
        (lambda: candidates(BACKWARDS), "candidates: expected the dims 'candidate', 'state'"),
        (lambda: run(pd.DataFrame({"pp": [0.1], "q": [0.2]})), r"no input 'pp' \(did you mean 'p'\?\)"),
        (lambda: run(BACKWARDS), "inputs: expected the dims 'time', 'input', got 'input' without 'time'"),
        (lambda: run(3, pd.Series({"aa": 1.0, "b": 2.0})), r"x0: .* no state 'aa' \(did you mean 'a'\?\)"),
        (lambda: flow(through=pd.Series({"aa": 1.0, "b": 2.0})), r"through: .*'aa' \(did you mean 'a'\?\)"),
        (lambda: flow(extent=pd.DataFrame(BOX, index=["b", "a"])), "extent: expected numbers without labels"),
        (lambda: fpa.grid(2, 1, pd.DataFrame(BOX, columns=["y", "x"])), "workspace: .* give its to_numpy"),
        (lambda: goal(pd.Series({"x": 0.1, "z": 0.2})), "position: expected 'x' and 'y' along 'axis'"),
        (lambda: fpa.tasks.SimpleReaches(workspace=pd.DataFrame(BOX, ["y", "x"])), "workspace: .* labels"),
        (lambda: inputs(pd.Series({("p", 1): 1.0})), "inputs: expected one label an entry"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


HIDDEN = np.ma.masked_array([1.0, 2.0], [False, True])
PAIRS = np.ma.masked_array(BOX, [[False, True], [False, False]])


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: inputs(HIDDEN), "inputs"),
        (lambda: inputs({"p": HIDDEN[1]}), r"inputs\['p'\]"),
        (lambda: flow(HIDDEN), "u"),
        (lambda: flow(through=HIDDEN), "through"),
        (lambda: flow(extent=PAIRS), "extent"),
        (lambda: candidates(PAIRS), "candidates"),
        (lambda: run(PAIRS), "inputs"),
        (lambda: run(3, HIDDEN), "x0"),
        (lambda: goal(HIDDEN), "position"),
        (lambda: fpa.grid(2, 1, PAIRS), "workspace"),
        (lambda: fpa.tasks.SimpleReaches(workspace=PAIRS), "workspace"),
    ],
)
def test_masked_values_are_refused(call, argument):
    with pytest.raises(ValueError, match=f"{argument}: expected numbers, got 1 of . that are masked"):
        call()


def test_a_mask_that_hides_nothing_is_no_matter():
    assert inputs(np.ma.masked_array([1.0, 2.0], [False, False])).u.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_numbers_are_named(missing):
    with pytest.raises((TypeError, ValueError), match=r"inputs\['p'\]: expected numbers|, of 'p'"):
        inputs({"p": missing})
    with pytest.raises(ValueError, match="inputs: expected finite numbers, got 1 that are not, of 'q'"):
        inputs(pd.Series({"q": missing, "p": 1.0}))


def test_a_result_without_names_is_said_to_have_none():
    found = fpa.find_fixed_points(MODEL, candidates=np.zeros((1, 2)), progress=False)
    with pytest.raises(ValueError, match="its state entries are not the model's: .* 'a', 'b', got no names"):
        fpa.linearize(MODEL, found.drop_vars("state"))


def test_text_is_no_number_whatever_holds_it():
    for text in (["1.0"], np.array(["1.0"], object), pd.Series(["1.0"])):
        with pytest.raises(TypeError, match="u: expected numbers, got"):
            numbers(text, "u")


def test_what_is_not_of_pandas_is_left_alone():
    given = np.zeros(2)
    assert labelled(given, "u", ("time", "input")) is given
    assert numbers(given, "u") is not given
