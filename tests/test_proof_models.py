"""Proof of the whole: gradients of small ALL-CNN and NiN, end to end, and the sizes of Table 1.

Every parameter of every network agrees with autograd on a forward written from the table, with
the constants of the backward pass (r and d, dropout masks) read from the network and frozen.
"""

import numpy as np
import pytest
import reference as ref
from autograd.differential_operators import make_vjp

import minibn
from minibn.gradcheck import relative_error
from minibn.models import kernel_shapes

NORMS = ["bn", "brn", "renorm_debias", "ln", "gn", "wn", "none"]
NETWORKS = {  # name: (minibn's, the reference, width, shape of the images)
    "all_cnn": (minibn.all_cnn, ref.all_cnn, 8, (3, 24, 24, 3)),
    "nin": (minibn.nin, ref.nin, 12, (3, 24, 24, 3)),
}
TOLERANCE = 1e-9
every_network = pytest.mark.parametrize("network", NETWORKS)
every_norm = pytest.mark.parametrize("norm", NORMS)


def walk(model, x):
    """A training forward, layer by layer: the output and what the backward takes as constant."""
    frozen = {}
    for name, layer in model.layers.items():
        before, x = x, layer.forward(x, training=True)
        if isinstance(layer, minibn.Dropout):
            frozen[name] = np.divide(x, before, out=np.zeros_like(x), where=before != 0)
        elif hasattr(layer, "r"):
            frozen[name] = layer.r, layer.d
    return x, frozen


@every_network
@every_norm
@pytest.mark.parametrize("options", [{}, {"activation": "elu", "final_relu": False}],
                         ids=["relu", "elu"])
def test_gradients_end_to_end(network, norm, options, rng):
    build, reference, width, shape = NETWORKS[network]
    model, twin = (build(5, norm, width, seed=1, dtype=np.float64, **options) for _ in range(2))
    for key, value in model.params.items():
        value += 0.1 * rng.normal(size=value.shape)            # γ ≠ 1, β ≠ 0, v no longer w
        twin.params[key][...] = value
    warm_up, images = rng.normal(size=shape), rng.normal(0.3, 1.5, shape)
    for each in (model, twin):                                 # so that r ≠ 1 and d ≠ 0
        each.forward(warm_up, training=True)

    logits = model.forward(images, training=True)
    same_logits, frozen = walk(twin, images)
    dlogits = rng.normal(size=logits.shape)
    dx = model.backward(dlogits, input_gradient=True)

    def forward(params, images):
        return reference(params, images, frozen, norm, **options)

    pullback, expected_logits = make_vjp(forward, (0, 1))(dict(model.params), images)
    expected, expected_dx = pullback(dlogits)

    assert relative_error(logits, same_logits) < TOLERANCE     # a model is the chain of its layers
    assert relative_error(logits, expected_logits) < TOLERANCE
    assert relative_error(dx, expected_dx) < TOLERANCE
    assert list(model.grads) == list(model.params) == list(expected)
    for key, gradient in model.grads.items():
        assert relative_error(gradient, expected[key]) < TOLERANCE, key


@every_norm
def test_without_the_gradient_of_the_images(norm, rng):
    """It may be left out; the gradients of the parameters do not notice."""
    model, twin = (minibn.all_cnn(5, norm, 8, seed=1, dtype=np.float64) for _ in range(2))
    images, dlogits = rng.normal(size=(2, 24, 24, 3)), rng.normal(size=(2, 5))
    for each in (model, twin):
        each.forward(images, training=True)
    model.backward(dlogits)
    twin.backward(dlogits, input_gradient=True)
    assert all(relative_error(model.grads[key], twin.grads[key]) < TOLERANCE for key in twin.grads)


# Sizes --------------------------------------------------------------------------------------------

def count(model, *names):
    """Numbers held by parameters of these names: "w" counts conv1.w, conv2.w, …"""
    return sum(p.size for key, p in model.params.items() if key.split(".")[-1] in names)


