"""Every public function and layer with one good call, and what may be put in a place of it.

ENTRIES names the arguments of each call; a new function or layer takes one line there.  An argument
is of a kind, and the kind says what it must refuse (`bad`), what must give the same result
(`fine`) and what must pass through (`special`).  test_bad_input.py tries them all, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import minibn
from minibn import functional, gradcheck
from minibn.backend import to_device
from minibn.data import batches as data
from minibn.norms.moving_average import correct_bias, update_average
from minibn.optim import SGD, step_schedule
from minibn.training.evaluation import predict, test_accuracy
from minibn.training.recipe import Recipe

N, H, W, C, F = 3, 6, 5, 4, 2            # images, height, width, channels, filters
EITHER = ""     # came: one of two arguments that do not fit together; either may be named


# Arguments ----------------------------------------------------------------------------------------

class Argument(NamedTuple):
    """A good value; bad: (name, value, what came); fine and special: (name, value)."""

    good: Any
    bad: list[tuple[str, Any, str]]
    fine: list[tuple[str, Any]] = []
    special: list[tuple[str, Any]] = []


def floats(*shape: int, axes: bool = True, channels: bool = True, empty: bool = True,
           positive: bool = False) -> Argument:
    """A float64 array; axes, channels, empty: whether another number of them is an error."""
    a = np.random.default_rng(sum(shape)).normal(0.5, 1, shape)
    if positive:
        a = np.abs(a) + 0.5
    bad = [(f"{dtype} array", a.astype(dtype), str(np.dtype(dtype))) for dtype in
           ("int64", "uint8", "bool", "float16", "longdouble", "complex128", "object")]
    bad += [("big-endian array", a.astype(">f8"), ">f8"),
            ("little-endian strings", a.astype(str), "<U"),
            ("list", a.tolist(), "list"), ("tuple", tuple(a), "tuple"), ("number", 1.0, "float"),
            ("nothing at all", None, "NoneType"), ("text", "x", "str"),
            ("masked array", np.ma.masked_array(a, a > 0), "MaskedArray")]
    if a.ndim == 2:
        bad += [("matrix", np.asmatrix(a), "matrix")]
    if axes:
        fewer = a[0]
        bad += [("one axis more", a[None], str(a[None].shape)),
                ("one axis fewer", fewer, str(fewer.shape) if fewer.ndim else "float64")]
    if channels:
        more = np.concatenate([a, a[..., :1]], -1)
        bad += [("one channel more", more, EITHER), ("one channel less", a[..., 1:], EITHER)]
    if empty:
        bad += [("empty", a[:0], str(a[:0].shape)),
                ("no channels", a[..., :0], str(a[..., :0].shape))]
    return Argument(a, bad, list(arrangements(a)) + [("a subclass", a.view(Subclass))],
                    [("NaN", with_first(a, np.nan)), ("infinity", with_first(a, np.inf))])


def optional(argument: Argument) -> Argument:
    """The same, but None is allowed."""
    return argument._replace(bad=[row for row in argument.bad if row[1] is not None])


def images(*shape: int) -> Argument:
    """uint8 images (N, H, W, C)."""
    a = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    bad = [(f"{dtype} images", a.astype(dtype), dtype)
           for dtype in ("float32", "int64", "uint16", "bool", "float16", "object")]
    bad += [("list", a.tolist(), "list"), ("nothing at all", None, "NoneType"),
            ("masked images", np.ma.masked_array(a), "MaskedArray"),
            ("one image", a[0], str(a[0].shape)), ("one axis more", a[None], str(a[None].shape)),
            ("none", a[:0], "empty"), ("no pixels", a[:, :0], "0")]
    return Argument(a, bad, list(arrangements(a)))


def labels(classes: int, count: int = N) -> Argument:
    """Integers (count,) from 0 to classes − 1."""
    a = np.arange(count) * (classes - 1) % classes
    bad = [(f"{dtype} labels", a.astype(dtype), dtype)
           for dtype in ("float64", "bool", "object", "complex128")]
    bad += [("text", a.astype(str), "<U"), ("list", a.tolist(), "list"),
            ("one label", 1, "int"),
            ("one-hot", np.eye(classes, dtype=int)[a], str((count, classes))),
            ("one more", np.append(a, 0), str((count + 1,))), ("none", a[:0], str((0,))),
            ("masked", np.ma.masked_array(a), "MaskedArray")]
    return Argument(a, bad, [(f"{dtype} labels", a.astype(dtype))
                             for dtype in ("int8", "uint8", "uint64", ">i4")]
                    + list(arrangements(a)))


def labels_in_range(classes: int) -> Argument:
    """The same, where the number of classes is known."""
    found = labels(classes)
    found.bad.extend([("negative", found.good - 1, "-1"),
                      ("too large", found.good + 1, str(classes)),
                      ("far too large", found.good + 2**40, str(2**40))])
    return found


def whole(good: int, least: int = 0, none: bool = False) -> Argument:
    """An integer of at least `least`; none: whether None is allowed."""
    bad = [("fraction", good + 0.5, str(good + 0.5)), ("float", float(good), str(float(good))),
           ("truth value", True, "True"), ("text", str(good), f"'{good}'"),
           ("list", [good], f"[{good}]"), ("array", np.array([good]), f"[{good}]"),
           ("NaN", np.nan, "nan"), ("too small", least - 1, str(least - 1)),
           ("far too small", -2**40, str(-2**40))]
    if not none:
        bad += [("nothing at all", None, "None")]
    return Argument(good, bad, [(t.__name__, t(good)) for t in (np.int64, np.uint8)])


def number(good: float, *others: float, none: bool = False) -> Argument:
    """A finite number; others: finite ones that are out of range."""
    bad = [("NaN", np.nan, "nan"), ("infinity", np.inf, "inf"), ("-infinity", -np.inf, "-inf"),
           ("text", "0.5", "'0.5'"), ("truth value", True, "True"), ("complex", 1j, "1j"),
           ("list", [0.5], "[0.5]"), *((f"{x:g}", x, f"{x:g}") for x in others)]
    if not none:
        bad += [("nothing at all", None, "None")]
    return Argument(good, bad, [("float64", np.float64(good))])


def flag(good: bool) -> Argument:
    """True or False."""
    bad = [("text", "False", "'False'"), ("nothing at all", None, "None"), ("number", 2, "2")]
    return Argument(good, bad, [("NumPy's", np.bool_(good))])


def choice(good: str, none: bool = False) -> Argument:
    """One of a few names."""
    bad = [("unknown", "nonsense", "'nonsense'"), ("number", 3, "3"),
           ("list", [good], f"['{good}']"),
           ("upper case", good.upper(), f"'{good.upper()}'")]
    return Argument(good, bad if none else [*bad, ("nothing at all", None, "None")])


def precision() -> Argument:
    """float64, as a dtype."""
    bad = [("integers", "int32", "int32"), ("half", "float16", "float16"), ("text", "wide", "wide"),
           ("big-endian", ">f8", ">f8"), ("number", 5, "5")]
    return Argument(np.float64, bad, [("text", "float64"), ("dtype", np.dtype("f8"))])


def seed() -> Argument:
    """An integer of at least 0, a generator, or None for the shared one."""
    bad = [("negative", -1, "-1"), ("text", "0", "'0'"), ("fraction", 0.5, "0.5"),
           ("truth value", True, "True")]
    return Argument(0, bad, [("a generator", np.random.default_rng(0))])


class Subclass(np.ndarray):
    """An array that is not quite NumPy's own, as memory-mapped ones are."""


