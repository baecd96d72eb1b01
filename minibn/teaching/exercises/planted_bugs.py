"""Backward passes of made-up students, right ones and wrong ones, for exercises 1.7 and 3.7.

Each dictionary has for each claim ("none": nothing is wrong) the functions of which it is true.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
Gradients = tuple[Array, Array, Array]


def hana(dy: Array, xbar: Array, s: Array, gamma: Array) -> Gradients:
    return ((dy - dy.mean(0) - xbar * (dy * xbar).mean(0)) * gamma / s,
            (dy * xbar).mean(0) * len(dy), np.ones(len(dy)) @ dy)


def ivan(dy: Array, xbar: Array, s: Array, gamma: Array) -> Gradients:
    m, dgamma, dbeta = len(dy), np.einsum("ij,ij->j", dy, xbar), dy.sum(0)
    return gamma / (m * s) * (m * dy - dbeta - xbar * dgamma), dgamma, dbeta


def jade(dy: Array, xbar: Array, s: Array, gamma: Array) -> Gradients:
    g = gamma * dy
    return ((g - g.sum(0) / (len(g) - 1) - xbar * (g * xbar).mean(0)) / s,
            np.einsum("ij,ij->j", dy, xbar), dy.sum(0))


def kofi(dy: Array, xbar: Array, s: Array, gamma: Array) -> Gradients:
    g = gamma * dy
    return (g - g.mean(0) - xbar**2 * g.mean(0)) / s, (dy * xbar).sum(0), dy.sum(0)


def lena(dy: Array, xbar: Array, s: Array, gamma: Array) -> Gradients:
    g = gamma * dy
    return ((g - g.mean(0) - xbar * (g * xbar).mean(0)) / s,
            (dy * (xbar * s)).sum(0), dy.sum(0))


def milo(dy: Array, xbar: Array, s: Array, gamma: Array) -> Gradients:
    g = gamma * dy
    return (g - g.mean(0) - xbar * (g * xbar).mean(0)) / s, (g * xbar).sum(0), dy.sum(0)


def nora(dy: Array, xbar: Array, s: Array, gamma: Array) -> Gradients:
    g = dy * gamma
    return ((g - g.mean(0) - (g * xbar).mean(0) * xbar) / s, (xbar * dy).sum(0), g.sum(0))


def omar(dy: Array, xbar: Array, s: Array, gamma: Array) -> Gradients:
    g = dy * gamma
    return ((g - g.mean(0) - (g * xbar).mean(0) * xbar) / s, (xbar * dy).sum(0), dy.mean(0))


BATCH_NORM = {"none": (hana, ivan), "dx": (jade, kofi), "dgamma": (lena, milo),
              "dbeta": (nora, omar)}


def ruth(x: Array, gamma: Array, beta: Array, r: Array, d: Array, dy: Array, eps: float
         ) -> Gradients:
    s = np.sqrt(x.var(0) + eps)
    xh = (x - x.mean(0)) / s * r + d
    dg = (dy * xh).sum(0)
    mean_gx = (dg - d * dy.sum(0)) / r / len(x)
    return (gamma * xh + beta, gamma * r / s * (dy - dy.mean(0) - (xh - d) / r * mean_gx), dg)


def sami(x: Array, gamma: Array, beta: Array, r: Array, d: Array, dy: Array, eps: float
         ) -> Gradients:
    s = np.sqrt(x.var(0) + eps)
    xb = (x - x.mean(0)) / s
    g = gamma * r * dy
    return (gamma * r * xb + (gamma * d + beta), (g - g.mean(0) - xb * (g * xb).mean(0)) / s,
            r * (dy * xb).sum(0) + d * dy.sum(0))


def tara(x: Array, gamma: Array, beta: Array, r: Array, d: Array, dy: Array, eps: float
         ) -> Gradients:
    s = np.sqrt(x.var(0) + eps)
    xb = (x - x.mean(0)) / s
    g = gamma * r * dy
    return (gamma * xb * r + d + beta, (g - g.mean(0) - xb * (g * xb).mean(0)) / s,
            (dy * (xb * r + d)).sum(0))


def umut(x: Array, gamma: Array, beta: Array, r: Array, d: Array, dy: Array, eps: float
         ) -> Gradients:
    s = np.sqrt(x.var(0) + eps)
    xh = (x - x.mean(0)) / s * r + d
    g = gamma * r * dy
    return gamma * xh + beta, (g - g.mean(0) - xh * (g * xh).mean(0)) / s, (dy * xh).sum(0)


def vera(x: Array, gamma: Array, beta: Array, r: Array, d: Array, dy: Array, eps: float
         ) -> Gradients:
    s = np.sqrt(x.var(0) + eps)
    xb = (x - x.mean(0)) / s
    g = gamma * dy
    return (gamma * (xb * r + d) + beta, (g - g.mean(0) - xb * (g * xb).mean(0)) / s,
            (dy * (xb * r + d)).sum(0))


def wang(x: Array, gamma: Array, beta: Array, r: Array, d: Array, dy: Array, eps: float
         ) -> Gradients:
    s = np.sqrt(x.var(0) + eps)
    xb = (x - x.mean(0)) / s
    g = gamma * r * dy
    y = gamma * (xb * r + d) + beta
    return y, (g - g.mean(0) - xb * (g * xb).mean(0)) / s, (dy * xb).sum(0) * r


BATCH_RENORM = {"none": (ruth, sami), "forward": (tara,), "dx": (umut, vera), "dgamma": (wang,)}
