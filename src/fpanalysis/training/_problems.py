"""What is wrong with a configuration, and where it stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# The keys (and indices in lists) that lead to a value.
Path = tuple[str | int, ...]
# So many problems are told at once.
_TOLD = 50


class ConfigError(ValueError):
    """A training configuration that cannot be used; the message has one line for every problem."""


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        where: the keys that lead to the value.
        text: what was expected, and what it was.
        also: the keys that lead to another value that has part in it.
    """

    where: Path
    text: str
    also: Path | None = None


@dataclass(frozen=True)
class Source:
    """Where a configuration comes from: the file, if it is one, and the line of every value in it."""

    name: str | None = None
    lines: Mapping[Path, int] = field(default_factory=dict)

    def error(self, problems: Iterable[Problem]) -> ConfigError:
        """Return the error that tells of all problems, in the order of the file."""
        ordered = sorted(problems, key=lambda problem: self._line(problem.where) or 0)
        lines = list(dict.fromkeys(map(self._sentence, ordered)))
        if len(lines) > _TOLD:
            lines[_TOLD:] = [f"and {len(lines) - _TOLD:,} more"]
        return ConfigError("\n".join(lines))

    def _sentence(self, problem: Problem) -> str:
        line = self._line(problem.where)
        place = ", ".join([self.name or "", *([f"line {line}"] if line else [])]).strip(", ")
        also = self._line(problem.also) if problem.also else None
        text = problem.text + (f" (line {also})" if also else "")
        return ": ".join(part for part in (place, dotted(problem.where), text) if part)

    def _line(self, where: Path) -> int | None:
        """Return the line of a value; of what it would stand in, if it was not given."""
        while len(where) > 1 and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where)


def dotted(where: Path) -> str:
    """Return the keys as one name: `plant.mass`, `sweep: plant.mass`, `cases[0]: plant.mass`."""
    if not where:
        return ""
    if where[0] == "sweep":
        return ": ".join(map(str, where[:2]))
    if where[0] == "cases":
        index = f"[{where[1]}]" if len(where) > 1 else ""
        return ": ".join([f"cases{index}", *map(str, where[2:3])])
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in where).lstrip(".")


def shown(value: Any) -> str:
    """Return a value as it would be written in YAML, cut if it is long."""
    words = {True: "true", False: "false"}
    try:
        text = words[value] if isinstance(value, bool) else "null" if value is None else repr(value)
    except (ValueError, RecursionError):  # numbers of thousands of digits, lists in lists in lists
        return f"a {type(value).__name__} that is too long to be shown"
    return text if len(text) <= 60 else text[:57] + "..."
