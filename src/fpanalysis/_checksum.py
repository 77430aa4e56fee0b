"""A checksum behind the end of a file, where readers of HDF5 do not look.

    …content of the file…⏎fpanalysis sha256 <64 hexadecimal digits> fpanalysis⏎

The word stands there twice so that one that was damaged is known for what it was.
"""

import hashlib
from pathlib import Path

_BEGIN, _END = b"\nfpanalysis sha256 ", b" fpanalysis\n"
_DIGITS = 64
LENGTH = len(_BEGIN) + _DIGITS + len(_END)


def append_checksum(path: Path) -> None:
    """Write the checksum of a file behind its end."""
    with open(path, "rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0, 2)
        file.write(_BEGIN + digest.encode() + _END)


def is_verified(content: bytes) -> bool:
    """Return whether there is a checksum behind a file's content; if not, nothing is known of it.

    Raises:
        ValueError: the content, or the checksum itself, is not as it was written.
    """
    tail = content[-LENGTH:]
    begins, ends = tail.startswith(_BEGIN), tail.endswith(_END)
    if begins and ends:
        digest = hashlib.sha256(memoryview(content)[:-LENGTH]).hexdigest()
        if tail[len(_BEGIN) : -len(_END)] == digest.encode():
            return True
        raise ValueError("its content does not match its checksum")
    if begins or ends or _BEGIN in tail:
        raise ValueError("the checksum at its end is not whole")
    return False
