"""netCDF files read in memory. Run as a program, it reads a file for another process, which may not crash.

It imports nothing of the package, so that this program starts quickly.
"""

import pickle
import sys
import threading
import warnings
from pathlib import Path
from typing import NamedTuple

import xarray as xr

# Beyond what a file's size explains, reading may take so many seconds of computing.
_SECONDS, _BYTES_A_SECOND = 10.0, 2**23
# One thread at a time: HDF5 crashes if two meet in it, and xarray keeps them apart for values only.
HDF5_LOCK = threading.RLock()
_HDF5 = b"\x89HDF\r\n\x1a\n"


class Answer(NamedTuple):
    """What the program says: the dataset, or why there is none; and warnings, as category and text."""

    ds: xr.Dataset | None
    problem: str
    told: list[tuple[type[Warning], str]]


def dataset_of(content: bytes) -> xr.Dataset:
    """Return the dataset that a netCDF file holds.

    HDF5 sees bytes in memory only: it keeps no file open, and never answers with what another file of the
    same name held.

    Args:
        content: of the file.
    """
    import netCDF4
    from xarray.backends import NetCDF4DataStore

    with HDF5_LOCK, netCDF4.Dataset("in memory", memory=content, auto_complex=True) as file:
        ds = xr.open_dataset(NetCDF4DataStore(file)).load()  # pyright: ignore[reportArgumentType]
    return ds.drop_encoding()


def seconds_for(size: int) -> float:
    """Return how many seconds of computing reading a file may take."""
    return _SECONDS + size / _BYTES_A_SECOND


def wrong_at_once(content: bytes) -> str:
    """Return what a file's first bytes and its size tell to be wrong with it; an empty string if nothing."""
    if not content:
        return "it is empty"
    if not content.startswith(_HDF5):
        # A file may begin with a block of another program, of 512, 1024, 2048, … bytes.
        places = (2**power for power in range(9, len(content).bit_length()))
        known = content.startswith(b"CDF") or any(content.startswith(_HDF5, place) for place in places)
        return "" if known else "it begins neither like netCDF-3 nor like HDF5"
    # Where an HDF5 file says how long it is, and in how many bytes, by the version of its beginning.
    place, width = {b"\0": (40, 13), b"\1": (44, 13), b"\2": (28, 9), b"\3": (28, 9)}.get(
        content[8:9], (0, 0)
    )
    if not place or content[width : width + 1] != b"\x08":
        return ""
    said, there = int.from_bytes(content[place : place + 8], "little"), len(content)
    return "" if said <= there else f"cut short: of {said:,} bytes, as it says, {there:,} are there"


def _limit(size: int) -> None:
    """Let the system end this process when it takes far more time or memory than such a file should."""
    try:
        import resource
    except ImportError:  # Windows
        return
    import psutil

    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    cpu = int(used + seconds_for(size)) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    memory = psutil.Process().memory_info().vms + psutil.virtual_memory().available
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or memory < hard:
        resource.setrlimit(resource.RLIMIT_AS, (memory, hard))


def _answer(path: Path) -> Answer:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            ds, problem = dataset_of(path.read_bytes()), ""
        except MemoryError:
            ds, problem = None, "it claims to hold more than there is memory"
        except Exception as error:  # netCDF, HDF5 and xarray have many
            ds, problem = None, str(error) or type(error).__name__
    return Answer(ds, problem, [(each.category, str(each.message)) for each in told])


def _main(path: Path) -> None:
    import netCDF4  # noqa: F401  before the clock runs

    _limit(path.stat().st_size)
    pickle.dump(tuple(_answer(path)), sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
