"""What can be read from a function without evaluating it: precision, callbacks, kinks."""

import re
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from fpanalysis.arithmetic._program import STATE, Program, Slot, Step, is_inexact

# Narrow numbers by the bits of their mantissas, which `reduce_precision` rounds to.
MANTISSAS = ((23, "float32"), (10, "float16"), (7, jnp.bfloat16))

CALLBACKS = {"io_callback", "pure_callback"}

# The derivative jumps, or the value does.
KINKS = {
    *("abs", "atan2", "ceil", "clamp", "cummax", "cummin", "floor", "max", "min", "reduce_max"),
    *("reduce_min", "rem", "round", "sign", "sort", "top_k", "unsupported", "while"),
}
# Where to look, by what the state says.
CHOICES = {"cond", "dynamic_slice", "dynamic_update_slice", "gather", "scatter", "scatter-add", "select_n"}
SMOOTH = {
    *("acos", "acosh", "add", "add_any", "asin", "asinh", "atan", "atanh", "cbrt", "complex", "conj"),
    *("conv_general_dilated", "convert_element_type", "copy", "cos", "cosh", "cumlogsumexp", "cumprod"),
    *("cumsum", "custom_linear_solve", "digamma", "div", "dot_general", "erf", "erf_inv", "erfc", "exp"),
    *("exp2", "expm1", "fft", "imag", "integer_pow", "lgamma", "linear", "log", "log1p", "logaddexp"),
    *("logistic", "matmul", "move", "mul", "neg", "pow", "real", "reduce_prod", "reduce_sum", "rsqrt"),
    *("sin", "sinh", "sqrt", "square", "stop_gradient", "sub", "tan", "tanh", "triangular_solve"),
}


def narrowest_float(program: Program) -> np.dtype:
    """Return the narrowest floating-point dtype through which the state goes, float64 where all is that."""
    dtypes = [np.dtype(np.float64)]
    for step in _all_steps(program):
        dtypes += [np.dtype(slot.dtype) for slot in (*step.operands, *step.results) if _is_float_state(slot)]
        if step.name == "reduce_precision" and step.level == STATE:
            dtypes += [np.dtype(name) for bits, name in MANTISSAS if step.params["mantissa_bits"] <= bits]
        if step.level == STATE:
            dtypes += [np.dtype(dtype) for inner in _inner(step.params) for dtype in _dtypes(inner)]
    real = [np.dtype(f"float{4 * dtype.itemsize}") if dtype.kind == "c" else dtype for dtype in dtypes]
    return min(real, key=_precision)


def may_have_kinks(program: Program) -> bool:
    """Return whether the results depend on the state through something whose derivative can jump."""
    return bool(_kinked(program, set()).intersection(program.outputs))


def has_callback(program: Program) -> bool:
    """Return whether the results depend on the state or the input through a call back into Python."""
    return any(
        step.name in CALLBACKS or any(_calls_back(inner) for inner in _inner(step.params))
        for step in _all_steps(program)
    )


def has_own_derivatives(jaxpr: Jaxpr) -> bool:
    """Return whether a derivative somewhere is left out, or is a rule of somebody's own."""
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        own = name.startswith("custom_vjp") or (
            name == "custom_jvp_call" and jax_function(equation.params) is None
        )
        if own or name == "stop_gradient" or any(map(has_own_derivatives, _inner(equation.params))):
            return True
    return False


def jax_function(params: dict) -> str | None:
    """Return the name of the function of JAX's own whose derivative has a rule of its own, if it is one."""
    jaxpr = getattr(params.get("call_jaxpr"), "jaxpr", None)
    where = str(getattr(getattr(jaxpr, "debug_info", None), "func_src_info", ""))
    return where.split()[0] if re.search(r"[\\/]jax[\\/]", where) else None


def _calls_back(jaxpr: Jaxpr) -> bool:
    return any(
        equation.primitive.name in CALLBACKS or any(_calls_back(inner) for inner in _inner(equation.params))
        for equation in jaxpr.eqns
    )


def _dtypes(jaxpr: Jaxpr) -> Iterator[Any]:
    """Yield the floating-point dtypes within an operation that has not been opened."""
    for equation in jaxpr.eqns:
        dtypes = [getattr(out.aval, "dtype", np.dtype(bool)) for out in equation.outvars]
        yield from (dtype for dtype in dtypes if is_inexact(dtype))
        for inner in _inner(equation.params):
            yield from _dtypes(inner)


def _precision(dtype: np.dtype) -> tuple[int, bool]:
    # bfloat16 has as many bytes as float16 and fewer digits.
    return dtype.itemsize, dtype.name != "bfloat16"


def _is_float_state(slot: Slot) -> bool:
    return slot.is_float and slot.level == STATE


def _all_steps(program: Program) -> Iterator[Step]:
    for step in program.steps:
        yield step
        for inner in _inner_programs(step):
            yield from _all_steps(inner)


def _inner_programs(step: Step) -> list[Program]:
    if step.name == "cond":
        return list(step.params["branches"])
    return [step.params["condition"], step.params["body"]] if step.name == "while" else []


def _kinked(program: Program, kinked: set[int]) -> set[int]:
    """Return the slots whose derivative in the state may jump, given those of the arguments."""
    kinked = set(kinked)
    for step in program.steps:
        if step.level != STATE or step.name == "stop_gradient":
            continue
        if _adds_kink(step) or kinked.intersection(step.inputs):
            kinked.update(step.outputs)
    return kinked


def _adds_kink(step: Step) -> bool:
    if not any(slot.is_float for slot in step.results):
        return False  # integers and truth values count where they choose
    chooses = any(slot.level == STATE and not slot.is_float for slot in step.operands)
    if step.name == "cond":
        inner = (_kinked(branch, set()).intersection(branch.outputs) for branch in step.params["branches"])
        return chooses or any(inner)
    if step.name in CHOICES or step.name == "convert_element_type":
        return chooses
    return step.name in KINKS or step.name not in SMOOTH or (chooses and step.name != "move")


def _inner(params: dict[str, Any]) -> Iterator[Jaxpr]:
    for value in params.values():
        for item in value if isinstance(value, list | tuple) else [value]:
            if isinstance(item, ClosedJaxpr):
                yield item.jaxpr
            elif isinstance(item, Jaxpr):
                yield item
