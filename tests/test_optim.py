"""SGD and the step schedule in numbers: every term, every default, every order of things."""

import numpy as np
import pytest

import minibn
from minibn.checks import TooEarly
from minibn.kernels import disabled
from minibn.optim import SGD, momentum_update, step_schedule


class Pair(minibn.Layer):
    """A layer of two parameters, one of which is a normalization's."""

    def __init__(self):
        super().__init__()
        self.params = {"w": np.array([1.0, -2.0]), "gamma": np.array([4.0])}
        self.grads = {"w": np.array([0.5, 0.25]), "gamma": np.array([-1.0])}


@pytest.mark.parametrize("update", [momentum_update, momentum_update.textbook],
                         ids=["kernel", "textbook"])
def test_an_update_in_numbers(update):
    p, v, g = np.array([1.0, 2.0]), np.array([10.0, -4.0]), np.array([3.0, 8.0])
    assert update(p, v, g, 0.5, 0.25) is None
    assert v.tolist() == [5.5, 7.0] and p.tolist() == [1 - 2.75, 2 - 3.5]
    assert g.tolist() == [3.0, 8.0]
    with disabled():
        momentum_update(p, v, g, 2.0, 0.0)
    assert v.tolist() == [3.0, 8.0] and p.tolist() == [-7.75, -17.5]


def test_two_steps_with_the_defaults():
    """Momentum 0.9, no weight decay."""
    layer = Pair()
    optimizer = SGD(layer, 0.1)
    assert (optimizer.momentum, optimizer.weight_decay, optimizer.decay_norms) == (0.9, 0.0, False)
    optimizer.step()
    optimizer.step()
    assert layer.params["w"] == pytest.approx([1 - 0.1 * (0.5 + 0.95), -2 - 0.1 * (0.25 + 0.475)])
    assert optimizer.velocity["gamma"] == pytest.approx([-1.9])


def test_weight_decay_in_numbers():
    for decay_norms, gamma in ((False, 4 + 0.1), (True, 4 - 0.1 * (-1 + 0.5 * 4))):
        layer = Pair()
        SGD(layer, 0.1, 0.0, 0.5, decay_norms=decay_norms).step()
        assert layer.params["w"] == pytest.approx([1 - 0.1 * (0.5 + 0.5), -2 - 0.1 * (0.25 - 1)])
        assert layer.params["gamma"] == pytest.approx([gamma])
        assert layer.grads["w"].tolist() == [0.5, 0.25]


@pytest.mark.parametrize("break_it", [
    lambda layer, sgd: layer.grads.pop("gamma"),
    lambda layer, sgd: layer.grads.update(gamma=np.ones(2)),
    lambda layer, sgd: layer.grads.update(gamma=np.ones(1, np.float32)),
    lambda layer, sgd: sgd.velocity.update(gamma=np.zeros(3)),
])
def test_a_step_that_cannot_be_done_changes_nothing(break_it):
    """The last parameter is wrong, and the first one stays as it was."""
    layer = Pair()
    optimizer = SGD(layer, 0.1)
    break_it(layer, optimizer)
    with pytest.raises((TooEarly, ValueError, TypeError), match="gamma"):
        optimizer.step()
    assert layer.params["w"].tolist() == [1.0, -2.0] and not optimizer.velocity["w"].any()


@pytest.mark.parametrize(("name", "wrong", "right"), [
    ("lr", (0.0, -0.1, np.inf), 1e-9), ("momentum", (-1e-9, 1.0, 1.5), 0.999),
    ("weight_decay", (-1e-9,), 2.0), ("decay_norms", (1, None), True)])
def test_the_bounds_of_every_argument(name, wrong, right):
    for value in wrong:
        with pytest.raises((ValueError, TypeError), match=name):
            SGD(Pair(), **{"lr": 0.1, name: value})
    assert getattr(SGD(Pair(), **{"lr": 0.1, name: right}), name) == right
    with pytest.raises(TypeError, match="model must be a layer, not dict"):
        SGD({}, 0.1)


@pytest.mark.parametrize(("name", "value"), [
    ("momentum", 1.0), ("momentum", np.nan), ("momentum", "0.9"), ("weight_decay", -0.1)])
def test_what_is_assigned_anew_is_checked_by_the_next_step(name, value):
    """Momentum of 1 or more lets every velocity grow without end."""
    layer = Pair()
    optimizer = SGD(layer, 0.1)
    setattr(optimizer, name, value)
    with pytest.raises((ValueError, TypeError), match=f"^{name} must be"):
        optimizer.step()
    assert layer.params["w"].tolist() == [1.0, -2.0]


def test_the_schedule_and_its_bounds():
    assert [step_schedule(1.0, epoch, 2) for epoch in range(5)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01])
    assert step_schedule(3.0, 1, 1, 0.5) == 1.5
    for wrong in ((0.0, 1, 1), (1.0, -1, 1), (1.0, 1, 0), (1.0, 1, 1, 0.0)):
        with pytest.raises(ValueError):
            step_schedule(*wrong)
