"""netCDF files with a checksum, verified before HDF5 sees them; those without are read by another process."""

import os
import pickle
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import xarray as xr

from fpanalysis import _netcdf
from fpanalysis._checksum import append_checksum, is_verified
from fpanalysis._files import check_regular, check_room, whole_file

# So much longer than it may compute, a process may take by the clock (a busy machine, a slow disk).
_PATIENCE = 10


def write_netcdf(ds: xr.Dataset, path: Path, encoding: dict) -> None:
    """Write a dataset and its checksum to a file, whole or not at all."""
    with whole_file(path) as partial:
        try:
            with _netcdf.HDF5_LOCK:
                ds.to_netcdf(partial, engine="netcdf4", auto_complex=True, encoding=encoding)
        except (OSError, RuntimeError):
            check_room(partial)  # HDF5 does not say that the disk is full
            raise
        append_checksum(partial)


def read_netcdf(path: Path, *, trusted: bool = False) -> xr.Dataset:
    """Return the dataset in a file.

    Damaged HDF5 files may hang or end the process that reads them. So a file is read here only if its
    checksum, or the caller, says that it is as it was written; any other is read by a process of its own.

    Args:
        path: of a file that exists.
        trusted: whether the caller has compared the file with a hash.

    Raises:
        ValueError: the file is damaged, or not netCDF.
    """
    check_regular(path, "path")
    content = path.read_bytes()
    try:
        if is_verified(content) or trusted or not sys.executable:
            return _netcdf.dataset_of(content)
        if problem := _netcdf.wrong_at_once(content):
            raise ValueError(problem)
        del content
        return _read_apart(path)
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"path: {str(path)!r} is damaged or not a netCDF file ({error})") from error


def _read_apart(path: Path) -> xr.Dataset:
    """Let another process read a file, which may crash or take too long."""
    places = os.pathsep.join(place or os.getcwd() for place in sys.path)
    limit = _netcdf.seconds_for(path.stat().st_size)
    try:
        run = subprocess.run(
            [sys.executable, "-P", _netcdf.__file__, os.path.abspath(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": places, "OPENBLAS_NUM_THREADS": "1"},
            timeout=_PATIENCE * limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"reading it takes more than {_PATIENCE * limit:.0f} s") from None
    if run.returncode:
        raise ValueError(_why(run.returncode, limit, run.stderr))
    answer = _netcdf.Answer(*pickle.loads(run.stdout))
    for category, text in answer.told:
        warnings.warn(text, category, stacklevel=4)
    if answer.ds is None:
        raise ValueError(answer.problem)
    return answer.ds


def _why(code: int, limit: float, said: bytes) -> str:
    if code == -getattr(signal, "SIGXCPU", 0):
        return f"reading it takes more than {limit:.0f} s of computing"
    if code < 0:
        return f"reading it ends the process that reads it, by {signal.Signals(-code).name}"
    last = said.decode(errors="replace").strip().splitlines()[-1:]
    return f"the process that reads it failed: {''.join(last) or f'exit status {code}'}"
