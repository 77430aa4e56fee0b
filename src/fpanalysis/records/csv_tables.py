"""All records as CSV, one file a kind: to read in any program, and to rebuild the database from."""

import csv
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fpanalysis._files import whole_file
from fpanalysis.csv_text import as_text, from_text
from fpanalysis.records import rows, values
from fpanalysis.records.content import KINDS
from fpanalysis.records.entry import Entry
from fpanalysis.records.tables import records
from fpanalysis.records.trusted import CHECKSUM, believed, checksum

# Written at most this often, in seconds, while records are added, and so that it takes little of the time.
EVERY = 30.0
_SHARE = 0.05
# Fields that are not text; they stand as canonical JSON, the first two also value by value.
_JSON = ("params", "results", "versions", "parents", "tags")
_SPREAD = _JSON[:2]
_PLAIN = [field.name for field in fields(Entry) if field.name not in _JSON]


def paths(folder: Path) -> dict[str, Path]:
    """Return by kind where its table is."""
    return {kind: folder / f"{kind}s.csv" for kind in KINDS}


def write(engine: sa.Engine, folder: Path, kinds: Collection[str] = KINDS) -> list[Path]:
    """Write the tables of some kinds, each whole or not at all, from one state of the database."""
    try:
        return _write(engine, folder, kinds, is_writing=False)
    except FileNotFoundError:  # somebody cleaned up; nobody does so while this holds the database
        return _write(engine, folder, kinds, is_writing=True)


def _write(engine: sa.Engine, folder: Path, kinds: Collection[str], is_writing: bool) -> list[Path]:
    with engine.connect() as plain:
        connection = plain.execution_options(is_writing=is_writing)
        with connection.begin():
            return [
                write_some(connection, kind, _of_kind(connection, kind), folder)
                for kind in KINDS
                if kind in kinds
            ]


def _of_kind(connection: sa.Connection, kind: str) -> Sequence[int]:
    return connection.scalars(sa.select(records.c.id).where(records.c.kind == kind)).all()


def write_some(connection: sa.Connection, kind: str, numbers: Iterable[int], folder: Path) -> Path:
    """Write a table of some records of a kind, given by their ids, and return its file."""
    path = paths(folder)[kind]
    names = sorted(rows.names_of(connection, kind))
    own = [name for name in names if not name.startswith(f"{rows.RESULT}.")]
    out = [name.removeprefix(f"{rows.RESULT}.") for name in names if name.startswith(f"{rows.RESULT}.")]
    shown = {"params": own, "results": out}
    header = [*_PLAIN, CHECKSUM, *(f"{of}.{name}" for of in _SPREAD for name in shown[of])]
    with whole_file(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(map(as_text, [*header, *(f"{name}_json" for name in _JSON)]))
        for row in rows.stored(connection, numbers):
            cells = [*(row[name] for name in _PLAIN), checksum(rows.entry_of(row))]
            for of in _SPREAD:
                found = values.flat(values.load(row[of]))
                cells += [_cell(found[name]) if name in found else "" for name in shown[of]]
            texts = [row[name] if isinstance(row[name], str) else values.text(row[name]) for name in _JSON]
            table.writerow([*map(as_text, cells), *texts])
    return path


def read(folder: Path, problems: list[tuple[str, str]] | None = None) -> list[Entry]:
    """Return all records in the tables of a folder, in their order.

    Args:
        folder: of the tables.
        problems: gets where and what of every row that is not as it was written; it is left out.
    """
    there = [path for path in paths(folder).values() if path.is_file() and not path.is_symlink()]
    return [entry for path in there for entry in _read(path, [] if problems is None else problems)]


class TablesWriter:
    """Keeps the tables in the folder of a store up to date."""

    def __init__(self, engine: sa.Engine, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self._behind: set[str] = set()
        self._due = time.monotonic() + EVERY

    def changed(self, kinds: Iterable[str]) -> None:
        """Take note that records of some kinds were added, and write their tables if it is time."""
        self._behind.update(kinds)
        if time.monotonic() >= self._due:
            self.write(self._behind)

    def write(self, kinds: Collection[str] = KINDS) -> list[Path]:
        """Write tables now."""
        began = time.monotonic()
        written = write(self._engine, self._folder, kinds)
        ended = time.monotonic()
        self._behind = set()
        self._due = ended + max(EVERY, (ended - began) / _SHARE)
        return written

    def finish(self) -> None:
        """Write the tables that are behind, if their folder is still there."""
        if self._behind and self._folder.exists():
            self.write(self._behind)


def _cell(value: Any) -> Any:
    """Return a value as a spreadsheet shows it; the exact one is in the column of JSON."""
    plain = values.plain(value)
    return (
        plain if isinstance(plain, str | int | float) and not isinstance(plain, bool) else values.text(value)
    )


def _read(path: Path, problems: list[tuple[str, str]]) -> Iterator[Entry]:
    csv.field_size_limit(2**31 - 1)  # a list of numbers can be longer than the module expects
    needed = {*_PLAIN, *(f"{name}_json" for name in _JSON)} - {"counter"}
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = csv.DictReader(file)
        try:
            if lacking := needed - set(table.fieldnames or ()):
                problems.append((path.name, f"it is no table of a store: it has no column {min(lacking)!r}"))
                return
            for row in table:
                try:
                    yield believed(_data(row))
                except (KeyError, TypeError, ValueError, RecursionError) as error:
                    where = f"{path.name}: line {table.line_num} cannot be read, and was left out ({error})"
                    problems.append((path.name, where))
        except csv.Error as error:
            problems.append(
                (path.name, f"{path.name} cannot be read from line {table.line_num} on ({error})")
            )


def _data(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a row says as a sidecar says it."""
    told = [name for name in (*_PLAIN, CHECKSUM) if name in row]
    plain = from_text if CHECKSUM in row else str  # of before, texts stand as they are
    data: dict[str, Any] = {name: plain(row[name]) for name in told}
    data |= {name: values.load(row[f"{name}_json"]) for name in _JSON}
    return data | {name: int(data[name]) for name in ("size", "counter") if name in data}
