"""What fixed points mean for the body: the force that the network exerts, or where the effector rests."""

import numpy as np
import xarray as xr

from fpanalysis.control.controller import Controller
from fpanalysis.control.network import Port
from fpanalysis.dataset import variable
from fpanalysis.rows import condition_dims

AXIS = np.array(["x", "y"])
JOINT = np.array(["shoulder", "elbow"])


def add_body(controller: Controller, loop: str, ds: xr.Dataset) -> xr.Dataset:
    """Add what a controller's body does at every point of a result.

    Args:
        controller: the controller, or any member of the ensemble, that the points belong to.
        loop: `"clamped"` or `"closed"`.
        ds: the result.

    Returns:
        The dataset with the command `force` (or `torque`) and its norm; of a closed loop also with the
        effector's `position`, its `offset` from the target and that one's norm.
    """
    name = controller.plant.command_name
    on_axes = name == "force"
    command = _entries(ds["y"], "output", controller.network.outputs[0])
    coords = {"axis": AXIS} if on_axes else {"joint": JOINT}
    variables = {name: command, f"{name}_norm": np.linalg.norm(command, axis=-1)}
    if loop == "closed":
        coords["axis"] = AXIS
        at = ds["output"].to_index().get_indexer(["position[0]", "position[1]"])
        position = ds["y"].transpose(..., "output").values[..., at]
        variables["position"] = position
        if target := [port for port in controller.network.inputs if port.role == "target.position"]:
            offset = position - _entries(ds["u"], "input", target[0])[..., None, :]
            variables |= {"offset": offset, "offset_norm": np.linalg.norm(offset, axis=-1)}
    dims = condition_dims(ds)
    made = {key: variable(key, dims, values) for key, values in variables.items()}
    return ds.assign(made).assign_coords(coords)


def _entries(array: xr.DataArray, dim: str, port: Port) -> np.ndarray:
    """Return the entries of a port, along the last axis."""
    at = array[dim].to_index().get_indexer(list(port.entries))
    return array.transpose(..., dim).values[..., at]
