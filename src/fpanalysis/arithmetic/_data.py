"""Operations that are left to JAX: integers, truth values and what counts as data."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fpanalysis.arithmetic._program import Step


def evaluate(step: Step, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Carry out a step by JAX, at every row of its operands, `(rows, size)`."""
    rows = max(len(value) for value in values)
    operands = [
        np.broadcast_to(value, (rows, slot.size)).reshape(rows, *slot.shape).astype(slot.dtype)
        for value, slot in zip(values, step.operands, strict=True)
    ]

    def apply(*operands: Any) -> Any:
        results = step.primitive.bind(*operands, **step.params)
        return results if step.primitive.multiple_results else [results]

    with jax.enable_x64(True), jax.debug_nans(False):
        results = jax.vmap(apply)(*[jnp.asarray(operand) for operand in operands])
        return [np.asarray(result).reshape(rows, -1) for result in results]
