"""The normalizations on NumPy: each is a few calls of `standardize.py`.

BN and BRN see the batch as one set, and every channel as a group of its own.  LayerNorm and
GroupNorm see every image as a set, with all channels in one group or in several.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy import ndarray as Array

from minibn.checks import check_number, check_scale_and_shift
from minibn.kernels.standardize import LEAST_VALUES, affine, backward, moments
from minibn.norms.batch_norm import BatchNormCache
from minibn.norms.batch_renorm import RenormCache
from minibn.norms.group_norm import GroupNormCache, check_groups
from minibn.norms.layer_norm import LayerNormCache


def batch_statistics(x: Array) -> Any:
    """Kernel of `norms.batch_norm.batch_statistics`."""
    found = moments(x, sets=1, groups=x.shape[-1])
    return NotImplemented if found is None else (found[0][0], found[1][0])


def normalize(x: Array, mu: Array, sigma: Array, gamma: Array, beta: Array) -> Array:
    """Kernel of `norms.batch_norm.normalize`."""
    return affine(x, mu[None], sigma[None], gamma, beta)


def batch_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> Any:
    """Kernel of `norms.batch_norm.batch_norm`."""
    check_scale_and_shift(x, gamma, beta)
    eps = check_number("eps", eps, least=0)
    found = moments(x, sets=1, groups=x.shape[-1])                     # (1, C), (1, C)
    if found is None:
        return NotImplemented
    mu, var = found
    sigma = np.sqrt(var + eps)
    y = affine(x, mu, sigma, gamma, beta)
    return y, BatchNormCache(x, mu[0], var[0], sigma[0], gamma)


def batch_norm_backward(dy: Array, cache: BatchNormCache) -> Any:
    """Kernel of `norms.batch_norm.batch_norm_backward`."""
    x, mu, _, sigma, gamma = cast(Any, cache)
    if x.size < LEAST_VALUES * x.shape[-1]:
        return NotImplemented
    dx, dscale, dshift = backward(dy, x, mu[None], sigma[None], gamma, groups=x.shape[-1])
    return dx, dscale.astype(gamma.dtype), dshift.astype(gamma.dtype)


def renormalize(x: Array, mu_B: Array, sigma_B: Array, r: Array, d: Array, gamma: Array,
                beta: Array) -> Array:
    """Kernel of `norms.batch_renorm.renormalize`: y = (γ·r)·x̄ + (γ·d + β)."""
    return affine(x, mu_B[None], sigma_B[None], gamma * r, gamma * d + beta)


def batch_renorm_backward(dy: Array, cache: RenormCache) -> Any:
    """Kernel of `norms.batch_renorm.batch_renorm_backward`, from scale = γ·r, shift = γ·d + β."""
    x, mu, sigma, gamma, r, d = cast(Any, cache)
    if x.size < LEAST_VALUES * x.shape[-1]:
        return NotImplemented
    dx, dscale, dshift = backward(dy, x, mu[None], sigma[None], gamma * r, groups=x.shape[-1])
    dgamma = r * dscale + d * dshift
    return dx, dgamma.astype(gamma.dtype), dshift.astype(gamma.dtype)


def layer_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> Any:
    """Kernel of `norms.layer_norm.layer_norm`."""
    check_scale_and_shift(x, gamma, beta)
    eps = check_number("eps", eps, least=0)
    found = moments(x, sets=len(x), groups=1)                          # (N, C), (N, C)
    if found is None:
        return NotImplemented
    mu, sigma = found[0], np.sqrt(found[1] + eps)
    alone = (len(x),) + (1,) * (x.ndim - 1)                            # (N, 1, …, 1)
    return affine(x, mu, sigma, gamma, beta), LayerNormCache(
        x, mu[:, 0].reshape(alone), sigma[:, 0].reshape(alone), gamma)


def layer_norm_backward(dy: Array, cache: LayerNormCache) -> Any:
    """Kernel of `norms.layer_norm.layer_norm_backward`."""
    x, mu, sigma, gamma = cast(Any, cache)
    return _backward_of_images(dy, x, mu, sigma, gamma, groups=1)


def group_norm(x: Array, gamma: Array, beta: Array, groups: int, eps: float = 1e-5) -> Any:
    """Kernel of `norms.group_norm.group_norm`."""
    check_scale_and_shift(x, gamma, beta)
    groups = check_groups(groups, x.shape[-1])
    eps = check_number("eps", eps, least=0)
    found = moments(x, sets=len(x), groups=groups)                     # (N, C), (N, C)
    if found is None:
        return NotImplemented
    mu, sigma = found[0], np.sqrt(found[1] + eps)
    each = x.shape[-1] // groups
    alone = (len(x), *(1,) * (x.ndim - 2), groups, 1)                  # (N, 1, …, G, 1)
    return affine(x, mu, sigma, gamma, beta), GroupNormCache(
        x, mu[:, ::each].reshape(alone), sigma[:, ::each].reshape(alone), gamma, groups)


def group_norm_backward(dy: Array, cache: GroupNormCache) -> Any:
    """Kernel of `norms.group_norm.group_norm_backward`."""
    x, mu, sigma, gamma, groups = cast(Any, cache)
    return _backward_of_images(dy, x, mu, sigma, gamma, groups)


def _backward_of_images(dy: Array, x: Array, mu: Array, sigma: Array, gamma: Array, groups: int
                        ) -> Any:
    """The backward pass where every image is a set; mu, sigma: one for each image and group."""
    if x.size < LEAST_VALUES * mu.size:
        return NotImplemented
    each = x.shape[-1] // groups
    mu, sigma = (np.repeat(v.reshape(len(x), groups), each, axis=1) for v in (mu, sigma))
    dx, dscale, dshift = backward(dy, x, mu, sigma, gamma, groups)
    return dx, dscale.astype(gamma.dtype), dshift.astype(gamma.dtype)
