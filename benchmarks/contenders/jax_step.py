"""The training step in JAX, the whole of it jitted."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import problem


def loss_of(weights, x, labels, strides):
    for i, stride in enumerate(strides, start=1):
        x = jax.lax.conv_general_dilated(
            x, weights[f"conv{i}.w"], (stride, stride), ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        mean = x.mean((0, 1, 2))
        variance = jnp.square(x - mean).mean((0, 1, 2))
        x = (x - mean) * jax.lax.rsqrt(variance + problem.EPS)
        x = jax.nn.relu(x * weights[f"norm{i}.gamma"] + weights[f"norm{i}.beta"])
    log_p = jax.nn.log_softmax(x.mean((1, 2)))
    return -log_p[jnp.arange(len(labels)), labels].mean()


class JaxStep:
    def __init__(self, batch, width, norm, device):
        if norm != "bn":
            raise ValueError("JAX is compared with norm bn only")
        target = jax.devices(device)[0]
        strides = [stride for _, _, stride in problem.convolutions(width)]
        weights = problem.initial_weights(width)
        self.weights = jax.device_put(weights, target)
        self.velocity = jax.device_put({k: np.zeros_like(w) for k, w in weights.items()}, target)
        self.batches = itertools.cycle(jax.device_put(problem.batches(batch), target))

        def update(weights, velocity, x, labels):
            loss, grads = jax.value_and_grad(loss_of)(weights, x, labels, strides)
            velocity = {k: problem.MOMENTUM * v + grads[k] for k, v in velocity.items()}
            weights = {k: w - problem.LEARNING_RATE * velocity[k] for k, w in weights.items()}
            return loss, weights, velocity

        # Donated: JAX may write the new weights and velocities where the old ones were.
        self.update = jax.jit(update, donate_argnums=(0, 1))

    def step(self):
        loss, self.weights, self.velocity = self.update(
            self.weights, self.velocity, *next(self.batches)
        )
        return loss

    def wait(self):
        jax.block_until_ready(self.weights)

    def parameters(self):
        return {name: np.asarray(w) for name, w in self.weights.items()}
