"""Pickles read without building what they describe: no class is imported, nothing is called.

A pickle is a program for a machine with a stack. This machine makes plain values of it; what should be built
of a class, or by a call, becomes an `Object` that says the name and what it was given. So objects of unknown
classes are no obstacle, and hostile ones do nothing. Time and memory are bounded: by a number of steps, by
what is kept of long texts, and since no claimed size is believed (see `pickletools` for the opcodes).
"""

import pickletools
import struct
from dataclasses import dataclass
from typing import Any

from fpanalysis.load._source import Cursor, Foreign, Stretch, Unreadable

# Longer texts and bytes stay in the file until they are asked for.
_KEPT = 4096
_MOST_KEPT = 2**28
# Integers beyond this are no keys: those of one hash make a dict as slow as a list.
_LARGEST_KEY = 2**31

_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_LONG_DATA = {
    "BINBYTES": 4,
    "BINBYTES8": 8,
    "BYTEARRAY8": 8,
    "BINUNICODE": 4,
    "BINUNICODE8": 8,
    "BINSTRING": 4,
}
_TEXT = ("BINUNICODE", "BINUNICODE8")


@dataclass(eq=False, slots=True, frozen=True)
class Name:
    """The name of a class or function, which is not looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True, repr=False)
class Object:
    """What stands in the place of an object that would have been built.

    Attributes:
        of: the name of its class, or of the function that would have returned it.
        args: what that would have been given.
        state: what its attributes would have been set from, often a dict.
        items: its entries, where it would have been filled as a dict.
        values: its entries, where it would have been filled as a list or a set.
    """

    of: Any
    args: tuple
    state: Any = None
    items: dict[Any, Any] | None = None
    values: list[Any] | None = None


PERSISTENT = Name("pickle", "persistent_load")


def read_pickle(cursor: Cursor, seen: list[Object] | None = None) -> Any:
    """Return what a pickle describes, as plain values and `Object`s; the cursor stands behind its end.

    Args:
        cursor: where the pickle starts.
        seen: a list to add the objects to that the pickle names by a persistent identity.

    Raises:
        Unreadable: it is damaged, or larger than what is read.
    """
    machine = _Machine(cursor, [] if seen is None else seen)
    try:
        while True:
            cursor.source.budget.take_step()
            name, argument = machine.next_step()
            if name == "STOP":
                return machine.pop()
            _STEPS[name](machine, argument)
    except Unreadable:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error) as error:
        # What `pickletools` and the steps raise where arguments are none, or the stack is empty.
        raise Unreadable(f"its pickle makes no sense at byte {cursor.place} ({error!r:.100})") from error


class _Machine:
    def __init__(self, cursor: Cursor, seen: list[Object]) -> None:
        self.cursor, self.seen = cursor, seen
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self._kept = 0

    def next_step(self) -> tuple[str, Any]:
        opcode = _OPCODES[self.cursor.read(1).decode("latin-1")]
        if opcode.name in _LONG_DATA:
            return opcode.name, self._data(opcode.name)
        reader: Any = None if opcode.arg is None else opcode.arg.reader
        before = self.cursor.place
        argument = None if reader is None else reader(self.cursor)
        self._keep(self.cursor.place - before)
        return opcode.name, argument

    def _data(self, name: str) -> Any:
        n_bytes = int.from_bytes(self.cursor.read(_LONG_DATA[name]), "little")
        if n_bytes > _KEPT:
            start = self.cursor.skip(n_bytes)
            return Stretch(self.cursor.source, start, n_bytes, is_text=name in _TEXT)
        self._keep(n_bytes)
        data = self.cursor.read(n_bytes)
        if name in _TEXT:
            return data.decode("utf-8", "surrogatepass")
        return data.decode("latin-1") if name == "BINSTRING" else data

    def _keep(self, n_bytes: int) -> None:
        self._kept += n_bytes
        if self._kept > _MOST_KEPT:
            raise Foreign(f"its pickle holds more than {_MOST_KEPT >> 20} MiB of short texts and numbers")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        return self.stack.pop()

    def mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        values, self.stack = self.stack, self.below.pop()
        return values

    def drop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def build(self, _: Any) -> None:
        state, target = self.pop(), self.stack[-1]
        if isinstance(target, Object):
            target.state = state

    def call(self, _: Any) -> None:
        args, of = self.pop(), self.pop()
        self.push(Object(of, _as_args(args)))

    def call_with_names(self, _: Any) -> None:
        names, args, of = self.pop(), self.pop(), self.pop()
        self.push(Object(of, (*_as_args(args), names)))

    def call_since_mark(self, _: Any) -> None:
        of, *args = self.since_mark()
        self.push(Object(of, tuple(args)))

    def persistent(self, identity: Any) -> None:
        self.seen.append(Object(PERSISTENT, (identity,)))
        self.push(self.seen[-1])

    def add_values(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Object):
            target.values = target.values or []
            target = target.values
        if not isinstance(target, list):
            raise Unreadable("its pickle adds entries to what is no list")
        target.extend(values)

    def add_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Object):
            target.items = target.items or {}
            target = target.items
        if not isinstance(target, dict) or len(pairs) % 2:
            raise Unreadable("its pickle adds entries to what is no dict")
        target.update(_dict(pairs))


def _as_args(args: Any) -> tuple:
    return args if isinstance(args, tuple) else (args,)


def _dict(pairs: list[Any]) -> dict[Any, Any]:
    return {_key(pairs[i]): pairs[i + 1] for i in range(0, len(pairs) - 1, 2)}


def _key(value: Any) -> Any:
    """Return a key that is quickly hashed and compared, whatever the value is.

    The hash of a tuple takes as long as the tuple is deep, or for ever where it holds itself several times.
    """
    if isinstance(value, str | Name | Object | Stretch | None):
        return value
    if isinstance(value, int) and abs(value) < _LARGEST_KEY:
        return value
    return Object(Name("builtins", type(value).__name__), (value,))


def _ignore(machine: _Machine, _: Any) -> None:
    pass


def _push_name(machine: _Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    machine.push(Name(module, name))


def _push_stacked_name(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise Unreadable("its pickle names a class by what is no name")
    machine.push(Name(module, name))


def _inst(machine: _Machine, argument: str) -> None:
    args = machine.since_mark()
    _push_name(machine, argument)
    machine.push(Object(machine.pop(), tuple(args)))


def _tuple(n: int) -> Any:
    def step(machine: _Machine, _: Any) -> None:
        if len(machine.stack) < n:
            raise Unreadable("its pickle has too few values for a tuple")
        machine.stack[-n:] = [tuple(machine.stack[-n:])]

    return step


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.add_items([key, value])


_STEPS: dict[str, Any] = {
    **dict.fromkeys(("PROTO", "FRAME", "READONLY_BUFFER"), _ignore),
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        _Machine.push,
    ),
    **dict.fromkeys(
        ("STRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "SHORT_BINBYTES", *_LONG_DATA),
        _Machine.push,
    ),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    # Sets are lists here, since what they hold is not hashed.
    "EMPTY_SET": lambda machine, _: machine.push([]),
    "FROZENSET": lambda machine, _: machine.push(machine.since_mark()),
    "LIST": lambda machine, _: machine.push(machine.since_mark()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "DICT": lambda machine, _: machine.push(_dict(machine.since_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    "APPEND": lambda machine, _: machine.add_values([machine.pop()]),
    "APPENDS": lambda machine, _: machine.add_values(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.add_values(machine.since_mark()),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.add_items(machine.since_mark()),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"), lambda machine, place: machine.push(machine.memo[place])
    ),
    **dict.fromkeys(
        ("PUT", "BINPUT", "LONG_BINPUT"),
        lambda machine, place: machine.memo.__setitem__(place, machine.stack[-1]),
    ),
    "MEMOIZE": lambda machine, _: machine.memo.__setitem__(len(machine.memo), machine.stack[-1]),
    "GLOBAL": _push_name,
    "STACK_GLOBAL": _push_stacked_name,
    **dict.fromkeys(
        ("EXT1", "EXT2", "EXT4"), lambda machine, code: machine.push(Name("copyreg", f"extension_{code}"))
    ),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_names,
    "INST": _inst,
    "OBJ": _Machine.call_since_mark,
    "BUILD": _Machine.build,
    "PERSID": _Machine.persistent,
    "BINPERSID": lambda machine, _: machine.persistent(machine.pop()),
    "NEXT_BUFFER": lambda machine, _: machine.push(Object(Name("pickle", "PickleBuffer"), ())),
}
