"""The files of a store: objects under the hash of their content, each with a sidecar that says what it is.

    objects/ab/abcdef….nc                       the object
    objects/ab/abcdef….nc.0123456789ab.json     a record of it

Names that begin with a dot are of files that were never finished.
"""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpanalysis._files import flush_folder, write_whole
from fpanalysis.io import open_dataset, save
from fpanalysis.load import load
from fpanalysis.records import content as contents
from fpanalysis.records.entry import Entry
from fpanalysis.records.schema import StoreError
from fpanalysis.records.trusted import (
    CHECKSUM,
    OBJECTS,
    SUFFIXES,
    checksum,
    file_of,
    flaw,
    read_sidecar,
    sidecar_of,
)

_AGAIN = {
    contents.MODEL: "train it again with the same configuration, or copy the file from a backup",
    contents.EVALUATION: "compute it again, or copy the file from a backup",
    contents.FIGURE: "draw and add it again, or copy the file from a backup",
}


class Stored(NamedTuple):
    """An object in its file."""

    file: str
    sha256: str
    size: int


class Draft(NamedTuple):
    """An object that waits for its name, which it gets while nobody else writes.

    Attributes:
        kind: `model`, `evaluation` or `figure`.
        content_hash: of the object.
        write: writes the file, given its path.
        partial: where it is written already; None if it has its name, or was cleared away.
    """

    kind: str
    content_hash: str
    write: Callable[[Path], None]
    partial: Path | None

    @property
    def file(self) -> str:
        """Where the object will lie within the folder of the store."""
        return file_of(self.kind, self.content_hash)


