"""Networks with named inputs and outputs, as the header of a checkpoint describes them."""

from typing import Any

import equinox as eqx

from fpanalysis.control.network import Network, Port
from fpanalysis.load._parts import Parts, cell_header, check_cells, check_keys, linear_header
from fpanalysis.load._shells import cell_shell, linear_shell

_KEYS = ("cell", "readout", "inputs", "outputs", "dt")


def describe_network(network: Network) -> tuple[dict[str, Any], Parts]:
    """Return what a header says of a network, and its arrays.

    Raises:
        TypeError: its cell or its readout is of a kind that a header does not describe.
    """
    check_cells((network.cell,), "a network")
    if type(network.readout) is not eqx.nn.Linear:
        raise TypeError(
            f"model: expected an equinox.nn.Linear as readout, got {type(network.readout).__name__}"
        )
    described = {
        "cell": cell_header(network.cell),
        "readout": linear_header(network.readout),
        "inputs": [port._asdict() for port in network.inputs],
        "outputs": [port._asdict() for port in network.outputs],
        "dt": network.dt,
    }
    return described, (network.cell, network.readout)


def network_shells(described: dict[str, Any]) -> Parts:
    """Return the parts of a network without their arrays."""
    check_keys(described, _KEYS, "the network")
    return cell_shell(**described["cell"]), linear_shell(**described["readout"])


def network_of(parts: Parts, described: dict[str, Any]) -> Network:
    """Return the network that is made of these parts.

    Raises:
        ValueError: its inputs and outputs have other sizes than its cell and readout.
    """
    cell, readout = parts
    assert readout is not None
    inputs, outputs = (tuple(Port(**port) for port in described[name]) for name in ("inputs", "outputs"))
    for name, ports, size in (
        ("inputs", inputs, cell.input_size),
        ("outputs", outputs, readout.out_features),
    ):
        if sum(port.size for port in ports) != size:
            raise ValueError(f"{name}: expected {size} entries in all, got {[tuple(port) for port in ports]}")
    return Network(cell, readout, inputs, outputs, described["dt"])
