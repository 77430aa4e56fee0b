"""Files that were made to do harm, each with what it gets."""

import hashlib
import io
import json
import struct
import zipfile
from typing import Any

EVIL = "touched-by-hostile-file"
LARGE = 2**62


def text(value: str) -> bytes:
    """Return the opcode that pushes a text."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    """Return the opcode that pushes an integer."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def name(full: str) -> bytes:
    """Return the opcode that pushes a class or function."""
    module, _, last = full.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def values(*parts: bytes) -> bytes:
    """Return the opcodes that push a tuple."""
    return b"(" + b"".join(parts) + b"t"


def called(full: str, *args: bytes) -> bytes:
    """Return the opcodes that call a function."""
    return name(full) + values(*args) + b"R"


def dict_of(**entries: bytes) -> bytes:
    """Return the opcodes that push a dict."""
    return b"}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def pickle_of(body: bytes) -> bytes:
    """Return a pickle."""
    return b"\x80\x04" + body + b"."


def storage(key: str = "0", size: int = 27, kind: str = "torch.FloatStorage") -> bytes:
    """Return the opcodes that push a storage."""
    return values(text("storage"), name(kind), text(key), text("cuda:7"), number(size)) + b"Q"


def tensor(shape: Any = (9, 3), strides: Any = (3, 1), offset: int = 0, where: bytes | None = None) -> bytes:
    """Return the opcodes that push a tensor."""
    sizes, steps = (values(*map(number, each)) for each in (shape, strides))
    rest = (b"\x89", called("collections.OrderedDict"))
    return called("torch._utils._rebuild_tensor_v2", where or storage(), number(offset), sizes, steps, *rest)


def weights(hh: bytes, ih: bytes | None = None) -> bytes:
    """Return the opcodes that push a state dict of a GRU with three units."""
    return b"}(" + text("rnn.weight_ih_l0") + (ih or tensor()) + text("rnn.weight_hh_l0") + hh + b"u"


def module(full: str, parameters: bytes = b"}", modules: bytes = b"}", **attributes: bytes) -> bytes:
    """Return the opcodes that push a module that was pickled whole."""
    state = dict_of(_parameters=parameters, _buffers=b"}", _modules=modules, **attributes)
    return name(full) + b")\x81" + state + b"b"


def gru(**attributes: bytes) -> bytes:
    """Return the opcodes that push a GRU with three units that was pickled whole."""
    own = {"mode": text("GRU"), "hidden_size": number(3), "num_layers": number(1)} | attributes
    parameters = dict_of(weight_ih_l0=tensor(), weight_hh_l0=tensor())
    return module("torch.nn.modules.rnn.GRU", parameters, **own)


def zip_of(body: bytes, compression: int = zipfile.ZIP_STORED, entries: Any = None) -> bytes:
    """Return a file as `torch.save` writes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("a/data.pkl", pickle_of(body))
        for key, data in {"data/0": bytes(108), **(entries or {})}.items():
            archive.writestr(f"a/{key}", data)
    return buffer.getvalue()


def old_of(body: bytes, keys: bytes, data: bytes) -> bytes:
    """Return a file as `torch.save` wrote it before PyTorch 1.6."""
    head = [number(0x1950A86A20F9469CFC6C), number(1001), dict_of(little_endian=b"\x88"), body, keys]
    return b"".join(map(pickle_of, head)) + data


def safetensors_of(header: Any, data: bytes = b"") -> bytes:
    """Return a safetensors file."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content)) + content + data


def eqx_of(content: bytes = b"", **said: Any) -> bytes:
    """Return a checkpoint of the package, with a checksum that fits."""
    header = {"format": "fpanalysis checkpoint", "version": 1, "package": "1", "bytes": len(content), **said}
    header["sha256"] = hashlib.sha256(json.dumps(header).encode() + content).hexdigest()
    return json.dumps(header).encode() + b"\n" + content


def field_of(hidden_size: int, input_size: int) -> bytes:
    """Return a checkpoint that claims a network of this size."""
    cell = {"kind": "GRUCell", "input_size": input_size, "hidden_size": hidden_size, "bias": True}
    cell |= {"dtype": "float32", "nonlinearity": None}
    rest = {"stacked": False, "readout": None, "state": [], "inputs": [], "outputs": []}
    return eqx_of(bytes(500), model="vector_field", cells=[cell], time_domain="discrete", dt=None, **rest)


