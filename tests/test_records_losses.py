"""Nothing that was acknowledged is lost: logs, clocks, flipped bits, cleaning beside writers, failures."""

import os
import random
import shutil
import sqlite3
import tarfile
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import xarray as xr

import fpanalysis as fpa
from fpanalysis.records import StoreError, engine, keep, restore, rows


def add(db, i, **more):
    return db.add_evaluation(xr.Dataset({"x": ("t", [float(i)])}), type="t", parents=[], **({"q": i} | more))


def entries(folder):
    with fpa.open_store(folder) as db:
        return {
            entry.hash: entry
            for status in ("current", "superseded")
            for entry in db.evaluations.where(status=status).entries()
        }


def without_database(folder):
    for path in folder.glob("records.sqlite*"):
        path.unlink()


@pytest.fixture
def without_log(tmp_path):
    """A store whose database is that of before its last 12 records, as if its log had been lost."""
    folder = tmp_path / "store"
    with fpa.open_store(folder) as db:
        for i in range(3):
            add(db, i)
    shutil.copy(folder / engine.DATABASE, tmp_path)
    with fpa.open_store(folder) as db:
        for i in range(3, 15):
            add(db, i)
        db.tag(db.evaluations.where(q=[0, 5]), "late")
    whole = entries(folder)
    without_database(folder)
    shutil.copy(tmp_path / engine.DATABASE, folder)
    return folder, whole


def test_a_lost_log_is_told_and_everything_comes_back(without_log):
    folder, whole = without_log
    with pytest.warns(UserWarning, match="lacks 12 of 15 records.*db restore"):
        db = fpa.open_store(folder)
    with db:
        assert set(db.check(progress=False).problem) == {"lost"} or len(db.check(progress=False)) >= 12
        assert db.gc(dry_run=False, min_age=0).empty
        again = add(db, 5)  # recorded anew, it keeps what was said of it
        assert db.record(again.hash).entry.tags == ["late"]
    assert len(restore(folder)) == 0
    found = entries(folder)
    assert set(found) == set(whole)
    assert [found[hash_].tags for hash_ in found] == [whole[hash_].tags for hash_ in found]
    with fpa.open_store(folder) as db:
        assert db.check(progress=False).empty


def test_the_newest_answer_is_the_newest_whatever_the_clock_says(tmp_path, monkeypatch):
    begun = datetime(2026, 1, 3, tzinfo=UTC)
    times = iter(begun - timedelta(days=i) for i in range(10))
    monkeypatch.setattr(keep, "now", lambda: next(times).isoformat(timespec="microseconds"))
    with fpa.open_store(tmp_path) as db:
        for value in (1, 2, 3, 1, 2):
            add(db, value, q=1)
        assert float(db.evaluations.load()[0].x[0]) == 2
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    with fpa.open_store(tmp_path) as db:
        add(db, 4, q=1)
    for pattern in ("records.sqlite*", "*.csv"):
        for path in tmp_path.glob(pattern):
            path.unlink()
        assert len(restore(tmp_path)) == 0
        with fpa.open_store(tmp_path) as db:
            assert float(db.evaluations.load()[0].x[0]) == 4
            assert len(db.evaluations.where(status="superseded")) == 3
        without_database(tmp_path)


def test_what_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    with fpa.open_store(tmp_path) as db:
        add(db, 0)
        before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        insert = rows.insert

        def fails(connection, entry):
            insert(connection, entry)
            raise ArithmeticError("no")

        with monkeypatch.context() as changed:
            changed.setattr(rows, "insert", fails)
            with pytest.raises(ArithmeticError):
                add(db, 1)
        assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before
        add(db, 1, key=10**400)
        assert len(db.evaluations.where(key=10**400)) == 1


def test_one_bad_record_stops_no_other(tmp_path, monkeypatch):
    with fpa.open_store(tmp_path) as db:
        for i in range(5):
            add(db, i)
        bad = db.evaluations.where(q=2).one()
    without_database(tmp_path)
    insert = rows.insert

    def fails(connection, entry):
        insert(connection, entry)
        if entry.hash == bad.hash:
            connection.execute(sa.text("INSERT INTO nothing VALUES (1)"))

    monkeypatch.setattr(rows, "insert", fails)
    problems = restore(tmp_path)
    assert problems.message.str.contains(f"{bad.hash[:8]}: it cannot be recorded").tolist() == [True]
    monkeypatch.undo()
    with pytest.warns(UserWarning, match="lacks 1 of 5"), fpa.open_store(tmp_path) as db:
        assert len(db.evaluations) == 4


