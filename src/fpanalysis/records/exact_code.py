"""Functions and classes to the last bit, for `exact`: their code, and what they hold or read."""

import builtins
import dis
import functools
import inspect
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fpanalysis.records.values import tagged

if TYPE_CHECKING:
    from fpanalysis.records.exact import Walk

# Under this attribute a function says which version it is.
VERSION = "__fpanalysis_version__"
_BUILT_IN = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    np.ufunc,
)
_INSTALLED = tuple(
    Path(sysconfig.get_path(each)).resolve() for each in ("stdlib", "platstdlib", "purelib", "platlib")
)
# What a class holds apart from what was written in it.
_GIVEN = {"__module__", "__dict__", "__weakref__", "__doc__", "__annotations__", "_abc_impl", "__slots__"}


def path_of(what: Any) -> str:
    """Return the name of a function or class with its module, or of the class of something else."""
    if not hasattr(what, "__qualname__"):
        what = type(what)
    module = getattr(what, "__module__", None)
    return what.__qualname__ if module in (None, "builtins") else f"{module}.{what.__qualname__}"


@functools.cache
def is_installed(module: str | None) -> bool:
    """Return whether a module belongs to Python or a package, whose code is known by its name."""
    root = (module or "builtins").partition(".")[0]
    if root in sys.stdlib_module_names or root == "fpanalysis":
        return root != "__main__"
    file = getattr(sys.modules.get(module or "") or sys.modules.get(root), "__file__", None)
    if file is None:
        return False
    path = Path(file).resolve()
    inside = any(folder in path.parents for folder in _INSTALLED)
    return inside or bool({"site-packages", "dist-packages"} & set(path.parts))


