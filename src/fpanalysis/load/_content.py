"""What a file holds, told from its first bytes, whatever its name says."""

from pathlib import Path

from fpanalysis.load._source import open_regular

CHECKPOINT_FORMAT = "fpanalysis checkpoint"
_CHECKPOINT_START = f'{{"format": "{CHECKPOINT_FORMAT}"'.encode()
# The header of a safetensors file is at most this long; the bound tells it from other binary files.
_SAFETENSORS_HEADER = 100_000_000

CHECKPOINT, SAFETENSORS, ZIP, PICKLE, NPZ, LEAVES, JSON, NETCDF, POINTER, EMPTY, UNKNOWN = (
    "a checkpoint of this package (.eqx)",
    "a safetensors file (.safetensors)",
    "a zip archive, as torch.save writes it (.pt)",
    "a Python pickle, as torch.save wrote it before PyTorch 1.6 (.pt)",
    "arrays of numpy.savez (.npz)",
    "bare arrays, as numpy.save and equinox.tree_serialise_leaves write them",
    "text that starts like JSON, such as the header of an Equinox checkpoint of another program",
    "a netCDF or HDF5 file (fpanalysis.open_dataset reads results)",
    "a pointer of Git LFS in the place of the file (git lfs pull fetches it)",
    "nothing: the file is empty",
    "content of no known kind",
)


def kind_of_content(path: Path) -> str:
    """Return the kind of content of a file: one of the sentences of this module.

    Raises:
        ValueError: it is no regular file.
    """
    with open_regular(path) as file:
        start = file.read(512)
    if not start:
        return EMPTY
    if start.startswith(_CHECKPOINT_START):
        return CHECKPOINT
    if start[8:9] == b"{" and 0 < int.from_bytes(start[:8], "little") <= _SAFETENSORS_HEADER:
        return SAFETENSORS
    if start.startswith(b"PK\x03\x04") and b".npy" in start:
        return NPZ
    signatures = {
        b"PK\x03\x04": ZIP,
        b"\x80": PICKLE,
        # Older protocols begin with what they hold: a dict, a list, or an object of a class.
        **dict.fromkeys((b"(dp", b"}q", b"(lp", b"]q", b"ccopy_reg\n", b"ccollections\n"), PICKLE),
        **dict.fromkeys((b"c__main__\n", b"ctorch"), PICKLE),
        b"\x93NUMPY": LEAVES,
        b"{": JSON,
        b"\x89HDF": NETCDF,
        b"CDF": NETCDF,
        b"version https://git-lfs": POINTER,
    }
    return next((kind for signature, kind in signatures.items() if start.startswith(signature)), UNKNOWN)


def check_content(path: Path, *expected: str) -> str:
    """Return the kind of content of a file.

    Raises:
        ValueError: it is none of the expected ones.
    """
    kind = kind_of_content(path)
    if kind not in expected:
        foreign = kind in (LEAVES, JSON) and path.suffix.lower() == ".eqx"
        advice = _FOREIGN_EQUINOX if foreign else _ADVICE.get(kind, "")
        what = expected[0] if len(expected) == 1 else "a model"
        raise ValueError(f"path: expected {path.name!r} to hold {what}, found {kind}{advice}")
    return kind


_FOREIGN_EQUINOX = (
    "; build the model in Python, fill it with equinox.tree_deserialise_leaves and pass it to "
    "fpanalysis.vector_field"
)
_ADVICE = {
    CHECKPOINT: ", which fpanalysis.load reads",
    NPZ: "; read them with numpy.load, and pass a dict of them by PyTorch's names to fpanalysis.load_torch, "
    "or write the equations as a function for fpanalysis.vector_field",
}
