"""What the inert objects of a pickle stand for: mappings, tensors, and modules of PyTorch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fpanalysis.load._archives import Archive, read_pickles
from fpanalysis.load._inert import PERSISTENT, Name, Object
from fpanalysis.load._source import Foreign, Source, Stretch, Unreadable, bytes_of
from fpanalysis.load._stored import ON_META, Stored, checked_layout, contiguous

_MOST_MODULES, _MOST_TENSORS = 10_000, 100_000
_LONGEST_PREFIX = 4096
_DEEPEST = 100
_MOST_WRAPPED = 4
_NUMPY_LETTERS = {"f8": "float64", "f4": "float32", "f2": "float16", "b1": "bool"}
_NUMPY_LETTERS |= {f"i{n}": f"int{8 * n}" for n in (1, 2, 4, 8)} | {"u1": "uint8"}
_DICTS = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict")
_BYTES = (
    "_codecs.encode",
    "builtins.bytes",
    "__builtin__.bytes",
    "builtins.bytearray",
    "__builtin__.bytearray",
)
_LISTS = tuple(f"{m}.{n}" for m in ("builtins", "__builtin__") for n in ("set", "frozenset", "list"))

# What older protocols build objects by: given their class, its base, and what that held.
_REBUILDERS = ("copyreg._reconstructor", "copy_reg._reconstructor")


@dataclass(frozen=True, eq=False)
class Module:
    """A module of PyTorch that was pickled whole.

    Attributes:
        of: the full name of its class.
        attributes: all that it held, by name, as the pickle gives it.
    """

    of: str
    attributes: Mapping[Any, Any]

    def __getattr__(self, name: str) -> Any:
        """Return an attribute such as `num_layers`."""
        try:
            return self.attributes[name]
        except KeyError:
            raise AttributeError(name) from None


class Meaning:
    """Says what the objects of one archive stand for."""

    def __init__(self, archive: Archive, source: Source) -> None:
        self._archive, self._source = archive, source
        self._known: dict[int, Archive] = {}

    def __call__(self, value: Any) -> Any:
        """Return a dict, a list, a `Stored`, a `Module`, or the value itself where it is none of these.

        What an object of an unknown class holds is a dict: its attributes, and its entries.
        """
        if not isinstance(value, Object):
            return value
        value = _unwrapped(value)
        name = name_of(value)
        if (read := _TENSORS.get(name)) is not None:
            try:
                return read(self, value)
            except Unreadable as error:
                # It may be no weight that is needed.
                return Stored("unknown", (), why=str(error))
        if name in _DICTS:
            return _as_dict(value)
        if name in _LISTS:
            return list(value.values or ()) + _first_list(value.args)
        attributes = attributes_of(value)
        if {"_parameters", "_buffers", "_modules"} <= set(attributes):
            return Module(name, attributes)
        held = value.args[2] if len(value.args) == 3 and _is_rebuilt(value) else None
        return {**attributes, **(held if isinstance(held, dict) else {}), **(value.items or {})}

    def storage(self, value: Any) -> tuple[str, Any, bool]:
        """Return the dtype, the bytes, and whether these begin with the highest, of a storage."""
        archive = self._archive
        if isinstance(value, Object) and name_of(value) == "torch.storage._load_from_bytes":
            # Where tensors are pickled by other means than torch.save, each holds a file of its own.
            archive = self._within(value.args[0] if value.args else None)
            value = archive.top
        if isinstance(value, Object) and name_of(value) == "torch.storage.TypedStorage":
            value = attributes_of(value).get("_untyped_storage", value)
        if not (isinstance(value, Object) and value.of is PERSISTENT):
            raise Unreadable("it describes a tensor without a storage")
        found = archive.storage(value.args[0])
        return found.dtype, found.data, found.is_big_endian

    def _within(self, data: Any) -> Archive:
        if name_of(data) in _BYTES and data.args:
            data = data.args[0]
        if id(data) not in self._known:
            if isinstance(data, Stretch) and not data.is_text:
                found = read_pickles(data.source, data.start, data.start + data.n_bytes)
            elif isinstance(data, Stretch | str | bytes):
                found = read_pickles(Source(bytes_of(data), self._source.budget))
            else:
                raise Unreadable("it describes a tensor without a storage")
            self._known[id(data)] = found
        return self._known[id(data)]


def name_of(value: Any) -> str:
    """Return the full name of the class or function of an object; an empty string where it has none."""
    if not isinstance(value, Object):
        return ""
    of = value.of
    if isinstance(of, Object) and of.of is PERSISTENT:
        # Old files name a module's class so, with its source code.
        (identity,) = of.args
        of = identity[1] if isinstance(identity, tuple) and len(identity) > 1 else None
    if value.args and _is_rebuilt(value):
        of = value.args[0]
    return str(of) if isinstance(of, Name) else ""


def _is_rebuilt(value: Object) -> bool:
    return isinstance(value.of, Name) and str(value.of) in _REBUILDERS


def attributes_of(value: Object) -> dict[Any, Any]:
    """Return what an object's attributes would have been set from."""
    parts = value.state if isinstance(value.state, tuple) else (value.state,)
    return {name: each for part in parts if isinstance(part, dict) for name, each in part.items()}


