"""The configuration of a training run: read from YAML, checked as a whole, written back in full."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import PrivateAttr, field_validator

from fpanalysis.training._bounds import excess
from fpanalysis.training._check import check
from fpanalysis.training._combinations import (
    Sweep,
    assembled,
    check_combinations,
    check_unused,
    flat,
    read_sweep,
    too_many,
    values_of,
)
from fpanalysis.training._problems import ConfigError, Problem, Source, shown
from fpanalysis.training._schema import (
    SECTIONS,
    ActiveSettings,
    AmplitudeSettings,
    ContextIntegrationSettings,
    DelayedReachesSettings,
    FeedbackSettings,
    FlipFlopSettings,
    GeneralSettings,
    MotorSettings,
    NetworkSettings,
    NoPerturbationSettings,
    OptimizerSettings,
    OutputLossSettings,
    PointMassSettings,
    ReachLossSettings,
    Section,
    SimpleReachesSettings,
    StdSettings,
    StdUniformSettings,
    TrainingSettings,
    TwoLinkArmSettings,
)
from fpanalysis.training._yaml import read_yaml, write_yaml

__all__ = ["Config", "ConfigError", "changed"]

AnyTask = SimpleReachesSettings | DelayedReachesSettings | FlipFlopSettings | ContextIntegrationSettings
AnyPerturbation = (
    StdSettings | ActiveSettings | AmplitudeSettings | StdUniformSettings | NoPerturbationSettings
)


class Config(GeneralSettings):
    """Everything that decides what a training run does. Make one with `from_yaml` or `from_dict`.

    Attributes:
        task: what is trained; its class depends on the kind.
        network: kind and size of the network.
        plant: what the network moves; None for tasks without a plant, like the next three.
        feedback: delay and noise of the feedback.
        motor: noise of the command.
        perturbation: how force fields are drawn, and what the context tells about them.
        loss: weights of the terms.
        optimizer: AdamW, its schedule and clipping.
        training: how long, on how many trials, and when to look.
        seed: from which all random numbers are derived.
        replicates: networks of each kind, from different random numbers.
        sweep: values by the dotted name of what takes them in turn; see `fpanalysis.training.sweep`.
        cases: combinations of values by dotted name.

    With a sweep or cases, the sections above are those of the first combination.

    Example:
        >>> from fpanalysis.training.config import Config
        >>> config = Config.from_dict({"perturbation": {"field_std": 0.4}})
        >>> config.perturbation.field_std, config.task.n_steps
        (0.4, 99)
        >>> Config.from_dict({"perturbation": {"feild_std": 0.4}})
        Traceback (most recent call last):
            ...
        fpanalysis...ConfigError: perturbation.feild_std: no such key (did you mean 'field_std'?); ...
    """

    task: AnyTask
    network: NetworkSettings
    plant: PointMassSettings | TwoLinkArmSettings | None
    feedback: FeedbackSettings | None
    motor: MotorSettings | None
    perturbation: AnyPerturbation | None
    loss: ReachLossSettings | OutputLossSettings
    optimizer: OptimizerSettings
    training: TrainingSettings
    sweep: dict[str, list[Any]] = {}
    cases: list[dict[str, Any]] = []
    _base: dict[str, Any] = PrivateAttr(default_factory=dict)

    @field_validator("sweep", "cases")
    @classmethod
    def _only_checked(cls, value: Any) -> Any:
        if value:
            raise ValueError("make a configuration with a sweep by Config.from_dict or Config.from_yaml")
        return value

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> "Config":
        """Return the configuration in a YAML file.

        Args:
            path: the file.

        Raises:
            ConfigError: the file cannot be read, or something in it is wrong. The message has one line for
                each thing that is, with its line in the file.
        """
        return cls._checked(*read_yaml(path))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Config":
        """Return the configuration in a mapping with the structure of the YAML file.

        Args:
            data: sections and values; what is absent has its default.

        Raises:
            ConfigError: something in it is wrong. The message has one line for each thing that is.
        """
        return cls._checked(data, Source(), [])

    @classmethod
    def _checked(cls, data: Any, source: Source, unreadable: list[Problem]) -> "Config":
        if not isinstance(data, Mapping):
            raise source.error([Problem((), f"expected keys and values, got {shown(data)}")])
        if problems := excess(data):
            raise source.error(problems)
        base = {key: value for key, value in data.items() if key not in ("sweep", "cases")}
        sweep, problems = read_sweep(data)
        plain = not (sweep.sweep or sweep.cases or problems)
        if plain:
            values, problems = check(base)
        else:
            if problem := too_many(base, sweep):
                raise source.error([*problems, problem])
            values, complete = {}, not problems
            problems += check_combinations(base, sweep, complete)
            problems += check_unused(base, sweep, complete)
        known = {problem.where for problem in unreadable}
        if problems := unreadable + [problem for problem in problems if problem.where not in known]:
            raise source.error(problems)
        return cls(**values) if plain else cls._swept(base, sweep)

    @classmethod
    def _swept(cls, base: Mapping[str, Any], sweep: Sweep) -> "Config":
        """Return a configuration with a sweep that was found right."""
        members = []
        for combination in map(values_of, sweep.combinations()):
            values, _ = check(assembled(base, combination, sweep.keys))
            members.append((combination, cls(**values)))
        lists = {
            "sweep": {key: [each.value for each in values] for key, values in sweep.sweep.items()},
            "cases": [values_of(case) for case in sweep.cases],
        }
        config = members[0][1].model_copy(update=lists)
        config._base = _shared([(combination.keys(), flat(each.to_dict())) for combination, each in members])
        return config

    @property
    def base(self) -> dict[str, Any]:
        """Sections and values without sweep and cases, as a nested dictionary.

        With a sweep, what holds in all combinations that say nothing else.
        """
        if self.sweep or self.cases:
            return {
                key: dict(value) if isinstance(value, dict) else value for key, value in self._base.items()
            }
        return {key: value for key, value in self.to_dict().items() if key not in ("sweep", "cases")}

    def to_dict(self) -> dict[str, Any]:
        """Return all values, defaults included, as a mapping that `from_dict` takes."""
        lists = {"sweep": self.sweep, "cases": self.cases}
        if self.sweep or self.cases:
            return self.base | {key: value for key, value in lists.items() if value}
        data = {name: getattr(self, name) for name in (*SECTIONS, "seed", "replicates")}
        return {
            name: value.model_dump(mode="json") if isinstance(value, Section) else value
            for name, value in data.items()
            if value is not None
        }

    def to_yaml(self) -> str:
        """Return all values, defaults included, as the content of a YAML file that `from_yaml` reads."""
        return write_yaml(self.to_dict())


_IN_ORDER = dict.fromkeys(
    [f"{name}.{key}" for name, each in SECTIONS.items() for cls in each.classes for key in cls.model_fields]
    + list(GeneralSettings.model_fields)
)


def _shared(members: list[tuple[Any, dict[str, Any]]]) -> dict[str, Any]:
    """Return the values, by section, on which all combinations agree that do not set them themselves.

    Args:
        members: for each combination the names that it sets, and all of its values by name.
    """
    found: dict[str, list[Any]] = {}
    for own, values in members:
        for key, value in values.items():
            if key not in own and value not in found.setdefault(key, []):
                found[key].append(value)
    agreed = {key: found[key][0] for key in _IN_ORDER if len(found.get(key, ())) == 1}
    return assembled({}, agreed, ())


def changed(old: Config, new: Config) -> list[str]:
    """Return what differs between two configurations, a line for each value.

    Args:
        old: one configuration.
        new: the other.

    Returns:
        Lines such as `optimizer.learning_rate: 0.01 → 0.02`; none if the configurations are equal.

    Example:
        >>> from fpanalysis.training.config import Config, changed
        >>> print(*changed(Config.from_dict({}), Config.from_dict({"seed": 1})))
        seed: 0 → 1
    """
    before, after = _by_name(old), _by_name(new)
    return [
        f"{key}: {_written(before, key)} → {_written(after, key)}"
        for key in dict.fromkeys([*before, *after])
        if key not in before or key not in after or before[key] != after[key]
    ]


def _by_name(config: Config) -> dict[str, Any]:
    data = config.to_dict()
    sweep = {f"sweep: {key}": values for key, values in data.pop("sweep", {}).items()}
    cases = {f"cases[{i}]": case for i, case in enumerate(data.pop("cases", []))}
    return flat(data) | sweep | cases


def _written(values: Mapping[str, Any], key: str) -> str:
    return shown(values[key]) if key in values else "absent"
