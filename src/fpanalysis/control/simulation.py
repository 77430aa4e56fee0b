"""Trials of controllers and networks, as labelled datasets."""

import importlib.metadata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Key

from fpanalysis._compiled import compiled
from fpanalysis._numerics import in_float64
from fpanalysis._progress import progress_bar
from fpanalysis.control.controller import Controller
from fpanalysis.control.ensemble import Ensemble
from fpanalysis.control.network import Network, Port
from fpanalysis.control.rollout import Model, rollouts
from fpanalysis.control.trials import Rollout, Trial, Trials
from fpanalysis.trajectories import warn_if_not_finite
from fpanalysis.vector_field import check_finite

AXES = ["x", "y"]
_UNITS = {"force": "N", "torque": "N m", "angle": "rad", "angular_velocity": "rad/s"}


def simulate_trials(
    model: Controller | Network | Ensemble, trials: Trials, seed: int | None, progress: bool
) -> xr.Dataset:
    """Run models on trials; see `fpanalysis.simulate`."""
    models = model.models if isinstance(model, Ensemble) else [model]
    for each in models:
        check_trials(each, trials)
    if not isinstance(model, Ensemble):
        check_finite(_network(model).vector_field())
    found = []
    with in_float64(), progress_bar(len(models), "simulating", progress) as advance:
        shown = _float64(trials.trial)
        keys = None if seed is None else jax.random.split(jax.random.key(seed), len(trials))
        for each in models:
            found.append(jax.tree_util.tree_map(np.asarray, _run(_float64(each), shown, keys)))
            advance(1)
        _warn(found, trials.dt)
        parts = [_variables(each, runs, shown) for each, runs in zip(models, found, strict=True)]
    datasets = [_labelled(each, *part, trials) for each, part in zip(models, parts, strict=True)]
    ds = _joined(datasets, model.table) if isinstance(model, Ensemble) else datasets[0]
    return ds.assign_attrs(
        time_domain="discrete",
        dt=trials.dt,
        noise=int(seed is not None),
        fpanalysis_version=importlib.metadata.version("fpanalysis"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _network(model: Model) -> Network:
    return model.network if isinstance(model, Controller) else model


def _warn(found: list[Rollout], dt: float) -> None:
    """Warn if the states of any model are infinite or NaN."""
    states = [[each.hidden] if each.position is None else [each.hidden, each.position] for each in found]
    warn_if_not_finite(np.concatenate([np.concatenate(each, axis=-1) for each in states]), dt)


def check_trials(model: Model, trials: Trials) -> None:
    """Raise `ValueError` unless a model can do these trials."""
    network = _network(model)
    shown = {name: values[0, 0] for name, values in trials.trial.inputs.items()}
    if isinstance(model, Controller):
        if trials.trial.start is None:
            raise ValueError(
                "trials: a controller needs to know where each trial starts; these are for networks"
            )
        model.plant.check_reachable(np.asarray(trials.trial.start), "trials: start")
        shown |= dict.fromkeys(("feedback.position", "feedback.velocity"), np.zeros(2))
    network.check_inputs(shown, "trials")
    dt = network.dt
    if dt is not None and abs(dt - trials.dt) > 1e-6 * dt:
        raise ValueError(f"trials: the model steps by {dt:g} s, but the trials by {trials.dt:g} s")


@compiled
def _run(model: Model, trials: Trial, keys: Key[Array, " trial"] | None) -> Rollout:
    return rollouts(model, trials, keys)


def _float64(tree: Any) -> Any:
    def cast(leaf: Any) -> Any:
        return jnp.asarray(leaf, jnp.float64) if eqx.is_inexact_array_like(leaf) else leaf

    return jax.tree_util.tree_map(cast, tree)


def _variables(model: Model, runs: Rollout, trials: Trial) -> tuple[dict[str, tuple], dict[str, Any]]:
    """Return the variables of one model and the coordinates of their last dims."""
    network = _network(model)
    shown = dict(trials.inputs)
    lead = ("trial", "time")
    variables: dict[str, tuple] = {
        "hidden": ((*lead, "unit"), runs.hidden, {"long_name": "hidden activity"}),
    }
    coords: dict[str, Any] = {"unit": np.arange(runs.hidden.shape[-1])}
    if isinstance(model, Controller):
        shown |= {"feedback.position": runs.feedback_position, "feedback.velocity": runs.feedback_velocity}
        variables |= _body(model, runs, trials)
        coords |= {"axis": AXES} | ({"joint": ["shoulder", "elbow"]} if "angle" in (runs.plant or {}) else {})
    else:
        variables["y"] = ((*lead, "output"), runs.output, {"long_name": "output"})
        coords["output"] = _entries(network.outputs)
        if "output" in trials.targets:
            variables["target"] = ((*lead, "output"), trials.targets["output"], {"long_name": "target"})
    u = np.concatenate([np.asarray(shown[port.role]) for port in network.inputs], axis=-1)
    variables["u"] = ((*lead, "input"), u, {"long_name": "input of the network"})
    coords["input"] = _entries(network.inputs)
    return variables, coords


def _body(model: Controller, runs: Rollout, trials: Trial) -> dict[str, tuple]:
    command = model.plant.command_name
    along = ("trial", "time", "axis" if command == "force" else "joint")
    variables = {
        "position": (("trial", "time", "axis"), runs.position, {"units": "m", "long_name": "position"}),
        "velocity": (("trial", "time", "axis"), runs.velocity, {"units": "m/s", "long_name": "velocity"}),
        command: (along, runs.command, {"units": _UNITS[command], "long_name": command}),
        "start": (("trial", "axis"), trials.start, {"units": "m", "long_name": "start"}),
    }
    if trials.field is not None:
        force = jax.vmap(lambda field, p, v: jax.vmap(field.force)(p, v))(
            trials.field, runs.position, runs.velocity
        )
        attrs = {"units": "N", "long_name": "force of the field"}
        variables["field_force"] = (("trial", "time", "axis"), force, attrs)
    for name, unit in (("position", "m"), ("velocity", "m/s")):
        if name in trials.targets:
            attrs = {"units": unit, "long_name": f"target {name}"}
            variables[f"target_{name}"] = (("trial", "time", "axis"), trials.targets[name], attrs)
    for name in ("angle", "angular_velocity"):
        if name in (runs.plant or {}):
            attrs = {"units": _UNITS[name], "long_name": name.replace("_", " ")}
            variables[name] = (("trial", "time", "joint"), runs.plant[name], attrs)  # pyright: ignore
    return variables


def _labelled(model: Model, variables: Mapping[str, tuple], coords: dict, trials: Trials) -> xr.Dataset:
    """Return one model's dataset."""
    arrays = {name: (dims, np.asarray(values), attrs) for name, (dims, values, attrs) in variables.items()}
    steps = next(iter(trials.trial.inputs.values())).shape[1]
    time = ("time", np.arange(1, steps + 1) * trials.dt, {"units": "s"})
    labels = {
        name: ("trial", np.asarray(values), _label_attrs(name)) for name, values in trials.labels.items()
    }
    return xr.Dataset(arrays, {"trial": np.arange(len(trials)), "time": time, **labels, **coords})


def _label_attrs(name: str) -> dict[str, str]:
    units = {"direction": "rad", "cue": "s"}
    ends = name.endswith(("_x", "_y"))
    return {"units": units.get(name, "m")} if ends or name in units else {}


def _joined(datasets: list[xr.Dataset], table: xr.Dataset) -> xr.Dataset:
    """Return the datasets of an ensemble's models with the ensemble's dims in front."""
    dims = [str(dim) for dim in table["member"].dims]
    shape = table["member"].shape
    same = {str(name) for name in datasets[0].data_vars} & {
        "start",
        "target_position",
        "target_velocity",
        "target",
    }
    if any(ds.sizes != datasets[0].sizes for ds in datasets):
        raise ValueError(
            "model: the members differ in size, and cannot share one dataset; use sel on the ensemble"
        )
    variables: dict[str, tuple] = {}
    for name, first in datasets[0].data_vars.items():
        if name in same:
            variables[str(name)] = (first.dims, first.values, first.attrs)
            continue
        values = np.stack([ds[name].values for ds in datasets]).reshape((*shape, *first.shape))
        variables[str(name)] = ((*dims, *first.dims), values, first.attrs)
    ds = xr.Dataset(variables, datasets[0].coords)
    return ds.assign_coords({name: coord for name, coord in table.coords.items()})


def _entries(ports: tuple[Port, ...]) -> list[str]:
    return [name for port in ports for name in port.entries]
