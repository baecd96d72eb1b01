"""Exercises 09: LayerNorm, GroupNorm and WeightNorm, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minibn import functional as F
from minibn.teaching.compare import equal, require, unpack, what
from minibn.teaching.registry import exercise

Array = Any

rng = np.random.default_rng(909)
N, H, W, C, G, EPS = 3, 4, 2, 6, 2, 1e-3
X = rng.normal(size=(N, H, W, C)) * np.geomspace(0.4, 4, C) + rng.normal(size=(N, 1, 1, C))
GAMMA, BETA = np.array([1.5, -0.6, 0.8, 2.0, -1.1, 0.4]), rng.normal(size=C)
DY = rng.normal(size=X.shape) + 0.3
ONE, ZERO = np.ones(C), np.zeros(C)
XBAR = {"bn": F.batch_norm(X, ONE, ZERO, EPS)[0], "ln": F.layer_norm(X, ONE, ZERO, EPS)[0],
        "instance": F.group_norm(X, ONE, ZERO, C, EPS)[0],
        "gn": F.group_norm(X, ONE, ZERO, G, EPS)[0]}
TITLES = {"bn": "BN", "ln": "LayerNorm", "instance": "Instance Normalization", "gn": "GroupNorm"}


def axes() -> dict[str, tuple[int, ...]]:
    return {"bn": (0, 1, 2), "ln": (1, 2, 3), "instance": (1, 2), "gn": (1, 2, 4)}


@exercise("9.1", "which axes", answer="axes", points=2, library=axes)
def check_axes(answer: Any, part: Any) -> None:
    found = answers_of(answer(), XBAR)
    for names in (("bn", "ln"), ("instance", "gn")):    # so that one tuple for all earns nothing
        with part(1):
            for name in names:
                check_axes_of(name, found[name])


def check_axes_of(name: str, chosen: Any) -> None:
    require(isinstance(chosen, tuple | list | set)
            and all(isinstance(axis, int | np.integer) for axis in chosen),
            f"{name}: return a tuple of axes such as (0, 1), not {what(chosen)}.")
    count = 5 if name == "gn" else 4
    require(all(-count <= axis < count for axis in chosen),
            f"{name}: there are the axes 0 to {count - 1}.")
    own = {int(axis) % count for axis in chosen}               # -1 is the last axis
    require(0 not in own or name == "bn",
            f"{name}: axis 0 is the images. A mean over it makes them depend on each other.")
    require(name != "gn" or 3 not in own,
            "gn: axis 3 counts the groups; each has a mean of its own.")
    require({1, 2} <= own, f"{name}: the positions share a mean, too (axes 1 and 2).")
    for other, taken in axes().items():
        require(other == name or "gn" in (name, other) or own != set(taken),
                f"{name}: these are the axes of {TITLES[other]}.")
    require(own == set(axes()[name]), {
        "bn": "bn: a mean for each channel runs over the images, too.",
        "ln": "ln: all channels of an image share a mean.",
        "instance": "instance: each channel has a mean of its own.",
        "gn": "gn: the channels of a group share a mean (axis 4)."}[name])


def answers_of(found: Any, names: Any) -> Mapping[str, Any]:
    require(isinstance(found, Mapping), f"Return a dict. This is {what(found)}.")
    missing = [name for name in names if name not in found]
    require(not missing, f"There is nothing for {', '.join(missing)}.")
    return found


Mean = Callable[[Array], Array]


def check_gradients(got: Any, want: Any, kind: str, mean: Mean, m: int, part: Any) -> None:
    """dγ, dβ and dx of a normalizer whose means are `mean`, over m values."""
    got = unpack(got, "dx, dgamma, dbeta")
    dx, dgamma, dbeta = want
    sigma = np.sqrt(mean((X - mean(X)) ** 2) + EPS)
    xbar, g = XBAR[kind], GAMMA * DY

    def total(a: Array) -> Array:
        return a.sum((0, 1, 2))

    with part(0.5):
        equal("dbeta", got[2], dbeta, {
            "sums, not means: β is added to every value of its channel.": dbeta / (N * H * W),
            "γ has no part in dβ.": GAMMA * dbeta,
            "that is dγ; the order is dx, dgamma, dbeta.": dgamma})
    with part(1):
        equal("dgamma", got[1], dgamma, {
            "sums, not means.": dgamma / (N * H * W),
            "γ multiplies x̄, not x.": total(DY * X),
            "γ is no part of its own gradient.": GAMMA * dgamma,
            "that is dβ; the order is dx, dgamma, dbeta.": dbeta,
            **{f"this x̄ was made with the means of {TITLES[other]}.": total(DY * XBAR[other])
               for other in XBAR if other != kind},
            "γ multiplies its channel in all images: sum over axis 0, too.":
                (DY * xbar).sum((1, 2))[0]})
    one, two = mean(g), mean(g * xbar)
    plain = (DY - mean(DY) - xbar * mean(DY * xbar)) / sigma
    with part(1.5):
        equal("dx", got[0], dx, {
            "γ was moved out of the means. In BN this is right; here the values that share a mean "
            "have different γ.": GAMMA * plain,
            "γ is missing: g = γ·dy.": plain,
            "these are BN's means.":
                F.batch_norm_backward(DY, F.batch_norm(X, GAMMA, BETA, EPS)[1])[0],
            **({"these are LayerNorm's means; here each group has its own.":
                layer_norm_backward(DY, X, GAMMA, EPS)[0]} if kind != "ln" else {}),
            "the term with mean(g) is missing.": (g - xbar * two) / sigma,
            "the term with x̄·mean(g·x̄) is missing.": (g - one) / sigma,
            "both mean terms are missing: μ and σ depend on x.": g / sigma,
            "the sign of the mean(g) term.": (g + one - xbar * two) / sigma,
            "the sign of the x̄·mean(g·x̄) term.": (g - one + xbar * two) / sigma,
            "means, not sums: 1/m is missing in both.": (g - m * one - xbar * m * two) / sigma,
            "1/m is missing in mean(g).": (g - m * one - xbar * two) / sigma,
            "1/m is missing in mean(g·x̄).": (g - one - xbar * m * two) / sigma,
            "divide by σ at the end.": dx * sigma})


def layer_norm_backward(dy: Array, x: Array, gamma: Array, eps: float
                        ) -> tuple[Array, Array, Array]:
    return F.layer_norm_backward(dy, F.layer_norm(x, gamma, np.zeros_like(gamma), eps)[1])


@exercise("9.2", "LayerNorm's backward", answer="layer_norm_backward", points=3,
          library=layer_norm_backward)
def check_layer_norm(answer: Any, part: Any) -> None:
    check_gradients(answer(DY, X, GAMMA, EPS), layer_norm_backward(DY, X, GAMMA, EPS), "ln",
                    lambda a: a.mean((1, 2, 3), keepdims=True), H * W * C, part)


def group_norm(x: Array, gamma: Array, beta: Array, groups: int, eps: float) -> Array:
    return F.group_norm(x, gamma, beta, groups, eps)[0]


@exercise("9.3", "GroupNorm's forward", answer="group_norm", points=3, library=group_norm)
def check_group_norm(answer: Any, part: Any) -> None:
    def by(shape: tuple[int, ...], over: tuple[int, ...]) -> Array:
        a = X.reshape(shape)
        xbar = (a - a.mean(over, keepdims=True)) / np.sqrt(a.var(over, keepdims=True) + EPS)
        return GAMMA * xbar.reshape(X.shape) + BETA

    split = X.reshape(N, H, W, G, C // G)
    m = H * W * C // G
    variance = split.var((1, 2, 4), keepdims=True)
    centered = split - split.mean((1, 2, 4), keepdims=True)

    def scaled(sigma: Array) -> Array:
        return GAMMA * (centered / sigma).reshape(X.shape) + BETA

    want = group_norm(X, GAMMA, BETA, G, EPS)
    with part(2):
        equal("y", answer(X, GAMMA, BETA, G, EPS), want, {
            "your groups are every second channel; a group is neighboring channels: split C as "
            "(groups, C // groups).": by((N, H, W, C // G, G), (1, 2, 3)),
            "you have C/G groups of G channels; split C as (groups, C // groups).":
                by((N, H, W, C // G, G), (1, 2, 4)),
            "axis 3 counts the groups; the channels of a group are axis 4.":
                by(split.shape, (1, 2, 3)),
            "a mean over axis 0 makes the images depend on one another.":
                by(split.shape, (0, 1, 2, 4)),
            "the positions of a group share a mean, too (axes 1 and 2).": by(split.shape, (4,)),
            "that is LayerNorm: each group has its own mean.": GAMMA * XBAR["ln"] + BETA,
            "that is Instance Normalization: the channels of a group share a mean.":
                GAMMA * XBAR["instance"] + BETA,
            "that is BN: the images share a mean.": GAMMA * XBAR["bn"] + BETA,
            "the biased variance: divide by m.": scaled(np.sqrt(variance * m / (m - 1) + EPS)),
            "ε belongs under the root.": scaled(np.sqrt(variance) + EPS),
            "ε is missing.": scaled(np.sqrt(variance)),
            "divide by σ, not by the variance.": scaled(variance + EPS),
            "γ and β are missing.": XBAR["gn"],
            "γ is missing.": XBAR["gn"] + BETA,
            "β is missing.": want - BETA})
    with part(1):
        for groups in (1, 3, C):
            equal(f"y with groups = {groups}", answer(X, GAMMA, BETA, groups, EPS),
                  group_norm(X, GAMMA, BETA, groups, EPS),
                  {"that is the answer for 2 groups: use `groups`.": want})


def group_norm_backward(dy: Array, x: Array, gamma: Array, groups: int, eps: float
                        ) -> tuple[Array, Array, Array]:
    return F.group_norm_backward(dy, F.group_norm(x, gamma, np.zeros_like(gamma), groups, eps)[1])


@exercise("9.4", "GroupNorm's backward", answer="group_norm_backward", points=4,
          library=group_norm_backward)
def check_group_norm_backward(answer: Any, part: Any) -> None:
    def mean(a: Array) -> Array:
        means = a.reshape(N, H, W, G, C // G).mean((1, 2, 4), keepdims=True)
        return np.repeat(means.reshape(N, 1, 1, G), C // G, axis=3)    # each group's, by channel

    names = ("dx", "dgamma", "dbeta")
    want = group_norm_backward(DY, X, GAMMA, G, EPS)
    check_gradients(answer(DY, X, GAMMA, G, EPS), want, "gn", mean, H * W * C // G, part)
    with part(1):
        for groups in (1, 3, C):
            others = unpack(answer(DY, X, GAMMA, groups, EPS), ", ".join(names))
            right = group_norm_backward(DY, X, GAMMA, groups, EPS)
            for name, one, other, for_two in zip(names, others, right, want, strict=True):
                equal(f"{name} with groups = {groups}", one, other,
                      {"that is the answer for 2 groups: use `groups`.": for_two})


def weight_norm_backward(dw: Array, v: Array, g: Array) -> tuple[Array, Array]:
    return F.weight_norm_backward(dw, F.weight_norm(v, g)[1])


@exercise("9.5", "WeightNorm's backward", answer="weight_norm_backward", points=3,
          library=weight_norm_backward)
def check_weight_norm(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    v, g = rng.normal(size=(3, 3, 2, 4)) * [0.5, 1, 2, 3], np.array([1.3, -0.7, 2.0, 0.4])
    dw = rng.normal(size=v.shape) + 0.2
    got = unpack(answer(dw, v, g), "dv, dg")
    dv, dg = weight_norm_backward(dw, v, g)
    n = np.sqrt((v**2).sum((0, 1, 2)))
    u = v / n
    with part(1):
        equal("dg", got[1], dg, {
            "g multiplies the unit direction u = v/‖v‖, not v.": dg * n,
            "g multiplies u, not w = g·u.": dg * g,
            "a sum over the channel's weights, not a mean.": dg / v[..., 0].size,
            "g multiplies u, so u is a factor in it.": dw.sum((0, 1, 2)),
            "one norm for each output channel, not one for all.":
                (dw * v).sum((0, 1, 2)) / np.sqrt((v**2).sum())})
    with part(2):
        equal("dv", got[0], dv, {
            "‖v‖ depends on v, too: a term along u is missing.": g / n * dw,
            "the sign of the term along u: it is subtracted.": g / n * (dw + u * dg),
            "the term along u needs the unit direction, not v.": g / n * (dw - v * dg),
            "g is missing.": dv / g,
            "divide by ‖v‖.": dv * n,
            "divide by ‖v‖ once, not twice.": dv / n,
            "the term along u has the factor Σ(dw·u).": g / n * (dw - u),
            "the term along u is that alone: dw is missing.": -g / n * u * dg})


def what_matters() -> dict[str, tuple[bool, bool, bool]]:
    mates, contrast, channel = X.copy(), X.copy(), X.copy()
    mates[1:] = np.random.default_rng(0).normal(size=X[1:].shape)
    contrast[0] *= 2
    channel[..., 2] *= 2
    layers: dict[str, Callable[[Array], Array]] = {
        "bn": lambda x: F.batch_norm(x, ONE, ZERO, 0.0)[0],
        "ln": lambda x: F.layer_norm(x, ONE, ZERO, 0.0)[0],
        "gn": lambda x: F.group_norm(x, ONE, ZERO, G, 0.0)[0],
        "instance": lambda x: F.group_norm(x, ONE, ZERO, C, 0.0)[0]}

    def changes(f: Callable[[Array], Array], x: Array) -> bool:
        return not np.allclose(f(x)[0], f(X)[0])

    return {name: (changes(f, mates), changes(f, contrast), changes(f, channel))
            for name, f in layers.items()}


@exercise("9.6", "what matters", answer="what_matters", points=2, library=what_matters)
def check_what_matters(answer: Any, part: Any) -> None:
    found = answers_of(answer(), XBAR)
    right = what_matters()
    for names in (("bn", "ln"), ("gn", "instance")):    # so that one answer for all earns nothing
        with part(1):
            for name in names:
                check_three(name, found[name], right[name])


REASONS = {
    "mates": "over which images does its mean run?",
    "contrast": "a factor disappears where all values that share a σ have it.",
    "channel": "a factor disappears where all values that share a σ have it."}


def check_three(name: str, said: Any, right: tuple[bool, bool, bool]) -> None:
    require(isinstance(said, tuple | list | np.ndarray) and len(said) == 3,
            f"{name}: give three answers, (mates, contrast, channel).")
    for yes, truth, (question, why) in zip(said, right, REASONS.items(), strict=True):
        require(isinstance(yes, bool | np.bool_) or yes in (0, 1),
                f"{name}, {question}: answer True or False, not {what(yes)}.")
        require(bool(yes) == truth, f"{name}, {question}: {why}")
