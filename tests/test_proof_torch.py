"""Proof 3: other people's code. PyTorch for what it has, Keras for batch renormalization.

Both are optional; without them these tests are skipped. PyTorch is channels-first: images are
turned on the way in and back on the way out. Its `momentum` is our 1 − decay.
"""

import os

import numpy as np
import pytest
from cases import CASES, ONE_VALUE

import minibn
from minibn.gradcheck import relative_error

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
F = torch.nn.functional

both_precisions = pytest.mark.parametrize(
    "dtype, tolerance", [(np.float64, 1e-9), (np.float32, 1e-4)], ids=["f64", "f32"])
both_ranks = pytest.mark.parametrize("shape", [(5, 6, 7, 4), (9, 4)], ids=["images", "dense"])


def leaf(array):
    """A tensor that collects its gradient."""
    return None if array is None else torch.tensor(array, requires_grad=True)


def first(x):
    """(N, H, W, C) → (N, C, H, W); (N, C) stays."""
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def last(x):
    """(N, C, H, W) → (N, H, W, C); (N, C) stays."""
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def kernel(w):
    """(kh, kw, C_in, C_out) → (C_out, C_in, kh, kw)."""
    return w.permute(3, 2, 0, 1)


def assert_same(tolerance, ours, theirs):
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a is None or b is None:
            assert a is b, i
        else:
            b = b.detach().numpy()
            assert np.asarray(a).dtype == b.dtype, i
            assert relative_error(a, b) < tolerance, i


# Pure pairs ---------------------------------------------------------------------------------------

PEERS = {
    "batch_norm": lambda x, gamma, beta, eps:
        last(F.batch_norm(first(x), None, None, gamma, beta, training=True, eps=eps)),
    "layer_norm": lambda x, gamma, beta, eps:
        F.layer_norm(x, x.shape[1:], eps=eps) * gamma + beta,
    "group_norm": lambda x, gamma, beta, groups, eps:
        last(F.group_norm(first(x), groups, gamma, beta, eps)),
    "linear": lambda x, w, b: F.linear(x, w.T, b),
    "conv2d": lambda x, w, b, stride, padding:
        last(F.conv2d(first(x), kernel(w), b, stride, padding)),
    "max_pool2d": lambda x, size, stride, ceil_mode:
        last(F.max_pool2d(first(x), size, stride, ceil_mode=ceil_mode)),
    "avg_pool2d": lambda x, size, stride, ceil_mode:
        last(F.avg_pool2d(first(x), size, stride, ceil_mode=ceil_mode, count_include_pad=False)),
    "relu": F.relu,
    "elu": F.elu,
    "softmax_cross_entropy": lambda logits, labels: F.cross_entropy(logits, torch.tensor(labels)),
}

def comparable(case):
    """PyTorch has the function, and allows it: it refuses statistics of one value. With two, x̂ is
    ±1 up to ε, and what is left of dx is too small for float32."""
    two_values = case.name == "batch_norm" and case.shapes[0] == (2, 3)
    return case.name in PEERS and case not in ONE_VALUE and not two_values


@pytest.mark.parametrize("case", [*filter(comparable, CASES)], ids=str)
@both_precisions
def test_pure_pair(case, dtype, tolerance, rng):
    arguments = case.arguments(rng, dtype)
    y, cache = case.forward(*arguments, *case.constants)
    dy = rng.normal(size=np.shape(y)).astype(dtype)
    gradients = case.backward(dy, cache)

    leaves = [leaf(a) for a in arguments]
    y_ = PEERS[case.name](*leaves, *case.constants)
    y_.backward(torch.tensor(dy))
    assert_same(tolerance, [y, *(gradients if len(arguments) > 1 else [gradients])],
                [y_, *(a if a is None else a.grad for a in leaves)])


# Layers with more to them -------------------------------------------------------------------------

@pytest.fixture
def draw(rng, dtype):
    return lambda *shape, mean=0.0, std=1.0: rng.normal(mean, std, shape).astype(dtype)


@both_ranks
@both_precisions
def test_batch_norm_with_running_statistics(shape, dtype, tolerance, draw):
    """Three training steps, then inference: outputs, gradients, moving mean and variance."""
    decay = 0.9
    layer = minibn.BatchNorm(4, decay=decay, eps=1e-3, dtype=dtype)
    layer.params["gamma"][:], layer.params["beta"][:] = draw(4), draw(4)
    moving = torch.tensor(np.zeros(4, dtype)), torch.tensor(np.ones(4, dtype))
    gamma, beta = torch.tensor(layer.params["gamma"]), torch.tensor(layer.params["beta"])

    for step in range(1, 4):
        x, dy = draw(*shape, mean=1, std=step), draw(*shape)
        y = layer.forward(x, training=True)
        dx = layer.backward(dy)

        x_ = leaf(x)
        y_ = last(F.batch_norm(first(x_), *moving, gamma, beta, training=True,
                               momentum=1 - decay, eps=1e-3))
        y_.backward(torch.tensor(dy))
        assert_same(tolerance, [y, dx], [y_, x_.grad])

    for key, theirs in zip(["moving_mean", "moving_var"], moving, strict=True):
        assert relative_error(layer.state[key], theirs.numpy()) < tolerance
    y_ = last(F.batch_norm(first(torch.tensor(x)), *moving, gamma, beta, eps=1e-3))
    assert_same(tolerance, [layer.forward(x)], [y_])