def test_all_cnn_has_the_parameters_of_table_1():
    bare, normalized = minibn.all_cnn(norm="none"), minibn.all_cnn(norm="bn")
    assert count(bare, "w") == count(normalized, "w") == 1_834_272
    assert count(bare, "w", "b") == 1_835_620
    assert count(normalized, "b") == 0                         # the mean takes a bias away
    assert count(normalized, "gamma", "beta") == 2_696
    assert sum(p.size for p in normalized.params.values()) == 1_834_272 + 2_696


def test_nin_has_its_parameters():
    bare = minibn.nin(norm="none")
    assert count(bare, "w", "b") == sum(p.size for p in bare.params.values()) == 984_356


@every_network
@pytest.mark.parametrize("norm, names", [
    *[(norm, ["conv{}.w", "norm{}.gamma", "norm{}.beta"]) for norm in NORMS[:3]],
    *[(norm, ["conv{}.w", "conv{}.b", "norm{}.gamma", "norm{}.beta"]) for norm in ("ln", "gn")],
    ("wn", ["conv{}.v", "conv{}.g", "conv{}.b"]),
    ("none", ["conv{}.w", "conv{}.b"]),
])
def test_keys_in_forward_order(network, norm, names):
    model = NETWORKS[network][0](5, norm, 12)
    assert list(model.params) == [name.format(k) for k in range(1, 10) for name in names]


@pytest.mark.parametrize("network, sizes, channels", [
    ("all_cnn", [24, 24, 12, 12, 12, 6, 6, 6, 6], [8, 8, 8, 16, 16, 16, 16, 16, 7]),
    ("nin", [24, 24, 24, 12, 12, 12, 6, 6, 6], [12, 10, 6, 12, 12, 12, 12, 12, 7]),
])
def test_feature_maps(network, sizes, channels, rng):
    build, _, width, shape = NETWORKS[network]
    model = build(7, "bn", width)
    x, maps = rng.normal(size=shape).astype(np.float32), []
    for name, layer in model.layers.items():
        x = layer.forward(x)
        if name.startswith("conv"):
            maps.append(x.shape[1:])
    assert maps == [(size, size, c) for size, c in zip(sizes, channels, strict=True)]
    assert x.shape == (shape[0], 7)


@every_network
@every_norm
def test_same_seed_same_weights_whatever_the_norm(network, norm):
    """A comparison of normalizers starts from the same weights; another seed gives others."""
    build = NETWORKS[network][0]
    start, other = build(5, norm, 12, seed=3), build(5, norm, 12, seed=4)
    bare = build(5, "none", 12, seed=3)
    key = "v" if norm == "wn" else "w"
    for k in range(1, 10):
        assert np.array_equal(start.params[f"conv{k}.{key}"], bare.params[f"conv{k}.w"])
        assert not np.array_equal(start.params[f"conv{k}.{key}"], other.params[f"conv{k}.{key}"])


@pytest.mark.parametrize("channels, groups", [
    (96, 24), (132, 22), (192, 32), (100, 25), (10, 2), (5, 1), (3, 1), (8, 2), (12, 3), (128, 32)])
def test_default_groups(channels, groups, rng):
    """The largest divisor of the channels, not above 32, that leaves at least four in a group."""
    assert ref.groups(channels) == groups
    x = rng.normal(size=(2, 2, 2, channels))
    default = minibn.GroupNorm(channels, dtype=np.float64)
    given = minibn.GroupNorm(channels, groups=groups, dtype=np.float64)
    assert np.array_equal(default.forward(x), given.forward(x))


@every_network
@pytest.mark.parametrize("norm", ["bn", "wn"])
@pytest.mark.parametrize(("classes", "width"), [(10, 1), (3, 7)])
def test_the_kernels_of_a_network_are_known_before_it_is_made(network, norm, classes, width):
    model = NETWORKS[network][0](classes, norm, width)
    kernels = {name.rpartition(".")[0]: value.shape for name, value in model.params.items()
               if value.ndim == 4}
    assert kernel_shapes(network, classes, width) == kernels
