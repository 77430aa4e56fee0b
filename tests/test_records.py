"""A records store: what is kept, found, and computed once."""

import math
import os
import sqlite3
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis.records import StoreError, UnknownParameter, engine, schema, tables, versioned
from fpanalysis.records.content import content_hash

ENSEMBLE = fpa.datasets.reaching_ensemble()


def configured(labels: dict) -> dict:
    perturbation = {"method": labels["method"], "field_std": labels["field_std"]}
    return {"perturbation": perturbation, "network.hidden_size": 50, "replicate": labels["replicate"]}


def fill(db, **labels):
    ensemble = ENSEMBLE.sel(**labels)
    single = {name: value for name, value in labels.items() if not isinstance(value, list)}
    for model, own in zip(ensemble, ensemble.labels, strict=True):
        loss = 0.01 * (1 + own["replicate"])
        db.add_model(model, configured(own | single), results={"validation_loss": loss})


@pytest.fixture
def db(tmp_path):
    with fpa.open_store(tmp_path / "results") as store:
        yield store


@pytest.fixture
def filled(db):
    fill(db, method=["active", "std"], field_std=[0.4, 0.8])
    return db


def peak(model, amplitude):
    calls.append(amplitude)
    total = float(sum(np.abs(np.asarray(leaf)).sum() for leaf in [model.network.cell.weight_hh]))
    return xr.Dataset({"peak": ("trial", [amplitude * total])})


calls: list = []


@pytest.fixture(autouse=True)
def fresh_calls():
    calls.clear()


def test_models_are_found_by_the_ends_of_their_parameters_names(filled):
    found = filled.models.where(field_std=0.8, method="std")
    assert len(found) == 3
    assert len(filled.models.where(field_std=np.float32(0.8), method=["std", "active"])) == 6
    assert len(filled.models.where(**{"perturbation.field_std": fpa.between(0.1, 0.5)})) == 6
    assert len(filled.models.where(perturbation=dict(method="std", field_std=0.8), replicate=1)) == 1
    assert len(filled.models.where(validation_loss=fpa.between(0, 0.015))) == 4
    assert len(found.where(replicate=[0, 2])) == 2


def test_a_misspelt_parameter_is_an_error_with_the_nearest_name(filled):
    with pytest.raises(UnknownParameter, match="'feild_std'.*did you mean 'field_std'"):
        filled.models.where(feild_std=0.8)
    with pytest.raises(UnknownParameter, match="no evaluation has"):
        filled.figures.where(test=dict(amplitude=1))


def test_an_ambiguous_name_is_an_error_that_lists_what_it_may_be(db):
    db.add_model(ENSEMBLE.models[0], {"motor": {"noise": 1}, "feedback": {"noise": 2}})
    with pytest.raises(ValueError, match="'feedback.noise', 'motor.noise'"):
        db.models.where(noise=1)
    assert len(db.models.where(motor=dict(noise=1))) == 1


def test_tables_have_a_row_a_record_and_a_column_a_parameter(filled):
    frame = filled.models.df()
    assert len(frame) == 12
    assert frame["perturbation.field_std"].dtype == np.float64
    assert frame["replicate"].dtype == np.int64
    assert set(frame["perturbation.method"]) == {"active", "std"}
    assert set(frame.index) == {record.hash for record in filled.models}


def test_varies_counts_what_varies_and_nothing_else(filled):
    varies = filled.models.where(method="std").varies()
    counts = {(row.parameter, row.value): row.count for row in varies.itertuples(index=False)}
    assert set(varies["parameter"]) == {"perturbation.field_std", "replicate"}
    assert varies.set_index(["parameter", "value"])["count"].to_dict() == {
        ("perturbation.field_std", 0.4): 3,
        ("perturbation.field_std", 0.8): 3,
        ("replicate", 0): 2,
        ("replicate", 1): 2,
        ("replicate", 2): 2,
    }
    assert len(counts) == 5


def test_one_says_what_tells_the_matches_apart(filled):
    assert filled.models.where(field_std=0.8, method="std", replicate=1).one().params["replicate"] == 1
    with pytest.raises(LookupError, match=r"there are 3 models.*\n  replicate: 0, 1, 2"):
        filled.models.where(field_std=0.8, method="std").one()
    with pytest.raises(LookupError, match="no model meets"):
        filled.models.where(field_std=0.8, replicate=9).one()