@pytest.mark.filterwarnings("ignore:path. the database of")  # which lacks the record of the damaged sidecar
@pytest.mark.parametrize("kind", ["sidecar", "table"])
def test_a_flipped_bit_is_told_and_believed_by_nobody(tmp_path, kind):
    folder = tmp_path / "store"
    with fpa.open_store(folder) as db:
        add(db, 1, label="=lab", rate=0.0123, odd=[1, None])
        db.tag(db.evaluations.one(), "good")
        known = db.evaluations.one().entry
        sidecar = db.objects.sidecar(known)
    path = sidecar if kind == "sidecar" else folder / "evaluations.csv"
    other = folder / "evaluations.csv" if kind == "sidecar" else sidecar
    other.unlink()
    without_database(folder)
    raw, dice = path.read_bytes(), random.Random(0)
    for _ in range(60):
        place = dice.randrange(len(raw))
        flipped = bytearray(raw)
        flipped[place] ^= 1 << dice.randrange(8)
        path.write_bytes(flipped)
        problems = restore(folder)
        found = entries(folder)
        assert found == {known.hash: known} or (not found and len(problems))
        without_database(folder)
        for left in folder.glob("*.csv"):
            left.unlink()
        if kind == "table":
            sidecar.unlink(missing_ok=True)


def test_cleaning_takes_nothing_that_a_writer_names(tmp_path):
    fpa.open_store(tmp_path).close()
    failures: list = []
    hashes: list = []

    def write(writer):
        try:
            with fpa.open_store(tmp_path) as db:
                for number in range(12):
                    hashes.append(add(db, 100 * writer + number).hash)
        except BaseException as error:
            failures.append("".join(traceback.format_exception(error)))

    writers = [threading.Thread(target=write, args=(i,)) for i in range(3)]
    for thread in writers:
        thread.start()
    with fpa.open_store(tmp_path) as db:
        while any(thread.is_alive() for thread in writers):
            db.gc(dry_run=False, min_age=0)
        assert failures == []
        assert {each.hash for each in db.evaluations} == set(hashes) and len(hashes) == 36
        assert db.gc(dry_run=False, min_age=0).empty
        assert db.check(progress=False).empty
    without_database(tmp_path)
    for path in tmp_path.glob("*.csv"):
        path.unlink()
    assert len(restore(tmp_path)) == 0
    assert set(entries(tmp_path)) == set(hashes)


def test_what_is_cleaned_away_lies_in_the_trash_for_a_week(tmp_path):
    with fpa.open_store(tmp_path) as db:
        add(db, 0)
        left = tmp_path / "objects" / "ab" / f"{'ab' * 32}.nc"
        left.parent.mkdir()
        left.write_text("never recorded")
        assert db.gc(dry_run=False, min_age=0)["where"].tolist() == [left.relative_to(tmp_path).as_posix()]
        (moved,) = (tmp_path / "trash").rglob("*.nc")
        assert moved.read_text() == "never recorded" and not left.exists()
        assert db.gc(dry_run=False, min_age=0).empty and db.check(progress=False).empty
        (batch,) = (tmp_path / "trash").iterdir()
        old = time.time() - 8 * 24 * 3600
        os.utime(batch, (old, old))
        assert len(db.gc(min_age=0)) == 1 and batch.exists()
        assert len(db.gc(dry_run=False, min_age=0)) == 1 and not batch.exists()


@pytest.mark.filterwarnings("ignore:.*the database")
def test_a_damaged_page_is_told_by_check_and_nothing_raises(tmp_path):
    folder = tmp_path / "store"
    with fpa.open_store(folder) as db:
        for i in range(8):
            add(db, i)
    raw = (folder / engine.DATABASE).read_bytes()
    for page in range(1, len(raw) // 4096):
        damaged = bytearray(raw)
        damaged[page * 4096 : (page + 1) * 4096] = b"\xa5" * 4096
        (folder / engine.DATABASE).write_bytes(damaged)
        try:
            db = fpa.open_store(folder)
        except StoreError:
            continue
        assert "damaged" in set(db.check(progress=False).problem), page
        db.engine.dispose()


def test_what_a_suspended_writer_blocks_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_PATIENCE", 0.2)
    with fpa.open_store(tmp_path) as db:
        add(db, 0)
        blocking = sqlite3.connect(tmp_path / engine.DATABASE, isolation_level=None)
        blocking.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process has been writing.*db restore"):
            add(db, 1)
        blocking.execute("ROLLBACK")
        blocking.close()
    assert len(restore(tmp_path)) == 0
    with fpa.open_store(tmp_path) as db:
        assert sorted(each.params["q"] for each in db.evaluations) == [0, 1]
        assert db.check(progress=False).empty


def test_a_store_of_the_version_before_opens_and_comes_back(tmp_path):
    with tarfile.open(Path(__file__).parent / "data" / "store_0001.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "old_store"
    with fpa.open_store(folder) as db:
        assert db.migrated_from == "0001"
        assert len(db.models.where(std=0.8)) == len(db.models.where(status="superseded")) == 1
        assert db.models.where(tag="paper").one().entry.label == "'quoted"
        kinds = (db.models, db.evaluations, db.figures)
        known = {entry.hash: entry for each in kinds for entry in each.entries()}
        assert all(not entry.counter for entry in known.values()) and len(known) == 7
    for lost in ("records.sqlite*", "*.csv"):
        for path in {*folder.glob("records.sqlite*"), *folder.glob(lost)}:
            path.unlink()
        assert len(restore(folder)) == 0
        with fpa.open_store(folder) as db:
            assert len(db.models.where(std=0.8)) == len(db.models.where(status="superseded")) == 1
            kinds = (db.models, db.evaluations, db.figures)
            assert {entry.hash: entry for each in kinds for entry in each.entries()} == known
