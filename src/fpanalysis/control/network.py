"""Recurrent networks with named inputs and outputs: what tasks train, and what sits inside a controller."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from fpanalysis._cells import RNNCell, hidden_state
from fpanalysis._messages import listed, nearest
from fpanalysis.labels import entry_names
from fpanalysis.vector_field import VectorField, vector_field

KINDS = ("gru", "lstm", "tanh")


class Port(NamedTuple):
    """One named input or output of a network.

    Attributes:
        role: what it is for, such as `target.position`; tasks and controllers know it by this.
        size: number of its entries.
        name: what it is called in labels; the role unless it was renamed.
    """

    role: str
    size: int
    name: str

    @property
    def entries(self) -> tuple[str, ...]:
        """The name of every entry: the name alone for a port of one entry."""
        return (self.name,) if self.size == 1 else tuple(entry_names(self.name, (self.size,)))


class Network(eqx.Module):
    """A recurrent cell with a linear readout, whose inputs and outputs are found by name.

    Inputs are kept in the alphabetical order of their roles, so that the order in which they are given
    changes nothing, not even the rounding. Make one with `Network.create`.
    """

    cell: Any
    readout: eqx.nn.Linear
    inputs: tuple[Port, ...] = eqx.field(static=True)
    outputs: tuple[Port, ...] = eqx.field(static=True)
    dt: float | None = eqx.field(static=True, default=None)

    @staticmethod
    def create(
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        *,
        kind: str = "gru",
        hidden_size: int = 50,
        dt: float | None = None,
        key: PRNGKeyArray,
    ) -> "Network":
        """Return a network with random weights, uniform within `±1/√hidden_size`.

        Args:
            inputs: the role of every input and its number of entries, in any order.
            outputs: the same for the outputs.
            kind: `"gru"`, `"lstm"` or `"tanh"`.
            hidden_size: number of units.
            dt: seconds per step, where there is such a time.
            key: for the random weights.

        Raises:
            ValueError: the kind is unknown, or a size is not positive.

        Example:
            >>> import jax
            >>> network = Network.create({"pulse": 3}, {"bit": 3}, hidden_size=16, key=jax.random.key(0))
            >>> network.vector_field().inputs
            ('pulse[0]', 'pulse[1]', 'pulse[2]')
        """
        if kind not in KINDS:
            raise ValueError(f"kind: expected one of {listed(KINDS)}, got {kind!r}{nearest(kind, KINDS)}")
        if hidden_size < 1:
            raise ValueError(f"hidden_size: expected at least 1, got {hidden_size}")
        ins, outs = _ports(inputs, "inputs"), _ports(outputs, "outputs")
        n_in, n_out = sum(port.size for port in ins), sum(port.size for port in outs)
        cell_key, readout_key = jax.random.split(key)
        readout = eqx.nn.Linear(hidden_size, n_out, key=readout_key)
        return Network(_cell(kind, n_in, hidden_size, cell_key), readout, ins, outs, dt)

    @property
    def hidden_size(self) -> int:
        """Number of units."""
        return self.cell.hidden_size

    @property
    def roles(self) -> tuple[str, ...]:
        """The role of every input."""
        return tuple(port.role for port in self.inputs)

    def renamed(self, names: Mapping[str, str]) -> "Network":
        """Return the network with other names for some of its inputs or outputs.

        Args:
            names: the new name by role. Tasks and controllers go on to find the port by its role.

        Raises:
            ValueError: there is no such role, or two ports would have the same name.
        """
        ports = (*self.inputs, *self.outputs)
        roles = [port.role for port in ports]
        for role in names:
            if role not in roles:
                raise ValueError(
                    f"names: the network has no input or output {role!r}{nearest(role, roles)}; "
                    f"it has {listed(roles)}"
                )
        inputs, outputs = (
            tuple(port._replace(name=names.get(port.role, port.name)) for port in group)
            for group in (self.inputs, self.outputs)
        )
        for group in (inputs, outputs):
            given = [port.name for port in group]
            if len(set(given)) < len(given):
                raise ValueError(f"names: every port needs a name of its own, got {listed(given)}")
        return Network(self.cell, self.readout, inputs, outputs, self.dt)

    def initial(self) -> PyTree:
        """Return the state at the start of a trial: zeros."""
        zeros = jnp.zeros(self.hidden_size, self.readout.weight.dtype)
        return (zeros, zeros) if isinstance(self.cell, eqx.nn.LSTMCell) else zeros

    def step(self, state: PyTree, inputs: Mapping[str, Float[Array, " _"]]) -> PyTree:
        """Return the next state under inputs by role; those that the network does not have are ignored."""
        return self.cell(jnp.concatenate([inputs[port.role] for port in self.inputs]), state)

    def hidden(self, state: PyTree) -> Float[Array, " hidden"]:
        """Return the hidden activity, which the readout sees."""
        return hidden_state(self.cell)(state)

    def output(self, state: PyTree) -> Float[Array, " output"]:
        """Return the readout of a state."""
        return self.readout(self.hidden(state))

    def vector_field(self) -> VectorField:
        """Return the network as a vector field of its own state, under all of its inputs."""
        return vector_field(
            self.cell,
            inputs=[name for port in self.inputs for name in port.entries],
            readout=self.readout,
            outputs=[name for port in self.outputs for name in port.entries],
            dt=self.dt,
        )

    def check_inputs(self, given: Mapping[str, Any], argument: str) -> None:
        """Raise `ValueError` naming an input of the network that is not given, or of another size.

        Args:
            given: arrays by role, whose last axis counts the entries.
            argument: what they belong to, for the message.
        """
        for port in self.inputs:
            if port.role not in given:
                raise ValueError(
                    f"{argument}: the network has an input {port.role!r}, which is not shown"
                    f"{nearest(port.role, given)}; shown are {listed(given)}"
                )
            size = np.shape(given[port.role])[-1]
            if size != port.size:
                raise ValueError(
                    f"{argument}: expected {port.size} entries of the input {port.role!r}, got {size}"
                )


def _ports(sizes: Mapping[str, int], argument: str) -> tuple[Port, ...]:
    for role, size in sizes.items():
        if size < 1:
            raise ValueError(f"{argument}: expected at least one entry of {role!r}, got {size}")
    return tuple(Port(role, sizes[role], role) for role in sorted(sizes))


def _cell(kind: str, input_size: int, hidden_size: int, key: PRNGKeyArray) -> Any:
    if kind == "gru":
        return eqx.nn.GRUCell(input_size, hidden_size, key=key)
    if kind == "lstm":
        return eqx.nn.LSTMCell(input_size, hidden_size, key=key)
    bound = hidden_size**-0.5
    keys = jax.random.split(key, 3)
    shapes = ((hidden_size, input_size), (hidden_size, hidden_size), (hidden_size,))
    drawn = [
        jax.random.uniform(k, shape, minval=-bound, maxval=bound)
        for k, shape in zip(keys, shapes, strict=True)
    ]
    return RNNCell(*drawn, nonlinearity="tanh")
