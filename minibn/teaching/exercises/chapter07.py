"""Exercises 7.1 to 7.4: a step, the schedule, the averages; the others stand in files beside."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minibn.layers.linear import Linear
from minibn.optim import SGD, step_schedule
from minibn.teaching.compare import equal, require, unpack
from minibn.teaching.exercises import chapter07_own_norm, chapter07_reading
from minibn.teaching.registry import exercise

Array = Any
ELSEWHERE = chapter07_own_norm, chapter07_reading   # importing them registers their exercises


def momentum_step(p: Array, v: Array, g: Array, lr: float, momentum: float = 0.9
                  ) -> tuple[Array, Array]:
    layer = Linear(p.shape[0], p.shape[1], bias=False, dtype=np.float64)
    layer.params["w"][...] = p
    layer.grads["w"] = g
    optimizer = SGD(layer, lr, momentum)
    optimizer.velocity["w"][...] = v
    optimizer.step()
    return layer.params["w"], optimizer.velocity["w"]


@exercise("7.1", "a step with momentum", answer="momentum_step", points=2, library=momentum_step)
def check_momentum(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()      # other numbers at every check, so that no table passes
    cases = []
    for rho in (0.9, float(rng.uniform(0.2, 0.8))):
        p, v, g = rng.normal(size=(3, 3, 2))
        lr = float(rng.uniform(0.2, 0.6))
        cases.append((p, v, g, lr, rho, unpack(answer(p, v, g, lr, rho), "p, v")))
    with part(1):
        for p, v, g, lr, rho, mine in cases:
            want_p, want_v = momentum_step(p, v, g, lr, rho)
            equal(f"v (momentum {rho:.2g})", mine[1], want_v, {
                "that is the new p; the order is p, v.": want_p,
                "that is an average, with a factor (1 − ρ) before g; (7.1) has no factor.":
                    rho * v + (1 - rho) * g,
                "ρ belongs to v, and g has no factor.": (1 - rho) * v + rho * g,
                "the learning rate multiplies v when p moves, and not g before.": rho * v + lr * g,
                "this v contains −η. In (7.1) v adds up g alone; −η comes in when p moves.":
                    rho * v - lr * g,
                "ρ is the argument `momentum`, not always 0.9.": 0.9 * v + g,
                "that is the old v.": v,
                "that is g alone: ρ·v is missing.": g,
                "ρ is missing.": v + g,
                "ρ multiplies v alone, not v + g.": rho * (v + g),
                "the velocity adds up +g; the minus stands before η.": rho * v - g})
    with part(1):
        for p, v, g, lr, rho, mine in cases:
            want_p, want_v = momentum_step(p, v, g, lr, rho)
            equal(f"p (momentum {rho:.2g})", mine[0], want_p, {
                "use the new v, not the old one.": p - lr * v,
                "minus: p moves against v.": p + lr * want_v,
                "that is a step without momentum.": p - lr * g,
                "that is the new v; the order is p, v.": want_v,
                "that is the old p.": p,
                "the momentum is in v already; p ← p − η·v.": p - lr * (rho * want_v + g),
                "the learning rate is missing.": p - want_v,
                "this is p − η·v − g: the gradient is in v already.": p - lr * want_v - g})


def limit_of_velocity(momentum: float) -> float:
    return 1 / (1 - momentum)


@exercise("7.2", "the limit of v", answer="limit_of_velocity", points=1, library=limit_of_velocity)
def check_limit(answer: Any, part: Any) -> None:
    with part(1):
        for rho in (0.0, *np.random.default_rng().uniform(0.15, 0.95, 5)):
            want, rho = limit_of_velocity(rho), float(rho)
            got = answer(rho)
            require(not isinstance(got, str), "return a number computed from the argument "
                    f"`momentum`, not the text {got!r}."[:120])
            short = {f"the sum has not ended: after {n} terms it is still far from its limit."
                     if n < 50 else f"nearly: after {n} terms the sum has not reached its limit.":
                     (1 - rho**n) / (1 - rho) for n in (2, 3, 4, 5, 10, 20, 50, 100)}
            equal(f"the limit for momentum {rho:.3g}", got, want, {
                "that is 1 − ρ; at the end v = ρ·v + 1, solve it for v.": 1 - rho,
                "that is the limit of an average; (7.1) is a sum.": 1.0,
                "the sum begins with 1: for ρ = 0, v is 1.": rho * want,
                "at the end v = ρ·v + 1, so v·(1 − ρ) = 1: a minus.": 1 / (1 + rho),
                "that is the limit for momentum 0.9; use the argument.": 10.0,
                "at the end v = ρ·v + 1; solve it for v.": 1 / rho if rho else 0.0,
                **short}, tol=1e-6)


def lr_at(epoch: int, lr: float, every: int) -> float:
    return step_schedule(lr, epoch, every)


@exercise("7.3", "the schedule", answer="lr_at", points=1, library=lr_at)
def check_schedule(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    with part(1):
        for lr, every in ((0.1, 26), (0.05, 7), (float(rng.uniform(0.2, 0.9)),
                                                 int(rng.integers(8, 20)))):
            epochs = np.array([0, 1, every - 1, every, every + 1, 2 * every - 1, 2 * every,
                               4 * every - 5, 4 * every + 2])
            try:
                mine = [answer(int(epoch), lr, every) for epoch in epochs]
            except ZeroDivisionError:
                require(False, "a division by 0 in the first epochs. The divisor is a power of 10, "
                               "and 10 ** 0 is 1.")
            drops = epochs // every
            equal(f"lr_at(epoch, {lr:.3g}, {every}) at the epochs {', '.join(map(str, epochs))}",
                  mine, [lr_at(int(epoch), lr, every) for epoch in epochs], {
                f"the rate falls one epoch too early: epoch {every - 1} still has the first rate.":
                    lr / 10.0 ** ((epochs + 1) // every),
                f"the rate falls one epoch too late: epoch {every} has the second rate.":
                    lr / 10.0 ** (np.maximum(epochs - 1, 0) // every),
                f"the rate falls one epoch too late: epoch {every} has the second rate. (Also, "
                "epoch 0 has 10 times lr.)": lr / 10.0 ** ((epochs - 1) // every),
                "the rate falls in steps, not gradually: `//`.": lr / 10.0 ** (epochs / every),
                "it should be divided by 10 each time, not by 10, 20, 30.":
                    lr / np.maximum(1, 10 * drops),
                f"it falls once only; it should fall again at {2 * every} and {3 * every}.":
                    np.where(epochs < every, lr, lr / 10),
                "the factor is 1/10 for every lr, and not lr itself.": lr * lr**drops,
                "the first rate is the argument `lr`, not always 0.1.": 0.1 / 10.0**drops,
                "the rate falls after `every` epochs, not always after 26.":
                    lr / 10.0 ** (epochs // 26),
                "use the arguments `lr` and `every`, not 0.1 and 26.": 0.1 / 10.0 ** (epochs // 26),
                "the rate grows; it should fall.": lr * 10.0**drops,
                "that is the first rate at every epoch.": np.full(len(epochs), lr),
                "that is the factor alone; multiply it by lr.": 0.1**drops,
                "divide by 10, not by 2.": lr / 2.0**drops,
                "subtracting does not divide.": lr - drops * lr / 10})


def share_of_the_start(images: int, batch_size: int, epochs: int, decay: float = 0.99) -> float:
    return decay ** (epochs * (images // batch_size))


@exercise("7.4", "the share of the start", answer="share_of_the_start", points=2,
          library=share_of_the_start)
def check_share(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    cases = [(1000, 128, 8, 0.99), (1000, 128, 1, 0.99), (130, 40, 3, 0.9),
             (int(rng.integers(205, 240)), 50, int(rng.integers(2, 5)), 0.93)]
    with part(2):
        for images, batch_size, epochs, decay in cases:
            per_epoch, t = images / batch_size, epochs * (images // batch_size)
            equal(f"the share for {images} images, batch {batch_size}, {epochs} epochs, decay "
                  f"{decay}", answer(images, batch_size, epochs, decay),
                  share_of_the_start(images, batch_size, epochs, decay), {
                "the last, incomplete batch of an epoch is dropped.":
                    decay ** (epochs * math.ceil(per_epoch)),
                "an epoch has a whole number of batches: `//`.": decay ** (epochs * per_epoch),
                "images left over in one epoch are dropped; they do not go into the next.":
                    decay ** (epochs * images // batch_size),
                "t counts updates, not epochs.": decay**epochs,
                "t counts updates, and each update takes a batch of images.":
                    decay ** (epochs * images),
                "these are the updates of one epoch; there are more epochs.":
                    decay ** (images // batch_size),
                "one update too few: the first one counts, too.": decay ** (t - 1),
                "one update too many.": decay ** (t + 1),
                "one update leaves the share α of the start, and not 1 − α.": (1 - decay) ** t,
                "α is the argument `decay`, not always 0.99.": 0.99**t,
                "the shares multiply: a power of α, not a product with t.": decay * t,
                "that is the number of updates t; the share is αᵗ.": t,
                "that is the share of the data; the share of the start is asked.": 1 - decay**t,
                "that is in percent; return a share.": 100 * decay**t}, tol=1e-6)
