"""Functions, layers and models on a GPU: on the stand-in of `fake_cupy.py`, and on CuPy.

The numbers must be NumPy's but for rounding: on a GPU work is not cut into blocks, so sums are
taken in another order.
"""

import numpy as np
import pytest
from cases import CASES, every_case

import minibn
from minibn import functional
from minibn.backend import synchronize, to_host
from minibn.layer import Layer
from minibn.models import MODELS
from minibn.norms import NORMS
from minibn.optim import SGD

ROUNDING = {"float64": 1e-10, "float32": 1e-4}
C, IMAGES, DENSE = 24, (5, 12, 12, 24), (6, 24)        # enough for tiles in a 3×3 convolution
NORM_LAYERS = {name: norm.layer for name, norm in NORMS.items() if norm.layer and not norm.wraps}
LAYERS = {  # every layer, and the shape of an input
    **{name: (lambda make=make, **k: make(C, **k), IMAGES) for name, make in NORM_LAYERS.items()},
    **{f"{name} of rows": (lambda make=make, **k: make(C, **k), DENSE)
       for name, make in NORM_LAYERS.items()},
    "brn, ramp, updated last": (lambda **k: minibn.BatchRenorm(
        C, ramp=(1, 3, 2), update_first=False, test_mode="batch", **k), IMAGES),
    "brn without clip": (lambda **k: minibn.BatchRenorm(C, r_max=None, **k), IMAGES),
    "renorm_debias, moving": (lambda **k: minibn.RenormDebias(C, test_mode="moving", **k), IMAGES),
    "renorm_debias, eps outside": (lambda **k: minibn.RenormDebias(C, eps_inside=False, **k),
                                   IMAGES),
    "wn": (lambda **k: minibn.WeightNorm(minibn.Conv2d(C, 25, 3, padding=1, seed=0, **k)), IMAGES),
    "wn, linear": (lambda **k: minibn.WeightNorm(minibn.Linear(C, 3, seed=0, **k)), DENSE),
    "conv in tiles": (lambda **k: minibn.Conv2d(C, 25, 3, padding=1, seed=0, **k), IMAGES),
    "conv": (lambda **k: minibn.Conv2d(C, 3, 3, padding=1, seed=0, **k), IMAGES),
    "conv, stride": (lambda **k: minibn.Conv2d(C, 25, 3, stride=2, padding=1, seed=0, **k), IMAGES),
    "conv, wide padding": (lambda **k: minibn.Conv2d(C, 3, 3, padding=4, seed=0, **k), IMAGES),
    "conv 1x1": (lambda **k: minibn.Conv2d(C, 3, 1, bias=False, seed=0, **k), IMAGES),
    "conv 5x5": (lambda **k: minibn.Conv2d(C, 3, 5, padding=2, seed=0, **k), IMAGES),
    "linear": (lambda **k: minibn.Linear(C, 3, seed=0, **k), DENSE),
    "relu": (lambda **k: minibn.ReLU(), IMAGES),
    "elu": (lambda **k: minibn.ELU(0.5), IMAGES),
    "max pool": (lambda **k: minibn.MaxPool2d(3, 2, ceil_mode=True), IMAGES),
    "avg pool": (lambda **k: minibn.AvgPool2d(3, 2, ceil_mode=True), IMAGES),
    "global avg pool": (lambda **k: minibn.GlobalAvgPool(), IMAGES),
    "dropout": (lambda **k: minibn.Dropout(0.5, seed=0), IMAGES),
    **{f"{network}, {norm}": (
        lambda network=network, norm=norm, **k: MODELS[network](5, norm, 8, **k), (2, 24, 24, 3))
       for network in MODELS for norm in NORMS},
    "all_cnn in tiles": (lambda **k: minibn.all_cnn(5, "renorm_debias", C, activation="elu", **k),
                         (3, 24, 24, 3)),
}
every_layer = pytest.mark.parametrize("name", LAYERS)
every_dtype = pytest.mark.parametrize("dtype", ROUNDING)


def moved(value, xp):
    """NumPy arrays on the device of `xp`; anything else as it is."""
    return xp.asarray(value) if isinstance(value, np.ndarray) else value


