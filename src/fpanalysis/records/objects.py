"""The files of a store: objects under the hash of their content, each with a sidecar that says what it is.

    objects/ab/abcdef….nc                       the object
    objects/ab/abcdef….nc.0123456789ab.json     a record of it

Names that begin with a dot are of files that were never finished.
"""

import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from fpanalysis._files import flush_folder, write_whole
from fpanalysis.io import open_dataset, save
from fpanalysis.load import load
from fpanalysis.records import content as contents
from fpanalysis.records.entry import Entry
from fpanalysis.records.schema import StoreError

OBJECTS = "objects"
SUFFIXES = {contents.MODEL: ".eqx", contents.EVALUATION: ".nc", contents.FIGURE: ".plotly.json"}


class Stored(NamedTuple):
    """An object in its file."""

    file: str
    sha256: str
    size: int


class Objects:
    """The objects within the folder of a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, content: Any, content_hash: str, known_sha256: str | None) -> Stored:
        """Keep an object; when this returns, its file is whole and on the disk.

        Args:
            content: the object.
            content_hash: of it.
            known_sha256: of the file, if it is recorded already. A file with another one is replaced.
        """
        kind = contents.kind_of(content)
        file = f"{OBJECTS}/{content_hash[:2]}/{content_hash}{SUFFIXES[kind]}"
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and self._is_good(path, kind, content_hash, known_sha256):
            os.utime(path)  # young files are not cleaned away as left over
        else:
            self._write(content, kind, path)
        return Stored(file, sha256_of(path), path.stat().st_size)

    def read(self, entry: Entry) -> Any:
        """Return the object of a record, after a look at its file.

        Raises:
            StoreError: the file is missing, or not as it was written.
        """
        if problem := self.problem(entry):
            raise StoreError(f"{entry.kind} {entry.hash[:8]}: {problem}")
        return _read(self.folder / entry.file, entry.kind)

    def problem(self, entry: Entry) -> str | None:
        """Return what is wrong with the file of a record, and what to do; None if nothing is."""
        path = self.folder / entry.file
        again = {
            contents.MODEL: "train it again with the same configuration, or copy the file from a backup",
            contents.EVALUATION: "compute it again, or copy the file from a backup",
            contents.FIGURE: "draw and add it again, or copy the file from a backup",
        }[entry.kind]
        if not path.exists():
            return f"its file {entry.file} is missing; {again}"
        if (size := path.stat().st_size) != entry.size:
            cut = "cut short" if size < entry.size else "replaced by a longer one"
            return f"its file {entry.file} was {cut} ({size} bytes, {entry.size} were written); {again}"
        if sha256_of(path) != entry.file_sha256:
            return f"its file {entry.file} was changed since it was written (its sha256 differs); {again}"
        return None

    def write_sidecar(self, entry: Entry) -> None:
        """Write beside an object what its record says."""
        content = json.dumps(entry.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        write_whole(self.sidecar(entry), content.encode())

    def sidecar(self, entry: Entry) -> Path:
        """Return where the sidecar of a record is."""
        path = self.folder / entry.file
        return path.with_name(f"{path.name}.{entry.hash[:12]}.json")

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
            path.unlink(missing_ok=True)
            return False

    def _write(self, content: Any, kind: str, path: Path) -> None:
        partial = path.with_name(f".{uuid.uuid4().hex}{SUFFIXES[kind]}")
        try:
            if kind == contents.FIGURE:
                write_whole(partial, content.to_json().encode())
            else:
                save(content, partial)
            if path.exists():  # and was found damaged
                os.replace(partial, path)
            else:
                _name(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        flush_folder(path.parent)


def is_sidecar(path: Path) -> bool:
    """Return whether a file beside objects is the sidecar of one."""
    return path.suffix == ".json" and not path.name.startswith(".") and not path.name.endswith(".plotly.json")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(partial: Path, path: Path) -> None:
    """Give a finished file its name, unless another process was faster: then the two hold the same."""
    try:
        os.link(partial, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        os.replace(partial, path)


def _read(path: Path, kind: str) -> Any:
    if kind == contents.MODEL:
        return load(path)
    if kind == contents.EVALUATION:
        return open_dataset(path)
    from plotly.io import from_json

    return from_json(path.read_text(encoding="utf-8"))
