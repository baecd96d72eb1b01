"""A device that is not there: arrays with CuPy's restrictions, and a GPU that is only a clock.

The exercises of notebook 10 need neither CuPy nor a GPU. `Far` is an array on an emulated device,
`far` the module of its functions; both compute with NumPy. `FakeGPU` has a queue of kernels and a
clock, and no arrays at all.
"""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

SAME = ("shape", "dtype", "ndim", "size", "nbytes", "itemsize")        # known without the data
VIEWS = ("T", "real", "imag")
METHODS = frozenset((
    "all", "any", "argmax", "argmin", "argsort", "astype", "clip", "copy", "cumsum", "diagonal",
    "dot", "fill", "flatten", "max", "mean", "min", "prod", "ravel", "repeat", "reshape", "round",
    "sort", "squeeze", "std", "sum", "swapaxes", "take", "trace", "transpose", "var", "view"))


class Closed:
    """What an object holds under a name with two underscores is read in this file alone."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        hidden = name[:1] == "_" and name[1:2] != "_" and "__" in name
        if hidden and sys._getframe(1).f_code.co_filename != __file__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return super().__getattribute__(name)


class Counted(type):
    """The type of `Far`; counts copies to the CPU, and lets nobody reset the count."""

    __count = 0

    @property
    def trips(cls) -> int:
        """How often something was copied to the CPU, of all arrays together."""
        return Counted.__count

    def one_trip(cls) -> None:
        Counted.__count += 1


class Far(Closed, metaclass=Counted):
    """An array on an emulated device. It refuses what CuPy's arrays refuse: to become a NumPy
    array without being asked, and to be mixed with one.

    data: what `numpy.asarray` takes; the array is copied.  `Far.trips` counts copies to the CPU.
    """

    __slots__ = ("__held",)
    __array_ufunc__ = None

    def __init__(self, data: Any) -> None:
        self.__held = np.array(data)

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __getattr__(self, name: str) -> Any:
        if name in SAME:
            return getattr(self.__held, name)
        if name in VIEWS:
            return wrap(getattr(self.__held, name))
        if name in METHODS:
            return far_call(getattr(self.__held, name))
        raise AttributeError(f"'Far' object has no attribute {name!r}")

    def __getitem__(self, place: Any) -> Any:
        return wrap(self.__held[unwrap(place)])

    def __setitem__(self, place: Any, value: Any) -> None:
        self.__held[unwrap(place)] = unwrap(value)

    def __len__(self) -> int:
        return len(self.__held)

    def __repr__(self) -> str:
        return f"<Far array of shape {self.shape}>"

    def get(self) -> np.ndarray:
        """A copy on the CPU: a trip."""
        Far.one_trip()
        return self.__held.copy()

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __bool__(self) -> bool:
        return bool(self.get())

    __hash__ = None  # type: ignore[assignment]     # as it compares entry by entry


def wrap(value: Any) -> Any:
    """A result of NumPy's, back on the device."""
    return Far(value) if isinstance(value, np.ndarray | np.generic) else value


def unwrap(value: Any) -> Any:
    """What NumPy needs to compute with this argument; a NumPy array is on the other device."""
    if isinstance(value, Far):
        return held(value)
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>: it is on the CPU, the other "
                        "array is on the device")
    return type(value)(map(unwrap, value)) if type(value) in (tuple, list) else value


def far_call(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's function for arrays on the device."""
    return lambda *args, **kwargs: wrap(function(*map(unwrap, args),
                                                 **{k: unwrap(v) for k, v in kwargs.items()}))


def turned(function: Callable[..., Any]) -> Callable[..., Any]:
    """The operator for an array on its right."""
    return lambda self, other: function(other, self)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or",
              "xor"):
    _function = far_call(getattr(operator, f"__{_name}__"))
    setattr(Far, f"__{_name}__", _function)
    setattr(Far, f"__r{_name}__", turned(_function))
for _name in ("lt", "le", "gt", "ge", "eq", "ne", "neg", "pos", "abs", "invert"):
    setattr(Far, f"__{_name}__", far_call(getattr(operator, f"__{_name}__")))


class FarModule(types.ModuleType):
    """NumPy's functions for Far arrays, `asarray` to copy up and `asnumpy` to copy down."""

    ndarray = Far

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)                  # constants and types are the same on both
        return far_call(found) if callable(found) and not isinstance(found, type) else found

    def asarray(self, x: Any, dtype: Any = None) -> Far:
        """x on the device: copied up, or x itself if it is there already."""
        here = x if isinstance(x, Far) else Far(x)
        return here if dtype is None else here.astype(dtype)

    array = asarray

    def asnumpy(self, x: Any) -> np.ndarray:
        """A copy on the CPU: a trip."""
        return x.get() if isinstance(x, Far) else np.asarray(x)


far = FarModule("far")


class FakeGPU(Closed):
    """A clock, a queue and kernels; all times in µs.

    `launch()` takes 10 µs of Python's time and puts a kernel into the queue; the first launch also
    compiles. A kernel runs when it has been launched and the one before has ended.

    kernel: how long a kernel runs; compiling: how long the first launch compiles; busy: for how
    long an earlier program's work still fills the queue.
    """

    __slots__ = ("__cold", "__compiling", "__free", "__kernel", "__log", "__now")

    def __init__(self, kernel: float, compiling: float = 5000.0, busy: float = 0.0) -> None:
        self.__now, self.__free, self.__kernel = 0.0, busy, kernel
        self.__compiling, self.__cold = compiling, True
        self.__log: list[str] = []

    def clock(self) -> float:
        """The time in µs."""
        self.__log.append("clock" if self.__free <= self.__now else "clock, busy")
        return self.__now

    def launch(self) -> None:
        """Put a kernel into the queue; returns before it has run."""
        self.__log.append("launch, compiling" if self.__cold else "launch")
        self.__now += 10 + (self.__compiling if self.__cold else 0)
        self.__cold = False
        self.__free = max(self.__free, self.__now) + self.__kernel

    def synchronize(self) -> None:
        """Wait until the queue is empty."""
        self.__now = max(self.__now, self.__free)


def held(x: Any) -> Any:
    """What an array holds, without a trip; for the checks, no answer may call it."""
    only_for_checks()
    return x.__getattribute__("_Far__held") if isinstance(x, Far) else x


def log_of(gpu: FakeGPU) -> list[str]:
    """What was asked of a GPU, in order; for the checks, no answer may call it."""
    only_for_checks()
    return gpu.__getattribute__("_FakeGPU__log")


def only_for_checks() -> None:
    """Raise AttributeError where the caller's caller is neither minibn nor a test of it."""
    if not sys._getframe(2).f_globals.get("__name__", "").startswith(("minibn.", "test_")):
        raise AttributeError("an array on the device can be read with asnumpy alone")