def weights_of_module(
    module: Module, meaning: Callable[[Any], Any]
) -> tuple[dict[str, Any], dict[str, Module]]:
    """Return the tensors of a module by name, as its `state_dict` would, and its submodules by prefix.

    Embeddings are left out: their tables read no hidden units, whatever their shape.

    Raises:
        Unreadable: it holds itself, or more than any module does.
    """
    tensors: dict[str, Any] = {}
    parts: dict[str, Module] = {}
    waiting = [("", module)]
    while waiting:
        prefix, part = waiting.pop()
        parts[prefix] = part
        if len(parts) > _MOST_MODULES or len(prefix) > _LONGEST_PREFIX or prefix.count(".") > _DEEPEST:
            raise Foreign("its modules hold each other without end")
        start = f"{prefix}." if prefix else ""
        if not part.of.startswith("torch.nn.modules.sparse."):
            for kind in ("_parameters", "_buffers"):
                for name, value in _named(part, kind, meaning):
                    if isinstance(value, Stored):
                        tensors[f"{start}{name}"] = value
                    if len(tensors) > _MOST_TENSORS:
                        raise Foreign(f"it holds more than {_MOST_TENSORS:,} weights")
        below = [(f"{start}{name}", each) for name, each in _named(part, "_modules", meaning)]
        waiting += reversed([(name, each) for name, each in below if isinstance(each, Module)])
    return tensors, parts


def _named(part: Module, kind: str, meaning: Callable[[Any], Any]) -> Iterator[tuple[str, Any]]:
    held = meaning(part.attributes[kind])
    for name, value in held.items() if isinstance(held, Mapping) else ():
        if isinstance(name, str):
            yield name, meaning(value)


def _unwrapped(value: Object) -> Object:
    """Return the tensor that a parameter, or a tensor of a class of its own, wraps; others as they are."""
    for _ in range(_MOST_WRAPPED):
        name, args, inner = name_of(value), value.args, None
        if name.startswith("torch._utils._rebuild_parameter") and args:
            inner = args[0]
        elif name.endswith("._rebuild_from_type_v2") and len(args) > 2 and isinstance(args[2], tuple):
            inner = Object(args[0], args[2])
        if not isinstance(inner, Object):
            break
        value = inner
    return value


def _as_dict(value: Object) -> dict[Any, Any]:
    pairs = _first_list(value.args)
    # Python 2 gives the entries as an argument.
    given = {pair[0]: pair[1] for pair in pairs if _is_pair(pair)}
    return {**given, **(value.items or {})}


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)


