"""Operations that are left to JAX: integers, truth values and what counts as data."""

from collections.abc import Sequence
from math import prod
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from fpanalysis.arithmetic._moves import data_positions, move_sources
from fpanalysis.arithmetic._program import Step

T = TypeVar("T")


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


def split_operands(step: Step, operands: Sequence[T]) -> tuple[list[T], dict[int, T]]:
    """Return the operands of a step that moves elements: the data, and by position those that say where."""
    positions = data_positions(step.name, len(operands))
    others = {at: operand for at, operand in enumerate(operands) if at not in positions}
    return [operands[at] for at in positions], others


def element_sources(step: Step, others: dict[int, np.ndarray]) -> list[np.ndarray]:
    """Return where the elements of each result come from, at every row of the operands that say so.

    Args:
        step: one that moves elements to or from places that depend on the point.
        others: the operands that say where, `(rows, size)`, by position.

    Returns:
        For each result `(rows, size)` positions in the joined data; −1 where there is nothing.
    """
    shapes = [slot.shape for slot in step.operands]
    places = list(others)
    rows = max(len(value) for value in others.values())

    def sources(*values: Any) -> list:
        return move_sources(
            step.name, step.primitive, step.params, shapes, dict(zip(places, values, strict=True))
        )

    with jax.enable_x64(True), jax.debug_nans(False):
        given = [
            jnp.asarray(np.broadcast_to(others[at], (rows, prod(shapes[at]))).reshape(rows, *shapes[at]))
            for at in places
        ]
        return [np.maximum(np.asarray(index).reshape(rows, -1), -1) for index in jax.vmap(sources)(*given)]
