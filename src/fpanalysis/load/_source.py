"""Bytes of files that may be damaged or hostile: what they claim is compared with what is there, and read."""

import os
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

# No file makes more than this many times its own size, plus a little, be read.
_TIMES_SIZE, _ALWAYS_READ = 8, 2**26
_MOST_STEPS = 5_000_000
_WINDOW = 2**16
_PIECE = 2**20


class Unreadable(ValueError):
    """What a file claims is not so, or is not read; the message is a clause without the file's name."""


class Foreign(Unreadable):
    """What a file holds is whole, as it seems, but not read; the message is a clause without its name."""


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, without waiting: a named pipe that nobody writes to would never open.

    Raises:
        ValueError: it is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
    raise ValueError(f"path: expected a file, got {kinds.get(stat.S_IFMT(mode), 'a device')}: {str(path)!r}")


@dataclass(eq=False)
class Budget:
    """What reading one file, and the files within it, may still cost.

    Attributes:
        n_bytes: that may be read.
        n_steps: that its pickles may take.
    """

    n_bytes: int
    n_steps: int = _MOST_STEPS

    def take_bytes(self, n_bytes: int) -> None:
        """Count bytes that are read."""
        self.n_bytes -= n_bytes
        if self.n_bytes < 0:
            raise Foreign("its weights share their values so often that they are far larger than the file")

    def take_step(self) -> None:
        """Count a step of a pickle."""
        self.n_steps -= 1
        if self.n_steps < 0:
            raise Foreign(f"its pickle has more than {_MOST_STEPS:,} steps")


class Source:
    """A file, or bytes in memory, of which pieces are read.

    The file is opened for each piece, so that nothing stays open.

    Attributes:
        size: in bytes.
        budget: what reading may still cost.
    """

    def __init__(self, content: Path | bytes, budget: Budget | None = None) -> None:
        self._content = content
        self._mark = (len(content), 0, 0) if isinstance(content, bytes) else self._marked(content)
        self.size = self._mark[0]
        self.budget = budget or Budget(_TIMES_SIZE * self.size + _ALWAYS_READ)

    def read(self, start: int, n_bytes: int) -> bytes:
        """Return `n_bytes` bytes from `start` on.

        Raises:
            Unreadable: they are not there, or more was read than the file is long, several times over.
        """
        self.budget.take_bytes(n_bytes)
        return self.look(start, n_bytes)

    def look(self, start: int, n_bytes: int) -> bytes:
        """Return bytes as `read` does, but do not count them, since they are not kept."""
        if start < 0 or n_bytes < 0 or start + n_bytes > self.size:
            raise Unreadable(f"it claims {n_bytes} bytes at {start}, but ends at {self.size}")
        if isinstance(self._content, bytes):
            return self._content[start : start + n_bytes]
        with open_regular(self._content) as file:
            file.seek(start)
            read = file.read(n_bytes)
        if len(read) != n_bytes or self._marked(self._content) != self._mark:
            raise Unreadable("it changed while it was read")
        return read

    def checksum(self, start: int, n_bytes: int) -> int:
        """Return the CRC-32 of a stretch."""
        crc = 0
        for first in range(start, start + n_bytes, _PIECE):
            crc = zlib.crc32(self.read(first, min(_PIECE, start + n_bytes - first)), crc)
        return crc

    @staticmethod
    def _marked(path: Path) -> tuple[int, int, int]:
        found = os.stat(path)
        return found.st_size, found.st_mtime_ns, found.st_ino


class Cursor:
    """A place in a source that moves on as it is read; small pieces at a time.

    Attributes:
        source: what is read.
        place: the next byte.
    """

    def __init__(self, source: Source, place: int = 0, end: int | None = None) -> None:
        self.source, self.place = source, place
        self._end = source.size if end is None else end
        self._window, self._start = b"", place

    def read(self, n_bytes: int) -> bytes:
        """Return the next bytes, at most 64 KiB of them."""
        if not 0 <= n_bytes <= _WINDOW:
            raise Unreadable(f"it holds a number or name of {n_bytes} bytes, which is too long")
        first = self.place - self._start
        if first + n_bytes > len(self._window):
            self._fill()
            first = 0
        if n_bytes > len(self._window):
            raise Unreadable("it ends too early")
        self.place += n_bytes
        return self._window[first : first + n_bytes]

    def readline(self) -> bytes:
        """Return the bytes up to the end of a line of at most 64 KiB."""
        length = self._window.find(b"\n", self.place - self._start) + 1 - (self.place - self._start)
        if length <= 0:
            self._fill()
            length = self._window.find(b"\n") + 1
        if length <= 0:
            raise Unreadable("it holds a line without an end")
        return self.read(length)

    def skip(self, n_bytes: int) -> int:
        """Pass over bytes, which must be there; return where they start."""
        if not 0 <= n_bytes <= self._end - self.place:
            raise Unreadable(f"it claims {n_bytes} bytes at {self.place}, but ends at {self._end}")
        start, self.place = self.place, self.place + n_bytes
        return start

    def _fill(self) -> None:
        size = max(min(_WINDOW, self._end - self.place), 0)
        self._window, self._start = self.source.look(self.place, size), self.place


@dataclass(eq=False, slots=True)
class Stretch:
    """Bytes of a source that are read when they are asked for.

    Attributes:
        source: where they are.
        start: of the first byte there.
        n_bytes: how many.
        is_text: whether each byte was written as a character of UTF-8, as old pickles do.
        crc: their checksum, if any; compared when they are first read.
    """

    source: Source
    start: int
    n_bytes: int
    is_text: bool = False
    crc: int | None = None

    def read(self, start: int, n_bytes: int) -> bytes:
        """Return a piece, after a look at the checksum of all.

        Raises:
            Unreadable: it is not there, or the checksum is another.
        """
        if self.crc is not None and self.source.checksum(self.start, self.n_bytes) != self.crc:
            raise Unreadable("the file is damaged, its bytes do not match their checksum")
        self.crc = None
        if self.is_text:
            return _piece(_from_text(self.source.read(self.start, self.n_bytes)), start, n_bytes)
        _check_within(start, n_bytes, self.n_bytes)
        return self.source.read(self.start + start, n_bytes)


def piece_of(data: Any, start: int, n_bytes: int) -> bytes:
    """Return a piece of bytes, of a `Stretch`, or of a text that stands for bytes."""
    return data.read(start, n_bytes) if isinstance(data, Stretch) else _piece(bytes_of(data), start, n_bytes)


def bytes_of(data: Any) -> bytes:
    """Return all bytes of a `Stretch`, or of a text that stands for bytes."""
    if isinstance(data, Stretch):
        read = data.source.read(data.start, data.n_bytes)
        return _from_text(read) if data.is_text else read
    return data if isinstance(data, bytes) else _from_text(data.encode("utf-8", "surrogatepass"))


def _piece(data: bytes, start: int, n_bytes: int) -> bytes:
    _check_within(start, n_bytes, len(data))
    return data[start : start + n_bytes]


def _check_within(start: int, n_bytes: int, size: int) -> None:
    if start < 0 or start + n_bytes > size:
        raise Unreadable(f"{start + n_bytes} bytes are needed where {size} are")


def _from_text(data: bytes) -> bytes:
    try:
        return data.decode("utf-8", "surrogatepass").encode("latin-1")
    except UnicodeError as error:
        raise Unreadable("it gives bytes as a text that is none") from error
