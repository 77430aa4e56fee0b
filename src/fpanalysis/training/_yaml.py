"""YAML with the line of every value."""

import os
from pathlib import Path
from typing import Any

import yaml

from fpanalysis._messages import nearest
from fpanalysis.training._bounds import DEEPEST, MOST_VALUES
from fpanalysis.training._problems import ConfigError, Problem, Source
from fpanalysis.training._problems import Path as Keys

_MOST_BYTES = 2**23
# A longer number or word is none that stands in a configuration.
_LONGEST = 1_000


def read_yaml(path: str | os.PathLike[str]) -> tuple[Any, Source, list[Problem]]:
    """Return what a YAML file holds, the line of everything in it, and what is wrong with single keys.

    Args:
        path: the file.

    Raises:
        ConfigError: there is no such file, it is empty, not YAML, or larger than a configuration can be.
    """
    name = os.fspath(path)
    text = _text(Path(path))
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{name}: expected keys and values, got an empty file")
        reader = _Reader(loader)
        data = reader.value(node, ())
    except yaml.YAMLError as error:
        raise ConfigError(_syntax(name, text, error)) from None
    return data, Source(name, reader.lines), reader.problems


class _TooMuch(yaml.MarkedYAMLError):
    """YAML may be right, and yet take all time and memory."""


class _Loader(yaml.SafeLoader):
    """Reads no more than a configuration can hold; nodes are keys and values, aliases count as none."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._count = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._count += 1
        self._depth += 1
        if self._count > 2 * MOST_VALUES or self._depth > DEEPEST:
            mark = self.peek_event().start_mark
            what = (
                f"more than {MOST_VALUES:,} values" if self._depth <= DEEPEST else f"more than {DEEPEST} deep"
            )
            raise _TooMuch(problem=f"expected a configuration, got YAML that is {what}", problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def write_yaml(data: dict[str, Any]) -> str:
    """Return data as YAML: mappings over several lines, lists of values in one."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _list(dumper: yaml.SafeDumper, data: list) -> yaml.Node:
    plain = not any(isinstance(item, dict) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=plain)


_Dumper.add_representer(list, _list)


class _Reader:
    """Turns nodes into values, and notes their lines and what is wrong with them."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self.loader = loader
        self.lines: dict[Keys, int] = {}
        self.problems: list[Problem] = []
        self.around: list[yaml.Node] = []
        self.count = 0

    def value(self, node: yaml.Node, where: Keys) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:  # aliases may stand for more than was written
            what = f"expected at most {MOST_VALUES:,} values, got more, with those that aliases repeat"
            raise _TooMuch(problem=what, problem_mark=node.start_mark)
        if len(self.around) > DEEPEST:
            raise _TooMuch(problem=f"nested more than {DEEPEST} deep", problem_mark=node.start_mark)
        self.lines.setdefault(where, _line(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, where)
        if any(node is other for other in self.around):
            self.problems.append(Problem(where, "contains itself"))
            return None
        self.around.append(node)
        value = self._mapping(node, where) if isinstance(node, yaml.MappingNode) else self._list(node, where)
        self.around.pop()
        return value

    def _scalar(self, node: yaml.ScalarNode, where: Keys) -> Any:
        if len(node.value) > _LONGEST:  # some numbers take minutes to read
            self.problems.append(Problem(where, f"expected at most {_LONGEST:,} characters"))
            return None
        try:
            return self.loader.construct_object(node)
        except ValueError as error:  # such as a date with a thirteenth month
            self.problems.append(Problem(where, f"cannot be read: {error}"))
            return None

    def _list(self, node: yaml.Node, where: Keys) -> list:
        return [self.value(item, (*where, i)) for i, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, where: Keys) -> dict[str, Any]:
        values, first = {}, {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            line = _line(key_node)
            if key_node.tag != "tag:yaml.org,2002:str":
                self.lines[(*where, key)] = line
                text = f"expected a name as key, got {key_node.tag.rpartition(':')[2]}"
                self.problems.append(Problem((*where, key), text))
            elif key in values:
                # Both lines are told, because PyYAML alone would keep the last one silently.
                self.lines[(*where, key)] = line
                self.problems.append(Problem((*where, key), f"given twice, first in line {first[key]}"))
            else:
                self.lines[(*where, key)] = first[key] = line
                values[key] = self.value(value_node, (*where, key))
        return values


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _text(path: Path) -> str:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # from a pipe, reading may never end
            raise ConfigError(f"{path}: expected a file, got a pipe, a device or a socket")
        if (size := path.stat().st_size) > _MOST_BYTES:
            raise ConfigError(f"{path}: expected at most {_MOST_BYTES:,} bytes, got {size:,}")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        folder = path.parent
        there = [other.name for other in folder.iterdir()] if folder.is_dir() else []
        missing = (
            f"no such file{nearest(path.name, there)}" if folder.is_dir() else f"no folder {str(folder)!r}"
        )
        raise ConfigError(f"{path}: {missing}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected text in UTF-8, got other bytes ({error.reason})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None


def _syntax(name: str, text: str, error: yaml.YAMLError) -> str:
    """Return what is wrong with the YAML itself, and in which line."""
    if isinstance(error, yaml.reader.ReaderError):
        line, what = text.count("\n", 0, error.position), f"{error.reason} (U+{error.character:04X})"
    elif isinstance(error, _TooMuch) and error.problem_mark is not None:
        return f"{name}, line {error.problem_mark.line + 1}: {error.problem}"
    elif isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line, what = error.problem_mark.line, str(error.problem)
        what = f"{error.context}, {what}" if what.startswith("but ") else what
    else:
        return f"{name}: not valid YAML: {error}"
    written = [*text.splitlines(), "", ""][line]
    hint = "; indent with spaces, not tabs" if "\t" in written else ""
    return f"{name}, line {line + 1}: not valid YAML: {what}{hint}"
