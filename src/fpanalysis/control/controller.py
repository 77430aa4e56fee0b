"""Controllers: a recurrent network that moves a plant, and feels it through delayed, noisy feedback."""

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from fpanalysis.control.fields import AbstractField
from fpanalysis.control.network import Network
from fpanalysis.control.plants import AbstractPlant, PlantState, PointMass
from fpanalysis.control.trials import Rollout, Trial
from fpanalysis.labels import layout_of
from fpanalysis.vector_field import VectorField

# What the network is told besides its feedback, unless the caller says otherwise.
INPUTS = {"context": 1, "target.position": 2, "target.velocity": 2}
FEEDBACK = ("feedback.position", "feedback.velocity")

Effector = dict[str, Array]


class LoopState(NamedTuple):
    """The state of network and body together.

    Attributes:
        hidden: the network's state; `(hidden, cell)` for an LSTM.
        plant: the plant's state, by block.
        delay: what the effector did in the last steps, newest first, one entry for each step of delay.
    """

    hidden: PyTree
    plant: PlantState
    delay: tuple[Effector, ...]


class Controller(eqx.Module):
    """A network with a linear readout to force or torque, a plant, and sensory feedback.

    In each step the network reads its inputs and where the effector was `feedback_delay` steps ago; its
    readout is the command, which the plant obeys for the whole step. Make one with `Controller.create`,
    `train` or `load`.

    Attributes:
        network: the network, with all of its inputs, feedback among them.
        plant: what it moves.
        feedback_delay: steps by which the feedback is late.
        feedback_noise: standard deviation of the noise on every entry of the feedback, in m and m/s.
        motor_noise: standard deviation of the noise on the command, in N (torque: N m).
        dt: seconds per step.
    """

    network: Network
    plant: AbstractPlant
    feedback_delay: int = eqx.field(static=True)
    feedback_noise: float | Float[Array, ""]
    motor_noise: float | Float[Array, ""]
    dt: float = eqx.field(static=True)

    def __check_init__(self) -> None:
        if isinstance(self.feedback_delay, bool) or self.feedback_delay < 0:
            raise ValueError(
                f"feedback_delay: expected a number of steps from 0, got {self.feedback_delay!r}"
            )
        if not self.dt > 0:
            raise ValueError(f"dt: expected a positive number of seconds, got {self.dt!r}")
        for name in ("feedback_noise", "motor_noise"):
            value = getattr(self, name)
            if isinstance(value, int | float) and not 0 <= value < float("inf"):
                raise ValueError(f"{name}: expected a standard deviation from 0, got {value!r}")

    @staticmethod
    def create(
        plant: AbstractPlant | None = None,
        *,
        inputs: Mapping[str, int] = INPUTS,
        kind: str = "gru",
        hidden_size: int = 50,
        feedback_delay: int = 0,
        feedback_noise: float = 0.01,
        motor_noise: float = 0.01,
        dt: float = 0.05,
        key: PRNGKeyArray,
    ) -> "Controller":
        """Return a controller whose network has random weights.

        Args:
            plant: what it moves; by default a point mass of 1 kg.
            inputs: the role of every input besides the feedback and its number of entries, in any order.
            kind: of the network: `"gru"`, `"lstm"` or `"tanh"`.
            hidden_size: number of units.
            feedback_delay: steps by which the feedback is late.
            feedback_noise: standard deviation of the noise on the feedback, in m and m/s.
            motor_noise: standard deviation of the noise on the command, in N (torque: N m).
            dt: seconds per step.
            key: for the random weights.

        Returns:
            The controller, with the inputs `feedback.position` and `feedback.velocity` beside those given.

        Raises:
            ValueError: a size, kind, delay, noise or time step is out of its range.

        Example:
            >>> import jax, fpanalysis as fpa
            >>> controller = fpa.Controller.create(hidden_size=8, key=jax.random.key(0))
            >>> controller.closed_loop().inputs[:3]
            ('context', 'target.position[0]', 'target.position[1]')
        """
        plant = PointMass() if plant is None else plant
        if taken := [role for role in FEEDBACK if role in inputs]:
            raise ValueError(f"inputs: {taken[0]!r} comes from the plant; leave it out")
        network = Network.create(
            {**inputs, **dict.fromkeys(FEEDBACK, 2)},
            {plant.command_name: 2},
            kind=kind,
            hidden_size=hidden_size,
            dt=dt,
            key=key,
        )
        return Controller(network, plant, feedback_delay, feedback_noise, motor_noise, dt)

    def renamed(self, names: Mapping[str, str]) -> "Controller":
        """Return the controller with other names for some of its inputs; see `Network.renamed`."""
        return eqx.tree_at(lambda c: c.network, self, self.network.renamed(names))

    def initial(self, start: Float[Array, "2"]) -> LoopState:
        """Return the state at the start of a trial: silent network, effector at rest at `start` (m)."""
        plant = self.plant.at_rest(start)
        return LoopState(self.network.initial(), plant, (self._effector(plant),) * self.feedback_delay)

    def step(
        self,
        state: LoopState,
        inputs: Mapping[str, Float[Array, " _"]],
        move: Callable[[PlantState, Float[Array, "2"]], PlantState],
        noise: "Noise | None" = None,
    ) -> tuple[LoopState, "Signals"]:
        """Return the next state of the loop, and what went between network and plant.

        Args:
            state: of network, plant and delay line.
            inputs: by role, without the feedback.
            move: the plant's step, from `plant.stepper`.
            noise: what is added to the feedback and to the command.
        """
        now = self._effector(state.plant)
        line = (now, *state.delay)
        felt = line[-1]
        if noise is not None:
            felt = {name: felt[name] + noise.feedback[name] for name in felt}
        seen = {f"feedback.{name}": value for name, value in felt.items()}
        hidden = self.network.step(state.hidden, {**inputs, **seen})
        output = self.network.output(hidden)
        command = output if noise is None else output + noise.motor
        signals = Signals(self.network.hidden(hidden), output, command, felt)
        return LoopState(hidden, move(state.plant, command), line[:-1]), signals

    def rollout(self, trial: Trial, key: PRNGKeyArray | None = None) -> Rollout:
        """Return what happens in one trial.

        Args:
            trial: the trial, without a batch axis.
            key: for the noise on feedback and motor command; no noise if None.
        """
        assert trial.start is not None
        move = self.plant.stepper(trial.field, self.dt)
        n_steps = len(next(iter(trial.inputs.values())))
        noise = None if key is None else self._noise(key, n_steps)

        def advance(state: LoopState, given: tuple) -> tuple[LoopState, Rollout]:
            state, signals = self.step(state, given[0], move, given[1])
            position, velocity = self.plant.effector(state.plant)
            return state, Rollout(
                hidden=signals.hidden,
                output=signals.output,
                position=position,
                velocity=velocity,
                command=signals.command,
                feedback_position=signals.felt["position"],
                feedback_velocity=signals.felt["velocity"],
                plant=state.plant,
            )

        return jax.lax.scan(advance, self.initial(trial.start), (trial.inputs, noise), length=n_steps)[1]

    def closed_loop(self, field: AbstractField | None = None, *, disturbed: bool = False) -> VectorField:
        """Return network, plant and delay line together as one vector field, without noise.

        Args:
            field: the force field that acts on the effector; none by default.
            disturbed: whether it also has inputs that disturb it, 0 where nothing does:
                `disturbance.position[…]` and `disturbance.velocity[…]` are added to what is felt (m, m/s),
                `disturbance.force[…]` (or `torque`) to the command.

        Returns:
            A discrete-time `VectorField` with the states `hidden[…]`, `plant.…` and `delay[k].…`, the
            network's inputs except the feedback, and the effector's position and the command as outputs.
        """
        example = jax.eval_shape(self.initial, jax.ShapeDtypeStruct((2,), jnp.float32))
        network_blocks = ["hidden", "cell"][: len(jax.tree_util.tree_leaves(example.hidden))]
        plant_blocks = [f"plant.{name}" for name in sorted(example.plant)]
        delay_blocks = [f"delay[{k}].{name}" for k, past in enumerate(example.delay) for name in sorted(past)]
        layout = layout_of(example, [*network_blocks, *plant_blocks, *delay_blocks])
        shown = [port for port in self.network.inputs if port.role not in FEEDBACK]
        inputs = tuple(name for port in shown for name in port.entries)
        outputs = (
            "position[0]",
            "position[1]",
            *(name for port in self.network.outputs for name in port.entries),
        )
        angles = tuple(f"plant.{name}[" for name in self.plant.periodic)
        periodic = tuple(name for name in layout.names if name.startswith(angles))
        # As arrays, or every amplitude would be compiled anew.
        field = jax.tree_util.tree_map(
            lambda leaf: np.asarray(leaf) if eqx.is_inexact_array_like(leaf) else leaf, field
        )
        if disturbed:
            blocks = ("position", "velocity", self.plant.command_name)
            inputs += tuple(f"disturbance.{block}[{i}]" for block in blocks for i in range(2))
        step = _ClosedLoop(self, field, disturbed)
        return VectorField(step, _Readout(self), layout, inputs, outputs, "discrete", self.dt, periodic)

    def _effector(self, plant: PlantState) -> Effector:
        position, velocity = self.plant.effector(plant)
        return {"position": position, "velocity": velocity}

    def _noise(self, key: PRNGKeyArray, n_steps: int) -> "Noise":
        dtype = self.network.readout.weight.dtype
        draws = jax.random.normal(key, (n_steps, 6), dtype)
        felt = draws[:, :4] * self.feedback_noise
        return Noise({"position": felt[:, :2], "velocity": felt[:, 2:]}, draws[:, 4:] * self.motor_noise)


