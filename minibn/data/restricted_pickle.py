"""Read the pickles of the CIFAR sets without Python's unpickler, which runs what a file tells it.

A pickle is a program for a small stack machine. This one knows the instructions that the official
files consist of (written by Python 2) and those that Python 3 writes for the same content. It
builds bytes, strings, integers, booleans, None, lists, dicts with plain keys and uint8 arrays; it
imports nothing and calls nothing that the file names. Anything else in a file is a ValueError.

Memory stays within a few times the size of the file: strings are copied from it, and the number of
instructions, each of which builds one small object at most, is limited.
The instructions are documented in Python's own `pickletools.py`.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_INSTRUCTIONS = 2_000_000  # the official training file has 310,000
PLAIN = (bytes, str, int, bool, type(None), list, dict, np.ndarray)  # what lists and dicts hold

# The functions that a pickled uint8 array refers to, under the names of NumPy 1 and NumPy 2,
# and the one through which Python 3 writes bytes for Python 2.
FUNCTIONS = {
    "numpy.core.multiarray _reconstruct": "array",
    "numpy._core.multiarray _reconstruct": "array",
    "numpy.core.numeric _frombuffer": "frombuffer",
    "numpy._core.numeric _frombuffer": "frombuffer",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
}


def read_pickle(content: bytes, name: str) -> dict[str, Any]:
    """The dictionary in a pickle, with its keys as strings; byte strings stay bytes.

    content: the file's bytes. name: what an error calls the file.
    Arrays are uint8 and read-only. ValueError for whatever is damaged or not plain data.
    """
    try:
        result = _Machine(content).run()
        return {k.decode("latin1") if isinstance(k, bytes) else k: v for k, v in result.items()}
    except (ValueError, IndexError) as error:
        # IndexError: beyond the end of the file, or below the bottom of the stack
        reason = "it breaks off" if isinstance(error, IndexError) else error
        raise ValueError(f"{name} is damaged, or not plain data: {reason}") from None


class _Named:
    """Stands for a function or a type that the file names; never called."""

    def __init__(self, role: str):
        self.role = role


class _Unfilled:
    """Stands for a dtype or an array whose content is still to come."""

    def __init__(self, role: str):
        self.role = role


class _Mark:
    """The place on the stack from which a list, dict or tuple is gathered."""


class _Machine:
    def __init__(self, content: bytes):
        self.content = memoryview(content)
        self.position = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.may_encode = len(content)  # else one long text could be turned into bytes many times

    def run(self) -> dict:
        for _ in range(MAX_INSTRUCTIONS):
            code = self.content[self.position]
            self.position += 1
            if code == ord("."):
                break
            if code not in INSTRUCTIONS:
                raise ValueError(f"instruction {bytes([code])!r} at byte {self.position - 1}")
            INSTRUCTIONS[code](self)
        else:
            raise ValueError(f"more than {MAX_INSTRUCTIONS:,} instructions")
        if len(self.stack) != 1 or type(self.stack[0]) is not dict:
            raise ValueError("it does not hold one dictionary")
        return self.stack[0]

    # Reading arguments.

    def take(self, count: int) -> memoryview:
        taken = self.content[self.position : self.position + count]
        if len(taken) < count:
            raise IndexError
        self.position += count
        return taken

    def number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def string(self, size: int) -> bytes:
        """A string that is preceded by its length, a number of `size` bytes."""
        return bytes(self.take(self.number(size)))

    def text(self, size: int) -> str:
        return str(self.take(self.number(size)), "utf-8")

    def line(self) -> str:
        """The rest of a line, of at most 100 bytes."""
        ahead = bytes(self.content[self.position : self.position + 100])
        length = ahead.index(b"\n")
        self.position += length + 1
        return ahead[:length].decode("ascii")

    # The stack.

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_to_mark(self) -> list:
        for index in range(len(self.stack) - 1, -1, -1):
            if type(self.stack[index]) is _Mark:
                items = self.stack[index + 1 :]
                del self.stack[index:]
                return items
        raise ValueError("a mark is missing")

    def pop_tuple(self, count: int) -> None:
        items = [self.stack.pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    # Lists and dicts: only plain values go in, so that nothing else can come out.

    def append(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) is not list or not all(type(item) in PLAIN for item in items):
            raise ValueError("a list of something else than plain data")
        target.extend(items)

    def set_items(self, items: list) -> None:
        target, keys, values = self.stack[-1], items[::2], items[1::2]
        if (
            type(target) is not dict
            or len(keys) != len(values)
            or not all(type(key) in (bytes, str) for key in keys)
            or not all(type(value) in PLAIN for value in values)
        ):
            raise ValueError("a dictionary of something else than plain data")
        target.update(zip(keys, values, strict=True))

    # What a pickled array consists of.

    def name_function(self, name: str) -> None:
        if name not in FUNCTIONS:
            raise ValueError(f"it refers to {name!r}")
        self.push(_Named(FUNCTIONS[name]))

    def name_function_on_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(module) is not str or type(name) is not str:
            raise ValueError("a name that is no string")
        self.name_function(f"{module} {name}")

    def call(self) -> None:
        """Stands for function(*arguments), for the few calls that plain data consists of."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(arguments) is not tuple or type(function) is not _Named:
            raise ValueError("a call of something that is no function")
        match function.role, arguments:
            case "array", (_Named(role="ndarray"), (0,), _):
                self.push(_Unfilled("array"))
            case "dtype", ("u1" | b"u1", _, _):
                self.push(_Unfilled("dtype"))
            case "encode", (str() as text, "latin1" | b"latin1"):
                self.may_encode -= len(text)
                if self.may_encode < 0:
                    raise ValueError("more bytes than the file holds")
                self.push(text.encode("latin1"))
            case "frombuffer", (bytes() as values, dtype, tuple() as shape, "C" | "F" as order):
                self.push(_array(values, dtype, shape, order))
            case _:
                raise ValueError("a call that no array of unsigned bytes needs")

    def fill(self) -> None:
        """Gives an object its content: a dtype (which has none that matters here) or an array."""
        state, target = self.stack.pop(), self.stack.pop()
        role = target.role if type(target) is _Unfilled else None
        match role, state:
            case "dtype", tuple():
                self.push(target)
            case "array", (1, tuple() as shape, dtype, bool() as fortran, bytes() as values):
                self.push(_array(values, dtype, shape, "F" if fortran else "C"))
            case _:
                raise ValueError("content for something that takes none")

    # The memo: objects that are written once and referred to later.

    def memorize(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise ValueError(f"object {index} is referred to before it is made")
        self.push(self.memo[index])


def _array(values: bytes, dtype: Any, shape: tuple, order: str) -> np.ndarray:
    """A uint8 array over `values`, without a copy."""
    if type(dtype) is not _Unfilled or dtype.role != "dtype":
        raise ValueError("an array of something else than unsigned bytes")
    if len(shape) > 4 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("an array of impossible shape")
    if math.prod(shape) != len(values):
        raise ValueError(f"an array of shape {shape} with {len(values):,} bytes")
    return np.frombuffer(values, np.uint8).reshape(shape, order=order)  # type: ignore[call-overload]


def _accept_protocol(machine: _Machine) -> None:
    protocol = machine.number(1)
    if not 2 <= protocol <= 5:
        raise ValueError(f"pickle protocol {protocol}; 2 to 5 are known")


INSTRUCTIONS: dict[int, Callable[[_Machine], Any]] = {
    ord(code): action
    for code, action in {
        # frames of the protocols
        "\x80": _accept_protocol,
        "\x95": lambda m: m.take(8),
        # numbers and constants
        "N": lambda m: m.push(None),
        "\x88": lambda m: m.push(True),
        "\x89": lambda m: m.push(False),
        "K": lambda m: m.push(m.number(1)),
        "M": lambda m: m.push(m.number(2)),
        "J": lambda m: m.push(m.number(4, signed=True)),
        # bytes (U and T: the strings of Python 2) and text
        "U": lambda m: m.push(m.string(1)),
        "T": lambda m: m.push(m.string(4)),
        "C": lambda m: m.push(m.string(1)),
        "B": lambda m: m.push(m.string(4)),
        "\x8e": lambda m: m.push(m.string(8)),
        "\x96": lambda m: m.push(m.string(8)),
        "\x8c": lambda m: m.push(m.text(1)),
        "X": lambda m: m.push(m.text(4)),
        # tuples, lists, dicts
        "(": lambda m: m.push(_Mark()),
        ")": lambda m: m.push(()),
        "\x85": lambda m: m.pop_tuple(1),
        "\x86": lambda m: m.pop_tuple(2),
        "\x87": lambda m: m.pop_tuple(3),
        "t": lambda m: m.push(tuple(m.pop_to_mark())),
        "]": lambda m: m.push([]),
        "a": lambda m: m.append([m.stack.pop()]),
        "e": lambda m: m.append(m.pop_to_mark()),
        "}": lambda m: m.push({}),
        "s": lambda m: m.set_items([m.stack.pop(), m.stack.pop()][::-1]),
        "u": lambda m: m.set_items(m.pop_to_mark()),
        # arrays
        "c": lambda m: m.name_function(f"{m.line()} {m.line()}"),
        "\x93": lambda m: m.name_function_on_stack(),
        "R": lambda m: m.call(),
        "b": lambda m: m.fill(),
        # memo
        "q": lambda m: m.memorize(m.number(1)),
        "r": lambda m: m.memorize(m.number(4)),
        "\x94": lambda m: m.memorize(len(m.memo)),
        "h": lambda m: m.recall(m.number(1)),
        "j": lambda m: m.recall(m.number(4)),
    }.items()
}
