"""Proof 1: autograd differentiates the equations, and every hand-derived backward agrees to 1e-9.

The upstream gradient is random. An all-ones dy proves nothing: the sum of a normalized batch does
not depend on x, so the dx of batch normalization is then zero, and so is that of many wrong ones.
"""

import numpy as np
import pytest
import reference as ref
from autograd.differential_operators import make_vjp
from cases import LARGE, Case, D, R, every_case

import minibn
from minibn.gradcheck import relative_error

TOLERANCE = 1e-9
F64 = {"dtype": np.float64}


def autograd_gradients(f, arguments, constants, dy):
    """y and the gradient of every argument that is there; None for an absent one."""
    present = [i for i, a in enumerate(arguments) if a is not None]
    pullback, y = make_vjp(f, present)(*arguments, *constants)
    gradients = dict(zip(present, pullback(dy), strict=True))
    return y, [gradients.get(i) for i in range(len(arguments))]


def assert_agree(a, b, what="y"):
    """Within 1e-9 of the largest entry; or both zero, but for rounding."""
    both_zero = max(np.abs(a).max(), np.abs(b).max()) < 1e-12
    assert both_zero or relative_error(a, b) < TOLERANCE, what


@every_case
def test_pure_pair(case, rng):
    arguments = case.arguments(rng)
    y, cache = case.forward(*arguments, *case.constants)
    dy = rng.normal(size=np.shape(y))
    gradients = case.backward(dy, cache)
    if len(arguments) == 1:
        gradients = [gradients]                                # a single gradient comes bare

    expected_y, expected = autograd_gradients(case.reference, arguments, case.constants, dy)

    assert_agree(y, expected_y)
    for i, (gradient, wanted) in enumerate(zip(gradients, expected, strict=True)):
        if wanted is None:
            assert gradient is None
        else:
            assert_agree(gradient, wanted, f"argument {i}")


@pytest.mark.parametrize("name, constants", [
    ("batch_norm", (1e-5,)), ("batch_renorm", (R, D, 1e-5)), ("layer_norm", (1e-5,)),
    ("group_norm", (1, 1e-5)), ("group_norm", (3, 1e-5))])
@pytest.mark.parametrize("shape", [(500, 3), (8, 12, 10, 3), *LARGE[:2]])
def test_float32_far_from_zero(name, constants, shape, rng):
    """Mean 10⁴, σ 1: μ and σ of single precision must not lose what is left after x − μ."""
    if name in ("layer_norm", "group_norm") and len(shape) == 2:
        shape = (*shape, 1, 3)                                 # some values for each image
    case = Case(name, (shape, (3,), (3,)), constants)
    arguments = case.arguments(rng, np.float32)
    arguments[0] = (1e4 + rng.normal(size=shape) + np.arange(3)).astype(np.float32)
    y, cache = case.forward(*arguments, *constants)
    dy = rng.normal(0.5, 1, shape).astype(np.float32)
    gradients = case.backward(dy, cache)

    exact = [a.astype(np.float64) for a in arguments]
    expected_y, expected = autograd_gradients(case.reference, exact, constants, dy)
    assert relative_error(y, expected_y) < 1e-4
    for gradient, wanted in zip(gradients, expected, strict=True):
        assert relative_error(gradient, wanted) < 1e-4


# Layers -------------------------------------------------------------------------------------------
# The layers reach their kernels by other ways than the pure pairs do, so each is proven again: a
# few training steps on other data (so that r ≠ 1 and d ≠ 0), one more, and its backward pass.

def frozen_renorm(layer):
    """Eq. 7 with the layer's own r and d, read after its step and frozen."""
    return lambda x, gamma, beta: ref.batch_renorm(x, gamma, beta, layer.r, layer.d, 1e-3)


def weight_normed(layer, forward):
    return lambda x, v, g, b: forward(x, ref.weight_norm(v, g), b)


