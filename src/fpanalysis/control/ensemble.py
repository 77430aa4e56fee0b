"""Trained models with their hyperparameters as labels."""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis.control.rollout import Model
from fpanalysis.coordinates import without_levels


class Ensemble:
    """Controllers or networks of one training, found by their hyperparameters.

    `train`, `load` and `datasets` make them; `simulate` takes one like a single model.

    Attributes:
        table: dataset whose dims are the swept hyperparameters and `replicate`, with what is known of every
            model: `validation_loss`, `selected_checkpoint` (the iterations after which its weights were
            kept), `is_best`, `included` by the `threshold` for the loss, `stopped_at` and `stop_reason`,
            and `member`, its number.
        history: losses during training; an empty dataset if they were not kept.
        config: the configuration of the training, as YAML; empty if not known.

    Example:
        >>> import fpanalysis as fpa
        >>> ensemble = fpa.datasets.reaching_ensemble()
        >>> robust = ensemble.sel(method="std", field_std=0.8)
        >>> robust.table.sizes["replicate"] == len(robust)
        True
    """

    def __init__(
        self, models: list[Model], table: xr.Dataset, history: xr.Dataset | None = None, config: str = ""
    ) -> None:
        if "member" not in table or int(table["member"].max()) >= len(models):
            raise ValueError("table: expected a variable 'member' that counts the models from 0")
        self._models = models
        self.table = without_levels(table, "table")
        self.history = xr.Dataset() if history is None else history
        self.config = config

    @property
    def sizes(self) -> dict[str, int]:
        """The number of values along every swept hyperparameter and `replicate`."""
        return {str(dim): self.table.sizes[dim] for dim in self.table["member"].dims}

    @property
    def models(self) -> list[Model]:
        """The models, in the order of the table's dims."""
        return [self._models[index] for index in np.ravel(self.table["member"].values)]

    @property
    def labels(self) -> list[dict[str, Any]]:
        """The hyperparameters that tell the models apart, one mapping for each, in the order of `models`."""
        flat = self.table["member"].reset_coords(drop=False)
        dims = self.table["member"].dims
        named = [str(name) for name in self.table.coords]
        stacked = [np.ravel(flat[name].broadcast_like(flat["member"]).transpose(*dims)) for name in named]
        return [dict(zip(named, map(_plain, row), strict=True)) for row in zip(*stacked, strict=True)]

    def __len__(self) -> int:
        return self.table["member"].size

    def __iter__(self) -> Iterator[Model]:
        return iter(self.models)

    def __repr__(self) -> str:
        kinds = sorted({type(model).__name__ for model in self.models})
        dims = ", ".join(
            f"{dim} {list(map(_plain, self.table[dim].values))}" for dim in self.table["member"].dims
        )
        return f"<Ensemble of {len(self)} ({listed(kinds)}) by {dims or 'nothing'}>"

    def sel(self, **labels: Any) -> "Ensemble":
        """Return the models with these labels.

        Args:
            **labels: a value, or a list of values, by hyperparameter. A single value takes its dim away.

        Raises:
            ValueError: no hyperparameter has this name, or no model this value.
        """
        table = self.table
        for name, wanted in labels.items():
            if name not in table.dims:
                raise ValueError(
                    f"sel: no hyperparameter {name!r}{nearest(name, map(str, table.dims))}; "
                    f"these vary: {listed(map(str, self.sizes))}"
                )
            indices = [self._position(name, value) for value in np.atleast_1d(np.asarray(wanted)).tolist()]
            table = table.isel(
                {name: indices if isinstance(wanted, list | tuple | np.ndarray) else indices[0]}
            )
        kept = {name: table[name] for name in self.history.dims if name in labels}
        return Ensemble(self._models, table, self.history.sel(kept), self.config)

    def one(self) -> Model:
        """Return the only model.

        Raises:
            ValueError: there are several; the message says what tells them apart.
        """
        if len(self) != 1:
            raise ValueError(
                f"one: there are {len(self)} models, which differ in {listed(self.sizes)}; use sel"
            )
        return self.models[0]

    def _position(self, name: str, value: Any) -> int:
        values = self.table[name].values
        for index, known in enumerate(values.tolist()):
            same = np.isclose(known, value, rtol=1e-6, atol=0) if _numbers(known, value) else known == value
            if same:
                return index
        raise ValueError(f"sel: no model has {name} = {value!r}; there are {listed(map(str, values))}")


@runtime_checkable
class Recorded(Protocol):
    """What stands for models that are kept elsewhere, such as a query of a records store."""

    def as_model(self) -> Any:
        """Return the model, or the ensemble of several."""
        ...


def recorded(model: Any) -> Any:
    """Return the model or ensemble that records of a store stand for; else what is given."""
    return model.as_model() if isinstance(model, Recorded) else model


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
