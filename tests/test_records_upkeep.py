"""A records store over the years: rebuilt, checked, cleaned, backed up, copied, migrated."""

import csv
import json
import os
import shutil
import sqlite3
import time
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from plotly import graph_objects as go

import fpanalysis as fpa
from fpanalysis.records import StoreError, csv_tables, engine, restore, schema

MODELS = fpa.datasets.reaching_ensemble().models[12:20]
CONDITIONS = (
    ("models", {}),
    ("models", {"std": 0.8}),
    ("models", {"std": fpa.missing}),
    ("models", {"odd": [None, True, "1"]}),
    ("models", {"status": "superseded"}),
    ("models", {"tag": "paper"}),
    ("models", {"loss": fpa.between(0.0, 0.25)}),
    ("evaluations", {}),
    ("evaluations", {"train": {"std": 0.8}}),
    ("figures", {"train": {"std": 0.8}, "test": {"amplitude": [1, 2]}}),
    ("figures", {"n_modes": 3}),
)


def peak(model, amplitude):
    return xr.Dataset({"peak": ("trial", [amplitude * float(np.abs(model.network.cell.weight_hh).sum())])})


def fill(db):
    odd = [None, True, 1, "1", float("nan"), 2**60, [1, [2]]]
    for i, model in enumerate(MODELS[:7]):
        params = {"std": 0.4 * (i % 3), "odd": odd[i], "deep": {"er": np.float32(0.1)}}
        db.add_model(model, params, results={"loss": 0.1 * i}, label='with "quotes",\nand lines')
    db.add_model(MODELS[7], {"seed": 2**70})
    db.add_model(MODELS[7], {"std": 0.0, "odd": None, "deep": {"er": 0.1}}, results={"loss": 1})
    db.tag(db.models.where(std=0.8), "paper", "two words")
    for record in db.models.where(std=[0.4, 0.8]):
        for amplitude in (1, 2, 3):
            ds = db.evaluate(record, peak, amplitude=amplitude)
            fig = go.Figure(go.Scatter(y=ds["peak"].values))
            db.add_figure(fig, type="peak", parents=[ds], n_modes=3)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "results"
    with fpa.open_store(folder) as db:
        fill(db)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "results")


def frames(folder):
    with fpa.open_store(folder) as db:
        queries = [getattr(db, kind).where(**conditions) for kind, conditions in CONDITIONS]
        return [frame for query in queries for frame in (query.df(), query.varies())]


def assert_same(found, expected, *, in_order=True):
    for one, two in zip(found, expected, strict=True):
        if not in_order and one.index.name == "hash":
            one, two = one.sort_index(axis=1).sort_index(), two.sort_index(axis=1).sort_index()
        pd.testing.assert_frame_equal(one, two)


def objects(folder, suffix):
    return sorted(folder.glob(f"objects/??/*{suffix}"))


def problems(folder):
    with fpa.open_store(folder) as db:
        found = db.check(progress=False)
    return [tuple(row) for row in found[["problem", "where"]].itertuples(index=False)]


@pytest.mark.parametrize("lost", [[], ["*.csv"], ["objects/??/*.json"]])
def test_the_database_comes_back_from_tables_and_files(folder, lost):
    expected = frames(folder)
    (folder / engine.DATABASE).unlink()
    for pattern in lost:
        for path in folder.glob(pattern):
            if not path.name.endswith(".plotly.json"):
                path.unlink()
    with pytest.raises(StoreError, match="records.sqlite.* is gone.*db restore"):
        fpa.open_store(folder)
    assert len(restore(folder)) == 0
    assert_same(frames(folder), expected, in_order=not lost or lost == ["objects/??/*.json"])
    assert problems(folder) == []
    assert len(restore(folder)) == 0
    assert len(frames(folder)[0]) == len(expected[0])


