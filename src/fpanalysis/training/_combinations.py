"""The sweep and the cases of a configuration: what is listed in them, and every combination of it."""

import math
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from fpanalysis._messages import listed, nearest
from fpanalysis.training._bounds import MOST_COMBINATIONS, MOST_NETWORKS
from fpanalysis.training._check import (
    applies,
    check,
    check_value,
    is_absent,
    is_list,
    owners,
    why_not,
)
from fpanalysis.training._problems import Path, Problem, shown
from fpanalysis.training._schema import SECTIONS, GeneralSettings, NetworkSettings

# For an estimate of what more of them would take: matrices of a cell, and bytes that training holds a weight.
_GATES = {"gru": 3, "lstm": 4, "tanh": 1}
_BYTES = 20
# What is set in one combination: values by dotted name.
Overrides = Mapping[str, Any]

SWEPT_KEYS = (
    "seed",
    *dict.fromkeys(
        f"{section}.{key}"
        for section, family in SECTIONS.items()
        for cls in family.classes
        for key in cls.model_fields
        if not is_list(section, key)
    ),
)


class Listed(NamedTuple):
    """A value that a sweep or a case lists, and the keys that lead to it."""

    value: Any
    where: Path


class Sweep(NamedTuple):
    """What a configuration lists besides its single values.

    Attributes:
        sweep: the values of every swept key.
        cases: combinations of values, each taken with all of the sweep.
        keys: all names in them, also those whose values were found wrong.
    """

    sweep: dict[str, list[Listed]]
    cases: list[dict[str, Listed]]
    keys: frozenset[str]

    def combinations(self) -> Iterator[dict[str, Listed]]:
        """Return every combination: the cases vary slowest, the last swept key fastest."""
        for case in self.cases or [{}]:
            for values in product(*self.sweep.values()):
                yield {**case, **dict(zip(self.sweep, values, strict=True))}


def split(key: str) -> tuple[str, str]:
    """Return section (empty for a general value) and name of a dotted key."""
    section, _, name = key.rpartition(".")
    return section, name


