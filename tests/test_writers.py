"""Files and folders with several writers, killed writers, full disks and little memory."""

import os
import platform
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis._files import clear_partials, whole_file
from fpanalysis._lock import locked
from fpanalysis._memory import total_memory

TINY = {
    "task": {"n_steps": 8},
    "network": {"hidden_size": 3},
    "training": {"iterations": 4, "batch_size": 2, "checkpoints": [2, 4]},
    "replicates": 2,
}
DATASET = xr.Dataset({"x": ("t", np.arange(1000.0))})
posix = pytest.mark.skipif(os.name != "posix", reason="signals, modes and limits as POSIX has them")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.nc"
    fpa.save(DATASET, path)
    return path


@posix
def test_a_file_keeps_its_mode(saved):
    saved.chmod(0o640)
    fpa.save(DATASET, saved)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o640


@posix
def test_a_full_disk_is_told_and_leaves_the_old_file(saved, monkeypatch):
    import resource

    def full(partial):
        raise OSError(28, "No space left on device")

    before = saved.read_bytes()
    with pytest.raises(OSError, match="the disk is full: .*a.nc' was not written, and is as it was before"):
        with whole_file(saved) as partial:
            partial.write_bytes(b"half")
            full(partial)
    monkeypatch.setattr("fpanalysis._netcdf_files.check_room", full)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # HDF5 then fails as on a full disk
    try:
        with pytest.raises(OSError, match="the disk is full"):
            fpa.save(DATASET, saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert saved.read_bytes() == before and [path.name for path in saved.parent.iterdir()] == ["a.nc"]


KILLED = """
import os, signal, sys
from pathlib import Path
from fpanalysis._files import whole_file
with whole_file(Path(sys.argv[1])) as partial:
    partial.write_bytes(b"half")
    print(partial.name, flush=True)
    sys.stdin.read() if sys.argv[2] == "waits" else os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
def test_partial_files_are_cleared_by_the_next_writer_if_theirs_is_gone(saved):
    left = {}
    for how in ("dies", "waits"):
        command = [sys.executable, "-c", KILLED, saved, how]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout
        left[process] = saved.parent / process.stdout.readline().decode().strip()
    killed, waits = left
    killed.communicate()
    old, young = saved.parent / ".a.nc.0123.partial", saved.parent / ".a.nc.4567.partial"
    for path, age in ((old, 2 * 86400.0), (young, 60.0)):
        path.write_bytes(b"of another machine")
        os.utime(path, (time.time() - age, time.time() - age))
    try:
        assert left[killed].exists() and left[waits].exists()
        fpa.save(DATASET, saved)
        assert not left[killed].exists() and left[waits].exists()
        assert not old.exists() and young.exists()
    finally:
        waits.communicate()
    assert saved.read_bytes() == b"half"  # what the other wrote in the end
    clear_partials(saved.parent / "missing" / "a.nc")


TRAINS = """
import sys, fpanalysis as fpa
from fpanalysis.training import group
real = group._save
def waits(*given):
    real(*given)
    print("saved", flush=True)
    sys.stdin.readline()
group._save = waits
fpa.train({TINY!r}, sys.argv[1], progress=False)
"""


@posix
def test_a_second_process_that_trains_into_a_folder_is_refused(tmp_path):
    folder = tmp_path / "run"
    code = TRAINS.replace("{TINY!r}", repr(TINY))
    first = subprocess.Popen(
        [sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert first.stdout and first.stdin
    assert first.stdout.readline() == b"saved\n"
    with pytest.raises(RuntimeError, match=f"folder: process {first.pid} on .* is training in '.*run'; wait"):
        fpa.train(TINY, folder, progress=False)
    first.kill()
    first.communicate()
    left = folder / ".state0.safetensors.0123-1-4567.partial"
    left.write_bytes(b"half")
    fpa.train(TINY, folder, progress=False)
    assert not left.exists() and not (folder / ".lock").exists()
    assert "resuming at iteration 2" in (folder / "log.txt").read_text()


def test_a_lock_is_held_once(tmp_path):
    with locked(tmp_path / "lock") as first:
        assert first is None
        with locked(tmp_path / "lock") as second:
            assert second == f"process {os.getpid()} on {platform.node()}"
        with locked(tmp_path / "lock") as third:
            assert third is not None
    assert not (tmp_path / "lock").exists()
    with locked(tmp_path / "lock") as again:
        assert again is None


def test_a_lock_goes_from_hand_to_hand(tmp_path):
    inside, most = [], []

    def work(_):
        done = 0
        while done < 20:
            with locked(tmp_path / "lock") as holder:
                if holder is None:
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
                    done += 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert max(most) == 1 and len(most) == 120


GROUPS = [
    ("0::/job/step\n", {"job/memory.max": "3000", "job/step/memory.max": "max"}, 3000),
    ("0::/job/step\n", {"job/memory.max": "3000", "job/step/memory.max": "2000\n"}, 2000),
    ("0::/on/the/host\n", {"memory.max": "4000"}, 4000),
    ("2:cpu:/a\n4:memory:/a\n", {"memory/a/memory.limit_in_bytes": "5000", "cpu/a/x": "1"}, 5000),
    ("4:cpu,memory:/a\n0::/\n", {"memory/memory.limit_in_bytes": "6000"}, 6000),
    ("4:memory:/\n", {"memory/memory.limit_in_bytes": str(2**63 - 4096)}, None),
    ("0::/../../a\n", {"memory.max": "nonsense"}, None),
    ("0::/\n", {}, None),
]


@pytest.mark.parametrize(("lines", "files", "expected"), GROUPS)
def test_the_memory_that_is_there_is_that_of_the_control_group(tmp_path, lines, files, expected):
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text(lines)
    for name, content in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    machine = total_memory(tmp_path / "missing", tmp_path / "groups")
    assert machine > 2**20
    assert total_memory(tmp_path, tmp_path / "groups") == (expected or machine)
