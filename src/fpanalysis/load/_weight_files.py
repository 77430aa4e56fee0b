"""Files of weights, known by their content: what they hold, with every value left where it is."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fpanalysis.load._archives import read_pickles, read_zip
from fpanalysis.load._content import PICKLE, SAFETENSORS, ZIP, check_content
from fpanalysis.load._pickled import Meaning
from fpanalysis.load._source import Foreign, Source, Stretch, Unreadable
from fpanalysis.load._stored import Stored, checked_layout, contiguous

_DTYPES: dict[str, str] = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "BOOL": "bool",
}
_DTYPES |= {f"I{8 * n}": f"int{8 * n}" for n in (1, 2, 4, 8)} | {"U8": "uint8"}
# That of a network with ten thousand weights takes a tenth of it.
_LONGEST_HEADER = 2**24


def read_weights(path: Path) -> tuple[Any, Callable[[Any], Any]]:
    """Return what a file holds, and what says of each value in it what it stands for.

    No code of the file is run, and what it claims is compared with its size first.

    Raises:
        Unreadable: it is damaged, or cut short.
        ValueError: it holds something else than weights, or is no regular file.
    """
    kind = check_content(path, SAFETENSORS, ZIP, PICKLE)
    if kind == SAFETENSORS:
        return _read_safetensors(path), lambda value: value
    source = Source(path)
    archive = read_zip(path, source) if kind == ZIP else read_pickles(source)
    return archive.top, Meaning(archive, source)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say of which file it is that something cannot be read."""
    try:
        yield
    except Foreign as error:
        raise ValueError(f"source: {path.name!r} cannot be read: {error}") from error
    except Unreadable as error:
        raise ValueError(
            f"source: {path.name!r} cannot be read, it may be damaged or cut short: {error}"
        ) from error
    except (MemoryError, RecursionError) as error:
        raise ValueError(f"source: {path.name!r} is too large or too deep to be read") from error


def _read_safetensors(path: Path) -> dict[str, Stored]:
    from safetensors import SafetensorError, safe_open

    source = Source(path)
    start = 8 + int.from_bytes(source.read(0, 8), "little")
    if start > _LONGEST_HEADER:
        raise Foreign(f"its header is said to have {start - 8:,} bytes")
    try:
        # This compares the header with the size of the file, and all tensors with each other.
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise Unreadable(str(error)) from error
    try:
        header = json.loads(source.read(8, start - 8))
    except ValueError as error:
        raise Unreadable(f"its header is not JSON ({error})") from error
    header.pop("__metadata__", None)
    return {name: _in_safetensors(source, start, said) for name, said in header.items()}


def _in_safetensors(source: Source, start: int, said: dict[str, Any]) -> Stored:
    shape, dtype = tuple(said["shape"]), str(said["dtype"])
    first, end = said["data_offsets"]
    layout = checked_layout(shape, contiguous(shape), 0)
    return Stored(_DTYPES.get(dtype, dtype), *layout, Stretch(source, start + first, end - first))