def assert_close(found, expected, xp, dtype="float64", least=0.0):
    """`found` lies on the device of `xp` and is `expected` there, in the same dtype.

    least: what a rounding error is measured with where the expected values are smaller.
    """
    if expected is None:
        assert found is None
        return
    assert isinstance(found, xp.ndarray)
    expected, found = np.asarray(expected), to_host(found)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    size = max(least, np.abs(expected).max(initial=0))
    assert np.abs(found - expected).max(initial=0) <= ROUNDING[dtype] * size


def as_tuple(gradients):
    return gradients if isinstance(gradients, tuple) else (gradients,)


# Functions --------------------------------------------------------------------------------------

@every_dtype
@every_case
def test_functions_give_numpys_numbers(case, dtype, gpu, rng):
    args = case.arguments(rng, dtype)
    y, cache = case.forward(*args, *case.constants)
    dy = rng.normal(size=np.shape(y)).astype(dtype)
    expected = as_tuple(case.backward(dy, cache))

    there = [moved(value, gpu) for value in args]
    y_there, cache = case.forward(*there, *(moved(value, gpu) for value in case.constants))
    found = as_tuple(case.backward(moved(dy, gpu), cache))
    assert_close(y_there, y, gpu, dtype)
    least = np.abs(dy).max(initial=0)          # BN's gradient all but cancels in a batch of two
    for gradient, wanted in zip(found, expected, strict=True):
        assert_close(gradient, wanted, gpu, dtype, least)


ARGUMENTS = {  # the arrays that each function takes, in order
    "batch_norm": ("x", "gamma", "beta"), "batch_renorm": ("x", "gamma", "beta", "r", "d"),
    "layer_norm": ("x", "gamma", "beta"), "group_norm": ("x", "gamma", "beta"),
    "weight_norm": ("v", "g"), "linear": ("x", "w", "b"), "conv2d": ("x", "w", "b"),
    "softmax_cross_entropy": ("logits", "labels"),
}
MIXED = {case.name: case for case in CASES if None not in case.shapes}


def test_the_functions_of_several_arrays_are_all_listed():
    several = {case.name for case in CASES
               if len(case.shapes) + sum(isinstance(c, np.ndarray) for c in case.constants) > 1}
    assert several == set(ARGUMENTS)


@pytest.mark.parametrize("name, odd", [(name, i) for name, names in ARGUMENTS.items()
                                       for i in range(len(names))])
def test_functions_name_the_argument_on_another_device(name, odd, gpu, rng):
    """The odd one out is named; or, if it is the first, the next, which is compared with it."""
    case, names = MIXED[name], ARGUMENTS[name]
    values = [*case.arguments(rng), *case.constants]
    for here, there in ((np, gpu), (gpu, np)):
        mixed = [moved(value, there if i == odd else here) for i, value in enumerate(values)]
        with pytest.raises(TypeError, match=f"^{names[odd or 1]} is an array of"):
            case.forward(*mixed)


@pytest.mark.parametrize("name", sorted(MIXED))
def test_backward_names_a_gradient_on_another_device(name, gpu, rng):
    if name == "softmax_cross_entropy":
        pytest.skip("its upstream gradient is a number")
    case = MIXED[name]
    args = case.arguments(rng)
    y, cache = case.forward(*args, *case.constants)
    upstream = "dw" if name == "weight_norm" else "dy"
    with pytest.raises(TypeError, match=f"^{upstream} is an array of"):
        case.backward(gpu.asarray(y), cache)


def test_labels_out_of_range_are_refused(gpu):
    logits = gpu.zeros((3, 4))
    for labels in ([0, 1, 4], [0, -1, 2]):
        with pytest.raises(ValueError, match="labels must be in 0 … 3"):
            functional.softmax_cross_entropy(logits, gpu.asarray(np.array(labels)))


# Layers and models ------------------------------------------------------------------------------

def backward(layer, dy):
    """A model leaves out the gradient of the images unless asked."""
    options = {"input_gradient": True} if isinstance(layer, minibn.Sequential) else {}
    return layer.backward(dy, **options)


