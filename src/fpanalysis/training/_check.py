"""A configuration's values checked, section by section, with every problem told where it stands."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, cast, get_origin

from pydantic import TypeAdapter, ValidationError

from fpanalysis._messages import listed, nearest
from fpanalysis.training._expected import choices, expected
from fpanalysis.training._problems import Problem, shown
from fpanalysis.training._schema import SECTIONS, GeneralSettings, Section, TaskSettings, plain_number

TOP_LEVEL = (*SECTIONS, *GeneralSettings.model_fields)


def check(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the checked sections and general values of a configuration without sweep, and all problems.

    Args:
        data: what was given. A section that is absent or null has default values.
    """
    known = (*TOP_LEVEL, "sweep", "cases")
    problems = [Problem((key,), _no_such_key(key, known)) for key in data if key not in TOP_LEVEL]
    general, found = _section(GeneralSettings, "", data)
    values: dict[str, Any] = {} if general is None else dict(general)
    problems += found
    for name in SECTIONS:
        given = data.get(name)
        if is_absent(name, data):
            values[name] = None
            problems += [] if given is None else [Problem((name,), _why_absent(name, data))]
        elif not isinstance(given, Mapping | None):
            problems.append(Problem((name,), f"expected keys and values, got {shown(given)}"))
        elif (cls := class_of(name, data)) is None:
            problems += _unknown_kind(name, given or {})
        else:
            values[name], found = _section(cls, name, data)
            problems += found
    return values, problems


def class_of(name: str, data: Mapping[str, Any]) -> type[Section] | None:
    """Return the class by which a section is to be checked; None where its kind is none that we know."""
    family = SECTIONS[name]
    if name == "loss":
        task = _task(data)
        return task and task.loss
    if family.choice is None:
        return family.classes[0]
    section = data.get(name)
    default = kind_of(family.classes[0], family.choice)
    kind = section.get(family.choice, default) if isinstance(section, Mapping) else default
    return next((cls for cls in family.classes if kind_of(cls, family.choice) == kind), None)


def kind_of(cls: type[Section], choice: str) -> str:
    """Return the value of the key `choice` that stands for a class."""
    return cls.model_fields[choice].default


def is_absent(name: str, data: Mapping[str, Any]) -> bool:
    """Return whether a section has no place in a configuration, because its task moves no plant."""
    task = _task(data)
    return SECTIONS[name].needs_plant and task is not None and not task.moves_plant


def applies(name: str, key: str, data: Mapping[str, Any]) -> bool:
    """Return whether a configuration's section has a place for a key that is known for some kind of it."""
    cls = class_of(name, data)
    return not is_absent(name, data) and (cls is None or key in cls.model_fields)


def owners(name: str, key: str) -> list[type[Section]]:
    """Return the classes that know a key of a section (of the general values, if `name` is empty)."""
    classes = SECTIONS[name].classes if name else (GeneralSettings,)
    return [cls for cls in classes if key in cls.model_fields]


def is_list(name: str, key: str) -> bool:
    """Return whether the values of a key are lists."""
    return any(get_origin(cls.model_fields[key].annotation) is tuple for cls in owners(name, key))


def check_value(name: str, key: str, value: Any) -> tuple[Any, str | None]:
    """Return the checked value of one key by itself, and what is wrong with it.

    Args:
        name: the section; empty for a general value.
        key: a key that some class of the section knows.
        value: what was given.
    """
    for cls in owners(name, key):
        try:
            return _adapter(cls, key).validate_python(value), None
        except ValidationError:
            continue
    return None, _unexpected(name, owners(name, key)[0], key, value)


@cache
def _adapter(cls: type[Section], key: str) -> TypeAdapter:
    info = cls.model_fields[key]
    annotation: Any = info.annotation
    for part in info.metadata:
        annotation = Annotated[annotation, part]
    return TypeAdapter(annotation)


def why_not(name: str, key: str, data: Mapping[str, Any]) -> str:
    """Return in words why a configuration's section has no place for a key."""
    if is_absent(name, data):
        return _why_absent(name, data)
    cls = class_of(name, data) if name else GeneralSettings
    assert cls is not None
    others = owners(name, key)
    if not others:
        return _no_such_key(key, cls.model_fields)
    choice = SECTIONS[name].choice
    if choice is None:
        reason = _for_this_task(data)
    else:
        kinds = listed(kind_of(other, choice) for other in others)
        reason = f"does not apply to {name}.{choice} {kind_of(cls, choice)!r}, only to {kinds}"
    return f"{reason}; known keys: {', '.join(cls.model_fields)}"


def _task(data: Mapping[str, Any]) -> type[TaskSettings] | None:
    return cast(type[TaskSettings] | None, class_of("task", data))


def _for_this_task(data: Mapping[str, Any]) -> str:
    task = _task(data)
    return f"does not apply to task.kind {kind_of(task, 'kind') if task else '?'!r}"


def _why_absent(name: str, data: Mapping[str, Any]) -> str:
    return f"{_for_this_task(data)}, whose network moves no plant; leave '{name}' out"


def _no_such_key(key: str, known: Any) -> str:
    return f"no such key{nearest(key, known)}; known keys: {', '.join(known)}"


def _unexpected(name: str, cls: type[Section], key: str, value: Any) -> str:
    """Return what was expected of a value, and what was given."""
    family = SECTIONS.get(name)
    words = choices(cls.model_fields[key])
    what = expected(cls.model_fields[key])
    if family is not None and key == family.choice:
        words = tuple(kind_of(each, key) for each in family.classes)
        what = f"one of {listed(words)}"
    hint = nearest(value, words) if isinstance(value, str) else ""
    return f"expected {what}, got {shown(plain_number(value))}{hint}"


def _unknown_kind(name: str, given: Mapping[str, Any]) -> list[Problem]:
    """Return the problems of a section of which it is not known what kind it is."""
    family = SECTIONS[name]
    problems = []
    if family.choice is not None:
        text = _unexpected(name, family.classes[0], family.choice, given[family.choice])
        problems.append(Problem((name, family.choice), text))
    known = list(dict.fromkeys(key for cls in family.classes for key in cls.model_fields))
    return problems + [Problem((name, key), _no_such_key(key, known)) for key in given if key not in known]


def _section(cls: type[Section], name: str, data: Mapping[str, Any]) -> tuple[Section | None, list[Problem]]:
    """Return one section checked, or None and its problems."""
    where = (name,) if name else ()
    given = (data.get(name) or {}) if name else {key: data[key] for key in cls.model_fields if key in data}
    try:
        return cls.model_validate(given), []
    except ValidationError as error:
        problems = []
        for each in error.errors(include_url=False):
            key = cast(str, each["loc"][0])
            if each["type"] in ("extra_forbidden", "invalid_key"):
                problems.append(Problem((*where, key), why_not(name, key, data)))
            elif each["type"] == "value_error":
                problems.append(Problem((*where, key), str(each["ctx"]["error"])))  # pyright: ignore
            elif each["type"] != "default_factory_not_called":
                problems.append(Problem((*where, key), _unexpected(name, cls, key, given.get(key))))
        return None, problems