def arrangements(a: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The same values, laid out in memory in other ways."""
    if a.ndim == 0:
        return
    wide = np.repeat(a, 2, axis=-1)
    yield "every other value", wide[..., ::2]
    yield "backwards in memory", np.ascontiguousarray(a[::-1])[::-1]
    yield "Fortran order", np.asfortranarray(a)
    read_only = a.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only


def with_first(a: np.ndarray, value: float) -> np.ndarray:
    """a with its first entry replaced."""
    changed = a.copy()
    changed.flat[0] = value
    return changed


# Calls --------------------------------------------------------------------------------------------

class Entry(NamedTuple):
    """A call, its arguments, and the words by which errors may name them."""

    name: str
    call: Callable[..., list[Any]]
    arguments: dict[str, Argument]

    def good(self) -> dict[str, Any]:
        """Arguments that are right."""
        return {name: argument.good for name, argument in self.arguments.items()}


def pair(name: str, upstream: Argument | None = None, **arguments: Argument) -> Entry:
    """A pure function followed by its backward pass; `upstream` is that one's argument."""
    forward = getattr(functional, name)
    backward = getattr(functional, name + "_backward")
    word = {"weight_norm": "dw", "softmax_cross_entropy": "dloss"}.get(name, "dy")

    def call(**given: Any) -> list[Any]:
        upstream = given.pop(word)
        y, cache = forward(**given)[:2]
        gradients = backward(upstream, cache)
        return [y, *(gradients if isinstance(gradients, tuple) else [gradients])]

    return Entry(name, call, {**arguments, word: upstream or floats(N, H, W, C)})


def step(name: str, **arguments: Argument) -> Entry:
    """A pure function that also returns new averages, and has no backward pass of its own."""

    def call(**given: Any) -> list[Any]:
        y, _, averages = getattr(functional, name)(**given)
        return [y, *averages[:2]]

    return Entry(name, call, arguments)


def layer(name: str, x: Argument, dy: Argument, around: str = "", **options: Argument) -> Entry:
    """A layer that is made, trained, taken back and tested; `around`: what it is made around."""

    def call(x: Any, dy: Any, **options: Any) -> list[Any]:
        made = getattr(minibn, around or name)(**options)
        if around:
            made = getattr(minibn, name)(made)
        y = made.forward(x, training=True)
        dx = made.backward(dy)
        return [y, dx, *made.grads.values(), *made.state.values(), made.forward(x)]

    return Entry(name, call, {**options, "x": x, "dy": dy})


def function(name: str, call: Callable[..., Any], **arguments: Argument) -> Entry:
    """Any other function."""

    def listed(**given: Any) -> list[Any]:
        found = call(**given)
        return list(found) if isinstance(found, tuple) else [found]

    return Entry(name, listed, arguments)


def train_once(lr: float, momentum: float, weight_decay: float, decay_norms: bool) -> tuple:
    """The parameters of a small model after one step."""
    model = minibn.Sequential(minibn.Linear(C, F, dtype=np.float64),
                              minibn.LayerNorm(F, dtype=np.float64))
    optimizer = SGD(model, lr, momentum, weight_decay, decay_norms=decay_norms)
    y = model.forward(np.eye(C), training=True)
    model.backward(y + np.eye(C, F))
    optimizer.step()
    return tuple(model.params.values())


def small_network(**options: Any) -> tuple:
    """Logits of a network that is small where its options allow it."""
    network = minibn.all_cnn(**options)
    return network.forward(np.ones((1, 24, 24, 3)), training=True), *network.params.values()


def tested(images: Any, labels: Any, mean: Any, std: Any, mode: str, batch_size: int) -> tuple:
    """Probabilities and accuracy of a network in training."""
    model = minibn.all_cnn(5, "brn", 1)
    probabilities = predict(model, images, mean, std, mode, batch_size)
    return probabilities, test_accuracy(model, images, labels, mean, std, mode, batch_size).accuracy


IMAGES, ANY_CHANNELS = floats(N, H, W, C), floats(N, H, W, C, channels=False)
VECTOR, EPS = floats(C), number(1e-3, -1e-9, -1)
NORM = {"x": IMAGES, "gamma": VECTOR, "beta": VECTOR}
MADE = {"channels": whole(C, least=1), "dtype": precision()}
DECAY = number(0.9, -0.1, 1, 2)
BOUNDS = {"r_max": number(3, 0.5, -3, none=True), "d_max": number(5, -1, none=True)}
AVERAGES = Argument(
    functional.Averages(np.full(C, 0.3), np.full(C, 0.8), 2),
    [("tuple", (np.zeros(C), np.ones(C), 1), "tuple"), ("nothing at all", None, "None"),
     ("of other channels", functional.Averages(np.zeros(C + 1), np.ones(C + 1), 1), str((C + 1,))),
     ("lists", functional.Averages([0.0] * C, [1.0] * C, 1), "list"),
     ("a fraction of a step", functional.Averages(np.zeros(C), np.ones(C), 0.5), "0.5")])
POOL = {"size": whole(2, least=1), "stride": whole(2, least=1), "ceil_mode": flag(False)}
POOLED = floats(N, 3, 2, C)
MEAN, STD = ([0.5, 0.4, 0.3], [0.2, 0.3, 0.25])
STATISTICS = [("too long", [0.5] * 4, "(4,)"), ("not finite", [0.5, np.nan, 0.5], "nan"),
              ("text", ["a", "b", "c"], "'a'"), ("nothing at all", None, "None")]
CUT = {"images": images(N, H, 6, 3), "labels": labels(3), "batch_size": whole(2, least=1),
       "mean": Argument(MEAN, STATISTICS), "crop": whole(4, least=1), "dtype": precision(),
       "std": Argument(STD, [*STATISTICS, ("zero", [0.2, 0, 0.2], "0")])}

ENTRIES = [
    pair("batch_norm", **NORM, eps=EPS),
    pair("batch_renorm", **NORM, r=floats(C, positive=True), d=VECTOR, eps=EPS),
    pair("renorm_debias", **NORM, averages=AVERAGES, decay=DECAY, **BOUNDS, eps=EPS,
         eps_inside=flag(True), frozen=flag(False)),
    step("batch_renorm_step", **NORM, averages=AVERAGES, decay=DECAY, **BOUNDS, eps=EPS,
         update_first=flag(True), frozen=flag(False)),
    function("Averages", lambda mean, std: functional.Averages(mean, std, 1)[:2],
             mean=Argument(np.ones(C), []), std=Argument(np.ones(C), [])),
    pair("layer_norm", **NORM, eps=EPS),
    pair("group_norm", **NORM, groups=whole(2, least=1), eps=EPS),
    pair("weight_norm", floats(3, 3, C, F), v=floats(3, 3, C, F, axes=False), g=floats(F)),
    pair("conv2d", floats(N, 4, 3, F), x=IMAGES, w=floats(3, 3, C, F), b=optional(floats(F)),
         stride=whole(1, least=1), padding=whole(0)),
    pair("conv2d", floats(N, 7, 6, F), x=IMAGES, w=floats(2, 2, C, F), b=optional(floats(F)),
         stride=whole(1, least=1), padding=whole(1)),                      # an even kernel
    pair("linear", floats(N, F), x=floats(N, C), w=floats(C, F), b=optional(floats(F))),
    pair("max_pool2d", POOLED, x=ANY_CHANNELS, **POOL),
    pair("avg_pool2d", POOLED, x=ANY_CHANNELS, **POOL),
    pair("global_avg_pool2d", floats(N, C), x=ANY_CHANNELS),
    pair("relu", x=floats(N, H, W, C, axes=False, channels=False, empty=False)),
    pair("elu", x=floats(N, H, W, C, axes=False, channels=False, empty=False),
         alpha=number(1.0, -1)),
    pair("softmax_cross_entropy",
         Argument(0.5, [("array", np.ones(N), "array("), ("one value", np.ones(1), "array("),
                        ("text", "1", "'1'"), ("nothing at all", None, "None"),
                        ("list", [1.0], "[1.0]")],
                  [("0-d array", np.array(0.5)), ("float32", np.float32(0.5))],
                  [("NaN", np.nan), ("infinity", np.inf)]),
         logits=floats(N, C, channels=False), labels=labels_in_range(C)),
    layer("BatchNorm", IMAGES, floats(N, H, W, C), **MADE, decay=DECAY, eps=EPS),
    layer("BatchRenorm", IMAGES, floats(N, H, W, C), **MADE, **BOUNDS, decay=DECAY, eps=EPS,
          update_first=flag(True), test_mode=choice("moving"),
          ramp=Argument((2, 5, 9), [("too short", (1, 2), "(1, 2)"), ("backwards", (5, 3, 9), "5"),
                                    ("negative", (-1, 2, 3), "-1"), ("text", "abc", "'a"),
                                    ("number", 5, "5"), ("fractions", (0.5, 2.5, 3.5), "0.5")])),
    layer("RenormDebias", IMAGES, floats(N, H, W, C), **MADE, **BOUNDS, decay=DECAY, eps=EPS,
          test_mode=choice("batch"), eps_inside=flag(True)),
    layer("LayerNorm", IMAGES, floats(N, H, W, C), **MADE, eps=EPS),
    layer("GroupNorm", IMAGES, floats(N, H, W, C), **MADE, eps=EPS,
          groups=whole(2, least=1, none=True)),
    layer("WeightNorm", floats(N, C), floats(N, F), around="Linear", inputs=whole(C, least=1),
          outputs=whole(F, least=1), dtype=precision()),
    layer("Conv2d", IMAGES, floats(N, 3, 3, F), in_channels=whole(C, least=1),
          out_channels=whole(F, least=1), size=whole(3, least=1), stride=whole(2, least=1),
          padding=whole(1), bias=flag(True), seed=seed(), dtype=precision()),
    layer("Linear", floats(N, C), floats(N, F), inputs=whole(C, least=1),
          outputs=whole(F, least=1), bias=flag(True), seed=seed(), dtype=precision()),
    layer("ReLU", floats(N, C, axes=False, channels=False, empty=False), floats(N, C)),
    layer("ELU", floats(N, C, axes=False, channels=False, empty=False), floats(N, C),
          alpha=number(1.0, -1)),
    layer("MaxPool2d", ANY_CHANNELS, POOLED, **POOL),
    layer("AvgPool2d", ANY_CHANNELS, POOLED, **POOL),
    layer("GlobalAvgPool", ANY_CHANNELS, floats(N, C)),
    layer("Dropout", floats(N, C, axes=False, channels=False, empty=False), floats(N, C),
          rate=number(0.5, -0.1, 1), seed=whole(0, none=True)),
    function("seed", minibn.seed, value=whole(0)),
    function("SGD", train_once, lr=number(0.1, 0, -1), momentum=number(0.9, 1, -0.1),
             weight_decay=number(0.1, -1), decay_norms=flag(False)),
    function("step_schedule", step_schedule, lr=number(0.1, 0, -1), epoch=whole(30),
             every=whole(26, least=1), factor=number(0.1, 0, -1)),
    function("update_average", update_average, average=Argument(np.zeros(3), []),
             value=Argument(np.ones(3), []), decay=DECAY),
    function("correct_bias", correct_bias, average=Argument(np.ones(3), []), decay=DECAY,
             step=whole(3, least=1)),
    function("all_cnn", small_network, classes=whole(2, least=1), norm=choice("brn"),
             width=whole(1, least=1), seed=whole(0), activation=choice("relu"),
             final_relu=flag(True), dtype=precision(),
             norm_options=Argument({"eps": 0.1}, [("unknown", {"color": 1}, "color"),
                                                  ("not for it", {"channels": 3}, "channels"),
                                                  ("list", [1], "[1]")])),
    function("nin", lambda **k: minibn.nin(**k).params["conv1.v"], classes=whole(2, least=1),
             norm=choice("wn"), width=whole(2, least=1), seed=whole(0), dtype=precision(),
             activation=choice("elu"), final_relu=flag(False)),
    function("Recipe", lambda **k: repr(Recipe(**k)), network=choice("nin"), norm=choice("ln"),
             width=whole(8, least=1), activation=choice("elu"), final_relu=flag(True),
             batch_size=whole(5, least=1), accumulate=whole(2, least=1), epochs=whole(3, least=1),
             lr=number(0.5, 0, -1), lr_every=whole(5, least=1, none=True),
             lr_drops=Argument((), [("number", 3, "3"), ("falling", (3, 2), "(3, 2)"),
                                    ("text", ("x",), "x")]),
             momentum=number(0.5, 1, -1), weight_decay=number(0.5, -1),
             decay_norms=flag(False), flip=flag(True), seed=whole(0)),
    function("channel_statistics", data.channel_statistics, images=images(N, H, W, 3)),
    function("standardize_images", data.standardize_images,
             **{name: CUT[name] for name in ("images", "mean", "std", "dtype")}),
    function("training_batches",
             lambda **k: next(data.training_batches(rng=np.random.default_rng(0), **k)),
             **CUT, flip=flag(True)),
    function("test_batches", lambda **k: next(data.test_batches(**k)), **CUT),
    function("predict", tested, images=images(2, 24, 25, 3), labels=labels(2, count=2),
             mean=CUT["mean"], std=CUT["std"], mode=choice("moving"), batch_size=whole(2, least=1)),
    function("to_device", to_device, x=Argument(np.ones(3), [("list", [1], "list")]),
             device=choice("cpu")),
    function("check_gradient", lambda x, dy, dx, directions, step: gradcheck.check_gradient(
                 lambda x: x * x, x, dy, dx, directions=directions, step=step),
             x=floats(N, C, axes=False, channels=False), dy=Argument(np.ones((N, C)), [
                 ("another shape", np.ones((C, N)), "(4, 3)"), ("list", [1.0], "(1,)")]),
             dx=Argument(np.ones((N, C)), [("another shape", np.ones((C, N)), "(4, 3)"),
                                           ("number", 1.0, "()")]),
             directions=whole(5, least=1), step=number(1e-5, 0, -1)),
    function("numeric_gradient", lambda x, dy, step: gradcheck.numeric_gradient(
                 lambda x: x * x, x, dy, step=step),
             x=floats(N, C, axes=False, channels=False), dy=Argument(np.ones((N, C)), [
                 ("another shape", np.ones((C, N)), "(4, 3)")]), step=number(1e-5, 0, -1)),
    function("relative_error", gradcheck.relative_error,
             a=Argument(np.ones((2, 3)), [("another shape", np.ones((3, 2)), "(3, 2)"),
                                          ("text", np.full((2, 3), "x"), "<U1"),
                                          ("empty", np.ones((0, 3)), "(0, 3)")]),
             b=Argument(np.zeros((2, 3)), [("another shape", np.ones((3, 2)), "(3, 2)")])),
]
