"""Files after bits flipped and after they were cut: refused, or as they were."""

import json
import os
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files
from pathlib import Path

import equinox as eqx
import jax
import netCDF4
import numpy as np
import pytest
import safetensors.numpy
import xarray as xr
from xarray.testing import assert_identical

import fpanalysis as fpa
from fpanalysis import _netcdf
from fpanalysis._checksum import LENGTH
from fpanalysis.training.folder import read_arrays, write_arrays

TINY = {
    "task": {"n_steps": 8},
    "network": {"hidden_size": 3},
    "training": {"iterations": 4, "batch_size": 2, "checkpoints": [2, 4]},
    "replicates": 2,
    "seed": 5,
}
DATASET = xr.Dataset(
    {
        "x": (("t", "m"), np.arange(60.0).reshape(20, 3) + 1j),
        "b": ("t", np.arange(20) % 2 == 0),
        "s": ("m", ["one", "two", "three"]),
    },
    {"t": np.arange(20.0)},
    {"a": 1, "list": [1.0, 2.0], "text": "words"},
)
posix = pytest.mark.skipif(os.name != "posix", reason="signals, modes and pipes as POSIX has them")


def damaged(raw, flips=40, cuts=12):
    """Yield the content of a file with one bit flipped, then cut to some lengths."""
    draw = random.Random(0)
    for _ in range(flips):
        changed = bytearray(raw)
        changed[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
        yield bytes(changed)
    for _ in range(cuts):
        yield raw[: draw.randrange(len(raw))]


def assert_refused_or_same(path, read, same):
    raw = path.read_bytes()
    right, refused = read(), 0
    for content in damaged(raw):
        path.write_bytes(content)
        try:
            found = read()
        except (ValueError, FileNotFoundError):
            refused += 1
        else:
            assert same(found, right)
    path.write_bytes(raw)
    assert refused >= 50 and same(read(), right)


def same_models(a, b):
    leaves = [jax.tree_util.tree_leaves(models) for models in (a, b)]
    return all(np.array_equal(x, y) for x, y in zip(*leaves, strict=True))


def without_checksum(path):
    """Make a file what older versions wrote."""
    path.write_bytes(path.read_bytes()[:-LENGTH])
    return path


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.nc"
    fpa.save(DATASET, path)
    return path


@pytest.fixture
def run(tmp_path):
    """Return a finished run."""
    with as_file(files("fpanalysis.datasets") / "integration_ensemble") as folder:
        return Path(shutil.copytree(folder, tmp_path / "run"))


def test_damaged_netcdf_is_refused(saved):
    assert_refused_or_same(saved, lambda: fpa.open_dataset(saved), lambda a, b: a.identical(b))


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "a.eqx"
    fpa.save(fpa.vector_field(eqx.nn.GRUCell(3, 5, key=jax.random.key(0))), path)
    assert_refused_or_same(path, lambda: fpa.load(path), same_models)


@pytest.mark.parametrize("name", ["models.safetensors", "history.nc", "config.yaml"])
def test_a_damaged_file_of_a_finished_run_is_refused(run, name):
    def same(a, b):
        return (
            same_models(a.models, b.models) and a.table.identical(b.table) and a.history.identical(b.history)
        )

    assert_refused_or_same(run / name, lambda: fpa.load(run), same)


def test_a_damaged_file_of_arrays_is_refused(tmp_path):
    def same(a, b):
        return a[1] == b[1] and all(np.array_equal(a[0][key], b[0][key]) for key in b[0])

    path = tmp_path / "state0.safetensors"
    write_arrays(path, {"weight": np.arange(6.0), "count": np.asarray(3)}, {"iteration": 2, "word": "ü"})
    assert_refused_or_same(path, lambda: read_arrays(path), same)


def test_training_does_not_go_on_from_a_flipped_bit(tmp_path):
    fpa.train(TINY, tmp_path, progress=False)
    (tmp_path / "models.safetensors").unlink()
    for name in ("checkpoints/group0_0000002.safetensors", "state0.safetensors"):
        path = tmp_path / name
        right = path.read_bytes()
        path.write_bytes(right[:-5] + bytes([right[-5] ^ 0x40]) + right[-4:])
        with pytest.raises(ValueError, match=f"{name}' is damaged .*checksum.*; copy it from a backup, or"):
            fpa.train(TINY, tmp_path, progress=False)
        path.write_bytes(right)
    (tmp_path / "checkpoints/group0_0000002.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="0000002.safetensors' is missing; copy it from a backup"):
        fpa.train(TINY, tmp_path, progress=False)


def test_runs_of_older_versions_are_read(run):
    before = fpa.load(run)
    arrays, notes = read_arrays(run / "models.safetensors")
    del notes["config_sha256"]
    safetensors.numpy.save_file(arrays, run / "models.safetensors", {"notes": json.dumps(notes)})
    without_checksum(run / "history.nc")
    assert same_models(fpa.load(run).models, before.models)


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4", "NETCDF4_CLASSIC"])
def test_files_without_a_checksum_are_read(tmp_path, format):
    ds = xr.Dataset({"x": ("t", np.arange(5.0))}, attrs={"a": "b"})
    ds.to_netcdf(tmp_path / "a.nc", engine="netcdf4", format=format)
    assert_identical(fpa.open_dataset(tmp_path / "a.nc"), ds)


def test_files_of_older_versions_are_read(saved):
    assert_identical(fpa.open_dataset(without_checksum(saved)), DATASET)


def test_other_programs_read_and_change_files_with_a_checksum(saved):
    with xr.open_dataset(saved, engine="netcdf4", auto_complex=True) as ds:
        np.testing.assert_array_equal(ds["x"], DATASET["x"])
    with netCDF4.Dataset(saved, "a") as file:
        file.setncattr("a", np.int64(2))
    assert_identical(fpa.open_dataset(saved), DATASET.assign_attrs(a=2))


@posix
@pytest.mark.parametrize(
    ("does", "message"),
    [
        ("while True: pass", "takes more than 1 s of computing"),
        ("import os; os.kill(os.getpid(), 11)", "ends the process that reads it, by SIGSEGV"),
        ("raise MemoryError", "claims to hold more than there is memory"),
        ("raise KeyError('a name')", "'a name'"),
        ("import sys; sys.exit(3)", "the process that reads it failed"),
    ],
)
def test_what_reading_does_to_its_process_is_told(saved, tmp_path, monkeypatch, does, message):
    program = Path(_netcdf.__file__).read_text()
    program = program.replace("    import netCDF4\n    from", f"    {does}\n    from").replace(
        "= 10.0,", "= 1.0,"
    )
    (tmp_path / "reader.py").write_text(program)
    monkeypatch.setattr(_netcdf, "__file__", str(tmp_path / "reader.py"))
    monkeypatch.setattr(_netcdf, "_SECONDS", 1.0)
    with pytest.raises(ValueError, match=f"a.nc' is damaged or not a netCDF file .*{message}"):
        fpa.open_dataset(without_checksum(saved))


def test_a_file_that_was_refused_is_not_left_open_and_never_answered_with_another(saved, tmp_path):
    other = DATASET.assign_attrs(a=5)[["b"]]
    fpa.save(other, tmp_path / "b.nc")
    content = bytearray(saved.read_bytes())
    for place in range(0, 200, 20):
        content[place] ^= 0xFF
        saved.write_bytes(content)
        with pytest.raises(ValueError, match="does not match its checksum"):
            fpa.open_dataset(saved)
    shutil.copyfile(tmp_path / "b.nc", saved)
    assert_identical(fpa.open_dataset(saved), other)
    if Path("/proc/self/fd").exists():
        assert str(saved) not in [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()]


def test_a_file_that_someone_holds_open_is_read_as_it_is_now(saved, tmp_path):
    fpa.save(DATASET.assign_attrs(a=2), tmp_path / "b.nc")
    with xr.open_dataset(saved, engine="netcdf4"):
        shutil.copyfile(tmp_path / "b.nc", saved)
        assert fpa.open_dataset(saved).attrs["a"] == 2


def test_threads_may_read_and_write_at_once(tmp_path):
    def through(i):
        fpa.save(DATASET.assign_attrs(a=i), tmp_path / f"{i}.nc")
        return fpa.open_dataset(tmp_path / f"{i}.nc").attrs["a"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(through, range(40))) == list(range(40))


@pytest.mark.parametrize(
    "content", [b"", b"words", b"CDF", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n\x02\x08"]
)
def test_what_is_not_netcdf_is_refused(tmp_path, content):
    (tmp_path / "a.nc").write_bytes(content)
    with pytest.raises(ValueError, match="a.nc' is damaged or not a netCDF file"):
        fpa.open_dataset(tmp_path / "a.nc")


@posix
def test_a_pipe_is_not_waited_for(tmp_path, run):
    os.mkfifo(tmp_path / "a.nc")
    with pytest.raises(ValueError, match="not a regular file, but a pipe"):
        fpa.open_dataset(tmp_path / "a.nc")
    (run / "models.safetensors").unlink()
    os.mkfifo(run / "models.safetensors")
    with pytest.raises(ValueError, match="not a regular file, but a pipe"):
        fpa.load(run)
