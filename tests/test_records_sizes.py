"""Many hashes, many parameters, long values, deep ones: they work, or are refused when they are added."""

import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis.records import restore


@pytest.fixture
def db(tmp_path):
    with fpa.open_store(tmp_path / "store") as store:
        yield store


def add(db, type="t", label="", **params):
    return db.add_evaluation(xr.Dataset({"x": 1.0}), type=type, parents=[], label=label, **params)


def test_any_number_of_values_is_asked_for(db):
    one, other = add(db, i=1), add(db, i=2)
    many = [f"{i:064x}" for i in range(40_000)]
    assert len(db.evaluations.where(hash=[one.hash, *many])) == 1
    assert len(db.evaluations.where(hash=[one.hash[:9], other.hash[:12].upper(), *many])) == 2
    assert len(db.evaluations.where(i=list(range(2, 40_000)))) == 1
    assert len(db.evaluations.where(tag=many, label=["", "\ud800", "\0"])) == 0
    ranges = [fpa.between(i, i + 0.5) for i in range(300)]
    assert len(db.evaluations.where(i=ranges)) == 2
    with pytest.raises(ValueError, match="where: expected at most"):
        len(db.evaluations.where(i=ranges * 2))


def test_many_parameters_and_long_values_work(db):
    many = {f"p{i}": i for i in range(10_000)}
    record = add(db, many=many, text="x" * 1_000_000, number=10**3999, numbers=list(range(50_000)))
    assert db.evaluations.where(p9999=9999).one() == record
    assert len(db.evaluations.where(text="x" * 1_000_000, number=10**3999)) == 1
    assert len(db.evaluations.where(number=fpa.between(1e300, float("inf")))) == 1
    db.close()
    (db.folder / "records.sqlite").unlink()
    assert len(restore(db.folder)) == 0
    with fpa.open_store(db.folder) as again:
        assert again.evaluations.one() == record


def nested(depth, kind):
    found: object = 1
    for _ in range(depth):
        found = [found] if kind is list else {"a": found}
    return found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"p": nested(60, list)}, "params.p: nested deeper"),
        ({"p": nested(20_000, list)}, "params.p: nested deeper"),
        ({"p": nested(20_000, dict)}, "params.*nested deeper"),
        ({".".join("a" * 400): 1}, "nested deeper"),
        ({"p": 10**5000}, "params.p: expected a whole number of at most 4000 digits"),
        ({"n" * 1001: 1}, "name of a parameter.*at most 1000 bytes"),
        ({"a\0b": 1}, "without NUL"),
        ({"type": "t" * 501}, "type: expected at most"),
        ({"type": "a\0"}, "type: expected a text without NUL"),
        ({"label": "a\0"}, "label: expected a text without NUL"),
    ],
)
def test_what_no_database_holds_is_refused_before_anything_is_written(db, given, message):
    with pytest.raises(ValueError, match=message):
        add(db, **given)
    assert not list(db.folder.glob("objects/**/*.*"))


def test_tags_are_texts_of_some_length(db):
    record = add(db, i=1)
    for words in ("a\0", "a" * 501):
        with pytest.raises(ValueError, match="tags: expected"):
            db.tag(record, words)
    db.tag(record, "=a\"b'; DROP TABLE records; --")
    assert len(db.evaluations.where(tag="=a\"b'; DROP TABLE records; --")) == 1
