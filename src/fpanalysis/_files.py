"""Files that are whole or absent."""

import errno
import os
import platform
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

# A partial file of another machine is taken for left over when nobody has written to it for so long (s).
_ABANDONED = 24 * 3600.0
# Names of partial files repeat so much of the name they stand for: file systems allow 255 bytes in all.
_REPEATED = 40
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file: after a power cut it is the old or the new."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` to write to; if all went well, that file takes the place of `path`.

    After a power cut it is the old file or the new one. Who may read and write it stays as it was.

    Raises:
        OSError: in words if the disk is full.
    """
    partial = path.with_name(f"{_beginning(path)}{_writer()}-{os.getpid()}-{uuid.uuid4().hex[:12]}.partial")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        _take_mode(path, partial)
        os.replace(partial, path)
    except OSError as error:
        if error.errno in _FULL:
            message = f"the disk is full: {str(path)!r} was not written, and is as it was before"
            raise OSError(error.errno, message) from error
        raise
    finally:
        _discard(partial)
    flush_folder(path.parent)


def check_room(partial: Path) -> None:
    """Raise the system's error if nothing more can be written at the end of a file: the disk is full."""
    with open(partial, "ab") as file:
        file.write(bytes(2**16))
        file.flush()
        os.fsync(file.fileno())


def clear_partials(path: Path) -> None:
    """Remove what writers of `path` that were killed left beside it; those that write are left alone."""
    with suppress(OSError), os.scandir(path.parent) as beside:
        for left in beside:
            if left.name.startswith(_beginning(path)) and left.name.endswith(".partial") and _is_dead(left):
                Path(left.path).unlink(missing_ok=True)


def check_regular(path: Path, argument: str) -> None:
    """Raise `ValueError` if a path names a pipe, a device or a socket, from which reading may never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"{argument}: {str(path)!r} is not a regular file, but a pipe, a device or a socket")


def flush_folder(path: Path) -> None:
    """Make sure that the names in a folder survive a power cut."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def made_folder(path: str | os.PathLike[str], argument: str) -> Path:
    """Return a folder as an absolute path; it is made if it is not there.

    Raises:
        NotADirectoryError: it is a file.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{argument}: expected a folder, but {str(folder)!r} is a file")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _take_mode(path: Path, partial: Path) -> None:
    with suppress(OSError):  # there is no such file yet, or the file system knows no modes
        os.chmod(partial, stat.S_IMODE(path.stat().st_mode))


def _discard(partial: Path) -> None:
    # Emptied first: a library that failed to close it would keep its bytes on the disk.
    with suppress(OSError):
        os.truncate(partial, 0)
    partial.unlink(missing_ok=True)


def _beginning(path: Path) -> str:
    return f".{path.name[:_REPEATED]}."


@cache
def _writer() -> str:
    """Return a word for this machine since it was started, and this container: where a pid has a meaning."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return sha256("\n".join(parts).encode()).hexdigest()[:12]


def _is_dead(left: os.DirEntry) -> bool:
    """Return whether the process that wrote a partial file is gone."""
    import psutil  # only here, for imports to stay light

    writer, _, pid = left.name.removesuffix(".partial").rpartition("-")[0].rpartition(".")[2].partition("-")
    if writer == _writer() and pid.isdecimal():
        return not psutil.pid_exists(int(pid))
    return time.time() - left.stat().st_mtime > _ABANDONED
