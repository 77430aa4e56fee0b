"""A running error bound: each number of an evaluation with how far rounding may have put it off.

Source of the method: Higham, *Accuracy and Stability of Numerical Algorithms* (2002), section 3.3; here with
bounds that hold for every order of summation, and for what XLA rewrites.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fpanalysis.arithmetic._data import evaluate
from fpanalysis.arithmetic._pairs import Pair, exactly
from fpanalysis.arithmetic._program import INPUT, Program, Step
from fpanalysis.arithmetic._running_arithmetic import ARITHMETIC
from fpanalysis.arithmetic._running_choices import CHOICES, select
from fpanalysis.arithmetic._running_moves import MOVES
from fpanalysis.arithmetic._running_reductions import REDUCTIONS

RULES = ARITHMETIC | CHOICES | MOVES | REDUCTIONS

LOOP_LIMIT = 1000


def run(program: Program, arguments: Sequence[Pair], constants: dict[int, Pair]) -> list[Pair]:
    """Carry out a program on pairs of values and bounds, for all points at once.

    Args:
        program: what is done.
        arguments: its arguments, `(n, size)` each.
        constants: its constants as pairs, from `constant_pairs`.

    Returns:
        Its results, `(n, size)` each (one row where they do not depend on the point).
    """
    pairs = dict(constants)
    pairs.update(zip(program.inputs, arguments, strict=True))
    for step in program.steps:
        results = _carry_out(step, [pairs.get(slot) for slot in step.inputs])
        pairs.update(zip(step.outputs, results, strict=True))
    return [pairs[slot] for slot in program.outputs]


def constant_pairs(program: Program) -> dict[int, Pair]:
    """Return the constants of a program as pairs: data, with nothing to round."""
    return {
        slot: exactly(np.asarray(value).reshape(1, -1))
        for slot, value in program.constants.items()
        if isinstance(value, np.ndarray)
    }


def _carry_out(step: Step, operands: list[Pair | None]) -> list[Pair]:
    known = [pair for pair in operands if pair is not None]
    if len(known) < len(operands):
        return _unknown(step, known)
    if step.name == "cond":
        return _cond(step, known)
    if step.name == "while":
        return _while(step, known)
    rule = RULES.get(step.name)
    is_discrete = not any(slot.is_float for slot in (*step.operands, *step.results))
    if rule is None and is_discrete:
        return _discrete(step, known)
    if rule is None or any(np.dtype(slot.dtype).kind == "c" for slot in (*step.operands, *step.results)):
        return _as_data(step, known) if step.level == INPUT else _unknown(step, known)
    results = rule(step, *known)
    return [results] if isinstance(results, Pair) else list(results)


def _unknown(step: Step, operands: Sequence[Pair]) -> list[Pair]:
    """Return results of which nothing is known."""
    rows = max((len(pair.value) for pair in operands), default=1)
    return [
        Pair(np.full((rows, slot.size), np.nan), np.full((rows, slot.size), np.inf)) for slot in step.results
    ]


def _discrete(step: Step, operands: Sequence[Pair]) -> list[Pair]:
    """Integers and truth values: certain where all that enters a point's result is certain."""
    if step.primitive is None:
        return _unknown(step, operands)
    values = evaluate(step, [pair.value for pair in operands])
    certain = _certain(operands)
    return [Pair(value, np.where(certain, 0.0, np.inf) * np.ones(value.shape)) for value in values]


def _as_data(step: Step, operands: Sequence[Pair]) -> list[Pair]:
    """What depends on the input only and has no rule counts as data, as weights do."""
    if step.primitive is None:
        return _unknown(step, operands)
    return [exactly(value) for value in evaluate(step, [pair.value for pair in operands])]


def _certain(operands: Sequence[Pair]) -> np.ndarray:
    rows = max(len(pair.value) for pair in operands)
    certain = np.ones((rows, 1), bool)
    for pair in operands:
        certain = certain & np.all(pair.bound == 0, axis=1, keepdims=True)
    return certain


def _cond(step: Step, operands: Sequence[Pair]) -> list[Pair]:
    """Carry out every branch and choose by point."""
    index, arguments = operands[0], operands[1:]
    branches = step.params["branches"]
    results = [run(branch, arguments, constant_pairs(branch)) for branch in branches]
    index = Pair(np.clip(index.value, 0, len(branches) - 1), index.bound)
    return [select(None, index, *cases) for cases in zip(*results, strict=True)]


def _while(step: Step, operands: Sequence[Pair]) -> list[Pair]:
    """Go on while any point does; a point whose condition is uncertain is lost."""
    n_condition, n_body = step.params["counts"]
    condition, body = step.params["condition"], step.params["body"]
    of_condition, of_body = operands[:n_condition], operands[n_condition : n_condition + n_body]
    carry = list(operands[n_condition + n_body :])
    fixed = constant_pairs(condition), constant_pairs(body)
    lost: Any = False
    for _ in range(LOOP_LIMIT):
        (going,) = run(condition, [*of_condition, *carry], fixed[0])
        lost = lost | (going.bound > 0)
        going = Pair((going.value != 0) & ~lost, np.zeros(going.bound.shape))
        if not np.any(going.value):
            break
        carry = [
            select(None, going, before, after)
            for before, after in zip(carry, run(body, [*of_body, *carry], fixed[1]), strict=True)
        ]
    else:
        lost = lost | going.value
    return [Pair(pair.value, np.where(lost, np.inf, pair.bound)) for pair in carry]