def _with_two_entries() -> bytes:
    return zip_of(weights(tensor()), entries={"data/1": b""}).replace(b"a/data/1", b"a/data/0")


def _colliding(n: int) -> bytes:
    # Integers of one hash.
    return b"}(" + b"".join(number(i * (2**61 - 1)) + b"N" for i in range(1, n)) + b"u"


EVIL_CALL = called("pathlib.Path.touch", called("pathlib.Path", text(EVIL)))
NO_SENSE = "cannot be read, it may be damaged or cut short: "
NO_WEIGHTS = "cannot be read: it holds .*, and no weights by name"
NO_ARRAY = "source: 'rnn.weight_hh_l0' cannot be read as a plain array: "
DOUBLED = b"]q\x00" + b"(h\x00h\x00lq\x00" * 200
DEEP = 20_000  # Python's own stack ends at a thousand.

# What it is, its content, and what the error says; each with weights beside, where it can have some.
HOSTILE: dict[str, tuple[bytes, str]] = {
    # Pickles that call something.
    "os.system": (
        pickle_of(called("os.system", text(f"touch {EVIL}"))),
        "an object of os.system" + ".*no weights",
    ),
    "eval": (pickle_of(called("builtins.eval", text(f"open('{EVIL}', 'w')"))), NO_WEIGHTS),
    "a method": (pickle_of(EVIL_CALL), NO_WEIGHTS),
    "a new object": (
        pickle_of(name("subprocess.Popen") + values(text(f"touch {EVIL}")) + b"\x81"),
        NO_WEIGHTS,
    ),
    "an old instance": (pickle_of(f"(S'touch {EVIL}'\nios\nsystem\n".encode()), NO_WEIGHTS),
    "an old object": (pickle_of(b"(" + name("os.system") + text(f"touch {EVIL}") + b"o"), NO_WEIGHTS),
    "a state": (pickle_of(name("os.environ") + dict_of(PATH=text("x")) + b"b"), NO_WEIGHTS),
    "an extension": (pickle_of(b"\x82\x01)R"), NO_WEIGHTS),
    "a persistent text": (pickle_of(b"Pnothing\n"), NO_WEIGHTS),
    "a call in place of a weight": (
        zip_of(weights(EVIL_CALL)),
        "'weight_hh' is missing beside 'rnn.weight_ih_l0'",
    ),
    "a call of a call": (pickle_of(EVIL_CALL + b")R" * DEEP), NO_WEIGHTS),
    "a nameless call": (pickle_of(b"K\x01)R"), NO_WEIGHTS),
    "a buffer": (pickle_of(b"\x97\x98"), NO_WEIGHTS),
    # Pickles that are deep, large or slow.
    "deep lists": (pickle_of(b"]" * DEEP + b"a" * (DEEP - 1)), NO_WEIGHTS),
    "deep tuples": (pickle_of(b"N" + b"\x85" * DEEP), NO_WEIGHTS),
    "a deep key": (pickle_of(b"}N" + b"\x85" * DEEP + b"Ns"), "found no arrays"),
    "deep dicts": (
        pickle_of(b"}" + text("a") + (b"}" + text("a")) * DEEP + b"N" + b"s" * (DEEP + 1)),
        "no arrays",
    ),
    "a list of itself": (pickle_of(b"]q\x00h\x00a"), NO_WEIGHTS),
    "a key that doubles": (
        pickle_of(b"}Nq\x00" + b"h\x00h\x00\x86q\x00" * 90 + b"Ns"),
        NO_SENSE + "|no arrays",
    ),
    "lists that double": (pickle_of(DOUBLED), NO_WEIGHTS),
    "equal hashes": (pickle_of(_colliding(30_000)), "found no arrays"),
    "a long number": (
        pickle_of(b"\x8b" + struct.pack("<i", 2**31 - 1)),
        NO_SENSE + "it holds a number or name",
    ),
    "a negative length": (pickle_of(b"\x8b" + struct.pack("<i", -1)), NO_SENSE),
    "many digits": (pickle_of(b"L" + b"9" * 50_000 + b"L\n"), NO_SENSE),
    "a line without end": (b"\x80\x02I" + b"1" * 200_000, NO_SENSE + "it holds a line without an end"),
    "a text of 2⁶³": (pickle_of(b"\x8d" + struct.pack("<Q", 2**63)), NO_SENSE + "it claims"),
    "bytes of 1 TiB": (pickle_of(b"\x96" + struct.pack("<Q", 2**40)), NO_SENSE + "it claims"),
    "a memo at 2³¹": (pickle_of(b"Nr" + struct.pack("<I", 2**32 - 1)), NO_WEIGHTS),
    "a frame of 2⁶³": (pickle_of(b"\x95" + struct.pack("<Q", 2**63) + b"N"), NO_WEIGHTS),
    # Pickles that make no sense.
    "an unknown opcode": (b"\x80\x04\xff.", NO_SENSE + "its pickle makes no sense"),
    "an empty stack": (b"\x80\x040000.", NO_SENSE),
    "no end": (b"\x80\x04N", NO_SENSE + "it ends too early"),
    "a missing memo": (pickle_of(b"h\x07"), NO_SENSE),
    "entries of a number": (pickle_of(b"K\x01(NNu"), NO_SENSE),
    "entries of a name": (pickle_of(name("os.environ") + b"(NNu"), NO_SENSE),
    "half an entry": (pickle_of(b"}(Nu"), NO_SENSE),
    "a text that is none": (pickle_of(b"X\2\0\0\0\xff\xfe"), NO_SENSE),
    "a name that is a number": (pickle_of(b"K\1K\2\x93"), NO_SENSE),
    # Tensors that reach beyond what is there.
    "negative strides": (
        zip_of(weights(tensor(strides=(-3, 1)))),
        NO_ARRAY + "it describes a tensor of impossible",
    ),
    "a negative offset": (
        zip_of(weights(tensor(offset=-1))),
        NO_ARRAY + "it describes a tensor of impossible",
    ),
    "an offset beyond": (zip_of(weights(tensor(offset=1))), NO_ARRAY + "112 bytes are needed where 108 are"),
    "strides beyond": (zip_of(weights(tensor(strides=(LARGE - 1, 1)))), NO_ARRAY + r"\d+ bytes are needed"),
    "a huge shape": (
        zip_of(weights(tensor((3 * 2**40, 2**40), (0, 0)))),
        NO_ARRAY + "it has .* entries, but only 1",
    ),
    "a shape of 2¹⁰⁰": (
        zip_of(weights(tensor((2**100, 3)))),
        NO_ARRAY + "it describes a tensor of impossible",
    ),
    "too few strides": (
        zip_of(weights(tensor(strides=(1,)))),
        NO_ARRAY + "it describes a tensor of impossible",
    ),
    "99 axes": (
        zip_of(weights(tensor((1,) * 99, (1,) * 99))),
        NO_ARRAY + "it describes a tensor of impossible",
    ),
    "no shape": (
        zip_of(weights(called("torch._utils._rebuild_tensor_v2"))),
        NO_ARRAY + "it describes a tensor without",
    ),
    "a missing storage": (
        zip_of(weights(tensor(where=storage("../1")))),
        NO_ARRAY + "the values of storage '../1'",
    ),
    "a large storage": (
        zip_of(weights(tensor(where=storage(size=LARGE - 1)))),
        NO_ARRAY + "storage '0' claims",
    ),
    "a storage of nothing": (
        zip_of(weights(tensor(where=b"N"))),
        NO_ARRAY + "it describes a tensor without a storage",
    ),
    "a strange storage": (
        zip_of(weights(tensor(where=b"NQ"))),
        NO_ARRAY + "it names a storage in an unknown way",
    ),
    "an unknown dtype": (
        zip_of(weights(tensor(where=storage(kind="os.system")))),
        NO_ARRAY + "its dtype is system",
    ),
    "a deep parameter": (
        zip_of(weights(name("torch._utils._rebuild_parameter") * 99 + b"N" + b"\x85R" * 99)),
        "'weight_hh' is missing beside 'rnn.weight_ih_l0'",
    ),
    "bytes that are no storage": (
        zip_of(weights(tensor(where=called("torch.storage._load_from_bytes", b"C\x03abc")))),
        NO_ARRAY,
    ),
    # Modules.
    "a module in itself": (
        zip_of(
            name("a.A")
            + b")\x81q\x00"
            + dict_of(_parameters=b"}", _buffers=b"}", _modules=b"}" + text("a") + b"h\x00s")
            + b"b"
        ),
        "hold each other without end",
    ),
    "modules that double": (
        zip_of(
            module("a.A")
            + b"q\x00"
            + (b"0" + module("a.A", modules=dict_of(a=b"h\x00", b=b"h\x00")) + b"q\x00") * 60
        ),
        "hold each other without end",
    ),
    "a class of one's own": (
        zip_of(
            module(
                "a.B",
                modules=dict_of(rnn=module("a.A", dict_of(weight_ih_l0=tensor(), weight_hh_l0=tensor()))),
            )
        ),
        "one of torch.nn's, got a.A, whose equations are unknown",
    ),
    "a wrong size": (zip_of(gru(hidden_size=number(4))), "says that it has 4 units in 1 layers"),
    "a huge size": (
        zip_of(gru(hidden_size=b"\x8a\xff" + b"\1" * 255)),
        "says that it has no number of units",
    ),
    "a deep mode": (zip_of(gru(mode=b"N" + b"\x85" * DEEP)), "does not say its nonlinearity"),
    "hooks": (zip_of(gru(_forward_hooks=dict_of(a=name("os.system")))), "saved with hooks, 'os.system'"),
    # Zip archives.
    "a compressed bomb": (
        zip_of(b"N", zipfile.ZIP_DEFLATED, {"data/0": bytes(2**24)}),
        "is compressed or encrypted",
    ),
    "two entries": (_with_two_entries(), NO_SENSE + "it holds two entries of one name"),
    "no beginning": (
        zip_of(weights(tensor())).replace(b"PK\1\2", b"PK\1\3"),
        NO_SENSE + "it is no whole zip archive",
    ),
    "another checksum": (
        zip_of(weights(tensor())).replace(bytes(60), b"\1" * 60),
        "the file is damaged",
    ),
    "another program": (zip_of(b"N").replace(b"data.pkl", b"dato.pkl"), "that torch.save did not write"),
    # Old files.
    "a later version": (
        b"".join(map(pickle_of, [number(0x1950A86A20F9469CFC6C), number(7), b"N"])),
        "unknown version",
    ),
    "a negative count": (
        old_of(tensor(), b"](" + text("0") + b"e", struct.pack("<q", -1)),
        NO_SENSE + "it claims",
    ),
    "a count of 2⁶²": (
        old_of(tensor(), b"](" + text("0") + b"e", struct.pack("<q", LARGE)),
        NO_SENSE + "it claims",
    ),
    "an unused storage": (old_of(b"N", b"](" + text("0") + b"e", bytes(8)), NO_SENSE + "it lists a storage"),
    "no list of storages": (old_of(tensor(), b"N", b""), NO_SENSE + "it does not list its storages"),
    "a list of lists": (old_of(tensor(), b"](]e", b""), NO_SENSE + "it does not list its storages"),
    # safetensors.
    "a header beyond": (struct.pack("<Q", 10_000) + b"{}", NO_SENSE),
    "a header of 90 MB": (
        struct.pack("<Q", 90_000_000) + b"{}",
        "its header is said to have 90,000,000 bytes",
    ),
    "deep JSON": (safetensors_of(b'{"a": ' + b"[" * DEEP), NO_SENSE),
    "offsets beyond": (
        safetensors_of({"weight_hh": {"dtype": "F32", "shape": [LARGE], "data_offsets": [0, 4 * LARGE]}}),
        NO_SENSE,
    ),
    "a shape that does not fit": (
        safetensors_of({"weight_hh": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}, bytes(4)),
        NO_SENSE,
    ),
    # Checkpoints of the package.
    "a deep header": (
        b'{"format": "fpanalysis checkpoint", "a": ' + b"[" * DEEP + b"\n",
        "its header is not JSON",
    ),
    "a header without end": (b'{"format": "fpanalysis checkpoint"', "its header has no end"),
    "a length that is none": (eqx_of(bytes="3"), "does not say how long its arrays are"),
    "a length of 2⁶²": (eqx_of(bytes=LARGE), "promises .* bytes of arrays, 0 are there"),
    "a version that is none": (eqx_of(version=True), "is a checkpoint of version True"),
    "an unknown model": (eqx_of(model="os.system"), "a model of unknown kind 'os.system'"),
    "a model without parts": (eqx_of(model="vector_field"), "its header does not fit its arrays"),
    "a network of 10⁹ units": (field_of(10**9, 1), "it names larger arrays than there are"),
    "a network of 10¹² inputs": (field_of(1, 10**12), "it names larger arrays than there are"),
    "a network of -1 units": (field_of(-1, 1), "its header does not fit its arrays"),
}
