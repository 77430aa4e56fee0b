"""Controllers, as the header of a checkpoint describes them."""

import dataclasses
from typing import Any

import numpy as np

from fpanalysis._messages import listed
from fpanalysis.control.controller import Controller
from fpanalysis.control.plants import AbstractPlant, PointMass, TwoLinkArm
from fpanalysis.load._network_header import describe_network, network_of, network_shells
from fpanalysis.load._parts import Parts, check_keys

_PLANTS = {kind.__name__: kind for kind in (PointMass, TwoLinkArm)}
_KEYS = ("network", "plant", "feedback_delay", "feedback_noise", "motor_noise", "dt")


def describe_controller(controller: Controller) -> tuple[dict[str, Any], Parts]:
    """Return what a header says of a controller, and its arrays.

    Raises:
        TypeError: its network or its plant is of a kind that a header does not describe, or a noise is
            not one number.
    """
    network, parts = describe_network(controller.network)
    described = {
        "network": network,
        "plant": _plant_header(controller.plant),
        "feedback_delay": controller.feedback_delay,
        "feedback_noise": _number(controller.feedback_noise, "feedback_noise"),
        "motor_noise": _number(controller.motor_noise, "motor_noise"),
        "dt": controller.dt,
    }
    return described, parts


def controller_shells(described: dict[str, Any]) -> Parts:
    """Return the parts of a controller without their arrays."""
    check_keys(described, _KEYS, "the controller")
    return network_shells(described["network"])


def controller_of(parts: Parts, described: dict[str, Any]) -> Controller:
    """Return the controller that is made of these parts."""
    return Controller(
        network_of(parts, described["network"]),
        _plant(described["plant"]),
        described["feedback_delay"],
        described["feedback_noise"],
        described["motor_noise"],
        described["dt"],
    )


def _plant_header(plant: AbstractPlant) -> dict[str, Any]:
    if _PLANTS.get(type(plant).__name__) is not type(plant):
        raise TypeError(
            f"model: expected {listed(_PLANTS)} as plant, got {type(plant).__name__!r}, which a file without "
            "code cannot describe; save the controller's network (controller.network), and make a Controller "
            "of the loaded network and the plant"
        )
    hyperparameters = {each.name: getattr(plant, each.name) for each in dataclasses.fields(plant)}
    return {"class": type(plant).__name__, **hyperparameters}


def _plant(described: dict[str, Any]) -> AbstractPlant:
    check_keys(described, ("class",), "the plant")
    hyperparameters = dict(described)
    name = hyperparameters.pop("class")
    if name not in _PLANTS:
        raise ValueError(f"plant: expected one of {listed(_PLANTS)}, got {name!r}")
    expected = [each.name for each in dataclasses.fields(_PLANTS[name])]
    check_keys(hyperparameters, expected, "the plant")
    return _PLANTS[name](**hyperparameters)


def _number(value: Any, name: str) -> float:
    if np.ndim(value) != 0:
        raise TypeError(f"model: expected one number as {name}, got an array of shape {np.shape(value)}")
    return float(value)
