"""Anything callable becomes a vector field `F(x, u)` on flat, named vectors."""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from fpanalysis._calls import cell_in, check_call, is_torch, state_first
from fpanalysis._cells import cell_inputs, cell_layout, hidden_state, is_known_cell
from fpanalysis._messages import listed, nearest
from fpanalysis._numerics import TRACED, in_float64, model_rules, refuse_traced
from fpanalysis.labels import Layout, layout_of, names_from, vector_layout
from fpanalysis.schema import TimeDomain


class VectorField(eqx.Module):
    """A dynamical system `F(x, u)` on flat vectors, with a name for every entry.

    `F` is the next state of a discrete-time system, or `dx/dt` of a continuous-time one. Make one with
    `vector_field`, `load` or `load_torch`; the arrays of the wrapped model stay leaves of this module,
    so that it passes through `jax.jit` and `jax.vmap` like any Equinox module.
    """

    function: Callable[[PyTree, Array], PyTree]
    readout: Callable[[PyTree], Array] | None
    state_layout: Layout = eqx.field(static=True)
    inputs: tuple[str, ...] = eqx.field(static=True)
    outputs: tuple[str, ...] = eqx.field(static=True)
    time_domain: TimeDomain = eqx.field(static=True)
    dt: float | None = eqx.field(static=True)
    periodic: tuple[str, ...] = eqx.field(static=True, default=())

    def __check_init__(self) -> None:
        if self.time_domain not in ("discrete", "continuous"):
            raise ValueError(f"time_domain: expected 'discrete' or 'continuous', got {self.time_domain!r}")
        if self.dt is not None and not (np.isfinite(self.dt) and self.dt > 0):
            raise ValueError(f"dt: expected a positive number of seconds or None, got {self.dt!r}")
        if self.state_layout.size == 0:
            raise ValueError("state: the state has no entries; a vector field needs at least one")
        for name in self.periodic:
            if name not in self.state:
                raise ValueError(
                    f"periodic: the state has no entry {name!r}{nearest(name, self.state)}; "
                    f"it has {listed(self.state)}"
                )
        self._check_structure()

    def _check_structure(self) -> None:
        expected = eqx.filter_eval_shape(self.state_layout.unflatten, jnp.zeros(self.state_layout.size))
        sizes = (self.state_layout.size, len(self.inputs))
        got = _outcome(
            "f", self, lambda field, x, u: field.function(self.state_layout.unflatten(x), u), sizes
        )
        if _shapes(got) != _shapes(expected):
            raise ValueError(
                f"f: it must return a state like the one it is given, {_shapes(expected)}, got "
                f"{_shapes(got)}{_hint(got)}"
            )
        _check_dtypes(got, "f")
        if self.readout is not None:
            y = _outcome("readout", self, lambda field, x, u: field.output(x), sizes)
            if getattr(y, "shape", None) != (len(self.outputs),):
                raise ValueError(
                    f"readout: expected a vector of {len(self.outputs)} outputs, got {_shapes(y)}{_hint(y)}"
                )
            _check_dtypes(y, "readout")

    @property
    def state(self) -> tuple[str, ...]:
        """The name of every entry of the state vector."""
        return self.state_layout.names

    @property
    def is_periodic(self) -> np.ndarray:
        """Which entries of the state are angles, `(state,)`."""
        return np.isin(self.state, self.periodic)

    def __call__(self, x: Float[Array, " state"], u: Float[Array, " input"]) -> Float[Array, " state"]:
        """Return the next state (discrete time) or `dx/dt` per second (continuous time)."""
        with model_rules():
            return self.state_layout.flatten(self.function(self.state_layout.unflatten(x), u))

    def residual(self, x: Float[Array, " state"], u: Float[Array, " input"]) -> Float[Array, " state"]:
        """Return what vanishes at a fixed point: `F(x, u) − x`, or `F(x, u)` in continuous time."""
        if self.time_domain == "continuous":
            return self(x, u)
        return self.turned(self(x, u) - x)

    def turned(self, difference: Float[Array, " state"]) -> Float[Array, " state"]:
        """Return a difference of states with its angles in [−π, π]: whole turns make none."""
        if not self.periodic:
            return difference
        turns = jnp.round(difference / (2 * np.pi))
        return jnp.where(self.is_periodic, difference - 2 * np.pi * turns, difference)

    def output(self, x: Float[Array, " state"]) -> Float[Array, " output"]:
        """Return the readout of a state (an empty vector where there is no readout)."""
        if self.readout is None:
            return jnp.zeros((0,), x.dtype)
        with model_rules():
            return self.readout(self.state_layout.unflatten(x))


