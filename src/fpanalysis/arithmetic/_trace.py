"""A JAX function traced into a program: calls opened, loops unrolled, constant parts evaluated."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from fpanalysis.arithmetic._constants import by_numpy
from fpanalysis.arithmetic._moves import (
    DATA_OPERANDS,
    PRODUCTS,
    SUMS,
    data_positions,
    linear_matrix,
    matmul_axes,
    move_indices,
)
from fpanalysis.arithmetic._program import (
    CONSTANT,
    INPUT,
    STATE,
    Program,
    Slot,
    Step,
    is_inexact,
    without_dead_steps,
)
from fpanalysis.arithmetic._traits import jax_function

STEP_LIMIT = 20_000

CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")
SAME = {
    *("copy", "copy_p", "layout_constraint", "name", "optimization_barrier", "pvary", "reshard"),
    *("device_put", "sharding_constraint"),
}
BROADCASTING = {
    *("add", "add_any", "and", "atan2", "clamp", "div", "eq", "eq_to", "ge", "gt", "le", "le_to", "lt"),
    *("lt_to", "max", "min", "mul", "ne", "or", "pow", "rem", "select_n", "sub"),
}
# Functions of JAX's whose own derivative is 0 on the kink, where that of a maximum is a half.
FLAT_AT_TIES = ("relu", "relu6")


class TooManySteps(Exception):
    """Loops that unroll into more steps than anybody would wait for."""


def trace(fn: Callable, n_state: int, n_input: int) -> ClosedJaxpr:
    """Return the Jaxpr of `fn(x, u)` for float64 vectors of the given lengths."""
    with jax.enable_x64(True):
        x = jax.ShapeDtypeStruct((n_state,), jnp.float64)
        u = jax.ShapeDtypeStruct((n_input,), jnp.float64)
        return jax.make_jaxpr(fn)(x, u)


def program_of(closed: ClosedJaxpr) -> Program:
    """Return a traced `fn(x, u)` as a program with two inputs and one output."""
    levels = [STATE, INPUT]
    with jax.enable_x64(True), jax.debug_nans(False):
        return _sub_program(closed.jaxpr, closed.consts, [None, None], levels)


def _sub_program(jaxpr: Jaxpr, consts: Sequence, known: Sequence, levels: Sequence[int]) -> Program:
    """Return a Jaxpr as a program whose inputs are the arguments that are not `known`."""
    builder = _Builder()
    arguments, inputs = [], []
    for variable, value, level in zip(jaxpr.invars, known, levels, strict=True):
        if value is not None:
            arguments.append(builder.constant(value))
        else:
            arguments.append(builder.slot(variable.aval, level))
            inputs.append(arguments[-1])
    outputs = builder.inline(jaxpr, [builder.constant(value) for value in consts], arguments)
    program = Program(tuple(inputs), builder.constants, tuple(builder.steps), tuple(outputs), builder.slots)
    return without_dead_steps(program)


def inner_jaxpr(params: dict) -> tuple[Jaxpr, Sequence] | None:
    """Return the Jaxpr that a call carries out, with its constants."""
    for name in CALLS:
        inner = params.get(name)
        if isinstance(inner, ClosedJaxpr):
            return inner.jaxpr, inner.consts
        if isinstance(inner, Jaxpr):
            return inner, ()
    return None


class _Builder:
    """The program that is being written."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.constants: dict[int, Any] = {}
        self.steps: list[Step] = []
        self.is_flat = False
        self.added: dict[int, np.ndarray] = {}

    def slot(self, aval: Any, level: int) -> int:
        self.slots.append(Slot(tuple(aval.shape), aval.dtype, level))
        return len(self.slots) - 1

    def constant(self, value: Any) -> int:
        dtype = getattr(value, "dtype", None)
        if dtype is None or not jnp.issubdtype(dtype, jax.dtypes.extended):
            value = np.asarray(value)
        slot = self.slot(value, CONSTANT)
        self.constants[slot] = value
        return slot

    def step(
        self, name: str, params: dict, inputs: Sequence[int], outputs: Sequence[int], primitive: Any = None
    ) -> None:
        if len(self.steps) >= STEP_LIMIT:
            raise TooManySteps
        operands = tuple(self.slots[slot] for slot in inputs)
        results = tuple(self.slots[slot] for slot in outputs)
        self.steps.append(Step(name, params, tuple(inputs), tuple(outputs), primitive, operands, results))

    def is_constant(self, slot: int) -> bool:
        return self.slots[slot].level == CONSTANT

    def level(self, inputs: Sequence[int]) -> int:
        return max((self.slots[slot].level for slot in inputs), default=CONSTANT)

    def inline(self, jaxpr: Jaxpr, consts: Sequence[int], arguments: Sequence[int]) -> list[int]:
        """Write the equations of a Jaxpr as steps and return the slots of its results."""
        where = dict(zip(jaxpr.constvars, consts, strict=True))
        where.update(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> int:
            return self.constant(atom.val) if isinstance(atom, Literal) else where[atom]

        for equation in jaxpr.eqns:
            outputs = self.equation(equation, [read(atom) for atom in equation.invars])
            where.update(zip(equation.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def equation(self, equation: Any, inputs: list[int]) -> list[int]:
        name, params = equation.primitive.name, equation.params
        is_call = name == "cond" or (inner_jaxpr(params) is not None and name != "scan")
        if not is_call and all(self.is_constant(slot) for slot in inputs):
            return self.fold(equation, inputs)
        length = len(self.steps)
        try:
            special = self.special(name, params, equation, inputs)
        except TooManySteps:
            del self.steps[min(length, STEP_LIMIT - 1) :]
            name, special = "unsupported", None
        if special is not None:
            return special
        outputs = [self.slot(variable.aval, self.level(inputs)) for variable in equation.outvars]
        if name in BROADCASTING:
            inputs = [self.spread(slot, outputs[0]) for slot in inputs]
        self.step(name, params, inputs, outputs, equation.primitive)
        if name in ("max", "min"):
            self.hint(flat=self.is_flat)
        if name in ("add", "sub") and self.slots[outputs[0]].is_float:
            self.hint(literals=self.chained(inputs, outputs[0]))
        return outputs

    def spread(self, slot: int, target: int) -> int:
        """Repeat an operand along the axes in which it has length one (a single number does without)."""
        what, shape = self.slots[slot], self.slots[target].shape
        if what.size in (1, self.slots[target].size):
            return slot
        if self.is_constant(slot):
            return self.constant(np.broadcast_to(self.constants[slot], shape))
        index = np.broadcast_to(np.arange(what.size).reshape(what.shape), shape)
        return self.place(index, [slot], jax.ShapeDtypeStruct(shape, what.dtype))

    def hint(self, **hints: Any) -> None:
        self.steps[-1] = self.steps[-1]._replace(hints=hints)

    def chained(self, inputs: list[int], output: int) -> np.ndarray | float:
        """Return the moduli of two constants that are added one after the other: XLA adds them first."""
        own = [slot for slot in inputs if self.is_constant(slot)]
        if len(own) != 1:
            return 0.0
        (other,) = [slot for slot in inputs if slot not in own]
        constant = np.abs(np.asarray(self.constants[own[0]], float).ravel())
        self.added[output] = constant
        return constant + self.added[other] if other in self.added else 0.0

    def fold(self, equation: Any, inputs: list[int]) -> list[int]:
        values = [self.constants[slot] for slot in inputs]
        by = by_numpy(equation.primitive.name, equation.params, values, equation.outvars[0].aval)
        if by is not None:
            return [self.constant(by)]
        results = equation.primitive.bind(*[_as_jax(value) for value in values], **equation.params)
        results = results if equation.primitive.multiple_results else [results]
        return [self.constant(result) for result in results]

    def special(self, name: str, params: dict, equation: Any, inputs: list[int]) -> list[int] | None:
        """Write what is not one plain step, or return None."""
        if name in SAME:
            return inputs
        if name == "convert_element_type" and params["new_dtype"] == self.slots[inputs[0]].dtype:
            return inputs
        if name in DATA_OPERANDS:
            return self.move(name, params, equation, inputs)
        if name in SUMS or name in PRODUCTS:
            return self.linear(name, params, equation, inputs)
        if name == "dot_general":
            return self.matmul(params, equation, inputs)
        if name == "custom_jvp_call" and jax_function(params) == "logaddexp":
            output = self.slot(equation.outvars[0].aval, self.level(inputs))
            self.step("logaddexp", {}, inputs, [output])
            return [output]
        if name == "cond":
            return self.cond(params, equation, inputs)
        if name == "scan":
            return self.scan(params, inputs)
        if name == "while":
            return self.loop(params, equation, inputs)
        inner = inner_jaxpr(params)
        if inner is None or len(inner[0].invars) != len(inputs):
            return None
        was_flat, self.is_flat = self.is_flat, self.is_flat or jax_function(params) in FLAT_AT_TIES
        outputs = self.inline(inner[0], [self.constant(value) for value in inner[1]], inputs)
        self.is_flat = was_flat
        return outputs

    def place(self, index: np.ndarray, data: Sequence[int], aval: Any) -> int:
        """Write a step that takes elements of the data by their index."""
        output = self.slot(aval, self.level(data))
        self.step("move", {"index": index.ravel()}, data, [output])
        return output

    def move(self, name: str, params: dict, equation: Any, inputs: list[int]) -> list[int] | None:
        data = data_positions(name, len(inputs))
        others = {at: slot for at, slot in enumerate(inputs) if at not in data}
        if not all(self.is_constant(slot) for slot in others.values()):
            return None
        if params.get("fill_value") is not None:
            return None
        shapes = [self.slots[slot].shape for slot in inputs]
        values = {at: self.constants[slot] for at, slot in others.items()}
        indices = move_indices(name, equation.primitive, params, shapes, values)
        sources = [inputs[at] for at in data]
        return [
            self.place(index, sources, variable.aval)
            for index, variable in zip(indices, equation.outvars, strict=True)
        ]

    def linear(self, name: str, params: dict, equation: Any, inputs: list[int]) -> list[int] | None:
        if not is_inexact(equation.outvars[0].aval.dtype):
            return None
        shapes = [self.slots[slot].shape for slot in inputs]
        positions = SUMS.get(name) or tuple(at for at in PRODUCTS[name] if not self.is_constant(inputs[at]))
        held = {at: self.constants.get(slot) for at, slot in enumerate(inputs) if at not in positions}
        if any(value is None for value in held.values()) or (name in PRODUCTS and len(positions) != 1):
            return None
        matrices = [linear_matrix(equation.primitive, params, shapes, at, held) for at in positions]
        output = self.slot(equation.outvars[0].aval, self.level(inputs))
        self.step("linear", {"matrices": matrices}, [inputs[at] for at in positions], [output])
        return [output]

    def matmul(self, params: dict, equation: Any, inputs: list[int]) -> list[int] | None:
        aval = equation.outvars[0].aval
        if not is_inexact(aval.dtype):
            return None
        shapes = [self.slots[slot].shape for slot in inputs]
        left, right, sizes = matmul_axes(params["dimension_numbers"], *shapes)
        sources = [self.transposed(slot, axes) for slot, axes in zip(inputs, (left, right), strict=True)]
        output = self.slot(aval, self.level(inputs))
        self.step("matmul", {"sizes": sizes}, sources, [output])
        return [output]

    def transposed(self, slot: int, axes: tuple[int, ...]) -> int:
        if axes == tuple(range(len(axes))):
            return slot
        if self.is_constant(slot):
            return self.constant(np.transpose(self.constants[slot], axes))
        what = self.slots[slot]
        index = np.arange(what.size).reshape(what.shape).transpose(axes)
        return self.place(index, [slot], jax.ShapeDtypeStruct(index.shape, what.dtype))

    def known(self, inputs: Sequence[int]) -> list:
        return [self.constants.get(slot) for slot in inputs]

    def cond(self, params: dict, equation: Any, inputs: list[int]) -> list[int]:
        branches = params["branches"]
        if self.is_constant(inputs[0]):
            chosen = branches[int(np.clip(int(self.constants[inputs[0]]), 0, len(branches) - 1))]
            return self.inline(chosen.jaxpr, [self.constant(value) for value in chosen.consts], inputs[1:])
        level = self.level(inputs)
        operands = inputs[1:]
        levels = [self.slots[slot].level for slot in operands]
        programs = [
            _sub_program(branch.jaxpr, branch.consts, self.known(operands), levels) for branch in branches
        ]
        variable = [slot for slot in operands if not self.is_constant(slot)]
        outputs = [self.slot(out.aval, level) for out in equation.outvars]
        self.step("cond", {"branches": programs}, [inputs[0], *variable], outputs)
        return outputs

    def scan(self, params: dict, inputs: list[int]) -> list[int]:
        n_consts, n_carry, length = params["num_consts"], params["num_carry"], params["length"]
        closed = params["jaxpr"]
        if length * len(closed.jaxpr.eqns) > STEP_LIMIT:
            raise TooManySteps
        consts, carry, xs = (
            inputs[:n_consts],
            inputs[n_consts : n_consts + n_carry],
            inputs[n_consts + n_carry :],
        )
        inner = [self.constant(value) for value in closed.consts]
        collected: list[list[int]] = []
        order = range(length - 1, -1, -1) if params["reverse"] else range(length)
        for at in order:
            results = self.inline(closed.jaxpr, inner, [*consts, *carry, *[self.element(x, at) for x in xs]])
            carry = results[:n_carry]
            collected.append(results[n_carry:])
        if params["reverse"]:
            collected.reverse()
        n_ys = len(closed.jaxpr.outvars) - n_carry
        avals = [variable.aval for variable in closed.jaxpr.outvars[n_carry:]]
        return [*carry, *[self.stack([row[k] for row in collected], avals[k]) for k in range(n_ys)]]

    def element(self, slot: int, at: int) -> int:
        if self.is_constant(slot):
            return self.constant(self.constants[slot][at])
        what = self.slots[slot]
        index = np.asarray(np.arange(what.size).reshape(what.shape)[at])
        return self.place(index, [slot], jax.ShapeDtypeStruct(index.shape, what.dtype))

    def stack(self, slots: list[int], aval: Any) -> int:
        shape = (len(slots), *aval.shape)
        if all(self.is_constant(slot) for slot in slots):
            values = [np.asarray(self.constants[slot]) for slot in slots]
            return self.constant(np.stack(values) if values else np.zeros(shape, aval.dtype))
        index = np.arange(int(np.prod(shape, dtype=int)))
        return self.place(index, slots, jax.ShapeDtypeStruct(shape, aval.dtype))

    def loop(self, params: dict, equation: Any, inputs: list[int]) -> list[int]:
        """Unroll a loop as long as its condition is known here; the rest is a step of its own."""
        n_cond, n_body = params["cond_nconsts"], params["body_nconsts"]
        condition, body = params["cond_jaxpr"], params["body_jaxpr"]
        of_condition, of_body = inputs[:n_cond], inputs[n_cond : n_cond + n_body]
        carry = inputs[n_cond + n_body :]
        in_condition = [self.constant(value) for value in condition.consts]
        in_body = [self.constant(value) for value in body.consts]
        while True:
            length = len(self.steps)
            (going,) = self.inline(condition.jaxpr, in_condition, [*of_condition, *carry])
            if not self.is_constant(going):
                del self.steps[length:]
                break
            if not bool(self.constants[going]):
                return list(carry)
            carry = self.inline(body.jaxpr, in_body, [*of_body, *carry])
        return self.open_loop(params, equation, of_condition, of_body, list(carry))

    def open_loop(
        self, params: dict, equation: Any, of_condition: list[int], of_body: list[int], carry: list[int]
    ) -> list[int]:
        level = self.level([*of_condition, *of_body, *carry])
        programs = []
        for name, own in (("cond_jaxpr", of_condition), ("body_jaxpr", of_body)):
            closed = params[name]
            known = [*self.known(own), *[None] * len(carry)]
            levels = [*[self.slots[slot].level for slot in own], *[level] * len(carry)]
            programs.append(_sub_program(closed.jaxpr, closed.consts, known, levels))
        variable = [[slot for slot in own if not self.is_constant(slot)] for own in (of_condition, of_body)]
        outputs = [self.slot(out.aval, level) for out in equation.outvars]
        counts = (len(variable[0]), len(variable[1]))
        self.step(
            "while",
            {"condition": programs[0], "body": programs[1], "counts": counts},
            [*variable[0], *variable[1], *carry],
            outputs,
        )
        return outputs


def _as_jax(value: Any) -> Any:
    return jnp.asarray(value) if isinstance(value, np.ndarray) else value
