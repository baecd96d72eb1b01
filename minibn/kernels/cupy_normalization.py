"""BN, BRN and renorm_debias on a GPU: one launch for each pass over memory.

Each function of CuPy in the textbook is a launch, and each result in float64 is written to memory.
Here a kernel does all arithmetic of a pass in float64 and writes x's dtype.

A sum over the rows of x (rows, C) takes two launches.  In the first, `parts` threads share the rows
of each channel.  In the second, one thread for each channel adds up the parts.  The order of all
additions is fixed, so a run can be repeated bit for bit.
"""

from __future__ import annotations

from math import prod

from cupy import ElementwiseKernel, empty, float64

from minibn.backend import Array
from minibn.checks import check_number, check_scale_and_shift, check_upstream
from minibn.norms.batch_norm import BatchNormCache
from minibn.norms.batch_renorm import RenormCache

# Rows that one thread adds up, at least, and threads that share a channel, at most.
ROWS, PARTS = 16, 256

# A part subtracts its own mean before it squares, so no digits are lost where the mean is large.
_moments_of_parts = ElementwiseKernel(
    "raw T x, int64 rows, int64 channels, int64 parts", "float64 mean, float64 squares", """
    const long long c = i % channels, first = i / channels;
    const long long count = (rows - first + parts - 1) / parts;
    double sum = 0;
    for (long long row = first; row < rows; row += parts)
        sum += x[row * channels + c];
    mean = sum / count;
    sum = 0;
    for (long long row = first; row < rows; row += parts) {
        const double centered = x[row * channels + c] - mean;
        sum += centered * centered;
    }
    squares = sum;
    """, "minibn_moments_of_parts")

# Σ(x − μ)² of a part is Σ(x − its mean)² + count·(its mean − μ)².
_moments = ElementwiseKernel(
    "raw float64 means, raw float64 squares, int64 rows, int64 channels, int64 parts, float64 eps",
    "float64 mu, float64 var, float64 sigma", """
    double sum = 0;
    for (long long part = 0; part < parts; part++)
        sum += (rows - part + parts - 1) / parts * means[part * channels + i];
    mu = sum / rows;
    sum = 0;
    for (long long part = 0; part < parts; part++) {
        const double apart = means[part * channels + i] - mu;
        sum += squares[part * channels + i] + (rows - part + parts - 1) / parts * apart * apart;
    }
    var = sum / rows;
    sigma = sqrt(var + eps);
    """, "minibn_moments")

_affine = ElementwiseKernel(
    "T x, float64 mu, float64 sigma, G gamma, G beta", "T y",
    "y = gamma * ((x - mu) / sigma) + beta", "minibn_affine")

_renormalize = ElementwiseKernel(
    "T x, float64 mu, float64 sigma, R r, D d, G gamma, G beta", "T y",
    "y = gamma * ((x - mu) / sigma * r + d) + beta", "minibn_renormalize")

_products_of_parts = ElementwiseKernel(
    "raw T dy, raw T x, raw float64 mu, raw float64 sigma, int64 rows, int64 channels, int64 parts",
    "float64 sum, float64 product", """
    const long long c = i % channels;
    const double mean = mu[c], factor = 1 / sigma[c];
    double a = 0, b = 0;
    for (long long row = i / channels; row < rows; row += parts) {
        const double g = dy[row * channels + c];
        a += g;
        b += g * ((x[row * channels + c] - mean) * factor);
    }
    sum = a;
    product = b;
    """, "minibn_products_of_parts")

_SUM_OF_PARTS = """
    double a = 0, b = 0;
    for (long long part = 0; part < parts; part++) {
        a += sums[part * channels + i];
        b += products[part * channels + i];
    }
    sum = a;
    product = b;
    dbeta = a;
"""
_products = ElementwiseKernel(
    "raw float64 sums, raw float64 products, int64 channels, int64 parts, G gamma",
    "float64 sum, float64 product, G dgamma, G dbeta", _SUM_OF_PARTS + "dgamma = b;",
    "minibn_products")
_products_renormalized = ElementwiseKernel(
    "raw float64 sums, raw float64 products, int64 channels, int64 parts, G gamma, R r, D d",
    "float64 sum, float64 product, G dgamma, G dbeta, float64 scale",
    _SUM_OF_PARTS + "dgamma = b * r + a * d; scale = gamma * r;",
    "minibn_products_renormalized")