def test_what_was_recorded_after_the_last_table_comes_back(folder):
    with fpa.open_store(folder) as db:
        old = db.models.where(odd=True).one()
        db.add_model(MODELS[0], old.params)
        db.add_model(MODELS[1], old.params)  # the first answer again
        db.tag(db.models.where(odd=True), "late")
        expected = db.models.df()
        db.tables._behind = set()  # as if it were killed
    (folder / engine.DATABASE).unlink()
    assert len(restore(folder)) == 0
    with fpa.open_store(folder) as db:
        assert db.models.where(tag="late").one().hash == old.hash
        pd.testing.assert_frame_equal(db.models.df().sort_index(), expected.sort_index())


def test_what_cannot_come_back_is_told(folder):
    model = objects(folder, ".eqx")[0]
    model.unlink()
    sidecar = next(path for path in objects(folder, ".json") if ".nc." in path.name)
    sidecar.write_text("{")
    (folder / engine.DATABASE).unlink()
    found = restore(folder)
    assert set(found["where"]) == {str(path.relative_to(folder)) for path in (model, sidecar)}
    assert found["message"].str.contains("is missing|cannot be read").all()
    with fpa.open_store(folder) as db:
        assert len(db.models) == 8


def test_tables_hold_exact_values_beside_readable_ones(folder):
    with open(folder / "models.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert [row["params.odd"] for row in rows[:6]] == ["null", "true", "1", "1", "nan", str(2**60)]
    assert json.loads(rows[5]["params_json"]) == {"std": 0.8, "odd": f"$int:{2**60}", "deep": {"er": 0.1}}
    assert rows[1]["results.loss"] == "0.1"
    table = pd.read_csv(folder / "models.csv")
    assert table["label"].tolist()[0] == 'with "quotes",\nand lines'
    assert [entry.hash for entry in csv_tables.read(folder)][:9] == [row["hash"] for row in rows]


def test_tables_are_written_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_tables, "EVERY", 0.0)
    monkeypatch.setattr(csv_tables, "_SHARE", 1e9)
    db = fpa.open_store(tmp_path)
    db.add_model(MODELS[0], {"seed": 1})
    db.add_model(MODELS[1], {"seed": 2})
    assert (tmp_path / "models.csv").read_text().count("\n") == 3
    monkeypatch.setattr(csv_tables, "EVERY", 1000.0)
    db.export()
    db.add_model(MODELS[2], {"seed": 3})
    assert (tmp_path / "models.csv").read_text().count("\n") == 3
    del db  # and when it goes away
    assert (tmp_path / "models.csv").read_text().count("\n") == 4


