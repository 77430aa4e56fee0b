"""What tells records of one type apart, in the shortest names that say it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fpanalysis.records import query, tables_out, values


class Described(NamedTuple):
    """A record's type, its parameters by whose they are, and by short name those that tell it apart."""

    type: str
    params: Mapping[str, Mapping[str, Any]]
    apart: Mapping[str, str]


def described(by_type: Mapping[str, Mapping[str, Mapping[str, dict[str, Any]]]]) -> dict[str, Described]:
    """Return by hash what each record is, and how it differs from the others of its type.

    Args:
        by_type: by type and hash the canonical parameters, by whose they are: `own`, `train` or `test`.
    """
    found = {}
    for type_, of_type in by_type.items():
        for (hash_, params), own in zip(of_type.items(), _apart(list(of_type.values())), strict=True):
            found[hash_] = Described(type_, params, own)
    return found


def word(params: Mapping[str, Any], name: str) -> str:
    """Return a parameter's value as a word."""
    if name not in params:
        return "missing"
    value = values.plain(params[name])
    return value if isinstance(value, str) else values.text(params[name])


def _apart(params: Sequence[Mapping[str, dict[str, Any]]]) -> list[dict[str, str]]:
    names = [
        (of, name)
        for of in ("own", *query.ANCESTORS)
        for name in tables_out.varying([each[of] for each in params])
    ]
    wholes = [name for _, name in names]
    ends = [name.rpartition(".")[2] for name in wholes]
    shorts = [
        end if ends.count(end) == 1 else name if wholes.count(name) == 1 else f"{of}.{name}"
        for (of, name), end in zip(names, ends, strict=True)
    ]
    return [
        {short: word(each[of], name) for (of, name), short in zip(names, shorts, strict=True)}
        for each in params
    ]