_input_gradient = ElementwiseKernel(
    "T dy, T x, float64 mu, float64 sigma, S scale, float64 sum, float64 product, int64 rows",
    "T dx", "dx = scale * (dy - sum / rows - (x - mu) / sigma * (product / rows)) / sigma",
    "minibn_input_gradient")


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Kernel of `norms.batch_norm.batch_statistics`."""
    mu, var, _ = moments(x, 0.0)
    return mu, var


def normalize(x: Array, mu: Array, sigma: Array, gamma: Array, beta: Array) -> Array:
    """Kernel of `norms.batch_norm.normalize`."""
    return _affine(x, mu, sigma, gamma, beta)


def batch_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5
               ) -> tuple[Array, BatchNormCache]:
    """Kernel of `norms.batch_norm.batch_norm`."""
    check_scale_and_shift(x, gamma, beta)
    mu, var, sigma = moments(x, check_number("eps", eps, least=0))
    return _affine(x, mu, sigma, gamma, beta), BatchNormCache(x, mu, var, sigma, gamma)


def batch_norm_backward(dy: Array, cache: BatchNormCache) -> tuple[Array, Array, Array]:
    """Kernel of `norms.batch_norm.batch_norm_backward`.

        s = Σ dy      p = Σ dy·x̄      dβ = s      dγ = p
        dx = (g − mean(g) − x̄·mean(g·x̄))/σ = γ·(dy − s/m − x̄·p/m)/σ
    """
    x, mu, _, sigma, gamma = cache
    sums = products(dy, x, mu, sigma)
    _, parts, channels = sums.shape
    s, p, dgamma, dbeta = _products(sums[0], sums[1], channels, parts, gamma)
    return _input_gradient(dy, x, mu, sigma, gamma, s, p, x.size // len(mu)), dgamma, dbeta


def renormalize(x: Array, mu_B: Array, sigma_B: Array, r: Array, d: Array, gamma: Array,
                beta: Array) -> Array:
    """Kernel of `norms.batch_renorm.renormalize`."""
    return _renormalize(x, mu_B, sigma_B, r, d, gamma, beta)


def batch_renorm_backward(dy: Array, cache: RenormCache) -> tuple[Array, Array, Array]:
    """Kernel of `norms.batch_renorm.batch_renorm_backward`: BN's, with γ·r in the place of γ.

        dγ = Σ dy·(x̄·r + d) = p·r + s·d
    """
    x, mu, sigma, gamma, r, d = cache
    sums = products(dy, x, mu, sigma)
    _, parts, channels = sums.shape
    s, p, dgamma, dbeta, scale = _products_renormalized(
        sums[0], sums[1], channels, parts, gamma, r, d)
    return _input_gradient(dy, x, mu, sigma, scale, s, p, x.size // len(mu)), dgamma, dbeta


def moments(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """Mean, biased variance and √(variance + eps) of each channel of x (…, C), float64 (C,)."""
    x, rows, channels, parts = _rows(x)
    of_parts = empty((2, parts, channels), float64)
    _moments_of_parts(x, rows, channels, parts, *of_parts)
    mu, var, sigma = (empty(channels, float64) for _ in range(3))
    return _moments(*of_parts, rows, channels, parts, eps, mu, var, sigma)


def products(dy: Array, x: Array, mu: Array, sigma: Array) -> Array:
    """Σ dy and Σ dy·x̄ over the rows of each part: float64 (2, parts, C)."""
    check_upstream("dy", dy, x.shape, like=x)
    x, rows, channels, parts = _rows(x)
    sums = empty((2, parts, channels), float64)
    _products_of_parts(_rows(dy)[0], x, mu, sigma, rows, channels, parts, *sums)
    return sums


def _rows(x: Array) -> tuple[Array, int, int, int]:
    """The values of x (…, C) in a line, the number of rows, C, and the threads for each channel."""
    channels = x.shape[-1]
    rows = prod(x.shape[:-1])
    return x.reshape(-1), rows, channels, min(PARTS, -(-rows // ROWS))
