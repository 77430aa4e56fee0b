"""Every network that a configuration asks for: the product of what is swept, and of replicates."""

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import product
from typing import Any

from fpanalysis.training._combinations import assembled, flat, sentence, split
from fpanalysis.training.config import Config

# What may differ between networks that are trained by one compiled step.
_BATCHED = {
    "perturbation.method",
    "perturbation.low",
    "perturbation.scaled_context",
    "perturbation.field_std",
    "feedback.noise_std",
    "motor.noise_std",
    "loss.position",
    "loss.final_velocity",
    "loss.force",
    "loss.hidden",
    "loss.output",
    "loss.readout_norm",
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "optimizer.clip_norm",
    "seed",
    "replicates",
}


@dataclass(frozen=True)
class Member:
    """One network to train.

    Attributes:
        config: its configuration, without sweep, with one replicate.
        labels: its value along every dimension of the plan.
        replicate: its number among networks of equal configuration. What is random about it follows from
            `seed` and this number only: networks of the same replicate start from the same weights
            whatever else is swept.
    """

    config: Config
    labels: dict[str, Any]
    replicate: int

    @property
    def seed(self) -> int:
        """The seed in its configuration."""
        return self.config.seed

    def static_key(self) -> Hashable:
        """Return what must be equal for networks to be trained by one compiled step: shapes and code.

        Left out is what can differ between them: method and strength of the perturbation, noise, weights of
        the loss, learning rate, weight decay, the norm for clipping, seed and replicate. Without a
        perturbation there is no kind of field, so that such networks have a key of their own.
        """
        values = {key: _hashable(value) for key, value in flat(self.config.to_dict()).items()}
        static = tuple((key, value) for key, value in values.items() if key not in _BATCHED)
        return (
            static,
            values["optimizer.clip_norm"] is None,
            values["loss.readout_norm"] is None,
        )


@dataclass(frozen=True)
class Plan:
    """All networks of a training run.

    Attributes:
        members: the networks, the last dimension varying fastest.
        dims: the values along every dimension: `case`, each swept key, and `replicate`, where there are such.
    """

    members: list[Member]
    dims: dict[str, list[Any]]

    def groups(self) -> list[list[int]]:
        """Return the indices of the members that can be trained by one compiled step, group by group."""
        groups: dict[Hashable, list[int]] = {}
        keys: dict[int, Hashable] = {}  # replicates share a configuration
        for i, member in enumerate(self.members):
            if id(member.config) not in keys:
                keys[id(member.config)] = member.static_key()
            groups.setdefault(keys[id(member.config)], []).append(i)
        return list(groups.values())


def expand(config: Config) -> Plan:
    """Return every network that a configuration asks for.

    The dimensions are, in this order, `case` if there are cases, every swept key under its short name, and
    `replicate` if there is more than one. A case is labelled by what it sets. The short name is the part
    after the dot, or the whole name where two would be the same, for every `kind`, and for weights of the
    loss (`hidden` alone would be taken for something else).

    Args:
        config: the configuration, with or without a sweep.

    Example:
        >>> from fpanalysis.training.config import Config
        >>> from fpanalysis.training.sweep import expand
        >>> stds = [0.0, 0.4]
        >>> plan = expand(Config.from_dict({"replicates": 2, "sweep": {"perturbation.field_std": stds}}))
        >>> plan.dims
        {'field_std': [0.0, 0.4], 'replicate': [0, 1]}
        >>> plan.members[2].config.perturbation.field_std, plan.members[2].replicate
        (0.4, 0)
    """
    keys = [*config.sweep, *(key for case in config.cases for key in case)]
    names = _short_names(keys)
    labels = [sentence({names[key]: value for key, value in case.items()}) for case in config.cases]
    dims: dict[str, list[Any]] = {"case": labels} if labels else {}
    dims |= {names[key]: list(values) for key, values in config.sweep.items()}
    if config.replicates > 1:
        dims["replicate"] = list(range(config.replicates))
    configs = []
    base = config.base | {"replicates": 1}
    for case in config.cases or [{}]:
        for values in product(*config.sweep.values()):
            overrides = {**case, **dict(zip(config.sweep, values, strict=True))}
            configs.append(Config.from_dict(assembled(base, overrides, keys)))
    pairs = [(each, replicate) for each in configs for replicate in range(config.replicates)]
    members = [
        Member(each, dict(zip(dims, values, strict=True)), replicate)
        for (each, replicate), values in zip(pairs, product(*dims.values()), strict=True)
    ]
    return Plan(members, dims)


def _short_names(keys: list[str]) -> dict[str, str]:
    """Return the part after the dot of every name, or all of it where that part would not tell enough."""
    ends = [split(key)[1] for key in dict.fromkeys(keys)]
    return {
        key: key if ends.count(end) > 1 or end == "kind" or section == "loss" else end
        for key in keys
        for section, end in [split(key)]
    }


def _hashable(value: Any) -> Hashable:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
