"""Whether two calls are the same question: by the content of their arguments, to the last bit."""

import datetime
import decimal
import enum
import functools
import math
import tarfile
import threading
from collections import OrderedDict, namedtuple
from pathlib import Path
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import fpanalysis as fpa
from fpanalysis.control import tasks
from fpanalysis.control.fields import AbstractField, Constant, Curl
from fpanalysis.records import exact, values, versioned
from fpanalysis.records.exact import digest_of
from fpanalysis.records.recipes import described

ENSEMBLE = fpa.datasets.reaching_ensemble()
GAIN = 2.0
WEIGHTS = np.array([1.0, 2.0])


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


Pair = namedtuple("Pair", "a b")
Other = namedtuple("Other", "a b")


class Stiff(AbstractField):
    """A field of one's own, with a matrix."""

    matrix: jax.Array
    amplitude: float = 0.0

    def force(self, position, velocity):
        return self.matrix @ position


@jax.tree_util.register_pytree_node_class
class Node:
    def __init__(self, inner):
        self.inner = inner

    def tree_flatten(self):
        return (self.inner,), "aux"

    @classmethod
    def tree_unflatten(cls, aux, children):
        return cls(*children)


def scaled(x):
    return GAIN * x


def weighed(x):
    return WEIGHTS * x


def through(x):
    return scaled(x)


def times(factor):
    return lambda x: factor * x


def default(factor):
    def apply(x, factor=factor):
        return factor * x

    return apply


class Method:
    def __init__(self, gain):
        self.gain = gain

    def call(self, x):
        return self.gain * x


def model(scale=1.0):
    weights = lambda *shape: scale * jnp.ones(shape)  # noqa: E731
    cell = eqx.nn.GRUCell(2, 3, key=jax.random.key(0))
    return eqx.tree_at(lambda c: c.weight_hh, cell, weights(9, 3))


def task(**changes):
    return tasks.SimpleReaches(n_steps=20, **changes)


