"""What a hyperparameter's value is, however it was typed: one canonical JSON text for each meaning."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import rfc8785

# Larger whole numbers are not all told apart by JSON's readers, who keep them as float64.
EXACT = 2**53 - 1
# Texts above this are indexed by their hash: an index entry of PostgreSQL holds at most 2,704 bytes.
_LONGEST = 500
_TAG = "$"
# Deeper values, longer names and longer whole numbers are refused.
DEEPEST, LONGEST_NAME, _MOST_DIGITS = 50, 1000, 4000
_LONG = re.compile(r"(?<![.0-9])[0-9]{16}")


def canonical(value: Any, name: str = "params", depth: int = 0) -> Any:
    """Return a value as JSON holds it, so that equal meanings become equal.

    NumPy's numbers become Python's; a float32 or float16 becomes its shortest decimal, so that
    `float32(0.8)` is 0.8. Whole numbers beyond 2⁵³, NaN and the infinities become strings that begin with
    `$`, and strings that begin with it get another one. Tuples, sets and arrays become lists.

    Args:
        value: numbers, strings, booleans, None, paths, or lists and mappings of such.
        name: of the value, for errors.
        depth: how deep it lies within another one.

    Raises:
        TypeError: JSON has no place for the value.
        ValueError: it is nested too deeply, or a whole number has too many digits.

    Example:
        >>> import numpy as np
        >>> from fpanalysis.records.values import canonical
        >>> canonical({"std": np.float32(0.8), "seed": 2**60, "rate": float("nan"), "sign": "$"})
        {'std': 0.8, 'seed': '$int:1152921504606846976', 'rate': '$nan', 'sign': '$$'}
    """
    if depth > DEEPEST:
        raise ValueError(f"{name[:200]}: nested deeper than {DEEPEST} levels")
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, int | np.integer):
        return _whole_number(int(value), name)
    if isinstance(value, float | np.floating):
        return _number(value)
    if isinstance(value, str | PurePath):
        return _string(str(value), name)
    if isinstance(value, Mapping):
        return _mapping(value, name, depth + 1)
    if isinstance(value, set | frozenset):
        return sorted((canonical(item, name, depth + 1) for item in value), key=text)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [canonical(item, name, depth + 1) for item in value]
    if isinstance(value, np.ndarray) or (hasattr(value, "__array__") and hasattr(value, "dtype")):
        return _array(value, name)
    raise TypeError(
        f"{name}: expected numbers, strings, True, False, None, or lists and mappings of them, "
        f"got {type(value).__name__} ({str(value)[:60]!r})"
    )


def plain(value: Any) -> Any:
    """Return a canonical value as Python's: the inverse of `canonical`, up to types that mean the same."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and value.startswith(_TAG):
        if value.startswith(_TAG * 2):
            return value[1:]
        kind, _, digits = value[1:].partition(":")
        return int(digits) if kind == "int" else float(kind)
    return value


def text(value: Any) -> str:
    """Return the canonical JSON text (RFC 8785) of a canonical value."""
    return rfc8785.dumps(value).decode()


def indexed(value: Any) -> str:
    """Return what two values share exactly if they mean the same: the text, or a hash of a long one."""
    whole = text(value)
    return whole if len(whole.encode()) <= _LONGEST else f"#{digest(whole)}"


def number(value: Any) -> float | None:
    """Return where a canonical value lies among the numbers, or None if it is none."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def digest(content: str | bytes) -> str:
    """Return a sha256 as 64 hexadecimal digits."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def tagged(tag: str, parts: Iterable[bytes]) -> bytes:
    """Return the digest of parts, each with its length, under a tag that says what they are."""
    whole = hashlib.sha256()
    for part in (tag.encode(), *parts):
        whole.update(len(part).to_bytes(8, "little"))
        whole.update(part)
    return whole.digest()