def test_every_layer_is_tried():
    def kinds(layer):
        return {type(layer).__name__}.union(*map(kinds, getattr(layer, "layers", {}).values()))

    tried = set().union(*(kinds(make()) for make, _ in LAYERS.values()))
    assert tried == {name for name, kind in vars(minibn).items()
                     if isinstance(kind, type) and issubclass(kind, Layer)} - {"Layer"}


@every_layer
def test_layers_give_numpys_numbers(name, gpu, rng):
    """Forward, backward and update, three times; then a test."""
    make, shape = LAYERS[name]
    here, there = make(), make()
    if "Dropout" not in name and here.params:             # in float64 where there are weights
        here, there = make(dtype=np.float64), make(dtype=np.float64)
    there.to("gpu")
    optimizers = [SGD(layer, lr=0.1, weight_decay=0.01) for layer in (here, there)]
    for _ in range(3):
        x = rng.normal(0.5, 2.0, shape)
        y, y_there = here.forward(x, True), there.forward(gpu.asarray(x), True)
        dy = rng.normal(size=y.shape)
        dx, dx_there = backward(here, dy), backward(there, gpu.asarray(dy))
        assert_close(y_there, y, gpu)
        assert_close(dx_there, dx, gpu)
        for optimizer in optimizers:
            optimizer.step()
    assert_close(there.forward(gpu.asarray(x)), here.forward(x), gpu)
    for group in ("params", "grads", "state"):
        ours, theirs = getattr(here, group), getattr(there, group)
        assert list(ours) == list(theirs)
        for key, value in ours.items():
            if isinstance(value, int):
                assert theirs[key] == value
            else:
                assert_close(theirs[key], value, gpu)
    synchronize(y_there)


@every_layer
def test_layers_name_the_argument_on_another_device(name, gpu, rng):
    make, shape = LAYERS[name]
    layer = make()
    x = rng.normal(size=shape).astype(np.float32)
    y = layer.forward(x, training=True)
    with pytest.raises(TypeError, match="^dy is an array of"):
        backward(layer, gpu.asarray(y))
    if layer.params:
        with pytest.raises(TypeError, match="^[xwv] is an array of numpy|^[xwv] is an array of "):
            layer.forward(gpu.asarray(x))
        layer.to("gpu")
        with pytest.raises(TypeError, match="^[xwv] is an array of"):
            layer.forward(x)


@every_layer
def test_a_layer_that_has_worked_can_move(name, gpu, rng):
    """There and back, with nothing of one device left for the other."""
    make, shape = LAYERS[name]
    layer, x = make(), rng.normal(size=shape).astype(np.float32)
    for device, module in (("cpu", np), ("gpu", gpu), ("cpu", np)):
        layer.to(device)
        y = layer.forward(moved(x, module), training=True)
        for found in (y, backward(layer, y), *layer.grads.values()):
            assert isinstance(found, module.ndarray)


def test_a_layer_comes_back(gpu, rng):
    """Moved there and back, all that it holds is NumPy's again."""
    layer, x = minibn.RenormDebias(3), rng.normal(size=(4, 3)).astype(np.float32)
    layer.to("gpu")
    backward(layer, layer.forward(gpu.asarray(x), training=True))
    assert layer.to("cpu") is layer
    for value in (*layer.params.values(), *layer.grads.values(), layer.state["moving_mean"],
                  layer.r, layer.d):
        assert isinstance(value, np.ndarray)
    twin = minibn.RenormDebias(3)
    twin.forward(x, training=True)
    assert layer.forward(x) == pytest.approx(twin.forward(x), rel=1e-6)
    assert layer.clipped == twin.clipped


def test_an_optimizer_left_behind_is_named(gpu, rng):
    model = minibn.Linear(3, 2)
    optimizer = SGD(model, lr=0.1)
    model.to("gpu")
    x = gpu.asarray(rng.normal(size=(4, 3)).astype(np.float32))
    model.backward(model.forward(x, training=True))
    with pytest.raises(TypeError, match="^the velocity of w is an array of numpy"):
        optimizer.step()
