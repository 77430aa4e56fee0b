"""A record as plain data: what the tables, the sidecars beside the files, and the CSVs all hold."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fpanalysis.records import values

CURRENT, SUPERSEDED = "current", "superseded"


@dataclass(frozen=True)
class Entry:
    """Everything that is known of a record, in canonical values.

    Attributes:
        hash: its name: a sha256 over recipe and content.
        kind: `model`, `evaluation` or `figure`.
        type: what kind of model, evaluation or figure; of evaluations the name of the function.
        label: free text.
        recipe_hash: over everything that decided the content, as far as it is known.
        content_hash: over what the object is; names its file.
        file: within the folder of the store, with `/`.
        file_sha256: of the bytes of the file.
        size: of the file, in bytes.
        created: UTC, ISO 8601.
        producer: the function that made it, with its module.
        version: of the producer.
        source_hash: of the producer's source code; empty if not known.
        versions: of Python and packages; the host.
        params: hyperparameters, nested.
        results: what came out, such as a validation loss; not part of the recipe.
        status: `current`, or `superseded` by another object of the same recipe.
        note: free text.
        parents: hashes of the records that it was made from.
        tags: words.
        counter: greater than those of all records that were written before; orders the answers to one recipe.
            0 if a version wrote it that had none.
    """

    hash: str
    kind: str
    type: str
    label: str
    recipe_hash: str
    content_hash: str
    file: str
    file_sha256: str
    size: int
    created: str
    producer: str
    version: str
    source_hash: str
    versions: dict[str, str]
    params: dict[str, Any]
    results: dict[str, Any]
    status: str = CURRENT
    note: str = ""
    parents: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    counter: int = 0

    @property
    def order(self) -> tuple[int, str]:
        """What is greater of the newer of two records."""
        return self.counter, self.created

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Entry":
        """Return the entry of such a mapping.

        Raises:
            TypeError: fields are missing, or there are others.
        """
        return cls(**data)

    def with_parents(self, parents: Sequence[str]) -> "Entry":
        """Return the entry with more parents."""
        return replace(self, parents=list(dict.fromkeys([*self.parents, *parents])))


@dataclass(frozen=True)
class Recipe:
    """What decides an object: the question that its content answers.

    Attributes:
        kind: of the record.
        type: of the record.
        params: canonical, nested.
        parents: content hashes of what it is made from.
        version: of the function that makes it.
        exact: a digest of the arguments, where they hold more than the parameters tell.
    """

    kind: str
    type: str
    params: dict[str, Any]
    parents: tuple[str, ...] = ()
    version: str = ""
    exact: str = ""

    @property
    def hash(self) -> str:
        """A sha256 over the canonical JSON."""
        said = {
            "kind": self.kind,
            "type": self.type,
            "params": self.params,
            "parents": list(dict.fromkeys(self.parents)),
            "version": self.version,
        }
        # Left out where there is none, so that recipes of before keep their hash.
        return values.digest(values.text(said | ({"exact": self.exact} if self.exact else {})))


def record_hash(recipe_hash: str, content_hash: str) -> str:
    """Return the name of a record. The same answer to the same question is the same record."""
    return values.digest(f"{recipe_hash} {content_hash}")


def parents_first(entries: Iterable[Entry]) -> list[Entry]:
    """Return records so that each comes after those that it was made from, otherwise in their order."""
    found = {entry.hash: entry for entry in entries}
    ordered: dict[str, Entry] = {}
    pending = [*reversed(found.values())]
    while pending:
        entry = pending[-1]
        missing = [found[each] for each in entry.parents if each in found and each not in ordered]
        if missing:
            pending += missing
        else:
            ordered.setdefault(pending.pop().hash, entry)
    return list(ordered.values())


def now() -> str:
    """Return the time in UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def circumstances() -> dict[str, str]:
    """Return the host and the versions of what computes."""
    found = {"python": platform.python_version(), "host": platform.node(), "system": platform.platform()}
    for package in ("fpanalysis", "jax", "equinox", "numpy", "xarray", "plotly"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