def test_check_names_everything_that_is_wrong(folder):
    assert problems(folder) == []
    cut, flipped, gone, told = (path for path in objects(folder, ".nc")[:4])
    os.truncate(cut, cut.stat().st_size // 2)
    content = bytearray(flipped.read_bytes())
    content[-1] ^= 1
    flipped.write_bytes(content)
    gone.unlink()
    next(told.parent.glob(f"{told.name}.*.json")).unlink()
    for name in ("notes.txt", "objects/notes.txt", "objects/ab/photo.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
    left = folder / "objects" / "ab" / f"{'ab' * 32}.nc"
    left.write_text("never recorded")
    (folder / "objects/ab/.0123.partial").write_text("")

    def at(path):
        return path.relative_to(folder).as_posix()

    found = problems(folder)
    assert sorted(found)[:1] == [("changed", at(flipped))]
    expected = {("cut", at(cut)), ("changed", at(flipped)), ("missing", at(gone)), ("left over", at(left))}
    expected |= {("foreign", name) for name in ("notes.txt", "objects/notes.txt", "objects/ab/photo.png")}
    assert expected | {("partial", "objects/ab/.0123.partial")} < set(found)
    assert len(found) == len(expected) + 2  # the sidecar too
    with fpa.open_store(folder) as db:
        for path, message in ((cut, "cut short"), (flipped, "was changed"), (gone, "is missing")):
            with pytest.raises(StoreError, match=f"{path.name} .*{message}.*compute it again"):
                next(each for each in db.evaluations if each.path == path).load()
        removed = db.gc(dry_run=False, min_age=0)
        assert set(removed["where"]) == {at(left), "objects/ab/.0123.partial"}
        db.export()
        assert set(db.check(progress=False)["problem"]) == {"cut", "changed", "missing", "foreign"}
    assert (folder / "notes.txt").exists()


def test_gc_only_tells_first_and_spares_what_is_young(folder):
    path = folder / "objects" / "ab" / f"{'ab' * 32}.nc"
    path.parent.mkdir(exist_ok=True)
    path.write_text("never recorded")
    with fpa.open_store(folder) as db:
        assert len(db.gc()) == len(db.gc(dry_run=False)) == 0
        old = time.time() - 7200
        os.utime(path, (old, old))
        assert db.gc()["where"].tolist() == [path.relative_to(folder).as_posix()]
        assert path.exists()
        assert len(db.gc(dry_run=False)) == 1
        assert len(db.check(progress=False)) == 0


def test_a_backup_is_a_database(folder, tmp_path):
    expected = frames(folder)
    with fpa.open_store(folder) as db:
        path = db.backup()
        assert path.parent == folder / "backups" and len(db.check(progress=False)) == 0
        with pytest.raises(FileExistsError, match="there is a file"):
            db.backup(path)
    (folder / engine.DATABASE).unlink()
    path.rename(folder / engine.DATABASE)
    assert_same(frames(folder), expected)


def test_chosen_records_are_copied_with_what_they_were_made_from(folder, tmp_path):
    with fpa.open_store(folder) as db, fpa.open_store(tmp_path / "other") as other:
        figures = db.figures.where(train=dict(std=0.8), test=dict(amplitude=2))
        assert db.copy(figures, other, progress=False) == {"copied": 6, "there": 0}
        assert db.copy(figures, other, progress=False) == {"copied": 0, "there": 6}
        assert set(other.models.df().index) == set(db.models.where(std=0.8).df().index)
        assert len(other.figures.where(train=dict(std=0.8), test=dict(amplitude=2))) == 2
        assert other.check(progress=False).empty
        assert set(other.models.df()["tags"]) == {"paper, two words"}
        with pytest.raises(ValueError, match="another store"):
            db.copy(figures, db)
        os.truncate(next(iter(figures)).path, 3)
        with pytest.raises(StoreError, match="1 of 6 files are damaged"):
            db.copy(figures, other)


@pytest.fixture
def newer(tmp_path, monkeypatch):
    """Return a context in which the package has one migration more."""

    @contextmanager
    def with_migration(upgrade):
        migrations = shutil.copytree(schema.MIGRATIONS, tmp_path / "migrations")
        (migrations / "versions" / "v0003_more.py").write_text(
            'import sqlalchemy as sa\nfrom alembic import op\nrevision = "0003"\ndown_revision = "0002"\n\n'
            f"def upgrade():\n    {upgrade}\n"
        )
        with monkeypatch.context() as changed:
            changed.setattr(schema, "MIGRATIONS", migrations)
            changed.setattr(schema, "HEAD", "0003")
            yield

    return with_migration


def test_an_older_store_is_backed_up_and_migrated(folder, newer):
    expected = frames(folder)
    with newer('op.add_column("records", sa.Column("more", sa.Text))'):
        with fpa.open_store(folder) as db:
            assert db.migrated_from == "0002"
        assert_same(frames(folder), expected)
        with sqlite3.connect(folder / engine.DATABASE) as connection:
            assert "more" in [row[1] for row in connection.execute("PRAGMA table_info(records)")]
        (backup,) = (folder / "backups").iterdir()
        assert backup.name.startswith("records-0002-")
    with pytest.raises(StoreError, match="version 0003, which a newer fpanalysis made"):
        fpa.open_store(folder)
    backup.replace(folder / engine.DATABASE)
    assert_same(frames(folder), expected)


def test_a_migration_that_fails_leaves_everything_as_it_was(folder, newer):
    expected = frames(folder)
    with newer('op.drop_table("tags"); raise RuntimeError("no power")'):
        with pytest.raises(RuntimeError, match="no power"):
            fpa.open_store(folder)
    assert_same(frames(folder), expected)
