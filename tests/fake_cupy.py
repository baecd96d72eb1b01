"""A stand-in for CuPy: arrays that lie on no GPU and behave as if they did.

minibn runs on a GPU because every function calls those of the module that made its arrays.  What
can go wrong is whatever NumPy does by itself and CuPy refuses.  `conftest.py` installs this
module as `cupy`, so that a machine without a GPU finds it too.  Each array hides a NumPy array,
and NumPy does the arithmetic.

What CuPy does otherwise than NumPy, and this module with it:

    no way out     numpy.asarray(x), numpy_array + x, savez(x) raise TypeError.  Only asnumpy(x)
                   and x.get() copy to the host; float(x), int(x) and bool(x) of a single value
                   wait until the device has worked it out.
    no way in      x + numpy_array, exp(numpy_array), x + [1, 2] raise TypeError.  Only asarray
                   copies to the device.  Numbers are welcome, Python's and NumPy's.
    no scalars     x.sum() and x[0, 0] are arrays without axes, still on the device.
    no warnings    1/0 is infinite, and nobody says so.
    indices wrap   in an index array, a value out of range counts modulo the length, silently.
    row-major      results lie in C order, also of transposed operands and of index arrays.  Copies,
                   astype and zeros_like keep the order of their array.
    fewer names    a function or keyword that is not here raises AttributeError or TypeError.
                   All that is here CuPy has, by the same name and signature.

Where CuPy is kinder, this module is not, so that no code relies on it: NumPy arrays used as indices
or assigned to a whole array would be copied, matmul would make room if `out` were not contiguous,
and `empty` might hold zeros.

Sources: CuPy's user guide, "Differences between CuPy and NumPy", and its reference pages.
"""

from collections import Counter
from types import SimpleNamespace

import numpy
from numpy import inf  # noqa: F401  (CuPy borrows it as well)

__version__ = "0 (stand-in)"

# Not CuPy's: how often arrays crossed "to device" and "to host", and values were "looked at".
crossings: Counter[str] = Counter()