def test_none_missing_true_one_and_text_are_told_apart(db):
    given = [None, True, 1, "1", math.nan, math.inf, 2**60, 2**60 + 1]
    for i, (model, value) in enumerate(zip(ENSEMBLE.models[12:], given, strict=False)):
        db.add_model(model, {"x": value, "i": i})
    db.add_model(ENSEMBLE.models[30], {"i": len(given)})
    for i, value in enumerate(given):
        assert [record.params["i"] for record in db.models.where(x=value)] == [i]
    assert [record.params["i"] for record in db.models.where(x=fpa.missing)] == [len(given)]
    assert len(db.models.where(x=[None, fpa.missing, 1.0])) == 3
    frame = db.models.df()
    assert frame["x"].iloc[0] is None and frame["x"].iloc[-1] is pd.NA
    assert frame["x"].iloc[1] is True and frame["x"].iloc[-2] == 2**60 + 1


def test_a_query_gives_its_models_with_what_varies_as_dims(filled):
    ensemble = filled.models.load()
    assert ensemble.sizes == {"method": 2, "field_std": 2, "replicate": 3}
    chosen = ensemble.sel(method="std", field_std=0.8, replicate=2).one()
    known = ENSEMBLE.sel(method="std", field_std=0.8, replicate=2).one()
    assert content_hash(chosen) == content_hash(known)


def test_models_that_form_no_grid_lie_along_one_dim(filled):
    some = [record.hash for record in filled.models][:5]
    goal = fpa.Goal(position=(0.1, 0.2))
    ds = fpa.find_fixed_points(filled.models.where(hash=some), goal, spectra=False, progress=False)
    assert ds.sizes["model"] == 5
    found = list(zip(ds["field_std"].values, ds["replicate"].values, strict=True))
    records = [filled.record(hash_).params for hash_ in some]
    assert found == [(each["perturbation.field_std"], each["replicate"]) for each in records]