IMAGES = (4, 5, 3, 6)
DENSE = (7, 6)
LAYERS = {  # name: (layer, input shapes, its parameters, layer -> reference forward)
    "bn": (lambda: minibn.BatchNorm(6, eps=1e-3, **F64), [IMAGES, DENSE, (1, 6), (2, 6)],
           ["gamma", "beta"], lambda layer: lambda x, g, b: ref.batch_norm(x, g, b, 1e-3)),
    "brn": (lambda: minibn.BatchRenorm(6, eps=1e-3, **F64), [IMAGES, DENSE, (1, 6), (2, 6)],
            ["gamma", "beta"], frozen_renorm),
    "brn, the average from before": (
        lambda: minibn.BatchRenorm(6, decay=0.5, eps=1e-3, update_first=False, **F64),
        [IMAGES, DENSE], ["gamma", "beta"], frozen_renorm),
    "brn, no clip": (lambda: minibn.BatchRenorm(6, eps=1e-3, r_max=None, **F64), [IMAGES, DENSE],
                     ["gamma", "beta"], frozen_renorm),
    "brn, ramp": (lambda: minibn.BatchRenorm(6, eps=1e-3, ramp=(2, 6, 8), **F64), [IMAGES, DENSE],
                  ["gamma", "beta"], frozen_renorm),
    "renorm_debias": (lambda: minibn.RenormDebias(6, eps=1e-3, **F64),
                      [IMAGES, DENSE, (1, 6), (2, 6)], ["gamma", "beta"], frozen_renorm),
    "renorm_debias, clipped": (
        lambda: minibn.RenormDebias(6, eps=1e-3, r_max=1.01, d_max=0.01, **F64),
        [IMAGES, DENSE], ["gamma", "beta"], frozen_renorm),
    "renorm_debias, literal ε": (
        lambda: minibn.RenormDebias(6, eps=1e-3, eps_inside=False, **F64),
        [IMAGES, DENSE], ["gamma", "beta"], frozen_renorm),
    "ln": (lambda: minibn.LayerNorm(6, eps=1e-3, **F64), [IMAGES, DENSE],
           ["gamma", "beta"], lambda layer: lambda x, g, b: ref.layer_norm(x, g, b, 1e-3)),
    "gn": (lambda: minibn.GroupNorm(6, groups=2, eps=1e-3, **F64), [IMAGES, DENSE],
           ["gamma", "beta"], lambda layer: lambda x, g, b: ref.group_norm(x, g, b, 2, 1e-3)),
    "conv": (lambda: minibn.Conv2d(6, 4, 3, stride=2, padding=1, **F64), [IMAGES],
             ["w", "b"], lambda layer: lambda x, w, b: ref.conv2d(x, w, b, 2, 1)),
    "conv, no bias": (lambda: minibn.Conv2d(6, 4, 3, bias=False, **F64), [IMAGES],
                      ["w"], lambda layer: lambda x, w: ref.conv2d(x, w, None, 1, 0)),
    "linear": (lambda: minibn.Linear(6, 3, **F64), [DENSE],
               ["w", "b"], lambda layer: ref.linear),
    "linear, no bias": (lambda: minibn.Linear(6, 3, bias=False, **F64), [DENSE],
                        ["w"], lambda layer: lambda x, w: ref.linear(x, w, None)),
    "wn of conv": (lambda: minibn.WeightNorm(minibn.Conv2d(6, 4, 3, padding=1, **F64)), [IMAGES],
                   ["v", "g", "b"],
                   lambda layer: weight_normed(layer, lambda x, w, b: ref.conv2d(x, w, b, 1, 1))),
    "wn of linear": (lambda: minibn.WeightNorm(minibn.Linear(6, 3, **F64)), [DENSE],
                     ["v", "g", "b"], lambda layer: weight_normed(layer, ref.linear)),
    "relu": (lambda: minibn.ReLU(), [IMAGES, DENSE], [], lambda layer: ref.relu),
    "elu": (lambda: minibn.ELU(0.7), [IMAGES, DENSE], [],
            lambda layer: lambda x: ref.elu(x, 0.7)),
    "max pool": (lambda: minibn.MaxPool2d(3, 2, ceil_mode=True), [IMAGES], [],
                 lambda layer: lambda x: ref.max_pool2d(x, 3, 2, True)),
    "avg pool": (lambda: minibn.AvgPool2d(3, 2, ceil_mode=True), [IMAGES], [],
                 lambda layer: lambda x: ref.avg_pool2d(x, 3, 2, True)),
    "global avg pool": (lambda: minibn.GlobalAvgPool(), [IMAGES], [],
                        lambda layer: ref.global_avg_pool2d),
}


@pytest.mark.parametrize("name, shape", [(k, s) for k, row in LAYERS.items() for s in row[1]])
def test_layer(name, shape, rng):
    make, _, keys, forward = LAYERS[name]
    layer = make()
    assert list(layer.params) == keys
    for value in layer.params.values():
        value += 0.3 * rng.normal(size=value.shape)            # γ ≠ 1, β ≠ 0, v no longer w
    for _ in range(3):
        layer.forward(rng.normal(1.0, 0.5, shape), training=True)

    x = rng.normal(0.5, 2.0, shape)
    y = layer.forward(x, training=True)
    dy = rng.normal(size=y.shape)
    dx = layer.backward(dy)

    arguments = [x, *layer.params.values()]
    expected_y, (expected_dx, *expected) = autograd_gradients(forward(layer), arguments, (), dy)

    assert_agree(y, expected_y)
    assert_agree(dx, expected_dx, "x")
    for key, wanted in zip(keys, expected, strict=True):
        assert_agree(layer.grads[key], wanted, key)


def test_dropout(rng):
    """The same seed draws the same mask: a twin reveals it, and both passes multiply by it."""
    layer, twin = minibn.Dropout(0.5, seed=3), minibn.Dropout(0.5, seed=3)
    x, dy = rng.normal(size=IMAGES), rng.normal(size=IMAGES)
    mask = twin.forward(np.ones(IMAGES), training=True)
    assert np.array_equal(layer.forward(x, training=True), x * mask)
    assert np.array_equal(layer.backward(dy), dy * mask)


def test_sequential(rng):
    """The chain rule: the gradient of a chain is the chain of gradients, backwards."""
    conv, norm = minibn.Conv2d(6, 4, 3, **F64), minibn.BatchNorm(4, eps=1e-3, **F64)
    layer = minibn.Sequential(conv, norm, minibn.ELU(0.7), minibn.GlobalAvgPool())
    x, dy = rng.normal(size=IMAGES), rng.normal(size=(IMAGES[0], 4))
    y = layer.forward(x, training=True)
    dx = layer.backward(dy)

    def chain(x, w, b, gamma, beta):
        x = ref.batch_norm(ref.conv2d(x, w, b, 1, 0), gamma, beta, 1e-3)
        return ref.global_avg_pool2d(ref.elu(x, 0.7))

    expected_y, expected = autograd_gradients(chain, [x, *layer.params.values()], (), dy)
    assert_agree(y, expected_y)
    assert_agree(dx, expected[0], "x")
    for (key, gradient), wanted in zip(layer.grads.items(), expected[1:], strict=True):
        assert_agree(gradient, wanted, key)                    # of a bias before a mean: zero
