"""A function as a flat list of steps: what every arithmetic of this package walks through."""

from typing import Any, NamedTuple

import numpy as np

CONSTANT, INPUT, STATE = 0, 1, 2


class Slot(NamedTuple):
    """What one intermediate result is.

    Args:
        shape: its shape, for one state.
        dtype: its dtype in the function.
        level: what it depends on: nothing (`CONSTANT`), the input only (`INPUT`) or the state (`STATE`).
    """

    shape: tuple[int, ...]
    dtype: Any
    level: int

    @property
    def size(self) -> int:
        """The number of its elements."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def is_float(self) -> bool:
        """Whether it holds floating-point numbers, complex ones among them."""
        return is_inexact(self.dtype)


class Step(NamedTuple):
    """One operation of a program.

    Args:
        name: the primitive's name, or `move` (elements are put elsewhere), `linear` (a constant matrix),
            `matmul`, `cond`, `while`, `unsupported`.
        params: the primitive's parameters, or our own.
        inputs: the slots it reads.
        outputs: the slots it writes.
        primitive: JAX's primitive, where the step is one.
        operands: what the inputs are.
        results: what the outputs are.
        hints: what we know beyond the primitive's own parameters: `flat` (a maximum whose derivative is 0 at
            ties), `literals` (moduli of two constants added one after the other).
    """

    name: str
    params: dict[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    primitive: Any
    operands: tuple[Slot, ...]
    results: tuple[Slot, ...]
    hints: dict[str, Any] = {}

    @property
    def level(self) -> int:
        """What the results depend on."""
        return max(slot.level for slot in self.results)


class Program(NamedTuple):
    """A function of flat arrays as steps in the order in which they are taken.

    Args:
        inputs: the slots that its arguments fill.
        constants: the arrays that depend on no argument.
        steps: what is done.
        outputs: the slots of its results.
        slots: what each slot is.
    """

    inputs: tuple[int, ...]
    constants: dict[int, Any]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    slots: list[Slot]


def is_inexact(dtype: Any) -> bool:
    """Return whether a dtype is one of floating-point numbers, also of those that NumPy does not know."""
    dtype = np.dtype(dtype) if not hasattr(dtype, "_rules") else None  # a dtype of random keys
    return dtype is not None and (dtype.kind in "fc" or dtype.name.startswith(("bfloat", "float")))


def is_narrow(dtype: Any) -> bool:
    """Return whether a floating-point dtype has less than float64's precision."""
    dtype = np.dtype(dtype)
    return dtype.itemsize < (16 if dtype.kind == "c" else 8)


def without_dead_steps(program: Program) -> Program:
    """Return the program without the steps whose results nobody reads."""
    needed = set(program.outputs)
    steps = []
    for step in reversed(program.steps):
        if needed.intersection(step.outputs):
            needed.update(step.inputs)
            steps.append(step)
    constants = {slot: value for slot, value in program.constants.items() if slot in needed}
    return program._replace(steps=tuple(reversed(steps)), constants=constants)
