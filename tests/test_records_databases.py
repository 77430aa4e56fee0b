"""The same questions to SQLite, to PostgreSQL, and to plain Python: the same answers."""

import math
import os
import threading
from collections.abc import Mapping
from decimal import Decimal
from itertools import combinations

import needs
import numpy as np
import pandas as pd
import psycopg
import psycopg.sql
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis.records import StoreError, restore

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="the server of the test is started as POSIX does it"
)

ABSENT = object()
# What a parameter may be, each of another meaning.
VALUES = [
    None, True, False, 0, 1, -1, 2, 0.5, 0.1, -0.25, 1e-3, 1e300, 1e-300, 2**53 - 1, 2**53, 2**53 + 1, 2**60,
    2**60 + 1, -(2**63), 10**40, math.nan, math.inf, -math.inf, "", "1", "1.0", "true", "null", "None",
    "$nan", "$", "é", "e\u0301", "日本", "a'b\"c\\d\n", "\x00", "%", "_", "A", "a", "x" * 3000, [], [1, 2],
    [2, 1], [[1], ["1"]], [True], {}, ABSENT,
]  # fmt: skip
# Others that mean the same.
SAME = [
    (1.0, 1), (np.float32(0.1), 0.1), (np.int64(2), 2), (np.True_, True), (-0.0, 0), (np.float64(0.5), 0.5),
    (np.array(1), 1), (np.str_("a"), "a"), (float(2**53), 2**53), (float(2**60), 2**60), 
    (np.float16(0.1), 0.1), (np.nan, math.nan),
]  # fmt: skip
RANGES = [
    (0, 1),
    (-1, 0.5),
    (0.1, 0.1),
    (-math.inf, math.inf),
    (2**53, 2**60),
    (1e-300, 1e-3),
    (1e299, math.inf),
]


def means_the_same(one, two):
    """Whether two values mean the same, decided without the package."""
    if one is ABSENT or two is ABSENT or one is None or two is None:
        return one is two
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, int | float) and isinstance(two, int | float):
        return (one != one and two != two) or (one == two and Exact(one) == Exact(two))
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(means_the_same, one, two))
    return type(one) is type(two) and one == two


def Exact(number):  # noqa: N802
    return Decimal(number) if math.isfinite(number) else number


@pytest.fixture(scope="module")
def url():
    with needs.postgresql() as found:
        yield found


def fill(db):
    model = fpa.datasets.flipflop("gru")
    parent = db.add_model(model, {"std": 0.8, "deep": {"er": 1}})
    for i, value in enumerate(VALUES):
        params = {"i": i} if value is ABSENT else {"i": i, "odd": value}
        ds = xr.Dataset({"x": ("i", [float(i)])})
        db.add_evaluation(ds, type="odd", parents=[parent] if i % 2 else [], label=f"n° {i}", **params)
    db.tag(db.evaluations.where(i=[1, 2, 3]), "few")


def new_database(url, name):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return url.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return [tmp_path_factory.mktemp(name) for name in ("sqlite", "postgresql")]


@pytest.fixture(scope="module")
def stores(url, folders):
    with fpa.open_store(folders[0]) as one, fpa.open_store(url, files=folders[1]) as two:
        fill(one)
        fill(two)
        yield [one, two]


def found(stores, **conditions):
    """Return which evaluations both databases find, after a look that they agree."""
    answers = []
    for db in stores:
        query = db.evaluations.where(**conditions)
        frame = query.df()
        assert len(query) == len(frame)
        answers.append((frame.drop(columns="created"), query.varies()))
    for one, two in zip(*answers, strict=True):
        pd.testing.assert_frame_equal(one, two)
    return answers[0][0]["i"].tolist() if len(answers[0][0]) else []


def which(predicate):
    return [i for i, value in enumerate(VALUES) if predicate(value)]


@pytest.mark.parametrize("index", range(len(VALUES)))
def test_every_value_is_found_and_no_other(stores, index):
    value = VALUES[index]
    expected = which(lambda other: means_the_same(other, value))
    wanted = fpa.missing if value is ABSENT else [value] if isinstance(value, list) else value
    assert expected == [index] == found(stores, odd=wanted)