def named(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of a class or a module."""
    if isinstance(value, types.ModuleType):
        walk.mark()
        return tagged("module", [value.__name__.encode()])
    if isinstance(value, type | types.GenericAlias | types.UnionType) or type(value).__module__ == "typing":
        walk.mark()
        if not isinstance(value, type) or isinstance(value, types.GenericAlias):
            return tagged("type", [repr(value).encode()])
        return _class(value, name, walk)
    return None


def function(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of a function, a method, a partial, or something that wraps a function."""
    if isinstance(value, functools.partial):
        walk.mark()
        inner = (value.func, list(value.args), dict(value.keywords))
        return tagged("partial", walk.all(inner, name))
    if isinstance(value, types.MethodType):
        walk.mark_code()
        return tagged("method", walk.all((value.__func__, value.__self__), name))
    if isinstance(value, types.FunctionType):
        return _function(value, name, walk)
    if isinstance(value, _BUILT_IN):
        walk.mark_code()
        owner = getattr(value, "__self__", None)
        held = [] if owner is None or isinstance(owner, types.ModuleType) else [walk.of(owner, name)]
        return tagged("built in", [path_of(value).encode(), getattr(value, "__name__", "").encode(), *held])
    wrapped = None if isinstance(value, type) else inspect.getattr_static(value, "__wrapped__", None)
    if wrapped is None and callable(value) and not isinstance(value, type):
        wrapped = getattr(value, "__wrapped__", None)  # of a class written in C
    if callable(wrapped):
        walk.mark_code()
        return tagged("wrapped", [path_of(type(value)).encode(), walk.of(wrapped, name), *_version(value)])
    return None


def _function(value: types.FunctionType, name: str, walk: "Walk") -> bytes:
    walk.mark_code()
    parts = [path_of(value).encode(), *_version(value)]
    installed = is_installed(value.__module__)
    if installed and "<locals>" not in value.__qualname__:
        return tagged("function", parts)
    held = {f"default {i}": each for i, each in enumerate(value.__defaults__ or ())}
    held |= {f"default {key}": each for key, each in (value.__kwdefaults__ or {}).items()}
    held |= dict(_closure(value))
    if not installed:
        if not walk.of_producer:
            parts.append(_code(value.__code__, name, walk))
        held |= dict(_globals(value))
    for key, each in held.items():
        # What stands in the text of a function is covered by its version.
        is_local, is_default = "<locals>" in value.__qualname__, key.startswith("default")
        is_source = is_default and (
            each is None or (not is_local and isinstance(each, bool | int | float | str))
        )
        found = _held(each, f"{name}, {key}", walk, bool(_version(value)), is_source)
        parts += [] if found is None else [key.encode(), found]
    return tagged("function", parts)


def _held(value: Any, name: str, walk: "Walk", has_version: bool, is_source: bool) -> bytes | None:
    """Return the digest of what a function holds; its author vouches for the rest where it has a version."""
    is_code = isinstance(value, (types.ModuleType, type, *_BUILT_IN))
    if walk.of_producer and (is_code or (walk.steady and isinstance(value, list | dict | set))):
        return None
    try:
        found = walk.of(value, name)
    except TypeError:
        if walk.of_producer or has_version:
            return None
        raise
    if walk.of_producer and not callable(value) and not is_source:
        walk.mark()
    return found


def _version(value: Any) -> list[bytes]:
    version = getattr(value, VERSION, None)
    return [] if version is None else [f"version {version}".encode()]


def _closure(value: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for key, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            yield f"closure {key}", cell.cell_contents
        except ValueError:  # nothing is in it yet
            continue


def _globals(value: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield by name what a function reads from its module, and from modules that are not installed."""
    written = {each.argval for each in _instructions(value.__code__) if each.opname == "STORE_GLOBAL"}
    instructions = list(_instructions(value.__code__))
    for i, each in enumerate(instructions):
        if each.opname not in ("LOAD_GLOBAL", "LOAD_NAME") or each.argval in written:
            continue
        name, found = each.argval, value.__globals__.get(each.argval, builtins)
        if found is builtins:
            continue
        for after in instructions[i + 1 :]:
            if not isinstance(found, types.ModuleType) or not after.opname.startswith("LOAD_"):
                break
            name, found = f"{name}.{after.argval}", getattr(found, str(after.argval), None)
        yield f"global {name}", found


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    yield from (each for each in dis.get_instructions(code) if each.opname != "PUSH_NULL")
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)


def _code(code: types.CodeType, name: str, walk: "Walk") -> bytes:
    """Return the digest of compiled code. Unlike its text it is there for every lambda, and never stale."""
    constants = [
        _code(each, name, walk) if isinstance(each, types.CodeType) else walk.of(each, name)
        for each in code.co_consts
        if each is not Ellipsis
    ]
    names = [*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars]
    about = f"{code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount} {code.co_flags}"
    texts = [each.encode() for each in names]
    return tagged("code", [about.encode(), code.co_code, code.co_exceptiontable, *texts, *constants])


def _class(value: type, name: str, walk: "Walk") -> bytes:
    path = path_of(value)
    if is_installed(value.__module__) and "<locals>" not in path:
        return tagged("class", [path.encode()])
    parts = [path.encode(), *walk.all(value.__bases__, name)]
    for key, member in sorted(vars(value).items()):
        if (found := _member(key, member, f"{name}, {path}.{key}", walk)) is not None:
            parts += [key.encode(), found]
    return tagged("class", parts)


def _member(key: str, member: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of a method or a value in a class, or None of what Python put there."""
    for inner in ("__func__", "fget", "func", "method", "fn"):  # of methods and properties of many kinds
        if not isinstance(member, types.FunctionType) and callable(
            found := inspect.getattr_static(member, inner, None)
        ):
            setter = getattr(member, "fset", None)
            parts = [walk.of(found, name)] + ([walk.of(setter, name)] if setter else [])
            return tagged(type(member).__name__, parts)
    if isinstance(member, types.FunctionType):
        if key.startswith("__") and member.__code__.co_filename == "<string>":  # made by dataclasses
            return None
        return walk.of(member, name)
    if key in _GIVEN or (key.startswith("__") and key.endswith("__")):
        return None
    try:
        return walk.of(member, name)
    except TypeError:
        return tagged("member", [path_of(type(member)).encode()])
