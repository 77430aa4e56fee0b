"""What commands on the records store have in common: which store, and filters in words."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fpanalysis.records.filters import between, missing
from fpanalysis.records.places import shown

if TYPE_CHECKING:
    from fpanalysis.records.record import Query
    from fpanalysis.records.store import Store

STORE = "results"
At = Annotated[
    str, typer.Option("--store", envvar="FPANALYSIS_STORE", help="Folder of the store, or a PostgreSQL URL.")
]
Files = Annotated[
    Path | None,
    typer.Option("--files", envvar="FPANALYSIS_FILES", help="With PostgreSQL, the folder of the files."),
]
Filters = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KIND] [KEY=VALUE]...",
        help="Which records: models (if left out), evaluations or figures; field_std=0.8, "
        "hidden_size=50,100 (any of), learning_rate=1e-3..1e-2, noise_std=null, noise_std=missing, "
        "method=std, x='\"1\"' (a string), type=…, tag=…, hash=…; of evaluations and figures also "
        "train.field_std=0.8 and test.amplitude=1.",
    ),
]
KINDS = ("models", "evaluations", "figures")
_STRINGS = ("type", "label", "status", "hash", "producer", "version", "tag")
_WORDS = {"null": None, "none": None, "missing": missing, "true": True, "false": False}


@contextmanager
def opened(store: str, files: Path | None) -> Iterator["Store"]:
    """Yield the store, which must be there."""
    from fpanalysis.records.opening import open_store

    check_place(store)
    with open_store(store, files) as db:
        yield db


def check_place(store: str) -> None:
    """Raise `ValueError` if a store is named that is not there; opening it would make a new one."""
    if "://" not in store and not _is_store(Path(store)):
        raise ValueError(
            f"--store: there is no store {shown(store)!r} here; say where the store is, by --store or the "
            "environment variable FPANALYSIS_STORE"
        )


def _is_store(folder: Path) -> bool:
    """Return whether there is a store in a folder, or what was left of one."""
    if not folder.is_dir():
        return False
    return any(
        (folder / name).exists() for name in ("records.sqlite", "objects", *(f"{k}.csv" for k in KINDS))
    )


def query_of(db: "Store", words: Sequence[str] | None) -> "Query":
    """Return what words ask for: the kind of record, `models` if none is said, and filters."""
    words = list(words or ())
    kind = words.pop(0) if words and "=" not in words[0] else "models"
    kind = kind if kind.endswith("s") else f"{kind}s"
    if kind not in KINDS:
        raise ValueError(f"expected {', '.join(KINDS)} or KEY=VALUE, got {kind.removesuffix('s')!r}")
    query: Query = getattr(db, kind)
    return query.where(**conditions_of(words))


def conditions_of(words: Sequence[str]) -> dict[str, Any]:
    """Return filters as `where` takes them.

    Example:
        >>> from fpanalysis.cli_store import conditions_of
        >>> conditions_of(["field_std=0.8", "method=std,active", "train.rate=1e-3..1e-2", "x=null"])
        {'field_std': 0.8, 'method': ['std', 'active'], 'x': None, 'train': {'rate': Between(low=...)}}
    """
    found: dict[str, Any] = {}
    above: dict[str, dict[str, Any]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise ValueError(f"expected KEY=VALUE, got {word!r}")
        role, _, inner = name.partition(".")
        into = found
        if role in ("train", "test") and inner:
            into, name = above.setdefault(role, {}), inner
        if name in into:
            raise ValueError(f"{name} is given twice; several values are separated by commas")
        into[name] = text.split(",") if name in _STRINGS else _values(text)
    return found | above


def _values(text: str) -> Any:
    parts = _parts(text)
    found = [_value(part) for part in parts]
    # A value that is itself a list is asked for by a list within a list.
    return found[0] if len(found) == 1 and not isinstance(found[0], list) else found


def _parts(text: str) -> list[str]:
    """Split at commas outside brackets and quotes."""
    parts, depth, quoted = [""], 0, False
    for previous, char in zip(" " + text, text, strict=False):
        quoted ^= char == '"' and previous != "\\"
        depth += 0 if quoted else (char in "[{") - (char in "]}")
        if char == "," and not quoted and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    low, dots, high = text.partition("..")
    least, most = _number(low) if low else -math.inf, _number(high) if high else math.inf
    if dots and least is not None and most is not None:
        return between(least, most)
    if (number := _number(text)) is not None:
        return number
    if text.startswith(("[", '"', "{")):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"expected a value in JSON, got {text!r} ({error})") from error
    return text


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text) if "_" not in text else None
        except ValueError:
            continue
    return None