def _first_list(args: tuple) -> list[Any]:
    return args[0] if args and isinstance(args[0], list) else []


def _tensor(meaning: Meaning, value: Object) -> Stored:
    """Read `_rebuild_tensor`, `_v2` and `_v3` of PyTorch: storage, offset, shape, strides and more."""
    args, name = value.args, name_of(value)
    if len(args) < 4:
        raise Unreadable("it describes a tensor without a shape")
    shape, strides, offset = checked_layout(_shape(args[2]), _shape(args[3]), args[1])
    dtype, data, is_big_endian = meaning.storage(args[0])
    if name.endswith("_v3"):
        dtype = args[6].name if len(args) > 6 and isinstance(args[6], Name) else "unknown"
        metadata = args[7] if len(args) > 7 else None
    else:
        metadata = args[6] if len(args) > 6 else None
    why = "it is to be read with another sign" if metadata else None
    return Stored(dtype, shape, strides, offset, data, is_big_endian, why)


def _shape(value: Any) -> Any:
    if isinstance(value, Object) and name_of(value) == "torch.Size" and value.args:
        value = value.args[0]
    return tuple(value) if isinstance(value, list) else value


def _meta(meaning: Meaning, value: Object) -> Stored:
    dtype, shape = (*value.args, None, None)[:2]
    shape, _, _ = checked_layout(_shape(shape), _shape(shape), 0)
    return Stored(getattr(dtype, "name", "unknown"), shape, why=ON_META)


def _without_shape(meaning: Meaning, value: Object) -> Stored:
    return Stored("unknown", None, why="it has no shape yet")


def _sparse(meaning: Meaning, value: Object) -> Stored:
    parts = value.args[1] if len(value.args) > 1 and isinstance(value.args[1], tuple) else ()
    shape = next((shape for shape in map(_shape, parts) if isinstance(shape, tuple)), ())
    shape, _, _ = checked_layout(shape, shape, 0)
    return Stored("sparse", shape, why="it is sparse")


def _quantised(meaning: Meaning, value: Object) -> Stored:
    shape = _shape(value.args[2]) if len(value.args) > 2 else None
    shape, _, _ = checked_layout(shape, shape, 0)
    return Stored("quantised", shape, why="it is quantised")


def _array(meaning: Meaning, value: Object) -> Any:
    """Read a NumPy array: version, shape, dtype, order, bytes; before that it was made empty."""
    if not isinstance(value.state, tuple) or len(value.state) != 5:
        return {}
    _, shape, dtype, is_fortran, data = value.state
    return _as_stored(dtype, _shape(shape), bool(is_fortran), data)


def _buffer_array(meaning: Meaning, value: Object) -> Any:
    """Read a NumPy array of protocol 5: bytes, dtype, shape, order."""
    if len(value.args) != 4:
        return {}
    data, dtype, shape, order = value.args
    return _as_stored(dtype, _shape(shape), order == "F", data)


def _as_stored(dtype: Any, shape: Any, is_fortran: bool, data: Any) -> Any:
    letters = dtype.args[0] if isinstance(dtype, Object) and dtype.args else None
    if name_of(data) in _BYTES:
        data = data.args[0] if data.args else b""
    if (
        not isinstance(letters, str)
        or letters not in _NUMPY_LETTERS
        or not isinstance(data, bytes | str | Stretch)
    ):
        # Arrays of objects, texts and dates are no weights.
        return {}
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "|"
    return Stored(_NUMPY_LETTERS[letters], shape, contiguous(shape, is_fortran), 0, data, order == ">")


_TENSORS: dict[str, Callable[[Meaning, Object], Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_qtensor": _quantised,
    "torch.nn.parameter.UninitializedParameter": _without_shape,
    "torch.nn.parameter.UninitializedBuffer": _without_shape,
    **dict.fromkeys((f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")), _array),
    **dict.fromkeys((f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")), _buffer_array),
}
