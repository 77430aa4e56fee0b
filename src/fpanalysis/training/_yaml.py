"""YAML with the line of every value."""

import os
from pathlib import Path
from typing import Any

import yaml

from fpanalysis._messages import nearest
from fpanalysis.training._problems import ConfigError, Problem, Source
from fpanalysis.training._problems import Path as Keys


def read_yaml(path: str | os.PathLike[str]) -> tuple[Any, Source, list[Problem]]:
    """Return what a YAML file holds, the line of everything in it, and what is wrong with single keys.

    Args:
        path: the file.

    Raises:
        ConfigError: there is no such file, it is empty, or it is not YAML.
    """
    name = os.fspath(path)
    text = _text(Path(path))
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{name}: expected keys and values, got an empty file")
        reader = _Reader(loader)
        data = reader.value(node, ())
    except yaml.YAMLError as error:
        raise ConfigError(_syntax(name, text, error)) from None
    return data, Source(name, reader.lines), reader.problems


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

    def value(self, node: yaml.Node, where: Keys) -> Any:
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
    elif isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line, what = error.problem_mark.line, str(error.problem)
        what = f"{error.context}, {what}" if what.startswith("but ") else what
    else:
        return f"{name}: not valid YAML: {error}"
    written = [*text.splitlines(), "", ""][line]
    hint = "; indent with spaces, not tabs" if "\t" in written else ""
    return f"{name}, line {line + 1}: not valid YAML: {what}{hint}"