class ndarray:
    """An array on the device; `_host` is for this module alone."""

    __slots__ = ("_host",)
    __hash__ = None

    def __init__(self, host):
        self._host = numpy.asarray(host)

    # What can be known without waiting for the device

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: SimpleNamespace(c_contiguous=self._host.flags.c_contiguous))
    T = property(lambda self: ndarray(self._host.T))

    def __len__(self):
        return len(self._host)

    # The ways to the host: two that are refused, and those that are counted

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __array_function__(self, function, types, args, kwargs):
        """numpy.pad(x) is cupy.pad(x), if CuPy has such a function."""
        if function.__name__ not in globals():
            raise TypeError(f"numpy.{function.__name__} was called with an array of the device")
        return globals()[function.__name__](*args, **kwargs)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        """numpy.exp(x) is cupy.exp(x), and numpy_number * x is an array of the device."""
        if method != "__call__" or set(options) - {"out"}:
            raise TypeError(f"numpy.{ufunc.__name__} was called in a way that CuPy does not know")
        (out,) = options.get("out", (None,))
        return _apply(ufunc, *inputs, out=out)

    def get(self):
        crossings["to host"] += 1
        return self._host.copy()

    def _look(self):
        crossings["looked at"] += 1
        return self._host

    __float__ = lambda self: float(self._look())  # noqa: E731
    __int__ = lambda self: int(self._look())  # noqa: E731
    __bool__ = lambda self: bool(self._look())  # noqa: E731

    __repr__ = lambda self: f"device {self._host!r}"  # noqa: E731

    # Parts

    def __getitem__(self, key):
        found = self._host[_key(key, self.shape)]
        view = numpy.may_share_memory(found, self._host)
        return ndarray(found if view else numpy.asarray(found, order="C"))

    def __setitem__(self, key, value):
        self._host[_key(key, self.shape)] = _operand(value)

    # Other forms of the same values

    def astype(self, dtype, order="K", copy=True):
        with numpy.errstate(all="ignore"):
            return ndarray(self._host.astype(dtype, order=order, copy=copy))

    def copy(self, order="C"):
        return ndarray(self._host.copy(order))

    def reshape(self, *shape, order="C"):
        return ndarray(self._host.reshape(*shape, order=order))

    def swapaxes(self, axis1, axis2):
        return ndarray(self._host.swapaxes(axis1, axis2))

    def transpose(self, *axes):
        return ndarray(self._host.transpose(*axes))

    # Reductions

    def any(self, axis=None, out=None, keepdims=False):
        return _apply(numpy.any, self, axis=axis, out=out, keepdims=keepdims)

    def argmax(self, axis=None, out=None, dtype=None, keepdims=False):
        return _apply(numpy.argmax, self, axis=axis, out=out, keepdims=keepdims)

    def clip(self, min=None, max=None, out=None):
        return _apply(numpy.clip, self, min, max, out=out)

    def max(self, axis=None, out=None, keepdims=False):
        return _apply(numpy.max, self, axis=axis, out=out, keepdims=keepdims)

    def mean(self, axis=None, dtype=None, out=None, keepdims=False):
        return _apply(numpy.mean, self, axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    def min(self, axis=None, out=None, keepdims=False):
        return _apply(numpy.min, self, axis=axis, out=out, keepdims=keepdims)

    def sum(self, axis=None, dtype=None, out=None, keepdims=False):
        return _apply(numpy.sum, self, axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    # Operators; those with two operands and a result of numbers follow below the class

    __matmul__ = lambda self, other: matmul(self, other)  # noqa: E731
    __abs__ = lambda self: _apply(numpy.abs, self)  # noqa: E731
    __neg__ = lambda self: _apply(numpy.negative, self)  # noqa: E731
    __invert__ = lambda self: _apply(numpy.invert, self)  # noqa: E731


def _add_operator(name, ufunc):
    """x + y, y + x and x += y for the operator of this name."""
    setattr(ndarray, f"__{name}__", lambda x, y: _apply(ufunc, x, y))
    setattr(ndarray, f"__r{name}__", lambda x, y: _apply(ufunc, y, x))
    setattr(ndarray, f"__i{name}__", lambda x, y: _apply(ufunc, x, y, out=x))


def _add_comparison(name, ufunc):
    setattr(ndarray, f"__{name}__", lambda x, y: _apply(ufunc, x, y))


for _name, _ufunc in {"add": numpy.add, "sub": numpy.subtract, "mul": numpy.multiply,
                      "truediv": numpy.divide, "pow": numpy.power, "and": numpy.bitwise_and,
                      "or": numpy.bitwise_or}.items():
    _add_operator(_name, _ufunc)
for _name, _ufunc in {"eq": numpy.equal, "ne": numpy.not_equal, "lt": numpy.less,
                      "le": numpy.less_equal, "gt": numpy.greater,
                      "ge": numpy.greater_equal}.items():
    _add_comparison(_name, _ufunc)


# The rules

def _operand(value):
    """What NumPy is to compute with: an array of the device, or a number."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, (bool, int, float, numpy.generic)):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def _array(value):
    """The same where CuPy takes no number."""
    if not isinstance(value, ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    return value._host


def _apply(function, *operands, out=None, **options):
    """A NumPy function of arrays of the device and numbers; the result is on the device."""
    operands = [_operand(value) for value in operands]
    if out is not None:
        options["out"] = _array(out)
    with numpy.errstate(all="ignore"):
        result = function(*operands, **options)
    return ndarray(numpy.asarray(result, order="C")) if out is None else out


def _key(key, shape):
    """A key for NumPy.

    The ellipsis at its end makes a single entry a view, not a scalar; index arrays wrap.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    used = sum(part is not None and part is not Ellipsis for part in parts)
    axis = 0
    for place, part in enumerate(parts):
        if part is None:
            continue
        if part is Ellipsis:
            axis += len(shape) - used
            continue
        if isinstance(part, ndarray) and part.dtype.kind in "iu":
            parts[place] = part._host % shape[axis]
        elif isinstance(part, bool) or not isinstance(part, (int, numpy.integer, slice)):
            raise TypeError(f"Unsupported index {part!r}")  # among them masks: CuPy has to wait
        axis += 1
    return tuple(parts)


# Making arrays, and moving them

def asarray(a, dtype=None, order=None):
    if isinstance(a, ndarray):
        return a if dtype in (None, a.dtype) else a.astype(dtype)
    if order is None:
        order = "F" if isinstance(a, numpy.ndarray) and a.flags.fnc else "C"
    host = numpy.array(a, dtype, order=order)
    if host.dtype.char not in "?bhilqBHILQefdFD" or not host.dtype.isnative:
        raise ValueError(f"Unsupported dtype {host.dtype}")
    crossings["to device"] += 1
    return ndarray(host)


def asnumpy(a):
    return a.get() if isinstance(a, ndarray) else numpy.asarray(a)


def arange(start, stop=None, step=1, dtype=None):
    return ndarray(numpy.arange(*((0, start) if stop is None else (start, stop)), step, dtype))


def ascontiguousarray(a, dtype=None):
    return ndarray(numpy.ascontiguousarray(_array(a), dtype))


def empty(shape, dtype=float, order="C"):
    """Memory holds what was left in it: here, as a reminder, NaN or the largest integer."""
    host = numpy.empty(shape, dtype, order)
    kind = host.dtype.kind
    host[...] = numpy.nan if kind == "f" else kind == "b" or numpy.iinfo(host.dtype).max
    return ndarray(host)


def full(shape, fill_value, dtype=None, order="C"):
    return ndarray(numpy.full(shape, _operand(fill_value), dtype, order))


def ones(shape, dtype=float, order="C"):
    return ndarray(numpy.ones(shape, dtype, order))


def zeros(shape, dtype=float, order="C"):
    return ndarray(numpy.zeros(shape, dtype, order))


def zeros_like(a, dtype=None, order="K", subok=None, shape=None):
    return ndarray(numpy.zeros_like(_array(a), dtype, order, shape=shape))


# Functions of arrays

def broadcast_to(array, shape):
    return ndarray(numpy.broadcast_to(_array(array), shape))


def clip(a, a_min, a_max, out=None):
    return _apply(numpy.clip, ndarray(_array(a)), a_min, a_max, out=out)


def matmul(x1, x2, /, out=None):
    x1, x2 = _array(x1), _array(x2)
    if out is not None:
        room, needed = _array(out), numpy.result_type(x1, x2)
        if not room.flags.c_contiguous or room.dtype != needed:
            raise ValueError(f"out must be C-contiguous and {needed}")
        if numpy.may_share_memory(room, x1) or numpy.may_share_memory(room, x2):
            raise ValueError("out must not be one of the factors")
    return _apply(numpy.matmul, ndarray(x1), ndarray(x2), out=out)


def pad(array, pad_width, mode="constant"):
    return ndarray(numpy.pad(_array(array), pad_width, mode))


def sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False):
    return ndarray(numpy.lib.stride_tricks.sliding_window_view(_array(x), window_shape, axis))


def where(condition, x, y):
    return _apply(numpy.where, ndarray(_array(condition)), x, y)


def _of_one(function):
    return lambda x, out=None: _apply(function, x, out=out)


def _of_two(function):
    return lambda x1, x2, out=None: _apply(function, x1, x2, out=out)


abs, exp, expm1, isnan, log, sqrt, square = map(_of_one, (
    numpy.abs, numpy.exp, numpy.expm1, numpy.isnan, numpy.log, numpy.sqrt, numpy.square))
maximum, minimum = map(_of_two, (numpy.maximum, numpy.minimum))
cuda = SimpleNamespace(get_current_stream=lambda: SimpleNamespace(synchronize=lambda: None))