def vector_field(
    f: Callable,
    *,
    state: int | Sequence[str] | PyTree | None = None,
    inputs: int | Sequence[str] | None = None,
    readout: Callable | None = None,
    outputs: int | Sequence[str] | None = None,
    time_domain: TimeDomain = "discrete",
    dt: float | None = None,
    periodic: Sequence[str] = (),
) -> VectorField:
    """Wrap a recurrent cell or a function as a vector field.

    Args:
        f: a cell, which is called as `cell(input, state)`: an instance of `equinox.nn.GRUCell`, `LSTMCell` or
            of a module class of your own; or a JAX function `f(x, u)` of state and input that returns the
            next state or `dx/dt`. Methods (`net.step`) are functions too, and what `equinox.filter_jit`,
            `equinox.Partial`, `jax.jit` and their like make is called as what they were given.
        state: the state's number of entries, their names, or an example PyTree of arrays. Known from the
            cell for modules with a `hidden_size`.
        inputs: number or names of the inputs; known from the cell for modules with an `input_size`,
            otherwise none.
        readout: optional function of the state that returns the output vector, such as `equinox.nn.Linear`.
            For an LSTM cell, whose state is `(h, c)`, it is given `h`.
        outputs: number or names of the outputs; counted where left out.
        time_domain: `"discrete"` (`x ← F(x, u)`) or `"continuous"` (`dx/dt = F(x, u)`).
        dt: seconds per step (discrete), or between samples (continuous), where there is such a time.
        periodic: names of the state's entries that are angles in rad. States that differ by whole turns are
            one, and angles of fixed points lie in (−π, π].

    Returns:
        A `VectorField`.

    Raises:
        TypeError: `f` is not callable, takes other than two arguments, is a PyTorch module (these are for
            `load_torch`), or needs numbers where JAX traces; or names are not names.
        ValueError: sizes are unknown or not those of the cell, or `f` returns something that is not shaped
            like the state, or that is not float64 for a float64 state; or a module names its input second.

    Example:
        >>> import jax.numpy as jnp, fpanalysis as fpa
        >>> lorenz = fpa.vector_field(
        ...     lambda x, u: jnp.stack(
        ...         [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]]
        ...     ),
        ...     state=["x", "y", "z"],
        ...     time_domain="continuous",
        ... )
        >>> lorenz.state
        ('x', 'y', 'z')
    """
    if isinstance(f, VectorField):
        return f
    if not callable(f) or is_torch(f):
        hint = "; load_torch reads PyTorch's modules" if is_torch(f) else ""
        raise TypeError(f"f: expected an Equinox cell or a function f(x, u), got {type(f).__name__}{hint}")
    cell = cell_in(f)
    check_call(f, cell)
    function = f if cell is None else state_first(f)
    layout = _layout(f, state, cell)
    input_names = _input_names(inputs, cell)
    read = None if readout is None else _read_by(readout, hidden_state(cell), layout)
    outputs = _count_outputs(read, layout) if outputs is None else outputs
    output_names = names_from(outputs, "output", "outputs")
    if read is None and output_names:
        raise ValueError(f"outputs: there is no readout that gives {listed(output_names)}; pass readout=")
    refuse_traced(dt, "dt")
    seconds = None if dt is None else float(dt)
    angles = names_from(list(periodic) if isinstance(periodic, tuple) else periodic, "", "periodic")
    return VectorField(function, read, layout, input_names, output_names, time_domain, seconds, angles)


def _input_names(inputs: int | Sequence[str] | None, cell: Any) -> tuple[str, ...]:
    own = cell_inputs(cell)
    names = names_from(own if inputs is None else inputs, "input", "inputs")
    if is_known_cell(cell) and len(names) != own:
        raise ValueError(f"inputs: expected the {own} of the {type(cell).__name__}, got {len(names)}")
    return names