# Two arguments each that differ in one leaf, made anew at every look.
DIFFERENT = {
    "int and float of a list": lambda: ([1, 2], [1, 3]),
    "a bool and an int": lambda: (True, 1),
    "a string and a number": lambda: ("1", 1),
    "None and a string": lambda: (None, "None"),
    "zeros": lambda: (0.0, -0.0),
    "NaN and None": lambda: (math.nan, None),
    "NaN and inf": lambda: (math.nan, math.inf),
    "next float": lambda: (0.1, math.nextafter(0.1, 1)),
    "large ints": lambda: (2**53, 2**53 + 1),
    "complex": lambda: (1j, 2j),
    "bytes": lambda: (b"a", b"b"),
    "bytes and text": lambda: (b"a", "a"),
    "path and text": lambda: (Path("a"), "a"),
    "paths": lambda: (Path("a"), Path("b")),
    "list and tuple": lambda: ([1, 2], (1, 2)),
    "nested": lambda: ({"a": [1, {"b": (2, 3)}]}, {"a": [1, {"b": (2, 4)}]}),
    "nesting": lambda: ([[1], [2]], [[1, 2], []]),
    "keys": lambda: ({"a": 1}, {"b": 1}),
    "order of an ordered mapping": lambda: (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
    "sets": lambda: ({1, 2}, {1, 3}),
    "ranges": lambda: (range(3), range(4)),
    "slices": lambda: (slice(1), slice(2)),
    "named tuples": lambda: (Pair(1, 2), Pair(1, 3)),
    "names of tuples": lambda: (Pair(1, 2), Other(1, 2)),
    "enum": lambda: (Colour.RED, Colour.BLUE),
    "enum and its value": lambda: (Level.LOW, 1),
    "single precision": lambda: (np.float32(0.1), 0.1),
    "small ints": lambda: (np.int8(1), 1),
    "array and list": lambda: (np.array([1.0, 2.0]), [1.0, 2.0]),
    "scalar and array": lambda: (np.array(1.0), 1.0),
    "values": lambda: (np.array([1.0, 2.0]), np.array([1.0, 2.5])),
    "dtype": lambda: (np.ones(2, "f4"), np.ones(2, "f8")),
    "int and float arrays": lambda: (np.ones(2, int), np.ones(2)),
    "shape": lambda: (np.ones((2, 3)), np.ones((3, 2))),
    "zeros of arrays": lambda: (np.array([0.0]), np.array([-0.0])),
    "last of many": lambda: (np.zeros(5000), np.r_[np.zeros(4999), 1]),
    "objects in arrays": lambda: (np.array([1, "1"], object), np.array(["1", "1"], object)),
    "structured": lambda: (np.array([(1, 2)], "i4,i4"), np.array([(1, 3)], "i4,i4")),
    "times": lambda: (np.datetime64("2020-01-01"), np.datetime64("2020-01-02")),
    "masked": lambda: (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 2], mask=[True, False])),
    "jax": lambda: (jnp.ones(2), jnp.array([1.0, 2.0])),
    "weak type": lambda: (jnp.asarray(1.0), jnp.asarray(1.0, jnp.float32)),
    "keys of JAX": lambda: (jax.random.key(0), jax.random.key(1)),
    "dates": lambda: (datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)),
    "decimals": lambda: (decimal.Decimal("0.1"), decimal.Decimal("0.10")),
    "frames": lambda: (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 3]})),
    "columns": lambda: (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
    "series": lambda: (pd.Series([1], ["x"]), pd.Series([1], ["y"])),
    "labelled": lambda: (xr.DataArray([1.0], dims="a"), xr.DataArray([1.0], dims="b")),
    "labels": lambda: (xr.DataArray([1.0], {"a": [1]}, "a"), xr.DataArray([1.0], {"a": [2]}, "a")),
    "dims of labels": lambda: (
        xr.DataArray([0.0], {"a": [0.0]}, "a"),
        xr.DataArray([0.0], {"b": [0.0]}, "b"),
    ),
    "zeros with labels": lambda: (xr.DataArray([0.0], dims="a"), xr.DataArray([-0.0], dims="a")),
    "dtypes with labels": lambda: (xr.DataArray(np.ones(1, "f4")), xr.DataArray(np.ones(1))),
    "attributes": lambda: (xr.Dataset(attrs={"a": 1}), xr.Dataset(attrs={"a": 2})),
    "datasets": lambda: (xr.Dataset({"x": 1.0}), xr.Dataset({"x": 2.0})),
    "goals": lambda: (fpa.Goal(position=(0.1, 0)), fpa.Goal(position=(0.2, 0))),
    "dims of goals": lambda: (
        fpa.Goal(position=(0.1, 0), context=[0.0, 1.0]),
        fpa.Goal(position=(0.1, 0), context=xr.DataArray([0.0, 1.0], {"c": [0.0, 1.0]}, "c")),
    ),
    "field": lambda: (Curl(1.5), Curl(1.6)),
    "kind of field": lambda: (Curl(1.5), Constant(1.5)),
    "arrays in fields": lambda: (Constant(jnp.asarray(5.0)), Constant(jnp.asarray(6.0))),
    "matrices in fields": lambda: (Stiff(matrix=jnp.eye(2)), Stiff(matrix=2 * jnp.eye(2))),
    "trials": lambda: (task().validation(), task().validation(context=2.0)),
    "tasks": lambda: (task(), task(workspace=((-0.5, -0.5), (1.0, 1.0)))),
    "models": lambda: (ENSEMBLE.models[0], ENSEMBLE.models[1]),
    "ensembles": lambda: (ENSEMBLE.sel(field_std=0.4), ENSEMBLE.sel(field_std=0.8)),
    "cells": lambda: (model(), model(2.0)),
    "in a list": lambda: ([Curl(jnp.ones(()))], [Curl(jnp.zeros(()))]),
    "PyTree": lambda: (Node(jnp.ones(2)), Node(jnp.zeros(2))),
    "namespaces": lambda: (SimpleNamespace(a=1), SimpleNamespace(a=2)),
    "objects": lambda: (Method(1.0), Method(2.0)),
    "solvers": lambda: (optimistix.Newton(1e-8, 1e-8), optimistix.Newton(1e-8, 1e-9)),
    "optimisers": lambda: (optax.adam(1e-3), optax.adam(1e-2)),
    "closures": lambda: (times(2.0), times(3.0)),
    "arrays in closures": lambda: (times(jnp.ones(2)), times(jnp.zeros(2))),
    "defaults": lambda: (default(2.0), default(3.0)),
    "lambdas on one line": lambda: (lambda x: x, lambda x: -x),
    "constants": lambda: ((lambda x: x + 1), (lambda x: x + 2)),
    "functions by name": lambda: (np.sin, np.cos),
    "functions of JAX": lambda: (jnp.sin, jnp.cos),
    "compiled": lambda: (jax.jit(times(2.0)), jax.jit(times(3.0))),
    "partials": lambda: (functools.partial(times, 2.0), functools.partial(times, 3.0)),
    "partials of JAX": lambda: (jax.tree_util.Partial(scaled, 1.0), jax.tree_util.Partial(scaled, 2.0)),
    "methods": lambda: (Method(1.0).call, Method(2.0).call),
    "versions": lambda: (versioned("1")(times(2.0)), versioned("2")(times(2.0))),
    "classes": lambda: (Curl, Constant),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_a_changed_leaf_changes_the_recipe_and_an_equal_one_does_not(kind):
    (one, other), (again, _) = DIFFERENT[kind](), DIFFERENT[kind]()

    def recipe(value):
        # Long and short arguments lie at the same places in a recipe.
        return values.text(described({"value": value})), exact.beyond_json({"value": value}), digest_of(value)

    assert recipe(one)[2] == recipe(again)[2] != recipe(other)[2]
    assert recipe(one)[:2] == recipe(again)[:2] != recipe(other)[:2]


EQUAL = {
    "dict order": lambda: ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
    "sets": lambda: ({"a", "b", "c"}, {"c", "b", "a"}),
    "NaN": lambda: (math.nan, float("nan")),
    "NaN of arrays": lambda: (np.array([np.nan]), -np.array([np.nan])),
    "order in memory": lambda: (np.ones((2, 3), order="F"), np.ones((2, 3))),
    "byte order": lambda: (np.ones(2, ">f8"), np.ones(2, "<f8")),
    "numbers": lambda: (2, 2.0),
    "NumPy's numbers": lambda: (np.float64(2), 2.0),
    "whose array": lambda: (np.ones(2, "f4"), jnp.ones(2, "f4")),
    "when computed": lambda: (xr.Dataset(attrs={"created": "a"}), xr.Dataset(attrs={"created": "b"})),
}


@pytest.mark.parametrize("kind", EQUAL)
def test_what_is_equal_is_the_same_question(kind):
    one, other = EQUAL[kind]()
    assert exact.beyond_json({"value": one}) == exact.beyond_json({"value": other})


_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False),
        st.text(max_size=3),
        st.binary(max_size=2),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner), st.dictionaries(st.text(max_size=2), inner)
    ),
    max_leaves=6,
)


