"""Forward passes written from the equations, for autograd to differentiate.

Nothing here comes from minibn: these functions are the other side of every proof, so they are
short rather than fast. They take what minibn's functions take, in the same order, and return y
alone. Arrays are channels-last, (N, H, W, C) or (N, C).
"""

import autograd.numpy as np

# Normalization -----------------------------------------------------------------------------------

def batch_norm(x, gamma, beta, eps):
    """Eqs. 1–4: statistics of a channel over batch and space."""
    axes = tuple(range(x.ndim - 1))
    mean = np.mean(x, axes)
    var = np.mean((x - mean) ** 2, axes)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def batch_renorm(x, gamma, beta, r, d, eps):
    """Eq. 7: x̂ = (x − μ_B)/σ_B · r + d, where r and d are constants."""
    return gamma * (batch_norm(x, 1.0, 0.0, eps) * r + d) + beta


def layer_norm(x, gamma, beta, eps):
    """Statistics of one example over space and channels."""
    axes = tuple(range(1, x.ndim))
    mean = np.mean(x, axes, keepdims=True)
    var = np.mean((x - mean) ** 2, axes, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def group_norm(x, gamma, beta, groups, eps):
    """Layer normalization of each group of neighboring channels."""
    parts = np.split(x, groups, axis=-1)
    return gamma * np.concatenate([layer_norm(part, 1.0, 0.0, eps) for part in parts], -1) + beta


def weight_norm(v, g):
    """w = g·v/‖v‖, one length for each output channel."""
    return g * v / np.sqrt(np.sum(v ** 2, tuple(range(v.ndim - 1))))


# Linear maps -------------------------------------------------------------------------------------

def linear(x, w, b):
    return np.dot(x, w) if b is None else np.dot(x, w) + b


def conv2d(x, w, b, stride, padding):
    """Cross-correlation: for each place in the kernel, the image shifted there times its matrix."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode="constant")
    kh, kw = w.shape[:2]
    rows = stride * ((x.shape[1] - kh) // stride) + 1
    cols = stride * ((x.shape[2] - kw) // stride) + 1
    y = sum(np.dot(x[:, i:i + rows:stride, j:j + cols:stride], w[i, j])
            for i in range(kh) for j in range(kw))
    return y if b is None else y + b


# Pooling -----------------------------------------------------------------------------------------

def window_starts(length, size, stride, ceil_mode):
    """Where windows start: all that fit; in ceil mode also one that the border cuts."""
    return [i for i in range(0, length, stride)
            if i + size <= length or (ceil_mode and i - stride + size < length)]


def pool2d(reduce, x, size, stride, ceil_mode):
    """A slice that runs past the border holds what there is."""
    starts = [window_starts(length, size, stride, ceil_mode) for length in x.shape[1:3]]
    return np.stack([np.stack([reduce(x[:, i:i + size, j:j + size], axis=(1, 2))
                               for j in starts[1]], axis=1)
                     for i in starts[0]], axis=1)


def max_pool2d(x, size, stride, ceil_mode):
    return pool2d(np.max, x, size, stride, ceil_mode)


def avg_pool2d(x, size, stride, ceil_mode):
    return pool2d(np.mean, x, size, stride, ceil_mode)


def global_avg_pool2d(x):
    return np.mean(x, (1, 2))


# Activations and loss ----------------------------------------------------------------------------

def relu(x):
    return np.where(x > 0, x, 0.0)


def elu(x, alpha):
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0.0)) - 1))


def softmax_cross_entropy(logits, labels):
    """−log softmax at the label, mean over the batch."""
    log_p = logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(labels)), labels])


# Networks ----------------------------------------------------------------------------------------
# `params` is the flat dictionary of a model; `frozen` holds what the forward pass drew or measured
# and the backward pass takes as constant: (r, d) under "norm1", masks under "dropout1", and so on.

def groups(channels):
    """Largest divisor of the channels, not above 32, that leaves at least four in a group."""
    return max(k for k in range(1, 33)
               if channels % k == 0 and (k == 1 or channels // k >= 4))


def normalize(kind, x, params, frozen, name, eps=1e-5):
    if kind in ("wn", "none"):
        return x
    gamma, beta = params[f"{name}.gamma"], params[f"{name}.beta"]
    if kind == "bn":
        return batch_norm(x, gamma, beta, eps)
    if kind in ("brn", "renorm_debias"):
        r, d = frozen[name]
        return batch_renorm(x, gamma, beta, r, d, eps)
    if kind == "ln":
        return layer_norm(x, gamma, beta, eps)
    if kind == "gn":
        return group_norm(x, gamma, beta, groups(x.shape[-1]), eps)
    raise ValueError(kind)


def block(k, x, params, frozen, kind, activation, stride, padding):
    """Convolution, normalization and activation number k."""
    conv = f"conv{k}"
    w = (weight_norm(params[f"{conv}.v"], params[f"{conv}.g"]) if kind == "wn"
         else params[f"{conv}.w"])
    b = None if kind in ("bn", "brn", "renorm_debias") else params[f"{conv}.b"]
    x = conv2d(x, w, b, stride, padding)
    return ACTIVATIONS[activation](normalize(kind, x, params, frozen, f"norm{k}"))


ACTIVATIONS = {"relu": relu, "elu": lambda x: elu(x, 1.0), "none": lambda x: x}


def all_cnn(params, x, frozen, kind, activation="relu", final_relu=True):
    """Table 1: nine 3×3 convolutions, the third and the sixth with stride 2.

    Without `final_relu` the ninth is normalized, but not rectified.
    """
    for k in range(1, 10):
        if k == 9 and not final_relu:
            activation = "none"
        x = block(k, x, params, frozen, kind, activation, stride=2 if k in (3, 6) else 1,
                  padding=1)
    return global_avg_pool2d(x)


def nin(params, x, frozen, kind, activation="relu", final_relu=True):
    """Three times a wide convolution and two of 1×1; max pools 3/2 and dropout between them."""
    for k, padding in enumerate((2, 0, 0, 2, 0, 0, 1, 0, 0), start=1):
        if k == 9 and not final_relu:
            activation = "none"
        x = block(k, x, params, frozen, kind, activation, stride=1, padding=padding)
        if k in (3, 6):
            x = max_pool2d(x, 3, 2, ceil_mode=True) * frozen[f"dropout{k // 3}"]
    return global_avg_pool2d(x)
