"""What a file holds, told from its first bytes, whatever its name says."""

from pathlib import Path

CHECKPOINT_FORMAT = "fpanalysis checkpoint"
_CHECKPOINT_START = f'{{"format": "{CHECKPOINT_FORMAT}"'.encode()
# The header of a safetensors file is at most this long; the bound tells it from other binary files.
_SAFETENSORS_HEADER = 100_000_000

CHECKPOINT, SAFETENSORS, ZIP, PICKLE, LEAVES, JSON, NETCDF, EMPTY, UNKNOWN = (
    "a checkpoint of this package (.eqx)",
    "a safetensors file (.safetensors)",
    "a zip archive, as torch.save writes it (.pt)",
    "a Python pickle, as torch.save wrote it before PyTorch 1.6 (.pt)",
    "bare arrays, as numpy.save and equinox.tree_serialise_leaves write them",
    "text that starts like JSON, such as the header of an Equinox checkpoint of another program",
    "a netCDF or HDF5 file (fpanalysis.open_dataset reads results)",
    "nothing: the file is empty",
    "content of no known kind",
)


def kind_of_content(path: Path) -> str:
    """Return the kind of content of a file: one of the sentences of this module."""
    with open(path, "rb") as file:
        start = file.read(64)
    if not start:
        return EMPTY
    if start.startswith(_CHECKPOINT_START):
        return CHECKPOINT
    if start[8:9] == b"{" and 0 < int.from_bytes(start[:8], "little") <= _SAFETENSORS_HEADER:
        return SAFETENSORS
    signatures = {
        b"PK\x03\x04": ZIP,
        b"\x80": PICKLE,
        b"\x93NUMPY": LEAVES,
        b"{": JSON,
        b"\x89HDF": NETCDF,
        b"CDF": NETCDF,
    }
    return next((kind for signature, kind in signatures.items() if start.startswith(signature)), UNKNOWN)


def check_content(path: Path, *expected: str) -> None:
    """Raise `ValueError` unless the file holds one of the expected kinds of content."""
    kind = kind_of_content(path)
    if kind not in expected:
        advice = _FOREIGN_EQUINOX if kind in (LEAVES, JSON) and path.suffix.lower() == ".eqx" else ""
        raise ValueError(f"path: expected {path.name!r} to hold {expected[0]}, found {kind}{advice}")


_FOREIGN_EQUINOX = (
    "; build the model in Python, fill it with equinox.tree_deserialise_leaves and pass it to "
    "fpanalysis.vector_field"
)
