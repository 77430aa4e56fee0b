"""From what a user asks to the ids of records: names resolved, values compared, one statement sent."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from fpanalysis._messages import listed, nearest
from fpanalysis.records import rows
from fpanalysis.records.content import EVALUATION, MODEL
from fpanalysis.records.entry import CURRENT
from fpanalysis.records.filters import AnyOf, any_of
from fpanalysis.records.tables import is_one_of, links, params, records, tags

# What every record has besides its parameters.
COLUMNS = ("type", "label", "status", "hash", "producer", "version")
TAG = "tag"
# Ancestors of a record that can be asked for, by their role.
ANCESTORS = {"train": MODEL, "test": EVALUATION}
# SQLite takes expressions of at most 1,000 terms.
_MOST = 400
RESERVED = (*COLUMNS, TAG, *ANCESTORS)


class UnknownParameter(ValueError):  # noqa: N818 (reads as what it says)
    """No record has a parameter of this name."""


class Condition(NamedTuple):
    """What is asked of one parameter, column or ancestor.

    Attributes:
        name: of the column, or the full dotted name of the parameter; `train` or `test` for ancestors.
        wanted: values of the parameter, strings for a column, or the ancestor's own conditions.
    """

    name: str
    wanted: Any


def conditions_of(
    known: Mapping[str, Mapping[str, int]], kind: str, asked: Mapping[str, Any]
) -> tuple[Condition, ...]:
    """Return what is asked for, with all names resolved.

    Args:
        known: by kind of record the names of all parameters.
        kind: of the records that are asked for.
        asked: by name, as the user gave it.

    Raises:
        UnknownParameter: no record of the kind has such a parameter.
        ValueError: a short name means several parameters, or a value is none.
        TypeError: a value cannot be a parameter's.
    """
    found = []
    for name, wanted in asked.items():
        if name in ANCESTORS:
            if not isinstance(wanted, Mapping):
                raise TypeError(f"{name}: expected a mapping such as dict(field_std=0.8), got {wanted!r}")
            found.append(Condition(name, conditions_of(known, ANCESTORS[name], wanted)))
        elif name in COLUMNS or name == TAG:
            found.append(Condition(name, _strings(name, wanted)))
        elif isinstance(wanted, Mapping) and wanted:
            inner = {f"{name}.{key}": value for key, value in wanted.items()}
            found += conditions_of(known, kind, inner)
        else:
            found.append(Condition(resolved(name, known[kind], kind), any_of(wanted, name)))
    return tuple(found)


def resolved(name: str, known: Mapping[str, int], kind: str) -> str:
    """Return the full name of a parameter; the end of it is enough where it tells.

    Raises:
        UnknownParameter: there is none of this name.
        ValueError: there are several; the full name of each would be needed.
    """
    if name in known:
        return name
    ends = [full for full in known if full.endswith(f".{name}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise ValueError(f"{name}: expected one parameter of this name, there are {listed(sorted(ends))}")
    short = {full.rpartition(".")[2]: full for full in known} | {full: full for full in known}
    hint = nearest(name, [*short, *RESERVED])
    there = (
        f"; there are {listed(sorted(known), 12)}" if known else f"; there are no {kind}s with parameters yet"
    )
    raise UnknownParameter(f"no {kind} has a parameter {name!r}{hint}{'' if hint else there}")


def select_ids(
    kind: str, conditions: Sequence[Condition], known: Mapping[str, Mapping[str, int]]
) -> sa.Select:
    """Return the statement that finds the ids of matching records, oldest first.

    Superseded records are left out, unless the status is asked for.
    """
    if _count(conditions) > _MOST:
        raise ValueError(f"where: expected at most {_MOST} conditions and ranges, got {_count(conditions)}")
    return sa.select(records.c.id).where(*_matching(kind, conditions, known)).order_by(records.c.id)


def _count(conditions: Sequence[Condition]) -> int:
    counts = (
        _count(wanted) if name in ANCESTORS else 1 + len(getattr(wanted, "ranges", ()))
        for name, wanted in conditions
    )
    return sum(counts)


def _matching(
    kind: str,
    conditions: Sequence[Condition],
    known: Mapping[str, Mapping[str, int]],
    any_status: bool = False,
) -> list[Any]:
    found: list[Any] = [records.c.kind == kind]
    if not any_status and not any(condition.name == "status" for condition in conditions):
        found.append(records.c.status == CURRENT)
    for name, wanted in conditions:
        if name in ANCESTORS:
            found.append(_has_ancestor(name, wanted, known))
        elif name == "hash":
            found.append(_begins(wanted))
        elif name == TAG:
            found.append(records.c.id.in_(sa.select(tags.c.record).where(is_one_of(tags.c.tag, wanted))))
        elif name in COLUMNS:
            found.append(is_one_of(records.c[name], wanted))
        else:
            found.append(_has_value(known[kind][name], wanted))
    return found


def _begins(beginnings: Sequence[str]) -> Any:
    """Return the condition that a hash has one of these beginnings."""
    by_length: dict[int, list[str]] = {}
    for each in beginnings:
        by_length.setdefault(len(each), []).append(each.lower())
    found = []
    for length, group in by_length.items():
        whole = records.c.hash if length == 64 else sa.func.substr(records.c.hash, 1, length)
        found.append(is_one_of(whole, group))
    return sa.or_(*found)


def _has_value(name: int, wanted: AnyOf) -> Any:
    of_name = params.c.name == name
    options: list[Any] = []
    if wanted.texts:
        options.append(is_one_of(params.c.value, wanted.texts))
    options += [params.c.number.between(each.low, each.high) for each in wanted.ranges]
    found = []
    if options:
        found.append(records.c.id.in_(sa.select(params.c.record).where(of_name, sa.or_(*options))))
    if wanted.missing:
        found.append(records.c.id.not_in(sa.select(params.c.record).where(of_name)))
    return sa.or_(*found)


def _has_ancestor(role: str, conditions: Sequence[Condition], known: Mapping[str, Mapping[str, int]]) -> Any:
    """Return the condition that one ancestor meets all of these at once, whether superseded or not."""
    above = _matching(ANCESTORS[role], conditions, known, any_status=True)
    ancestors = sa.select(records.c.id).where(*above)
    found = sa.select(links.c.child).where(links.c.role == role, links.c.ancestor.in_(ancestors))
    return records.c.id.in_(found)


def _strings(name: str, wanted: Any) -> list[str]:
    items = list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
    if not items or not all(isinstance(item, str) for item in items):
        raise TypeError(f"{name}: expected a string or a list of strings, got {wanted!r}")
    return items


def all_names(connection: sa.Connection) -> dict[str, dict[str, int]]:
    """Return by kind of record the names of all parameters."""
    return {kind: rows.names_of(connection, kind) for kind in ("model", "evaluation", "figure")}
