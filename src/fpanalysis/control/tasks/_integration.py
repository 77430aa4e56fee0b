"""Integration of one of two streams of evidence, as the context says."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from fpanalysis.control.tasks._base import (
    AbstractTask,
    check_count,
    check_number,
    check_steps,
    floats,
    normal,
)
from fpanalysis.control.trials import Trial, Trials


class ContextIntegration(AbstractTask):
    """Integrate one of two noisy streams, and ignore the other (Mante et al., Nature, 2013).

    Each stream is its coherence, which is constant in a trial, plus Gaussian noise in every step. The
    context, one-hot, says which stream counts. The target is the running sum of that stream, noise and all,
    divided by `n_steps · max |coherence|`: without noise the strongest evidence leads to ±1 at the end.
    Because the noise is summed too, the target is a function of what the network has seen, and can be met
    exactly by one that holds the sum along a line of attracting states.

    Attributes:
        coherences: what the coherence of a stream is drawn from, not all of them 0.
        noise_std: standard deviation of the noise in one step.
        n_steps: steps in a trial.
        dt: seconds per step.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> import jax, fpanalysis as fpa
        >>> task = fpa.tasks.ContextIntegration()
        >>> trial = task.sample(jax.random.key(0))
        >>> trial.inputs["stream"].shape, trial.targets["output"].shape
        ((100, 2), (100, 1))
        >>> len(task.validation())
        72
    """

    coherences: tuple[float, ...] = eqx.field(
        static=True, converter=floats, default=(-0.5, -0.25, -0.1, 0.1, 0.25, 0.5)
    )
    noise_std: float = eqx.field(static=True, default=0.5)
    n_steps: int = eqx.field(static=True, kw_only=True, default=100)
    dt: float = eqx.field(static=True, kw_only=True, default=0.05)

    def __check_init__(self) -> None:
        check_steps(self.n_steps, self.dt)
        check_number("noise_std", self.noise_std, 0.0)
        if not np.all(np.isfinite(self.coherences)) or not any(self.coherences):
            raise ValueError(
                f"coherences: expected finite numbers, at least one of them not 0, got {self.coherences!r}"
            )

    @property
    def inputs(self) -> dict[str, int]:
        """What the task shows: the role of every input and its number of entries."""
        return {"context": 2, "stream": 2}

    @property
    def outputs(self) -> dict[str, int]:
        """What it asks of the network, by role."""
        return {"decision": 1}

    def sample(self, key: PRNGKeyArray) -> Trial:
        """Return one random trial; the same key gives the same trial."""
        coherence_key, attended_key, noise_key = jax.random.split(key, 3)
        which = jax.random.randint(coherence_key, (2,), 0, len(self.coherences), jnp.int32)
        attended = jax.random.randint(attended_key, (), 0, 2, jnp.int32)
        coherences = jnp.asarray(self.coherences, jnp.result_type(float))[which]
        return self._trial(coherences, attended, noise_key)

    def validation(self, n_repeats: int = 1, seed: int = 0) -> Trials:
        """Return all combinations of two coherences and a stream that counts.

        Args:
            n_repeats: trials of each combination, with different noise.
            seed: for the noise.

        Returns:
            The trials, with the labels `coherence_0`, `coherence_1` and `attended`, the number of the
            stream that counts.

        Raises:
            ValueError: there are no repeats.
        """
        check_count("n_repeats", n_repeats)
        first, second, attended, _ = (
            part.ravel()
            for part in np.meshgrid(
                self.coherences, self.coherences, [0, 1], np.arange(n_repeats), indexing="ij"
            )
        )
        coherences = jnp.asarray(np.stack([first, second], axis=1), jnp.result_type(float))
        keys = jax.random.split(jax.random.key(seed), len(attended))
        trial = jax.vmap(self._trial)(coherences, jnp.asarray(attended, jnp.int32), keys)
        return Trials(trial, self.dt, {"coherence_0": first, "coherence_1": second, "attended": attended})

    def _trial(
        self, coherences: Float[Array, "2"], attended: Int[Array, ""], noise_key: PRNGKeyArray
    ) -> Trial:
        streams = coherences[None] + self.noise_std * normal(noise_key, (self.n_steps, 2))
        largest = max(map(abs, self.coherences))
        decision = jnp.cumsum(streams[:, attended]) / (self.n_steps * largest)
        context = jnp.tile(jax.nn.one_hot(attended, 2, dtype=streams.dtype)[None], (self.n_steps, 1))
        return Trial({"context": context, "stream": streams}, {"output": decision[:, None]})