class Noise(NamedTuple):
    """What is added to feedback and motor command, in one step or in all."""

    feedback: Effector
    motor: Array


class Signals(NamedTuple):
    """What went between network and plant in one step."""

    hidden: Array
    output: Array
    command: Array
    felt: Effector


class _ClosedLoop(eqx.Module):
    """The loop's next state under one flat vector of inputs."""

    blocks_share_a_unit: ClassVar[bool] = True
    controller: Controller
    field: AbstractField | None
    disturbed: bool = eqx.field(static=True)

    def __call__(self, state: LoopState, u: Array) -> LoopState:
        shown = [port for port in self.controller.network.inputs if port.role not in FEEDBACK]
        inputs, at = {}, 0
        for port in shown:
            inputs[port.role], at = u[at : at + port.size], at + port.size
        move = self.controller.plant.stepper(self.field, self.controller.dt)
        noise = None
        if self.disturbed:
            position, velocity, motor = jnp.split(u[at:], 3)
            noise = Noise({"position": position, "velocity": velocity}, motor)
        return self.controller.step(state, inputs, move, noise)[0]


class _Readout(eqx.Module):
    """Where the effector is, and what the network commands."""

    controller: Controller

    def __call__(self, state: LoopState) -> Array:
        position, _ = self.controller.plant.effector(state.plant)
        return jnp.concatenate([position, self.controller.network.output(state.hidden)])
