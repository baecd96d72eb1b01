"""The training step in minibn."""

from __future__ import annotations

import itertools

import problem

import minibn
from minibn import optim
from minibn.backend import device_module, to_device, to_host
from minibn.functional import softmax_cross_entropy, softmax_cross_entropy_backward


class MinibnStep:
    def __init__(self, batch, width, norm, device):
        xp = device_module(device)
        self.model = minibn.all_cnn(classes=problem.CLASSES, norm=norm, width=width).to(device)
        for name, value in problem.initial_weights(width).items():
            self.model.params[name][...] = to_device(value, device)
        self.optimizer = optim.SGD(self.model, problem.LEARNING_RATE, problem.MOMENTUM)
        self.batches = itertools.cycle([
            (to_device(x, device), to_device(labels, device))
            for x, labels in problem.batches(batch)
        ])
        self.wait = (lambda: None) if device == "cpu" else xp.cuda.Device().synchronize

    def step(self):
        x, labels = next(self.batches)
        loss, cache = softmax_cross_entropy(self.model.forward(x, training=True), labels,
                                            check_range=False)          # as in the training loop
        self.model.backward(softmax_cross_entropy_backward(1.0, cache))
        self.optimizer.step()
        return loss

    def parameters(self):
        return {name: to_host(p) for name, p in self.model.params.items()}

    def gradients(self):
        return {name: to_host(g) for name, g in self.model.grads.items()}
