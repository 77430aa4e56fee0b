"""What a value is to the last bit: a digest of its content, whatever it is made of.

Parameters are found by their meaning, for which 2 is 2.0 and a tuple is a list. Whether an answer that is
recorded answers a call is another question: there nothing may be left out that the function could see.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np

from fpanalysis.records import exact_arrays, exact_code, exact_objects, values
from fpanalysis.records.values import tagged

# Deeper values are refused; Python's own limit would end them with an error that names nothing.
_DEEPEST = 50
_SCALARS = (bool, int, float, str, np.bool_, np.int64, np.float64)


class Walk:
    """One look at a value and all that it holds.

    Args:
        of_producer: whether it is a function that makes what is recorded: its code has a version, so only the
            data that it holds is looked at, and what has no content that can be told is passed over.
        steady: whether to pass over lists, dicts and sets that such a function holds.

    Attributes:
        is_plain: whether nothing was met that JSON does not tell.
        is_told: whether nothing was met that `repr` does not tell.
    """

    def __init__(self, *, of_producer: bool = False, steady: bool = False) -> None:
        self.of_producer, self.steady = of_producer, steady
        self.is_plain = self.is_told = True
        self._known: dict[int, tuple[Any, bytes, bool, bool]] = {}
        self._open: dict[int, int] = {}

    def of(self, value: Any, name: str) -> bytes:
        """Return the digest of a value.

        Raises:
            TypeError: it holds something that cannot be told by its content; the message says where.
        """
        if value is None or type(value) in _SCALARS:
            return self._scalar(value, name)
        key = id(value)
        if key in self._open:  # it holds itself
            return tagged("again", [str(self._open[key]).encode()])
        if len(self._open) >= _DEEPEST:
            raise TypeError(f"{name[:200]}: nested deeper than {_DEEPEST} levels")
        if key not in self._known:
            self._open[key] = len(self._open)
            above = self.is_plain, self.is_told
            self.is_plain = self.is_told = True
            try:
                found = self._composed(value, name)
                # The value is kept alive, so that its id stays its own.
                self._known[key] = (value, found, self.is_plain, self.is_told)
            finally:
                del self._open[key]
                self.is_plain, self.is_told = above
        _, found, is_plain, is_told = self._known[key]
        self.is_plain &= is_plain
        self.is_told &= is_told
        return found

    def all(self, items: Iterable[Any], name: str) -> list[bytes]:
        """Return the digests of several values in their order."""
        return [self.of(item, f"{name}[{i}]") for i, item in enumerate(items)]

    def mark(self, *, told: bool = False) -> None:
        """Take note of something that JSON does not tell, and perhaps `repr` neither."""
        self.is_plain = False
        self.is_told &= told

    def mark_code(self) -> None:
        """Take note of a function: of a producer only the data count that it holds."""
        if not self.of_producer:
            self.mark()

    def _scalar(self, value: Any, name: str) -> bytes:
        if isinstance(value, float) and value == 0 and math.copysign(1.0, value) < 0:
            self.mark(told=True)
            return tagged("-0", [])
        return tagged("json", [values.text(values.canonical(value, name)).encode()])

    def _composed(self, value: Any, name: str) -> bytes:
        for rule in _RULES:
            if (found := rule(value, name, self)) is not None:
                return found
        raise TypeError(
            f"{name[:200]}: {exact_code.path_of(type(value))} has no content that can be told apart, so that "
            "results for one would be taken for those of another; give numbers, arrays, or what it is made of"
        )


def digest_of(value: Any, name: str = "params") -> str:
    """Return the digest of a value as 64 hexadecimal digits.

    Args:
        value: numbers, strings, paths, enumerations, arrays, labelled arrays and tables, mappings and
            sequences; dataclasses and PyTrees, leaf by leaf; functions by their code, closure, defaults and
            the globals that they read; and objects that hold these.
        name: of it, for errors.

    Raises:
        TypeError: it holds something else, such as an open file.

    Example:
        >>> import numpy as np
        >>> from fpanalysis.records.exact import digest_of
        >>> digest_of(np.array([1.0, 2.0])) == digest_of(np.array([1.0, 2.0])) != digest_of([1.0, 2.0])
        True
    """
    return Walk().of(value, name).hex()


def beyond_json(params: Mapping[str, Any], name: str = "params") -> str:
    """Return the digest of arguments, or "" if their canonical JSON tells all of them."""
    walk = Walk()
    found = walk.of(dict(params), name)
    return "" if walk.is_plain else found.hex()


def held_by(function: Callable, *, steady: bool = False) -> str:
    """Return the digest of the data that a function holds in closure, defaults and globals; "" if none.

    Args:
        function: the function.
        steady: leave out lists, dicts and sets, into which some functions write.
    """
    walk = Walk(of_producer=True, steady=steady)
    found = walk.of(function, "function")
    return "" if walk.is_plain else found.hex()


def _enum(value: Any, name: str, walk: Walk) -> bytes | None:
    if not isinstance(value, Enum):
        return None
    walk.mark()
    return tagged(
        "enum", [exact_code.path_of(type(value)).encode(), value.name.encode(), _value(value, walk)]
    )


def _value(member: Enum, walk: Walk) -> bytes:
    return walk.of(member.value, f"{type(member).__name__}.{member.name}")


def _text(value: Any, name: str, walk: Walk) -> bytes | None:
    if isinstance(value, PurePath):
        walk.mark(told=True)
        return tagged("path", [str(value).encode(errors="surrogateescape")])
    if isinstance(value, bytes | bytearray):
        walk.mark()
        return tagged("bytes", [bytes(value)])
    if type(value) is np.str_:
        return walk.of(str(value), name)
    if type(value) is complex:
        walk.mark(told=True)
        return walk.of(np.complex128(value), name)
    return None


def _mapping(value: Any, name: str, walk: Walk) -> bytes | None:
    if not isinstance(value, Mapping) or not _is_known(value):
        return None
    if type(value) is not dict or not all(type(key) is str for key in value):
        walk.mark(told=type(value) is dict)
    if walk.of_producer and walk.steady:
        return tagged("passed over", [])
    pairs = [walk.of(k, f"{name} (a key)") + walk.of(v, f"{name}.{k}") for k, v in value.items()]
    order = pairs if isinstance(value, OrderedDict) else sorted(pairs)
    kind = "" if type(value) is dict else exact_code.path_of(type(value))
    return tagged("mapping", [kind.encode(), *order, *exact_objects.own(value, name, walk)])


def _sequence(value: Any, name: str, walk: Walk) -> bytes | None:
    if not isinstance(value, list | tuple | set | frozenset | range | slice) or not _is_known(value):
        return None
    if type(value) is not list:
        walk.mark(told=True)
    if isinstance(value, list | set) and walk.of_producer and walk.steady:
        return tagged("passed over", [])
    if isinstance(value, range | slice):
        parts = walk.all([value.start, value.stop, value.step], name)
    else:
        parts = walk.all(value, name)
        parts = sorted(parts) if isinstance(value, set | frozenset) else parts
    kind = exact_code.path_of(type(value))
    if type(value).__module__ != "builtins":  # a namedtuple, whose fields have names
        parts += [walk.of(type(value), name)]
    return tagged(kind, [*parts, *exact_objects.own(value, name, walk)])


def _is_known(value: Any) -> bool:
    """Return whether iterating over a container tells all of it; a class of its own may keep more."""
    return exact_objects.is_python(type(value)) or type(value).__module__ in (
        "builtins",
        "collections",
        "types",
    )


_RULES: tuple[Callable[[Any, str, Walk], bytes | None], ...] = (
    _enum,
    _text,
    exact_arrays.array,
    exact_arrays.labelled,
    exact_arrays.table,
    exact_arrays.moment,
    exact_code.function,
    exact_code.named,
    exact_objects.record,
    exact_objects.goal,
    _mapping,
    _sequence,
    exact_objects.fields,
    exact_objects.tree,
    exact_objects.plain_object,
)
