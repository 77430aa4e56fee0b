"""Whether what a file says of a record can be believed: its form, its hashes, its own checksum."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpanalysis.records import content as contents
from fpanalysis.records import values
from fpanalysis.records.entry import CURRENT, SUPERSEDED, Entry, Recipe, record_hash

OBJECTS = "objects"
SUFFIXES = {contents.MODEL: ".eqx", contents.EVALUATION: ".nc", contents.FIGURE: ".plotly.json"}
# Under this name a sidecar, or a row of a table, has the checksum of the rest.
CHECKSUM = "sha256"
_HASH = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("type", "label", "created", "producer", "version", "note")
_HASHES = ("hash", "recipe_hash", "content_hash", "file_sha256")
# Larger sidecars are none of ours.
_LARGEST = 2**28


def file_of(kind: str, content_hash: str) -> str:
    """Return where the object of a record lies within the folder of a store."""
    return f"{OBJECTS}/{content_hash[:2]}/{content_hash}{SUFFIXES[kind]}"


def sidecar_of(entry: Entry) -> str:
    """Return where the sidecar of a record lies within the folder of a store."""
    return f"{entry.file}.{entry.hash[:12]}.json"


def flaw(entry: Entry) -> str | None:
    """Return why no record can be as an entry says, or None if one can.

    Names of files are made of hashes and nothing else, so that none lies outside of the store.
    """
    if entry.kind not in contents.KINDS or entry.status not in (CURRENT, SUPERSEDED):
        return f"{entry.kind!r} and {entry.status!r} are no kind and status of a record"
    for name in _HASHES:
        if not isinstance(found := getattr(entry, name), str) or not _HASH.fullmatch(found):
            return f"its {name} is no hash ({str(found)[:80]!r})"
    if record_hash(entry.recipe_hash, entry.content_hash) != entry.hash:
        return "its hash is not that of its recipe and content"
    if entry.file != file_of(entry.kind, entry.content_hash):
        return f"its file {str(entry.file)[:200]!r} does not have the name of its content"
    if not all(isinstance(getattr(entry, name), str) for name in (*_TEXTS, "source_hash")):
        return "a text in it is none"
    if not all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (entry.size, entry.counter)
    ):
        return "its size or counter is no whole number"
    if not all(isinstance(each, dict) for each in (entry.params, entry.results, entry.versions)):
        return "its parameters are no mapping"
    lists = (entry.parents, entry.tags)
    if not all(isinstance(each, list) and all(isinstance(item, str) for item in each) for each in lists):
        return "its parents or tags are no texts"
    return None


def checksum(entry: Entry) -> str:
    """Return the sha256 over all that an entry says."""
    return values.digest(values.text(entry.to_dict()))


def believed(data: Mapping[str, Any]) -> Entry:
    """Return the entry of such a mapping, if it is as it was written.

    Raises:
        ValueError: it is not; the message says what is wrong.
    """
    data = dict(data)
    told = data.pop(CHECKSUM, None)
    try:
        entry = Entry.from_dict(data)
        found = checksum(entry)
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"it is no record ({error})") from error
    if told is None and "counter" in data:
        raise ValueError("its checksum is missing")
    if told is not None and told != found:
        raise ValueError("it was changed since it was written (its checksum differs)")
    if (wrong := flaw(entry)) is not None:
        raise ValueError(wrong)
    return entry


def read_sidecar(folder: Path, path: Path) -> Entry:
    """Return the record that a sidecar tells of.

    Raises:
        ValueError: it is damaged, or tells of a record that belongs elsewhere.
        OSError: it cannot be read.
    """
    # A link may lead out of the store, and a pipe never ends.
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
        raise ValueError("it is no plain file" if path.exists() or path.is_symlink() else "it is gone")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON ({error})") from error
    if not isinstance(data, dict):
        raise ValueError("it is no record")
    entry = believed(data)
    if path.relative_to(folder).as_posix() != sidecar_of(entry):
        raise ValueError("it tells of a record that belongs elsewhere")
    return entry


def has_its_recipe(entry: Entry, contents_of: Mapping[str, str]) -> bool:
    """Return whether the parameters are those of the recipe, as far as that can be told without a checksum.

    Args:
        entry: a record.
        contents_of: content hashes of all known records by their hash.
    """
    if entry.counter or not all(each in contents_of for each in entry.parents):
        return True
    parents = tuple(contents_of[each] for each in entry.parents)
    return Recipe(entry.kind, entry.type, entry.params, parents, entry.version).hash == entry.recipe_hash