def as_vector_field(model: VectorField | Callable) -> VectorField:
    """Return what was given as a `model`, a vector field or an Equinox cell, as a vector field.

    Raises:
        TypeError: it is neither.
        ValueError: the cell does not say its size.
    """
    if isinstance(model, VectorField):
        return model
    if not isinstance(model, eqx.Module):
        what = "a function" if callable(model) else f"{type(model).__name__} {model!r}"
        hint = "; wrap it first: vector_field(f, state=...)" if callable(model) else ""
        if is_torch(model):
            what, hint = f"the PyTorch module {type(model).__name__}", "; read it first: load_torch(module)"
        raise TypeError(f"model: expected a VectorField or an Equinox cell, got {what}{hint}")
    try:
        return vector_field(cast(Callable, model))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"model: {type(model).__name__} is no recurrent cell that can be used as it is; wrap it first: "
            f"vector_field(cell, state=..., inputs=...) ({error})"
        ) from error


class _Readout(eqx.Module):
    """A readout applied to the part of the state that it reads."""

    readout: Callable
    part: Callable[[PyTree], PyTree] = eqx.field(static=True)

    def __call__(self, state: PyTree) -> Array:
        return self.readout(self.part(state))


def _read_by(readout: Callable, part: Callable[[PyTree], PyTree], layout: Layout) -> _Readout:
    if not callable(readout):
        got = type(readout).__name__
        raise TypeError(f"readout: expected a function of the state, such as equinox.nn.Linear, got {got}")
    if isinstance(readout, eqx.nn.Linear):
        given = eqx.filter_eval_shape(lambda x: part(layout.unflatten(x)), jnp.zeros(layout.size))
        if np.shape(given) not in ((readout.in_features,), () if readout.in_features == "scalar" else None):
            raise ValueError(
                f"readout: expected a layer that reads {_shapes(given)}, got one of {readout.in_features} "
                "in_features"
            )
    return _Readout(readout, part)


def _layout(f: Callable, state: Any, cell: Any) -> Layout:
    own, block = None if cell is None else cell_layout(cell), "x" if cell is None else "hidden"
    if state is None:
        if own is None:
            raise ValueError(
                "state: expected the number of entries, their names or an example state, because "
                f"{type(f).__name__} does not say its size"
            )
        return own
    is_count = isinstance(state, int | np.integer) and not isinstance(state, bool)
    if not is_count and not (
        isinstance(state, list | tuple) and all(isinstance(name, str) for name in state)
    ):
        _check_example(state)
        return layout_of(state, root=block)
    names = names_from(state, block, "state")
    if own is None or not is_known_cell(cell):
        return vector_layout(names)
    if len(names) != own.size:
        raise ValueError(f"state: expected the {own.size} of the {type(cell).__name__}, got {len(names)}")
    return own if is_count else dataclasses.replace(own, names=names)


def _check_example(state: Any) -> None:
    """Raise `TypeError` where an example state is a bare number, or some of its entries are names."""
    odd = isinstance(state, bool | float | complex | np.bool | np.floating)
    if odd or any(isinstance(leaf, str) for leaf in jax.tree_util.tree_leaves(state)):
        raise TypeError(
            f"state: expected a number of entries, their names or an example state of arrays, got {state!r}"
        )


def _count_outputs(read: Callable | None, layout: Layout) -> int:
    if read is None:
        return 0
    y = _outcome("readout", read, lambda read, x, u: read(layout.unflatten(x)), (layout.size, 0))
    if not hasattr(y, "shape") or len(y.shape) != 1:
        raise ValueError(f"readout: expected a function that returns a vector, got {_shapes(y)}{_hint(y)}")
    return y.shape[0]