def flat(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of all sections by dotted name."""
    values = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            values |= {f"{name}.{key}": each for key, each in value.items()}
        else:
            values[name] = value
    return values


def sentence(overrides: Overrides) -> str:
    """Return a combination in words: `plant.mass=2.0, seed=1`; `base` where nothing is overridden."""
    words = (f"{key}={value if isinstance(value, str) else shown(value)}" for key, value in overrides.items())
    return ", ".join(words) or "base"


def read_sweep(data: Mapping[str, Any]) -> tuple[Sweep, list[Problem]]:
    """Return what `sweep` and `cases` of a configuration list, checked value by value, and all problems."""
    sweep, problems = _read_sweep(data.get("sweep"))
    cases, found = _read_cases(data.get("cases"))
    problems += found
    for i, case in enumerate(cases):
        for key in [key for key in case if key in sweep]:
            problems.append(Problem(("cases", i, key), "set here, and in the sweep as well", ("sweep", key)))
            del case[key]
    keys = {where[-1] for where in _keys(data)}
    return Sweep(sweep, cases, frozenset(map(str, keys))), problems


def assembled(base: Mapping[str, Any], overrides: Overrides, keys: Collection[str]) -> dict[str, Any]:
    """Return one combination: the base values with some of them overridden.

    A base value that has no place in the combination is left out if one of the listed keys decides on that:
    with `perturbation.method` swept, `perturbation.low` applies to the method that knows it.

    Args:
        base: sections and general values, as given.
        overrides: the combination's own values.
        keys: all keys that are listed in the sweep and the cases.
    """
    data = {name: dict(value) if isinstance(value, Mapping) else value for name, value in base.items()}
    for key, value in overrides.items():
        section, name = split(key)
        if not section:
            data[name] = value
        elif data.get(section) is None:
            data[section] = {name: value}
        elif isinstance(data[section], dict):
            data[section][name] = value
    for section in SECTIONS:
        if isinstance(data.get(section), dict):
            _leave_out(section, data, overrides, keys)
    return data


def _leave_out(section: str, data: dict[str, Any], overrides: Overrides, keys: Collection[str]) -> None:
    family = SECTIONS[section]
    absent = is_absent(section, data)
    by_task = absent or section == "loss"
    if ("task.kind" if by_task else f"{section}.{family.choice}") not in keys:
        return
    for name in list(data[section]):
        known = bool(owners(section, name))
        if known and f"{section}.{name}" not in overrides and not applies(section, name, data):
            del data[section][name]
    if absent and not data[section]:
        del data[section]


def too_many(base: Mapping[str, Any], sweep: Sweep) -> Problem | None:
    """Return the problem of a sweep with more combinations than can be checked one by one, if it is one."""
    count = math.prod(map(len, sweep.sweep.values())) * max(len(sweep.cases), 1)
    default = GeneralSettings.model_validate({}).replicates
    networks = count * (check_value("", "replicates", base.get("replicates", default))[0] or default)
    if count <= MOST_COMBINATIONS and networks <= MOST_NETWORKS:
        return None
    first = values_of(next(sweep.combinations()))
    values, _ = check(assembled(base, first, sweep.keys))
    network = values.get("network") or NetworkSettings.model_validate({})
    weights = _GATES[network.kind] * network.hidden_size * (network.hidden_size + 10)
    gib = networks * weights * _BYTES / 2**30
    most = (
        f"{MOST_COMBINATIONS:,} combinations" if count > MOST_COMBINATIONS else f"{MOST_NETWORKS:,} networks"
    )
    text = (
        f"multiplies to {count:,} combinations: {networks:,} networks, which would take about "
        f"{gib:,.1f} GiB; at most {most} are trained in one run"
    )
    return Problem(("sweep",), text)


def check_combinations(base: Mapping[str, Any], sweep: Sweep, complete: bool) -> list[Problem]:
    """Return the problems of all combinations, each told once.

    Args:
        base: sections and general values, as given.
        sweep: what is listed besides.
        complete: whether nothing is missing from the sweep because it was wrong.
    """
    combinations = list(sweep.combinations())
    found: dict[Problem, list[int]] = {}
    seen: dict[Any, int] = {}
    problems = []
    for i, combination in enumerate(combinations):
        values, wrong = check(assembled(base, values_of(combination), sweep.keys))
        for problem in dict.fromkeys(wrong):
            found.setdefault(problem._replace(where=_place(problem.where, combination, base)), []).append(i)
        if complete and not wrong and (first := seen.setdefault(tuple(values.values()), i)) != i:
            text = f"the same networks twice, {_name(combinations[first])} and {_name(combination)}"
            problems.append(Problem(("cases",), text))
    for problem, indices in found.items():
        problems.append(_told(problem, [combinations[i] for i in indices], len(combinations)))
    return problems


def check_unused(base: Mapping[str, Any], sweep: Sweep, complete: bool) -> list[Problem]:
    """Return the problems of the base values that no combination uses.

    A value that is overridden in some combinations, and has no place in the others, may stand there, but
    must be right by itself; one that is never overridden has no place anywhere.

    Args:
        base: sections and general values, as given.
        sweep: what is listed besides.
        complete: whether nothing is missing from the sweep because it was wrong.
    """
    used: set[str] = set()
    for combination in sweep.combinations():
        used |= flat(assembled(base, values_of(combination), sweep.keys)).keys() - combination.keys()
    first = assembled(base, values_of(next(sweep.combinations())), sweep.keys)
    problems = []
    for key, value in flat(base).items():
        section, name = split(key)
        if key in used or not owners(section, name):
            continue
        if key in sweep.keys:
            text = check_value(section, name, value)[1]
        else:
            text = why_not(section, name, first) if complete else None
        if text:
            problems.append(Problem((section, name) if section else (name,), text))
    return problems


def values_of(combination: Mapping[str, Listed]) -> dict[str, Any]:
    """Return the values alone of what a combination lists."""
    return {key: listed.value for key, listed in combination.items()}


def _place(where: Path, combination: Mapping[str, Listed], base: Mapping[str, Any]) -> Path:
    """Return where a value, or else all that is in a section, was given."""
    for key, given in combination.items():
        section, name = split(key)
        if where in ((section, name), (key,)) or (where == (section,) and section not in base):
            return given.where
    return where


def _told(problem: Problem, bad: list[dict[str, Listed]], n_combinations: int) -> Problem:
    """Return the problem with the combination it occurs in, unless it occurs in all."""
    if len(bad) == n_combinations:
        return problem
    more = f" and {len(bad) - 1} other{'s' if len(bad) > 2 else ''}" if len(bad) > 1 else ""
    return problem._replace(text=f"{problem.text} (in the combination {_name(bad[0])}{more})")


def _name(combination: Mapping[str, Listed]) -> str:
    return sentence(values_of(combination))


def _keys(data: Mapping[str, Any]) -> list[Path]:
    """Return the keys that lead to every name in `sweep` and `cases`."""
    sweep, cases = data.get("sweep"), data.get("cases")
    paths: list[Path] = [("sweep", key) for key in sweep] if isinstance(sweep, Mapping) else []
    for i, case in enumerate(cases if isinstance(cases, list | tuple) else []):
        paths += [("cases", i, key) for key in case] if isinstance(case, Mapping) else []
    return paths


def _read_sweep(given: Any) -> tuple[dict[str, list[Listed]], list[Problem]]:
    if given is None:
        return {}, []
    if not isinstance(given, Mapping):
        text = f"expected names of values, each with a list, got {shown(given)}"
        return {}, [Problem(("sweep",), text)]
    sweep, problems = {}, []
    for key, values in given.items():
        right, found = _read_values(key, values)
        problems += found
        if right:
            sweep[key] = right
    return sweep, problems


def _read_values(key: Any, values: Any) -> tuple[list[Listed], list[Problem]]:
    """Return the values of one swept key."""
    where = ("sweep", key)
    if text := _not_swept(key):
        return [], [Problem(where, text)]
    if not isinstance(values, list | tuple) or not values:
        return [], [Problem(where, f"expected a list of at least one value, got {shown(values)}")]
    right, problems = [], []
    known: set[Any] = set()
    for i, given in enumerate(values):
        value, text = check_value(*split(key), given)
        if text is None and value is None:
            text = "null cannot be swept, because no axis has such a place; list it in 'cases'"
        elif text is None and value in known:
            text = f"{shown(value)} is listed twice"
        if text is None:
            right.append(Listed(value, (*where, i)))
            known.add(value)
        else:
            problems.append(Problem((*where, i), text))
    return right, problems


def _read_cases(given: Any) -> tuple[list[dict[str, Listed]], list[Problem]]:
    if given is None:
        return [], []
    if not isinstance(given, list | tuple) or not given:
        text = f"expected a list of at least one combination of values, got {shown(given)}"
        return [], [Problem(("cases",), text)]
    cases, problems = [], []
    for i, case in enumerate(given):
        if not isinstance(case, Mapping):
            text = f"expected names with values, such as {{seed: 1}}, got {shown(case)}"
            problems.append(Problem(("cases", i), text))
            continue
        right = {}
        for key, value in case.items():
            text = _not_swept(key)
            if text is None:
                value, text = check_value(*split(key), value)
            if text is None:
                right[key] = Listed(value, ("cases", i, key))
            else:
                problems.append(Problem(("cases", i, key), text))
        cases.append(right)
    return cases, problems


def _not_swept(key: Any) -> str | None:
    """Return why a name cannot be swept; None if it can."""
    if key in SWEPT_KEYS:
        return None
    if key == "replicates":
        return "cannot be swept; for networks from other seeds, sweep 'seed'"
    section, name = split(str(key))
    if section in SECTIONS and owners(section, name):
        return "cannot be swept, because its value is a list"
    if key in SECTIONS:
        example = next(each for each in SWEPT_KEYS if split(each)[0] == key)
        return f"is a section; list its values by name, such as {example}"
    if section in SECTIONS:
        known = ", ".join(each for each in SWEPT_KEYS if split(each)[0] == section)
        return f"no such key{nearest(key, SWEPT_KEYS)}; known keys: {known}"
    same = [each for each in SWEPT_KEYS if split(each)[1] == key]
    hint = f" (did you mean {listed(same)}?)" if same else nearest(key, SWEPT_KEYS)
    return f"no such key{hint}; expected section and name of a value, such as plant.mass"
