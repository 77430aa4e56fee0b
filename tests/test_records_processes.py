"""A records store that several processes use at once, and in which some of them die."""

import os
import random
import signal
import sqlite3
import time
from multiprocessing import get_context

import pytest
import xarray as xr

import fpanalysis as fpa

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are killed as POSIX does it")


@pytest.fixture(scope="module")
def processes():
    """Return a context whose processes begin with everything imported."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["fpanalysis.records.opening", "test_records_processes"])
    return context


def record(db, writer, number):
    ds = xr.Dataset({"x": ("i", [float(writer), float(number)])})
    return db.add_evaluation(ds, type="written", parents=[], writer=writer, number=number).hash


def write_on(folder, acknowledged, writer):
    with fpa.open_store(folder) as db, open(acknowledged / str(writer), "wb", buffering=0) as file:
        for number in range(100_000):
            file.write(record(db, writer, number).encode() + b"\n")


def wait_for(file):
    deadline = time.monotonic() + 120
    while not (file.exists() and file.stat().st_size):
        assert time.monotonic() < deadline, f"nothing was written to {file}"
        time.sleep(0.01)


def open_all(folders, barrier, failures):
    try:
        for folder in folders:
            barrier.wait(60)
            with fpa.open_store(folder) as db:
                assert len(db.models) == 0
    except BaseException as error:
        failures.put(repr(error))
        barrier.abort()
        raise


def write_some(folder, writer, count, failures):
    try:
        with fpa.open_store(folder) as db:
            for number in range(count):
                record(db, writer, number)
    except BaseException as error:
        failures.put(repr(error))
        raise


def test_forty_kills_lose_nothing_that_was_acknowledged(tmp_path, processes):
    folder, acknowledged = tmp_path / "results", tmp_path / "acknowledged"
    acknowledged.mkdir()
    dice = random.Random(0)
    running = []
    for writer in range(44):
        process = processes.Process(target=write_on, args=(folder, acknowledged, writer), daemon=True)
        process.start()
        running.append(process)
        if len(running) > 4:
            number, victim = writer - 4, running.pop(0)
            if number % 4:  # the others may die while they open the store
                wait_for(acknowledged / str(number))
            time.sleep(dice.uniform(0.05, 0.3))
            os.kill(victim.pid, signal.SIGKILL)
            victim.join()
    for process in running:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    hashes = [each for file in acknowledged.iterdir() for each in file.read_text().split()]
    assert len(hashes) > 40
    with sqlite3.connect(folder / "records.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with fpa.open_store(folder) as db:
        known = {each.hash for each in db.evaluations}
        assert set(hashes) <= known
        wrong = db.check(progress=False)
        assert set(wrong["problem"]) <= {"left over", "partial"}, wrong.to_string()
        left = db.gc(min_age=0)
        assert db.gc(dry_run=False, min_age=0)["where"].tolist() == left["where"].tolist()
        assert db.check(progress=False).empty
        for each in list(db.evaluations)[::25]:
            assert each.load()["x"].values.tolist() == [each.params["writer"], each.params["number"]]


def test_four_processes_open_a_new_store_at_the_same_instant(tmp_path, processes):
    failures, barrier = processes.Queue(), processes.Barrier(4)
    arguments = ([tmp_path / str(round_) for round_ in range(50)], barrier, failures)
    running = [processes.Process(target=open_all, args=arguments) for _ in range(4)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * 4, failures.get(timeout=5)
    assert len(list(tmp_path.iterdir())) == 50


def test_four_processes_write_at_once(tmp_path, processes):
    count, failures = 500, processes.Queue()
    running = [
        processes.Process(target=write_some, args=(tmp_path, writer, count, failures)) for writer in range(4)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * 4, failures.get(timeout=5)
    with fpa.open_store(tmp_path) as db:
        assert len(db.evaluations) == 4 * count
        assert db.check(progress=False).empty