def flat(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return canonical parameters by dotted name. An empty mapping is a value.

    Example:
        >>> from fpanalysis.records.values import flat
        >>> flat({"network": {"kind": "gru", "hidden_size": 50}, "motor": {}})
        {'network.kind': 'gru', 'network.hidden_size': 50, 'motor': {}}
    """
    found: dict[str, Any] = {}
    _flatten(params, "", found)
    return found


def _flatten(params: Mapping[str, Any], above: str, found: dict[str, Any]) -> None:
    for key, value in params.items():
        if isinstance(value, dict) and value:
            _flatten(value, f"{above}{key}.", found)
        else:
            found[above + key] = value


def _pairs(params: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield flat names and values, a name twice if it is given twice."""
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from _pairs(value, f"{above}{key}.")
        else:
            yield above + key, value


def nested(params: Mapping[str, Any], name: str = "params") -> dict[str, Any]:
    """Return canonical parameters as nested mappings, from any mixture of nested and dotted names.

    Raises:
        ValueError: two names mean the same place, or one lies within another's value.
    """
    found: dict[str, Any] = {}
    for key, value in _pairs(params):
        checked_text(key, f"the name of a parameter in {name[:200]}", LONGEST_NAME)
        *above, last = key.split(".")
        if len(above) > DEEPEST:
            raise ValueError(f"{name}: {key[:80]!r}… is nested deeper than {DEEPEST} levels")
        place = found
        for part in above:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ValueError(f"{name}: {key!r} lies within {part!r}, which has a value of its own")
        if last in place:
            raise ValueError(f"{name}: {key!r} is given twice")
        place[last] = value
    return found


def load(stored: str) -> Any:
    """Return the canonical value of a stored text."""
    # The common case is left to the C code of the module.
    return json.loads(stored, parse_int=_whole) if _LONG.search(stored) else json.loads(stored)


def _whole(digits: str) -> int | float:
    # RFC 8785 writes floats without a point where they are whole; integers of that size are tagged strings.
    return int(digits) if abs(int(digits)) <= EXACT else float(digits)


def _number(value: float | np.floating) -> float | int | str:
    if isinstance(value, np.floating) and value.dtype.itemsize < 8:
        value = float(str(value))  # the shortest decimal that rounds to it
    value = float(value)
    if math.isnan(value):
        return f"{_TAG}nan"
    if math.isinf(value):
        return f"{_TAG}{'inf' if value > 0 else '-inf'}"
    # 1.0 is 1, and −0 is 0.
    return int(value) if value.is_integer() and abs(value) <= EXACT else value


def _string(value: str, name: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise TypeError(f"{name}: the string {value!r} is not valid Unicode ({error.reason})") from error
    return _TAG + value if value.startswith(_TAG) else value


def _whole_number(value: int, name: str) -> int | str:
    if abs(value) <= EXACT:
        return value
    if value.bit_length() > _MOST_DIGITS * math.log2(10):
        raise ValueError(f"{name[:200]}: expected a whole number of at most {_MOST_DIGITS} digits")
    return f"{_TAG}int:{value}"


def _mapping(value: Mapping, name: str, depth: int) -> dict[str, Any]:
    return {checked_name(key, name): canonical(item, f"{name}.{key}", depth) for key, item in value.items()}


def checked_name(key: Any, name: str = "params") -> str:
    """Return the name of a parameter, which may be dotted.

    Raises:
        TypeError: it is no string, or empty, or not valid Unicode.
    """
    if not isinstance(key, str) or not all(key.split(".")):
        raise TypeError(f"{name}: names of parameters are strings that are not empty, got {key!r}")
    return checked_text(key, f"the name of a parameter in {name[:200]}", LONGEST_NAME)


def checked_text(value: Any, name: str, longest: int) -> str:
    """Return a text that stands in the database as it is: a name, a type, a label, a tag, a note.

    Raises:
        TypeError: it is no string, or not valid Unicode.
        ValueError: it is too long, or has a NUL, which PostgreSQL does not keep.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a string, got {type(value).__name__}")
    _string(value, name)
    if len(value.encode()) > longest:
        raise ValueError(
            f"{name}: expected at most {longest} bytes, got {len(value.encode())} ({value[:40]!r}…)"
        )
    if "\0" in value:
        raise ValueError(f"{name}: expected a text without NUL, got {value[:80]!r}")
    return str(value)


def _array(value: Any, name: str) -> Any:
    array = np.asarray(value)
    if array.dtype.kind not in "biufU":
        raise TypeError(f"{name}: expected numbers, booleans or strings, got an array of {array.dtype}")
    if array.ndim == 0:
        return canonical(array[()], name)
    return [_array(item, name) if np.ndim(item) else canonical(item, name) for item in array]
