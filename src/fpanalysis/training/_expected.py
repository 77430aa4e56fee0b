"""What a value of the configuration is expected to be, in words."""

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from fpanalysis._messages import listed

_BOUNDS = {Gt: ("gt", "above"), Ge: ("ge", "of at least"), Lt: ("lt", "below"), Le: ("le", "at most")}
_NOUNS = {
    float: ("a number", "numbers"),
    int: ("a whole number", "whole numbers"),
    bool: ("true or false",) * 2,
}


def expected(info: FieldInfo) -> str:
    """Return what a field's values must be, such as `a number above 0 and at most 1`."""
    return _words(info.annotation, info.metadata, many=False)


def choices(info: FieldInfo) -> tuple[str, ...]:
    """Return the words that a field's value is one of; nothing where it is no choice of words."""
    return get_args(info.annotation) if get_origin(info.annotation) is Literal else ()


def _words(annotation: Any, metadata: list[Any], many: bool) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [bound for part in parts[1:] for bound in getattr(part, "metadata", [part])]
        return _words(parts[0], [*bounds, *metadata], many)
    if origin in (Union, UnionType):
        kinds = [part for part in parts if part is not NoneType]
        return _words(kinds[0], metadata, many) + (" or null" if len(kinds) < len(parts) else "")
    if origin is Literal:
        return f"one of {listed(parts)}"
    if origin is tuple:
        count = "" if parts[-1] is Ellipsis else f"{len(parts)} "
        return f"{'lists' if many else 'a list'} of {count}{_words(parts[0], [], many=True)}"
    bounds = [
        f"{word} {getattr(bound, attribute)}"
        for bound in metadata
        for kind, (attribute, word) in _BOUNDS.items()
        if isinstance(bound, kind)
    ]
    return " ".join([_NOUNS[annotation][many], " and ".join(bounds)]).strip()
