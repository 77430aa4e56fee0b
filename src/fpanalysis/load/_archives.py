"""The two kinds of files of `torch.save`, and bare pickles: what they hold, and where its bytes are."""

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fpanalysis._messages import listed
from fpanalysis.load._inert import Name, Object, read_pickle
from fpanalysis.load._source import Cursor, Foreign, Source, Stretch, Unreadable, open_regular
from fpanalysis.load._stored import entry_size, is_size

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# The list of what is in a zip archive is read at once.
_LONGEST_DIRECTORY = 2**24
_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "UntypedStorage": "uint8",
}


@dataclass(frozen=True, eq=False)
class Storage:
    """Where the entries of tensors are.

    Attributes:
        dtype: of its entries; of an untyped one `"uint8"`.
        data: its bytes.
        is_big_endian: whether entries begin with the highest byte.
    """

    dtype: str
    data: Stretch
    is_big_endian: bool


@dataclass(eq=False)
class Archive:
    """What a file holds.

    Attributes:
        top: the object, as `read_pickle` returns it.
        places: the bytes of each storage by its key.
        is_big_endian: whether entries begin with the highest byte.
    """

    top: Any = None
    places: dict[str, Stretch] = field(default_factory=dict)
    is_big_endian: bool = False

    def storage(self, identity: Any) -> Storage:
        """Return the storage that a persistent identity, `("storage", class, key, device, size)`, names.

        Raises:
            Unreadable: it is no such identity, or there are fewer bytes.
        """
        dtype, key, count, (start, n) = _identified(identity)
        size = entry_size(dtype)
        if key not in self.places:
            raise Unreadable(f"the values of storage {key[:40]!r} are missing")
        data = self.places[key]
        if count * size > data.n_bytes:
            raise Unreadable(f"storage {key[:40]!r} claims {count * size} bytes, {data.n_bytes} are there")
        if (start + n) * size > data.n_bytes:
            raise Unreadable("a part of a storage reaches beyond it")
        if (start, n) != (0, count):
            data = Stretch(data.source, data.start + start * size, n * size)
        return Storage(dtype, data, self.is_big_endian)


def _identified(identity: Any) -> tuple[str, str, int, tuple[int, int]]:
    """Return the dtype, the key, the number of entries of a storage, and where the part that is meant is."""
    if not (isinstance(identity, tuple) and len(identity) in (5, 6) and identity[0] == "storage"):
        raise Unreadable("it names a storage in an unknown way")
    _, kind, key, _, count, *view = identity
    kind = kind.name if isinstance(kind, Name) else ""
    # Of a view: its own key, its start and its size.
    part: Any = (0, count)
    if view and view[0] is not None:
        part = view[0][1:] if isinstance(view[0], tuple) else ()
    if not _is_key(key) or len(part) != 2 or not all(map(is_size, (count, *part))):
        raise Unreadable("it names a storage of impossible size")
    return _DTYPES.get(kind, kind), str(key), count, (part[0], part[1])


def _is_key(key: Any) -> bool:
    return isinstance(key, str) or is_size(key)


def read_pickles(source: Source, start: int = 0, end: int | None = None) -> Archive:
    """Return what pickles in a row hold: one, or those of an old `torch.save` with the bytes behind them.

    Raises:
        Unreadable: they are damaged, or cut short.
    """
    cursor = Cursor(source, start, end)
    top = read_pickle(cursor)
    if top != _MAGIC:
        return Archive(top)
    protocol, system = read_pickle(cursor), read_pickle(cursor)
    if protocol != _PROTOCOL or not isinstance(system, dict):
        raise Foreign("it is of an unknown version of torch.save")
    seen: list[Object] = []
    archive = Archive(read_pickle(cursor, seen), is_big_endian=system.get("little_endian") is False)
    keys = read_pickle(cursor)
    if not isinstance(keys, list) or not all(map(_is_key, keys)):
        raise Unreadable("it does not list its storages")
    sizes = _entry_sizes(seen)
    for key in map(str, keys):
        (count,) = struct.unpack("<q", cursor.read(8))
        if key not in sizes:
            raise Unreadable(f"it lists a storage {key[:40]!r} that nothing uses")
        n_bytes = count * sizes[key]
        archive.places[key] = Stretch(source, cursor.skip(n_bytes), n_bytes)
    return archive


