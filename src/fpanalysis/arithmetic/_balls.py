"""A program carried out on balls of arbitrary precision, with the derivatives in the state.

Source of the method: Johansson, *Arb: efficient arbitrary-precision midpoint-radius interval arithmetic*,
IEEE Transactions on Computers 66 (2017); derivatives by dual numbers.
"""

from collections.abc import Sequence

import numpy as np

from fpanalysis.arithmetic._ball_reductions import REDUCTIONS
from fpanalysis.arithmetic._ball_rules import RULES, Ball, Uncertain, balls
from fpanalysis.arithmetic._data import evaluate
from fpanalysis.arithmetic._program import INPUT, STATE, Program, Slot, Step, is_narrow

LOOP_LIMIT = 1000


class NoRule(Exception):
    """The program has an operation that cannot be carried out on balls."""


def run_balls(program: Program, arguments: Sequence[Ball], constants: dict[int, Ball]) -> list[Ball]:
    """Carry out a program on balls, at one state.

    Args:
        program: what is done.
        arguments: its arguments.
        constants: its constants, from `constant_balls`.

    Raises:
        NoRule: an operation that depends on the state has no rule, or is one of narrower floats.
        Uncertain: a choice cannot be made at this precision.
    """
    known = dict(constants)
    known.update(zip(program.inputs, arguments, strict=True))
    for step in program.steps:
        results = _carry_out(step, [known.get(slot) for slot in step.inputs])
        for slot, what, ball in zip(step.outputs, step.results, results, strict=True):
            known[slot] = _filled(what, ball)
    return [known[slot] for slot in program.outputs]


def constant_balls(program: Program) -> dict[int, Ball]:
    """Return the constants of a program as balls of no width."""
    return {
        slot: Ball(as_balls(program.slots[slot], value.ravel()))
        for slot, value in program.constants.items()
        if isinstance(value, np.ndarray)
    }


def as_balls(slot: Slot, value: np.ndarray) -> np.ndarray:
    """Return floating-point numbers as balls; integers and truth values stay what they are."""
    if not slot.is_float:
        return value
    if np.dtype(slot.dtype).kind == "c":
        raise NoRule
    return balls(value).astype(object)


def _filled(slot: Slot, ball: Ball) -> Ball:
    """Give a result the size of its slot: scalars stand for arrays where two operands differ in size."""
    value, tangent = ball
    if len(value) != slot.size:
        value = np.broadcast_to(value, (slot.size,))
    if tangent is not None and len(tangent) != slot.size:
        tangent = np.broadcast_to(tangent, (slot.size, tangent.shape[1]))
    return Ball(value, tangent)


def _carry_out(step: Step, operands: Sequence[Ball | None]) -> list[Ball]:
    known = [ball for ball in operands if ball is not None]
    if len(known) < len(operands):
        raise NoRule
    if step.name == "cond":
        return _cond(step, known)
    if step.name == "while":
        return _while(step, known)
    slots = (*step.operands, *step.results)
    rule = RULES.get(step.name) or REDUCTIONS.get(step.name)
    is_discrete = not any(slot.is_float for slot in slots)
    narrow = any(slot.is_float and is_narrow(slot.dtype) and slot.level > 0 for slot in slots)
    if is_discrete and step.name != "move" and step.primitive is not None:
        return _as_data(step, known)
    if rule is None or narrow:
        if step.level == INPUT and step.primitive is not None:
            return _as_data(step, known)
        raise NoRule
    results = rule(step, *known)
    return [results] if isinstance(results, Ball) else list(results)


def _as_data(step: Step, operands: Sequence[Ball]) -> list[Ball]:
    """Integers, and what depends on the input only and has no rule: as JAX has it."""
    if step.level == STATE and any(ball.value.dtype == object for ball in operands):
        raise NoRule
    values = [
        np.array([float(ball) for ball in a.value]) if a.value.dtype == object else a.value for a in operands
    ]
    results = evaluate(step, [value[None] for value in values])
    return [Ball(as_balls(slot, result[0])) for slot, result in zip(step.results, results, strict=True)]


def _cond(step: Step, operands: Sequence[Ball]) -> list[Ball]:
    branches = step.params["branches"]
    branch = branches[int(np.clip(int(operands[0].value[0]), 0, len(branches) - 1))]
    return run_balls(branch, operands[1:], constant_balls(branch))


def _while(step: Step, operands: Sequence[Ball]) -> list[Ball]:
    n_condition, n_body = step.params["counts"]
    condition, body = step.params["condition"], step.params["body"]
    of_condition, of_body = operands[:n_condition], operands[n_condition : n_condition + n_body]
    carry = list(operands[n_condition + n_body :])
    fixed = constant_balls(condition), constant_balls(body)
    for _ in range(LOOP_LIMIT):
        (going,) = run_balls(condition, [*of_condition, *carry], fixed[0])
        if not bool(going.value[0]):
            return carry
        carry = run_balls(body, [*of_body, *carry], fixed[1])
    raise Uncertain