@pytest.mark.parametrize(("asked", "value"), SAME)
def test_what_means_the_same_finds_it(stores, asked, value):
    assert found(stores, odd=asked) == which(lambda other: means_the_same(other, value))


def test_lists_mean_any_of(stores):
    for one, two in list(combinations(range(len(VALUES) - 1), 2))[::37]:
        assert found(stores, odd=[VALUES[one], VALUES[two]]) == [one, two]
    assert found(stores, odd=[None, fpa.missing, fpa.between(0, 1)]) == which(
        lambda each: each is None or each is ABSENT or (is_number(each) and 0 <= each <= 1)
    )


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_ranges_hold_numbers_only(stores, low, high):
    # Numbers are compared as float64.
    expected = which(lambda each: is_number(each) and low <= as_float(each) <= high)
    assert found(stores, odd=fpa.between(low, high)) == expected


def as_float(number):
    try:
        return float(number)
    except OverflowError:
        return math.inf


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, lambda i: True),
        ({"train": {"std": 0.8}}, lambda i: i % 2),
        ({"train": {"deep.er": 1.0}, "i": [1, 2, 3]}, lambda i: i in (1, 3)),
        ({"train": {"std": "0.8"}}, lambda i: False),
        ({"tag": "few"}, lambda i: i in (1, 2, 3)),
        ({"label": "n° 7"}, lambda i: i == 7),
        ({"type": ["odd", "even"], "i": fpa.between(40, 45)}, lambda i: 40 <= i <= 45),
        ({"type": "even"}, lambda i: False),
    ],
)
def test_columns_tags_and_ancestors(stores, conditions: Mapping, expected):
    assert found(stores, **conditions) == [i for i in range(len(VALUES)) if expected(i)]


def test_beginnings_of_hashes_are_texts_not_patterns(stores):
    hashes = list(stores[0].evaluations.df().index)
    assert found(stores, hash=[hashes[3][:12], hashes[5]]) == [3, 5]
    assert found(stores, hash=["%", "_"]) == []


def test_a_store_moves_from_one_database_to_the_other(url, stores, tmp_path):
    path = stores[1].backup()
    (tmp_path / "one").mkdir()
    path.rename(tmp_path / "one" / "records.sqlite")
    with fpa.open_store(tmp_path / "one") as db:
        assert found([db, stores[1]]) == list(range(len(VALUES)))
    with fpa.open_store(tmp_path / "two") as db:
        assert stores[0].copy(stores[0].evaluations, db, progress=False)["copied"] == len(VALUES) + 1
    moved = new_database(url, "moved")
    with pytest.raises(StoreError, match="the database has no records, but.*db restore"):
        fpa.open_store(moved, files=tmp_path / "two")
    assert len(restore(moved, files=tmp_path / "two")) == 0
    with fpa.open_store(moved, files=tmp_path / "two") as db:
        assert found([db, stores[0]]) == list(range(len(VALUES)))
        assert len(db.check(progress=False)) == 0


def test_threads_write_at_once_in_postgresql(url, tmp_path):
    database = new_database(url, "threads")
    failures = []

    def write(writer):
        try:
            with fpa.open_store(database, files=tmp_path) as db:
                for number in range(20):
                    ds = xr.Dataset({"x": ("i", [float(writer), float(number)])})
                    db.add_evaluation(ds, type="written", parents=[], number=number)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with fpa.open_store(database, files=tmp_path) as db:
        # One recipe of four answers has one current one.
        assert len(db.evaluations) == 20
        assert len(db.evaluations.where(status="superseded")) == 60


def test_a_database_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"postgresql\+psycopg://me:\*\*\*@localhost:1/x does not answer"):
        fpa.open_store("postgresql://me:secret@localhost:1/x", files=tmp_path)
    with pytest.raises(ValueError, match="files: expected the folder"):
        fpa.open_store("postgresql://me@localhost:1/x")