@given(_VALUES, _VALUES)
def test_digests_are_equal_exactly_if_values_are(one, other):
    def key(value):
        if isinstance(value, dict):
            return ("dict", tuple(sorted(((k, key(v)) for k, v in value.items()), key=repr)))
        if isinstance(value, list | tuple):
            return (type(value).__name__, tuple(map(key, value)))
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 and str(value) != "-0.0":
            value = int(value)
        return (type(value).__name__, repr(value))

    assert (digest_of(one) == digest_of(other)) == (key(one) == key(other))


def test_globals_that_a_function_reads_are_part_of_it(monkeypatch):
    before = [digest_of(each) for each in (scaled, weighed, through, len)]
    monkeypatch.setitem(globals(), "GAIN", 3.0)
    WEIGHTS[0] = 5.0
    after = [digest_of(each) for each in (scaled, weighed, through, len)]
    WEIGHTS[0] = 1.0
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, True, True, False]


def holds_itself():
    found: list = [1]
    found.append(found)
    return found


def test_what_holds_itself_ends_and_what_is_too_deep_is_refused():
    assert digest_of(holds_itself()) == digest_of(holds_itself())
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(TypeError, match="trials.*nested deeper than"):
        digest_of(deep, "trials")


@pytest.mark.parametrize(
    "make",
    [
        object,
        threading.Lock,
        lambda: iter([1]),
        lambda: np.random.default_rng(0),
        lambda: open(__file__, "rb"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_by_name(make, tmp_path):
    with fpa.open_store(tmp_path) as db:
        record = db.add_model(ENSEMBLE.models[0], {"seed": 1})
        held = make()
        for value in (held, [held], {"a": held}, SimpleNamespace(a=held), functools.partial(scaled, held)):
            with pytest.raises(TypeError, match="trials.*no content that can be told apart"):
                db.evaluate(record, lambda model, trials: xr.Dataset(), type="run", trials=value)
        if hasattr(held, "close"):
            held.close()


calls: list = []


def run(model, **arguments):
    calls.append(arguments)
    return xr.Dataset({"x": float(len(calls))})


@pytest.fixture
def db(tmp_path):
    calls.clear()
    with fpa.open_store(tmp_path / "results") as store:
        for i in range(3):
            store.add_model(ENSEMBLE.models[i], {"seed": i})
        yield store


def test_every_question_has_its_own_answer(db):
    record = db.models.where(seed=0).one()
    for count, kind in enumerate(list(DIFFERENT)[::6] + ["trials", "arrays in fields"], 1):
        answers = []
        for _ in range(2):
            one, other = DIFFERENT[kind]()
            answers += [
                float(db.evaluate(record, run, type=f"kind {count}", value=v).x) for v in (one, other)
            ]
        assert answers == [2 * count - 1, 2 * count] * 2, kind


def test_what_a_function_holds_is_part_of_the_question(db):
    record = db.models.where(seed=0).one()

    def held(factor, log):
        def result(model):
            log.append(1)
            return xr.Dataset({"x": ("i", factor * np.ones(2))})

        return result

    log: list = []
    for factor in (np.array([1.0, 2.0]), np.array([1.0, 3.0]), np.array([1.0, 2.0])):
        assert db.evaluate(record, held(factor, log)).x.values.tolist() == factor.tolist()
    assert len(log) == 2


def test_several_models_are_asked_about_as_they_are_given(db):
    one, two, three = (db.models.where(seed=i).one() for i in range(3))

    def count(models):
        return xr.Dataset({"n": len(models) if isinstance(models, list) else -len(models.labels)})

    asked = [[one], [one, one], [one, two], [two, one], [[one], [two]][0], [one, two, three], db.models]
    found = [int(db.evaluate(each, count).n) for each in asked]
    assert found == [1, 2, 2, 2, 1, 3, -3]
    # The same models under other labels: the dims are theirs.
    for i in range(3):
        db.add_model(ENSEMBLE.models[i], {"replicate": i, "other": True})
    goal = fpa.Goal(position=(0.1, 0.0))
    first = db.fixed_points(db.models.where(other=fpa.missing), goal, spectra=False, progress=False)
    second = db.fixed_points(db.models.where(other=True), goal, spectra=False, progress=False)
    again = db.fixed_points(db.models.where(other=fpa.missing), goal, spectra=False, progress=False)
    assert "seed" in first.dims and "replicate" in second.dims
    xr.testing.assert_identical(first, again)


def test_parameters_stay_readable(db):
    record = db.models.where(seed=0).one()
    db.evaluate(record, run, type="read", field=Curl(1.5), place=Path("a"), two=Colour.RED, many=np.ones(3))
    found = db.evaluations.where(type="read").one().params
    assert found["field"] == "Curl(amplitude=1.5)"
    assert found["place"] == "a" and found["many"] == [1, 1, 1]
    assert "Colour #" in found["two"]


def test_answers_of_before_that_cannot_be_trusted_are_named_and_kept_and_not_served(tmp_path):
    with tarfile.open(Path(__file__).parent / "data" / "store_0001.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    with fpa.open_store(tmp_path / "old_store") as db:
        record = db.models.where(std=0.4).one()
        wrong = db.check(progress=False)
        untrusted = wrong[wrong.problem == "untrusted"]
        assert len(wrong) == len(untrusted) == 1
        assert "weak_f" in db.record(untrusted.record[0]).params["field"]

        def peak(model, amplitude, field=None):
            return xr.Dataset({"peak": ("trial", [-1.0])})

        def answer(**arguments):
            return float(db.evaluate(record, peak, amplitude=1.5, **arguments).peak[0])

        for arguments in ({}, {"field": Curl(1.5)}):
            with pytest.warns(UserWarning, match="code of peak changed"):
                assert answer(**arguments) == 1.5
        assert answer(field=Constant(jnp.asarray(5.0), 0.0)) == -1.0
        goal = fpa.Goal(position=fpa.grid(1, 1))
        count = len(db.evaluations)
        db.fixed_points(db.models.where(seed=1), goal, spectra=False, progress=False)
        assert len(db.evaluations) == count
        assert db.record(untrusted.record[0]).load().peak == 1.5