def _outcome(argument: str, module: PyTree, call: Callable, sizes: tuple[int, int]) -> PyTree:
    """Return the shapes and dtypes of what the user's code makes of a state and an input in float64.

    Args:
        argument: what the code is called in a message.
        module: the arrays that it uses; they are in float64 when it runs.
        call: takes the module, a state and an input.
        sizes: of the state and of the input.
    """

    def outcome(dtype: Any, cast: Callable) -> PyTree:
        x, u = (jax.ShapeDtypeStruct((size,), dtype) for size in sizes)
        return eqx.filter_eval_shape(lambda module, x, u: call(cast(module), x, u), module, x, u)

    with in_float64(), model_rules():
        try:
            return outcome(jnp.float64, float64)
        except TRACED as error:
            raise TypeError(
                f"{argument}: expected a function that JAX can trace; it turns its arguments into numbers, "
                "as NumPy, float() and if do. Use jax.numpy, jnp.where and jax.lax.cond instead "
                f"({_first_line(error)})"
            ) from error
        except Exception as error:
            if not _succeeds(lambda: outcome(jnp.float32, lambda module: module)):
                raise
            raise ValueError(
                f"{argument}: it takes a float32 state but fails for float64, in which all is computed; "
                f"let its dtypes follow that of the state ({_first_line(error)})"
            ) from error


def _succeeds(call: Callable) -> bool:
    try:
        call()
    except Exception:
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _shapes(tree: PyTree) -> Any:
    return jax.tree_util.tree_map(lambda leaf: tuple(np.shape(leaf)), tree)


def _hint(tree: PyTree) -> str:
    is_list_of_numbers = isinstance(tree, list | tuple) and all(np.shape(leaf) == () for leaf in tree)
    return "; make one array of the numbers, jnp.stack([...])" if is_list_of_numbers else ""


def _check_dtypes(tree: PyTree, argument: str) -> None:
    """Raise `ValueError` unless all that came of a float64 state is float64."""
    for leaf in jax.tree_util.tree_leaves(tree):
        dtype = getattr(leaf, "dtype", np.float64)
        if dtype == np.float64:
            continue
        if jnp.issubdtype(dtype, jnp.complexfloating):
            why = "; make real and imaginary parts entries of their own"
        elif jnp.issubdtype(dtype, jnp.floating):
            why = (
                ", which holds points to seven digits at best; take casts such as .astype(jnp.float32) out, "
                "so that the result has the dtype of the state"
            )
        else:
            why = ", which has no derivatives; return floating-point numbers"
        raise ValueError(f"{argument}: expected float64 for a float64 state, got {dtype}{why}")


def float64(field: PyTree) -> PyTree:
    """Return a tree with every floating-point array in float64 (complex128), inside `in_float64`."""

    def cast(leaf: Any) -> Any:
        if not eqx.is_inexact_array(leaf):
            return leaf
        return jnp.asarray(leaf, jnp.complex128 if jnp.iscomplexobj(leaf) else jnp.float64)

    return jax.tree_util.tree_map(cast, field)


def bad_arrays(field: VectorField) -> list[str]:
    """Return the paths of the model's arrays that hold NaN or infinite values."""
    refuse_traced(field, "model")
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(field, eqx.is_inexact_array))
    bad = [path for path, leaf in leaves if not np.all(np.isfinite(np.asarray(leaf)))]
    return [jax.tree_util.keystr(path).removeprefix(".function").lstrip(".") for path in bad]


def check_finite(field: VectorField) -> None:
    """Raise `ValueError` naming the model's arrays that hold NaN or infinite values."""
    if bad := bad_arrays(field):
        raise ValueError(f"model: expected finite weights, but {listed(bad)} hold NaN or infinite values")


def model_hash(field: VectorField) -> str:
    """Return a sha256 over the model's structure and arrays, the same for equal models.

    Functions enter by module and name only: a changed body of a plain function is not seen.
    """
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(field):
        digest.update(jax.tree_util.keystr(path).encode())
        if eqx.is_array(leaf) or isinstance(leaf, np.ndarray):
            array = np.asarray(leaf)
            digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        else:
            digest.update(f"{getattr(leaf, '__module__', '')}.{getattr(leaf, '__qualname__', leaf)}".encode())
    structure = repr(jax.tree_util.tree_structure(field))
    digest.update(re.sub(r" at 0x[0-9a-f]+", "", structure).encode())
    return digest.hexdigest()
