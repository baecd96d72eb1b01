"""One model in many threads, as a server uses it: testing in one is not seen in another."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

import minibn
from minibn import functional
from minibn.norms import NORMS

THREADS, ROUNDS = 4, 12


def in_threads(work):
    """[work(0), work(1), …], each in a thread of its own, all begun at the same moment."""
    barrier = Barrier(THREADS)

    def begin(index):
        barrier.wait()
        return work(index)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def assert_each_gets_its_own(layer, inputs):
    """forward(x) in many threads at once gives, for every x, what it gives alone."""
    alone = [layer.forward(x) for x in inputs]
    kept = [y.copy() for y in alone]

    def repeat(index):
        return [layer.forward(inputs[index]) for _ in range(ROUNDS)]

    for expected, found in zip(kept, in_threads(repeat), strict=True):
        for y in found:
            np.testing.assert_array_equal(y, expected)
    for y, expected in zip(alone, kept, strict=True):        # and old results are not written to
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("network", [minibn.all_cnn, minibn.nin])
def test_one_model_tested_in_many_threads(network, norm, rng):
    model = network(10, norm, width=6)
    x = rng.standard_normal((8, 24, 24, 3)).astype(np.float32)
    model.forward(x, training=True)                          # renorm_debias needs averages
    assert_each_gets_its_own(model, [
        rng.standard_normal((3, 24, 24, 3)).astype(np.float32) for _ in range(THREADS)])


LAYERS = {
    "tiles": lambda: minibn.Conv2d(8, 8, 3, padding=1, seed=0),
    "windows": lambda: minibn.Conv2d(8, 8, 3, stride=2, padding=1, seed=0),
    "5x5": lambda: minibn.Conv2d(8, 8, 5, padding=2, seed=0),
    "1x1": lambda: minibn.Conv2d(8, 8, 1, seed=0),
    "max pooling": lambda: minibn.MaxPool2d(3, stride=2, ceil_mode=True),
    "avg pooling": lambda: minibn.AvgPool2d(3, stride=2, ceil_mode=True),
    "ln": lambda: minibn.LayerNorm(8),
    "gn": lambda: minibn.GroupNorm(8, 2),
    "wn": lambda: minibn.WeightNorm(minibn.Conv2d(8, 8, 3, padding=1, seed=0)),
    "elu": minibn.ELU,
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_layer_tested_in_many_threads(name, dtype, rng):
    layer = LAYERS[name]()
    for key, value in layer.params.items():
        layer.params[key] = value.astype(dtype)
    assert_each_gets_its_own(layer, [rng.standard_normal((4, 20, 20, 8)).astype(dtype)
                                     for _ in range(THREADS)])


def test_pure_functions_forward_and_backward_in_many_threads(rng):
    """What is kept between the two belongs to the caller."""
    w = rng.standard_normal((3, 3, 8, 8)).astype(np.float32)
    gamma, beta = np.ones(8, np.float32), np.zeros(8, np.float32)
    inputs = [rng.standard_normal((4, 20, 20, 8)).astype(np.float32) for _ in range(THREADS)]

    def step(index):
        y, conv = functional.conv2d(inputs[index], w, None, 1, 1)
        z, norm = functional.batch_norm(y, gamma, beta, 1e-5)
        dy, *_ = functional.batch_norm_backward(np.sin(z), norm)
        return [z, *(g for g in functional.conv2d_backward(dy, conv) if g is not None)]

    alone = [step(index) for index in range(THREADS)]
    together = in_threads(lambda index: [step(index) for _ in range(ROUNDS)])
    for expected, rounds in zip(alone, together, strict=True):
        for found in rounds:
            for ours, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_models_of_their_own_train_in_many_threads(rng):
    x = rng.standard_normal((5, 24, 24, 3)).astype(np.float32)
    labels = rng.integers(0, 10, 5)

    def train(index):
        model = minibn.all_cnn(10, "renorm_debias", width=4, seed=index)
        optimizer = minibn.optim.SGD(model, lr=0.01)
        for _ in range(6):
            logits = model.forward(x, training=True)
            _, cache = functional.softmax_cross_entropy(logits, labels)
            model.backward(functional.softmax_cross_entropy_backward(1.0, cache))
            optimizer.step()
        return model.params

    alone = [train(index) for index in range(THREADS)]
    for ours, theirs in zip(in_threads(train), alone, strict=True):
        for name, value in theirs.items():
            np.testing.assert_array_equal(ours[name], value, err_msg=name)