def test_what_follows_from_a_dim_becomes_a_coordinate_along_it(db):
    for i, model in enumerate(ENSEMBLE.models[12:16]):
        db.add_model(model, {"std": i // 2 * 0.4, "name": "ab"[i // 2], "seed": i % 2})
    ensemble = db.models.load()
    assert ensemble.sizes == {"std": 2, "seed": 2}
    assert ensemble.table["name"].dims == ("std",)
    assert ensemble.table["name"].values.tolist() == ["a", "b"]


def test_an_evaluation_is_computed_once(filled):
    model = filled.models.where(field_std=0.8, method="std", replicate=0).one()
    first = filled.evaluate(model, peak, amplitude=2.0)
    again = filled.evaluate(model.load(), peak, amplitude=2)
    assert calls == [2.0]
    xr.testing.assert_identical(first, again)
    filled.evaluate(model, peak, amplitude=3.0)
    assert calls == [2.0, 3.0]
    assert len(filled.evaluations.where(type="peak", train=dict(field_std=0.8))) == 2
    assert len(filled.evaluations.where(train=dict(field_std=0.4))) == 0


def test_a_retrained_model_is_evaluated_once_more_and_nothing_else_is(filled):
    for record in filled.models:
        filled.evaluate(record, peak, amplitude=1.0)
    assert len(calls) == 12
    old = filled.models.where(field_std=0.8, method="std", replicate=0).one()
    new = filled.add_model(ENSEMBLE.sel(method="amplitude", field_std=1.2, replicate=0).one(), old.params)
    assert filled.models.where(field_std=0.8, method="std", replicate=0).one() == new
    assert filled.models.where(status="superseded").one() == old
    for _ in range(2):
        for record in filled.models:
            filled.evaluate(record, peak, amplitude=1.0)
    assert len(calls) == 13


def test_a_new_version_computes_anew_and_changed_code_alone_warns(filled):
    model = filled.models.where(field_std=0.8, method="std", replicate=0).one()
    filled.evaluate(model, peak, amplitude=1.0)
    filled.evaluate(
        model, versioned("2")(lambda model, amplitude: peak(model, amplitude)), type="peak", amplitude=1
    )
    assert len(calls) == 2

    def other(model, amplitude):
        raise AssertionError

    with pytest.warns(UserWarning, match="code of peak changed"):
        filled.evaluate(model, other, type="peak", amplitude=1)


def test_models_of_the_same_content_share_a_file_and_their_evaluations(db):
    one, two = (db.add_model(ENSEMBLE.models[0], {"method": name}) for name in "ab")
    assert one != two and one.path == two.path
    db.evaluate(one, peak, amplitude=1.0)
    db.evaluate(two, peak, amplitude=1.0)
    assert len(calls) == 1
    for name in "ab":
        assert len(db.evaluations.where(train=dict(method=name))) == 1


def test_figures_are_found_by_how_models_were_trained_and_tested(filled):
    go = pytest.importorskip("plotly.graph_objects")
    for std in (0.4, 0.8):
        model = filled.models.where(field_std=std, method="std", replicate=0).one()
        for amplitude in (1.0, 2.0, 3.0):
            ds = filled.evaluate(model, peak, amplitude=amplitude)
            figure = go.Figure(go.Scatter(x=ds["trial"].values, y=ds["peak"].values))
            filled.add_figure(figure, type="peak", parents=[ds], n_modes=3)
    found = filled.figures.where(type="peak", train=dict(field_std=0.8), test=dict(amplitude=[1, 2]))
    assert len(found) == 2
    assert found.load()[0].to_json() == go.Figure(found.load()[0]).to_json()
    varies = filled.figures.varies()
    assert set(zip(varies["of"], varies["parameter"], strict=True)) == {
        ("train", "perturbation.field_std"),
        ("test", "amplitude"),
    }


def test_fixed_points_are_computed_once(filled):
    query = filled.models.where(field_std=0.8, method="std")
    goal = fpa.Goal(position=[(0.0, 0.0), (0.2, 0.1)], context=[0.0, 1.0])
    first = filled.fixed_points(query, goal, spectra="values", progress=False)
    assert first.sizes["replicate"] == 3
    xr.testing.assert_identical(filled.fixed_points(query, goal, spectra="values"), first)
    assert len(filled.evaluations.where(type="fixed_points")) == 1
    assert filled.evaluations.one().params["loop"] == "clamped"


def damage_cut(path):
    os.truncate(path, path.stat().st_size // 2)


def damage_flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [(damage_cut, "cut short"), (damage_flip, "was changed"), (lambda path: path.unlink(), "is missing")],
)
def test_a_damaged_file_is_an_error_and_an_evaluation_is_computed_anew(filled, damage, message):
    model = filled.models.where(field_std=0.8, method="std", replicate=0).one()
    first = filled.evaluate(model, peak, amplitude=1.0)
    damage(filled.evaluations.one().path)
    with pytest.raises(StoreError, match=message):
        filled.evaluations.one().load()
    with pytest.warns(UserWarning, match=f"{message}.*anew"):
        again = filled.evaluate(model, peak, amplitude=1.0)
    xr.testing.assert_identical(first, again)
    xr.testing.assert_identical(filled.evaluations.one().load(), first)


def test_a_model_that_is_not_recorded_is_refused(db):
    with pytest.raises(ValueError, match="model: this model .* is not in the store"):
        db.evaluate(ENSEMBLE.models[0], peak, amplitude=1.0)


@pytest.mark.parametrize("name", ["type", "train", "tag", "status"])
def test_parameters_named_like_something_else_are_refused(db, name):
    with pytest.raises(ValueError, match=name):
        db.add_model(ENSEMBLE.models[0], {name: 1})


def test_tags_are_found(filled):
    filled.tag(filled.models.where(replicate=1), "paper")
    assert len(filled.models.where(tag="paper")) == 4
    assert set(filled.models.where(tag="paper").df()["tags"]) == {"paper"}


def test_a_store_is_the_same_after_it_was_closed(tmp_path):
    with fpa.open_store(tmp_path) as db:
        fill(db, method="std", field_std=[0.4])
        before = db.models.df()
    with fpa.open_store(tmp_path) as db:
        pd.testing.assert_frame_equal(db.models.df(), before)


def test_a_network_file_system_is_refused_with_advice(tmp_path, monkeypatch):
    mounts = [SimpleNamespace(mountpoint=str(tmp_path), fstype="nfs4", opts="rw")]
    monkeypatch.setattr(engine.psutil, "disk_partitions", lambda all: mounts)
    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*PostgreSQL"):
        fpa.open_store(tmp_path / "results")


def test_a_newer_store_is_refused_and_something_else_is_named(tmp_path):
    with fpa.open_store(tmp_path / "newer") as db, db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="version 9999, which a newer fpanalysis made"):
        fpa.open_store(tmp_path / "newer")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / engine.DATABASE).write_text("hello " * 1000)
    with pytest.raises(StoreError, match="cannot be read as an SQLite database"):
        fpa.open_store(tmp_path / "text")
    (tmp_path / "other").mkdir()
    connection = sqlite3.connect(tmp_path / "other" / engine.DATABASE)
    connection.execute("CREATE TABLE birds (name)")
    connection.close()
    with pytest.raises(StoreError, match="something else than a records store.*birds"):
        fpa.open_store(tmp_path / "other")


def test_the_tables_are_those_that_migrations_make(db):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with db.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    assert ScriptDirectory.from_config(schema._config()).get_current_head() == schema.HEAD
