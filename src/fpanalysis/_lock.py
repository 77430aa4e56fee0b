"""A lock between processes that ends with the process that holds it."""

import errno
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@contextmanager
def locked(path: Path) -> Iterator[str | None]:
    """Hold a lock as long as the block lasts, if nobody else holds it.

    It is bound to an open file: when a process is killed, the system lets go of it. The file goes away with
    the lock. Where the file system knows no locks, none is held.

    Args:
        path: the file of the lock.

    Yields:
        None if the lock is held now; otherwise what is known of the process that holds it.
    """
    descriptor = _opened(path)
    if isinstance(descriptor, str):
        yield descriptor
        return
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())
        yield None
    finally:
        with suppress(OSError):  # Windows removes no open file
            path.unlink()
        os.close(descriptor)


def _opened(path: Path) -> int | str:
    """Return the descriptor of the locked file, or who holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno in _TAKEN:
                return _holder(descriptor)
        # Whoever held the lock has removed the file since, perhaps, and another one has its name now.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """Return who holds a lock, and close its file."""
    said = b""
    with suppress(OSError):  # Windows lets nobody read it
        said = os.read(descriptor, 200)
    os.close(descriptor)
    return said.decode(errors="replace") or "another process"


def _lock(descriptor: int) -> None:
    """Lock an open file, or raise the system's error."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
