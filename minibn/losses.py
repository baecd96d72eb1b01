"""Softmax cross-entropy.

    p_nk = exp(z_nk)/Σ_j exp(z_nj)            the softmax of the logits z (N, K)
    loss = −mean_n log p[n, label_n] = mean_n (log Σ_j exp(z_nj) − z[n, label_n])

Backward.  ∂ log Σ_j exp(z_nj)/∂z_nk = p_nk, and the second term subtracts 1 at the label, so

    dz = (p − onehot(label))/N·dloss

N is the batch size and K the number of classes; onehot(label) is a row of K zeros with a 1 at the
label.  Subtracting the largest logit of each row first does not change p and keeps exp from
overflowing.  The paper names the loss in §4.2.
"""

from __future__ import annotations

from numbers import Real

from minibn.backend import Array, array_module
from minibn.checks import check_array, check_filled, check_rows, check_same_device


def softmax_cross_entropy(logits: Array, labels: Array, *, check_range: bool = True
                          ) -> tuple[Array, tuple]:
    """The mean over the batch of −log p[label].

    logits: (N, K), float32 or float64; labels: (N,), integers in 0 … K − 1; check_range: whether
    their range is checked.  On a GPU the check waits for the device; the training loop checks all
    labels once, at its start.
    Returns the loss in nats, a scalar of the dtype of logits (on a GPU a 0-d array there), and the
    cache for `softmax_cross_entropy_backward`.
    Raises ValueError for labels out of range and for other shapes, TypeError for other dtypes.
    """
    check_rows("logits", logits)
    check_labels(labels, logits)
    if check_range:
        check_label_range("labels", labels, logits.shape[1])
    xp = array_module(logits)
    rows = xp.arange(len(logits))
    shifted, exp, total = exponentials(logits)
    loss = (xp.log(total[:, 0]) - shifted[rows, labels]).mean()
    return loss, (exp / total, labels)


def softmax_cross_entropy_backward(dloss: float, cache: tuple) -> Array:
    """The gradient of the logits (N, K), of their dtype, given that of the loss.

    dloss: a number or a 0-d array, 1 for the gradient of the loss itself.  Raises TypeError for
    something else.
    """
    p, labels = cache
    if not isinstance(dloss, Real) and getattr(dloss, "shape", None) != ():
        raise TypeError(f"dloss must be a number, not {dloss!r}")
    dz = p.copy()
    dz[array_module(p).arange(len(p)), labels] -= 1
    dz *= dloss / len(p)
    return dz


def softmax(logits: Array) -> Array:
    """p, rows of exp(z)/Σ exp(z): (N, K) → (N, K)."""
    _, exp, total = exponentials(logits)
    return exp / total


def exponentials(logits: Array) -> tuple[Array, Array, Array]:
    """z − max z, its exponentials (N, K), and their sums (N, 1)."""
    shifted = logits - logits.max(1, keepdims=True)
    exp = array_module(logits).exp(shifted)
    return shifted, exp, exp.sum(1, keepdims=True)


def check_labels(labels: Array, logits: Array) -> None:
    """Check that `labels` are N integers, on the device of the logits (N, K)."""
    check_array("labels", labels)
    check_same_device("labels", labels, logits)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, not {labels.dtype}")
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"labels must have shape {logits.shape[:1]}, one for each row of "
                         f"logits, not {labels.shape}")
    check_filled("labels", labels)


def check_label_range(name: str, labels: Array, classes: int) -> None:
    """Check that all labels are in 0 … classes − 1.  CuPy would wrap such an index silently."""
    smallest, largest = int(labels.min()), int(labels.max())
    if smallest < 0 or largest >= classes:
        raise ValueError(f"{name} must be in 0 … {classes - 1}, "
                         f"not from {smallest} to {largest}")
