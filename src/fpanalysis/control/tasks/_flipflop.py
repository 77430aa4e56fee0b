"""The flip-flop: hold the sign of the last pulse on every channel."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from fpanalysis.control.tasks._base import AbstractTask, check_count, check_number, check_steps, uniform
from fpanalysis.control.trials import Trial, Trials


class FlipFlop(AbstractTask):
    """Hold, on every output, the sign of the last pulse on the input of the same number.

    In every step a channel gets a pulse with some probability, +1 or −1 alike. In the first step every
    channel gets one, so that there is always a last pulse, and never a target that the inputs do not
    decide (Sussillo & Barak, Neural Computation, 2013). The target changes in the step of the pulse.

    Attributes:
        n_bits: channels; each has an input and an output.
        pulse_probability: of a pulse, per step and channel.
        n_steps: steps in a trial.
        dt: seconds per step.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> import jax, fpanalysis as fpa
        >>> trial = fpa.tasks.FlipFlop(n_bits=2, n_steps=50).sample(jax.random.key(0))
        >>> trial.inputs["pulse"].shape, trial.targets["output"].shape
        ((50, 2), (50, 2))
    """

    n_bits: int = eqx.field(static=True, default=3)
    pulse_probability: float = eqx.field(static=True, default=0.1)
    n_steps: int = eqx.field(static=True, kw_only=True, default=100)
    dt: float = eqx.field(static=True, kw_only=True, default=0.05)

    def __check_init__(self) -> None:
        check_count("n_bits", self.n_bits)
        check_steps(self.n_steps, self.dt)
        check_number("pulse_probability", self.pulse_probability, 0.0, 1.0)

    @property
    def inputs(self) -> dict[str, int]:
        """What the task shows: the role of every input and its number of entries."""
        return {"pulse": self.n_bits}

    @property
    def outputs(self) -> dict[str, int]:
        """What it asks of the network, by role."""
        return {"bit": self.n_bits}

    def sample(self, key: PRNGKeyArray) -> Trial:
        """Return one random trial; the same key gives the same trial."""
        pulse_key, sign_key = jax.random.split(key)
        shape = (self.n_steps, self.n_bits)
        is_pulse = (uniform(pulse_key, shape) < self.pulse_probability).at[0].set(True)
        sign = jnp.where(uniform(sign_key, shape) < 0.5, -1.0, 1.0).astype(jnp.result_type(float))
        pulses = jnp.where(is_pulse, sign, jnp.zeros_like(sign))
        return Trial({"pulse": pulses}, {"output": _last_pulse(pulses)})

    def validation(self, n_trials: int = 64, seed: int = 0) -> Trials:
        """Return random trials that are always the same.

        Args:
            n_trials: how many.
            seed: for the trials.

        Returns:
            The trials, with the labels `bit_0`, `bit_1`, …: what every output should hold in the end.

        Raises:
            ValueError: there are no trials.
        """
        check_count("n_trials", n_trials)
        trial = jax.vmap(self.sample)(jax.random.split(jax.random.key(seed), n_trials))
        last = np.asarray(trial.targets["output"][:, -1])
        return Trials(trial, self.dt, {f"bit_{i}": last[:, i] for i in range(self.n_bits)})


def _last_pulse(pulses: Float[Array, "time bit"]) -> Float[Array, "time bit"]:
    """Return, in every step, the last pulse that was not zero."""

    def hold(bits: Array, pulse: Array) -> tuple[Array, Array]:
        bits = jnp.where(pulse == 0, bits, pulse)
        return bits, bits

    return jax.lax.scan(hold, jnp.zeros_like(pulses[0]), pulses)[1]