@both_precisions
def test_weight_norm_around_a_convolution(dtype, tolerance, draw):
    layer = minibn.WeightNorm(minibn.Conv2d(4, 3, 3, padding=1, dtype=dtype))
    for value in layer.params.values():
        value[...] = draw(*value.shape)
    x, dy = draw(5, 6, 7, 4), draw(5, 6, 7, 3)
    y = layer.forward(x, training=True)
    dx = layer.backward(dy)

    peer = torch.nn.utils.parametrizations.weight_norm(
        torch.nn.Conv2d(4, 3, 3, padding=1, dtype=torch.tensor(x).dtype))
    g, v = peer.parametrizations.weight.original0, peer.parametrizations.weight.original1
    with torch.no_grad():
        g.copy_(torch.tensor(layer.params["g"]).reshape(3, 1, 1, 1))
        v.copy_(kernel(torch.tensor(layer.params["v"])))
        peer.bias.copy_(torch.tensor(layer.params["b"]))
    x_ = leaf(x)
    y_ = last(peer(first(x_)))
    y_.backward(torch.tensor(dy))
    assert_same(tolerance, [y, dx, layer.grads["v"], layer.grads["g"], layer.grads["b"]],
                [y_, x_.grad, v.grad.permute(2, 3, 1, 0), g.grad.flatten(), peer.bias.grad])


@both_precisions
def test_global_avg_pool(dtype, tolerance, draw):
    layer, x, dy = minibn.GlobalAvgPool(), draw(5, 6, 7, 4), draw(5, 4)
    y = layer.forward(x, training=True)
    x_ = leaf(x)
    y_ = F.adaptive_avg_pool2d(first(x_), 1).flatten(1)
    y_.backward(torch.tensor(dy))
    assert_same(tolerance, [y, layer.backward(dy)], [y_, x_.grad])


# Keras --------------------------------------------------------------------------------------------

@both_ranks
@pytest.mark.parametrize("dtype", [np.float32])                # Keras has no other for this layer
@pytest.mark.parametrize("clip", [True, False], ids=["clip", "no clip"])
def test_batch_renorm_against_keras(clip, shape, dtype, draw):
    """Keras uses the averages from before the update: `update_first=False`. Three steps of it."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras runs on another backend than PyTorch")
    clipping = {"rmax": 1.5, "rmin": 1 / 1.5, "dmax": 0.5} if clip else {}
    try:
        peer = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3, renorm=True,
                                               renorm_momentum=0.9, renorm_clipping=clipping)
    except (TypeError, ValueError) as error:
        pytest.skip(f"Keras {keras.__version__} has no batch renormalization: {error}")
    limits = {"r_max": 1.5, "d_max": 0.5} if clip else {"r_max": None}
    layer = minibn.BatchRenorm(4, decay=0.9, eps=1e-3, update_first=False, **limits)
    layer.params["gamma"][:], layer.params["beta"][:] = draw(4), draw(4)
    peer.build(shape)
    peer.set_weights([layer.params["gamma"], layer.params["beta"], *peer.get_weights()[2:]])

    for step in range(1, 4):
        x, dy = draw(*shape, mean=0.3 * step, std=1 + 0.5 * step), draw(*shape)
        y = layer.forward(x, training=True)
        dx = layer.backward(dy)
        assert float(layer.clipped) > 0 or not clip
        x_ = leaf(x)
        y_ = peer(x_, training=True)
        dx_, dgamma_, dbeta_ = torch.autograd.grad(
            y_, [x_, peer.gamma.value, peer.beta.value], torch.tensor(dy))
        assert_same(1e-5, [y, dx, layer.grads["gamma"], layer.grads["beta"]],
                    [y_, dx_, dgamma_, dbeta_])

    assert relative_error(layer.state["moving_mean"], peer.moving_mean.numpy()) < 1e-5
    assert relative_error(layer.state["moving_std"], peer.moving_stddev.numpy()) < 1e-5
    assert_same(1e-5, [layer.forward(x)], [peer(x_)])