class Objects:
    """The objects within the folder of a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def draft(self, content: Any, content_hash: str, known_sha256: str | None) -> Draft:
        """Write an object under a name of its own; when this returns, its file is whole and on the disk.

        Args:
            content: the object.
            content_hash: of it.
            known_sha256: of the file, if it is recorded already. A file with another one will be replaced.
        """
        kind = contents.kind_of(content)
        return self.drafted(kind, content_hash, known_sha256, lambda path: _write(content, kind, path))

    def drafted(
        self, kind: str, content_hash: str, known_sha256: str | None, write: Callable[[Path], None]
    ) -> Draft:
        """As `draft`, with a function that writes the file."""
        draft = Draft(kind, content_hash, write, None)
        path = self._inside(self.folder / draft.file)
        if path.exists() and self._is_good(path, kind, content_hash, known_sha256):
            os.utime(path)  # young files are not cleaned away as left over
            return draft
        try:
            return draft._replace(partial=self._written(draft))
        except (OSError, RuntimeError):  # HDF5's words for a file that somebody cleaned away are many
            return draft  # `place` writes it while nobody cleans, and tells what is wrong otherwise

    def place(self, draft: Draft, known_sha256: str | None) -> tuple[Stored, bool]:
        """Give an object its name, while nobody else writes or cleans up.

        Returns:
            The object in its file, and whether the file is new.
        """
        path = self._inside(self.folder / draft.file)
        is_there = path.exists()
        if is_there and self._is_good(path, draft.kind, draft.content_hash, known_sha256):
            if draft.partial is not None:
                draft.partial.unlink(missing_ok=True)
        else:
            is_there = is_there and path.exists()
            partial = draft.partial if draft.partial and draft.partial.exists() else self._written(draft)
            os.replace(partial, path)
            flush_folder(path.parent)
        return Stored(draft.file, sha256_of(path), path.stat().st_size), not is_there

    def path(self, entry: Entry) -> Path:
        """Return the file of a record, which lies within the folder of the store.

        Raises:
            StoreError: the record names another one; no store writes such a record.
        """
        if (wrong := flaw(entry)) is not None:
            raise StoreError(f"{entry.kind} {str(entry.hash)[:8]}: no store writes such a record: {wrong}")
        return self._inside(self.folder / entry.file)

    def _inside(self, path: Path) -> Path:
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise StoreError(f"{str(path)!r} is a link that leads out of the store; it is not followed")
        return path

    def _written(self, draft: Draft) -> Path:
        path = self._inside(self.folder / draft.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{uuid.uuid4().hex}{SUFFIXES[draft.kind]}")
        try:
            draft.write(partial)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return partial

    def read(self, entry: Entry) -> Any:
        """Return the object of a record, after a look at its file.

        Raises:
            StoreError: the file is missing, or not as it was written.
        """
        if problem := self.problem(entry):
            raise StoreError(f"{entry.kind} {entry.hash[:8]}: {problem}")
        return _read(self.path(entry), entry.kind)

    def fault(self, entry: Entry) -> str | None:
        """Return what is wrong with the file of a record: `missing`, `cut`, `longer` or `changed`."""
        path = self.path(entry)
        if not path.exists():
            return "missing"
        if (size := path.stat().st_size) != entry.size:
            return "cut" if size < entry.size else "longer"
        return "changed" if sha256_of(path) != entry.file_sha256 else None

    def problem(self, entry: Entry) -> str | None:
        """Return what is wrong with the file of a record, and what to do; None if nothing is."""
        fault = self.fault(entry)
        if fault is None:
            return None
        now = "none" if fault == "missing" else str(self.path(entry).stat().st_size)
        said = {
            "missing": "is missing",
            "cut": f"was cut short ({now} bytes, {entry.size} were written)",
            "longer": f"was replaced by a longer one ({now} bytes, {entry.size} were written)",
            "changed": "was changed since it was written (its sha256 differs)",
        }[fault]
        return f"its file {entry.file} {said}; {_AGAIN[entry.kind]}"

    def verified(self, entries: Sequence[Entry]) -> Stored | None:
        """Return the file that some records share, if it holds what it should, as far as they tell."""
        entry = entries[0]
        path = self.path(entry)
        if not path.exists():
            return None
        stored = Stored(entry.file, sha256_of(path), path.stat().st_size)
        if any(stored.sha256 == each.file_sha256 for each in entries):
            return stored
        try:  # written anew after it was damaged, in other bytes of the same meaning
            is_good = contents.content_hash(_read(path, entry.kind)) == entry.content_hash
        except Exception:  # whatever a damaged file raises
            return None
        return stored if is_good else None

    def write_sidecar(self, entry: Entry) -> None:
        """Write beside an object what its record says, while nobody else writes."""
        path = self.sidecar(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _told(entry))

    def announce(self, entry: Entry) -> Path:
        """Write what a new record says under a name that tells of no record; `publish` gives it its own."""
        path = self.sidecar(entry)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        with open(partial, "wb") as file:
            file.write(_told(entry))
            file.flush()
            os.fsync(file.fileno())
        return partial

    def publish(self, entry: Entry, partial: Path) -> None:
        """Give the sidecar of a record that is in the database its name, unless there is a newer one."""
        path = self.sidecar(entry)
        try:
            os.link(partial, path)
        except FileExistsError:  # written by somebody who tagged the record
            pass
        except FileNotFoundError:  # moved away by an earlier version that cleaned up
            write_whole(path, _told(entry))
        except OSError:  # a file system without links
            if not path.exists():
                os.replace(partial, path)
        partial.unlink(missing_ok=True)
        flush_folder(path.parent)

    def sidecar(self, entry: Entry) -> Path:
        """Return where the sidecar of a record is."""
        return self.path(entry).with_name(sidecar_of(entry).rpartition("/")[2])

    def told(self, entry: Entry) -> Entry | None:
        """Return what the sidecar of a record says, if it is there and can be believed."""
        path = self.sidecar(entry)
        if not path.exists():
            return None
        try:
            return read_sidecar(self.folder, path)
        except (OSError, ValueError):
            return None

    def sidecars(self) -> list[Path]:
        """Return the sidecars of all records, whether these are in the database or not."""
        found = (self.folder / OBJECTS).glob("??/*.json")
        return sorted(path for path in found if is_sidecar(path))

    def _is_good(self, path: Path, kind: str, content_hash: str, known_sha256: str | None) -> bool:
        if known_sha256 is not None:
            return sha256_of(path) == known_sha256
        try:  # of a process that ended before it could record the object, perhaps
            return contents.content_hash(_read(path, kind)) == content_hash
        except Exception:  # whatever is wrong with it: it is written anew
            return False


def _told(entry: Entry) -> bytes:
    content = {CHECKSUM: checksum(entry), **entry.to_dict()}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _write(content: Any, kind: str, path: Path) -> None:
    if kind == contents.FIGURE:
        write_whole(path, content.to_json().encode())
    else:
        save(content, path)


_ENDS = "|".join(map(re.escape, SUFFIXES.values()))
_OBJECT = re.compile(rf"[0-9a-f]{{64}}({_ENDS})")
_SIDECAR = re.compile(rf"[0-9a-f]{{64}}({_ENDS})\.[0-9a-f]{{12}}\.json")


def is_object(path: Path) -> bool:
    """Return whether a file has the name of an object."""
    return _OBJECT.fullmatch(path.name) is not None


def is_sidecar(path: Path) -> bool:
    """Return whether a file has the name of a sidecar."""
    return _SIDECAR.fullmatch(path.name) is not None


def is_partial(path: Path) -> bool:
    """Return whether a file has a name that only unfinished files have."""
    # SQLite keeps a file or two beside a database, named after it.
    return path.name.startswith(".") and (
        ".partial" in path.name or path.name.endswith((*SUFFIXES.values(),))
    )


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path, kind: str) -> Any:
    if kind == contents.MODEL:
        return load(path)
    if kind == contents.EVALUATION:
        return open_dataset(path)
    from plotly.io import from_json

    return from_json(path.read_text(encoding="utf-8"))