def _entry_sizes(persistent: list[Object]) -> Mapping[str, int]:
    found = {}
    for each in persistent:
        (identity,) = each.args
        # Modules are named in this way too, with their source code.
        if isinstance(identity, tuple) and identity[:1] == ("storage",):
            dtype, key, *_ = _identified(identity)
            found[key] = entry_size(dtype)
    return found


class _Bounded:
    """A file for `zipfile`, which believes what an archive says of the length of its list of contents."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, n_bytes: int = -1) -> bytes:
        if n_bytes > _LONGEST_DIRECTORY:
            raise Foreign("its list of contents is too long")
        return self._file.read(_LONGEST_DIRECTORY if n_bytes < 0 else n_bytes)


def read_zip(path: Path, source: Source) -> Archive:
    """Return what a zip archive of `torch.save` holds.

    Raises:
        Unreadable: it is another zip archive, damaged, or cut short.
    """
    entries = _entries(path)
    tops = [name for name in entries if name.count("/") <= 1 and name.rpartition("/")[2] == "data.pkl"]
    if len(tops) != 1:
        raise Foreign(
            "it is a zip archive that torch.save did not write, with the entries "
            f"{listed((name[:60] for name in entries), 4)}"
        )
    start = tops[0].removesuffix("data.pkl")
    if f"{start}constants.pkl" in entries:
        raise Foreign(
            "it holds more than weights: a TorchScript program. Where the model was made, save its weights: "
            "torch.save(model.state_dict(), 'weights.pt')"
        )
    # With `torch.serialization.set_crc32_options(False)` all of them are zero.
    has_crc = any(info.CRC for info in entries.values())
    cursor = _cursor(_stretch(source, entries[tops[0]], has_crc))
    order = entries.get(f"{start}byteorder")
    archive = Archive(is_big_endian=order is not None and _whole(source, order, has_crc) == b"big")
    for name, info in entries.items():
        if name.startswith(f"{start}data/"):
            archive.places[name.removeprefix(f"{start}data/")] = _stretch(source, info, has_crc)
    archive.top = read_pickle(cursor)
    return archive


def _entries(path: Path) -> dict[str, zipfile.ZipInfo]:
    with open_regular(path) as file:
        try:
            infos = zipfile.ZipFile(_Bounded(file)).infolist()  # type: ignore[arg-type]
        except Unreadable:
            raise
        except (zipfile.BadZipFile, ValueError, OSError, LookupError, NotImplementedError, struct.error) as e:
            raise Unreadable(f"it is no whole zip archive ({e})") from e
    entries = {info.filename: info for info in infos}
    if len(entries) != len(infos):
        raise Unreadable("it holds two entries of one name")
    return entries


def _stretch(source: Source, info: zipfile.ZipInfo, has_crc: bool) -> Stretch:
    """Return where the bytes of an entry are."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise Unreadable(f"its entry {info.filename[:80]!r} is compressed or encrypted, as by no torch.save")
    if info.file_size != info.compress_size:
        raise Unreadable(f"its entry {info.filename[:80]!r} has two sizes")
    head = source.look(info.header_offset, 30)
    if head[:4] != b"PK\x03\x04":
        raise Unreadable(f"its entry {info.filename[:80]!r} has no beginning")
    start = info.header_offset + 30 + sum(struct.unpack("<HH", head[26:30]))
    if start + info.file_size > source.size:
        raise Unreadable(f"its entry {info.filename[:80]!r} claims {info.file_size} bytes that are not there")
    return Stretch(source, start, info.file_size, crc=info.CRC if has_crc else None)


def _cursor(data: Stretch) -> Cursor:
    data.read(0, 0)
    return Cursor(data.source, data.start, data.start + data.n_bytes)


def _whole(source: Source, info: zipfile.ZipInfo, has_crc: bool) -> bytes:
    return _stretch(source, info, has_crc).read(0, min(info.file_size, 16))
