"""Dataclasses, modules, PyTrees and other objects to the last bit, for `exact`."""

import dataclasses
import functools
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax

from fpanalysis.goal import Goal
from fpanalysis.records import exact_code
from fpanalysis.records.values import tagged

if TYPE_CHECKING:
    from fpanalysis.records.exact import Walk

# Objects of these packages stand in a recipe as `repr`, if that tells all of them.
REPRESENTED = ("fpanalysis", "optimistix")
_MADE_BY_PYTHON = 1 << 9  # a class with this flag was written in Python

# How objects are copied that say nothing else about it, and so hold nothing but their attributes.
_COPIED = (object.__reduce__, object.__reduce_ex__)


def is_python(kind: type) -> bool:
    """Return whether a class and all above it were written in Python or are its containers."""
    known = (object, list, tuple, dict, set, frozenset)
    return all(each in known or each.__flags__ & _MADE_BY_PYTHON for each in kind.__mro__)


def record(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of a record or a query of a store: the hashes of the records."""
    if not exact_code.path_of(type(value)).startswith("fpanalysis.records."):
        return None
    if hasattr(value, "entry"):
        walk.mark()
        return tagged("record", [value.hash.encode()])
    if hasattr(value, "entries"):
        walk.mark()
        return tagged("query", [value.kind.encode(), *(entry.hash.encode() for entry in value.entries())])
    raise TypeError(f"{name}: a {type(value).__name__} of records is no argument of a recorded result")


def goal(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of a goal, which a recipe tells in its own words."""
    if type(value) is not Goal:
        return None
    parts = []
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        named = inner if isinstance(inner, Mapping) else {"": inner}
        for key, each in named.items():
            parts += [f"{field.name}.{key}".encode(), walk.of(each, f"{name}.{key or field.name}")]
    walk.is_told = False
    return tagged("goal", parts)


def fields(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of a dataclass, such as an Equinox module: its class and its fields."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return None
    kind = type(value)
    found = dataclasses.fields(value)
    installed = exact_code.is_installed(kind.__module__) and "<locals>" not in kind.__qualname__
    walk.mark(told=installed and all(field.repr for field in found))
    parts = [walk_class(value, name, walk)]
    for field in found:
        if hasattr(value, field.name):
            parts += [field.name.encode(), walk.of(getattr(value, field.name), f"{name}.{field.name}")]
    parts += own(value, name, walk, {field.name for field in found})
    if walk.is_told and kind.__module__.startswith(REPRESENTED):  # and so it stands in a recipe
        walk.is_plain = True
    return tagged("fields", parts)


def tree(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of an object that JAX knows as a PyTree."""
    found = jax.tree_util.default_registry.flatten_one_level(value)
    if found is None:
        return None
    walk.mark()
    children, aux = found
    return tagged("tree", [walk_class(value, name, walk), walk.of(aux, name), *walk.all(children, name)])


def plain_object(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of an object of a class in Python: its class and its attributes."""
    kind = type(value)
    if kind is types.SimpleNamespace:
        walk.mark()
        return tagged("namespace", [walk.of(vars(value), name)])
    if kind is object or not is_python(kind) or (kind.__reduce__, kind.__reduce_ex__) != _COPIED:
        return None
    if not hasattr(value, "__dict__") and not _slots(kind):
        return None
    walk.mark()
    return tagged("object", [walk_class(value, name, walk), *own(value, name, walk)])


def own(value: Any, name: str, walk: "Walk", known: set[str] | None = None) -> list[bytes]:
    """Return names and digests of the attributes of an object, but for what it keeps for later."""
    kind = type(value)
    if not kind.__flags__ & _MADE_BY_PYTHON:
        return []
    held = dict(getattr(value, "__dict__", {}))
    held |= {key: getattr(value, key) for key in _slots(kind) if hasattr(value, key)}
    parts = []
    for key, each in sorted(held.items()):
        cached = isinstance(getattr(kind, key, None), functools.cached_property)
        if key not in (known or ()) and not cached:
            walk.mark()
            parts += [key.encode(), walk.of(each, f"{name}.{key}")]
    return parts


def walk_class(value: Any, name: str, walk: "Walk") -> bytes:
    """Return the digest of the class of an object."""
    was = walk.is_told
    found = walk.of(type(value), name)
    if exact_code.is_installed(type(value).__module__):
        walk.is_told = was
    return found


def _slots(kind: type) -> list[str]:
    found: list[str] = []
    for each in kind.__mro__:
        slots = vars(each).get("__slots__", ())
        found += [slots] if isinstance(slots, str) else slots
    return [key for key in found if key not in ("__dict__", "__weakref__")]
