"""The training step in PyTorch."""

from __future__ import annotations

import itertools

import numpy as np
import problem
import torch
from torch import nn
from torch.nn import functional as F


class RenormDebias(nn.Module):
    """Algorithm 1 as PyTorch runs it fastest without a kernel of its own.

    γ(x̄·r + d) + β is a batch norm whose scale is γ·r and whose shift is γ·d + β; r and d are
    constants of the backward pass, so the fused batch norm differentiates it correctly.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.zeros(channels))
        self.t = 0

    def forward(self, x):
        with torch.no_grad():
            var_b, mu_b = torch.var_mean(x, (0, 2, 3), correction=0)
            sigma_b = torch.sqrt(var_b + problem.EPS)
            self.t += 1
            self.mean.lerp_(mu_b, 1 - problem.DECAY)
            self.std.lerp_(sigma_b, 1 - problem.DECAY)
            unbias = 1 / (1 - problem.DECAY**self.t)
            mu, sigma = self.mean * unbias, self.std * unbias
            r = (sigma_b / sigma).clamp(1 / problem.R_MAX, problem.R_MAX)
            d = ((mu_b - mu) / sigma).clamp(-problem.D_MAX, problem.D_MAX)
        scale, shift = self.weight * r, self.weight * d + self.bias
        return F.batch_norm(x, None, None, scale, shift, training=True, eps=problem.EPS)


class AllCNN(nn.Module):
    """Table 1: nine convolutions, each with normalizer and ReLU, then the mean over the map."""

    def __init__(self, width: int, norm: str):
        super().__init__()
        blocks = []
        for inputs, outputs, stride in problem.convolutions(width):
            blocks += [
                nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
                RenormDebias(outputs) if norm == "renorm_debias"
                else nn.BatchNorm2d(outputs, eps=problem.EPS, momentum=1 - problem.DECAY),
                nn.ReLU(inplace=True),
            ]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        return self.blocks(x).mean((2, 3))


class TorchStep:
    def __init__(self, batch, width, norm, device, channels_last=False, compiled=False):
        if device == "gpu" and not torch.cuda.is_available():
            raise RuntimeError("PyTorch sees no CUDA device")
        target = torch.device("cuda" if device == "gpu" else "cpu")
        # float32 throughout, as the others; and let cuDNN pick its fastest algorithm.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        memory_format = torch.channels_last if channels_last else torch.contiguous_format

        model = AllCNN(width, norm)
        self.named = {}                                   # minibn's name -> parameter
        for i in range(9):
            conv, normalizer = model.blocks[3 * i], model.blocks[3 * i + 1]
            self.named[f"conv{i + 1}.w"] = conv.weight
            self.named[f"norm{i + 1}.gamma"] = normalizer.weight
            self.named[f"norm{i + 1}.beta"] = normalizer.bias
        with torch.no_grad():
            for name, value in problem.initial_weights(width).items():
                self.named[name].copy_(torch.from_numpy(from_minibn(value)))
        model.to(target, memory_format=memory_format).train()
        self.optimizer = torch.optim.SGD(
            model.parameters(), lr=problem.LEARNING_RATE, momentum=problem.MOMENTUM
        )
        self.model = torch.compile(model) if compiled else model
        self.batches = itertools.cycle([
            (torch.from_numpy(x).permute(0, 3, 1, 2).to(target).contiguous(
                memory_format=memory_format), torch.from_numpy(labels).to(target))
            for x, labels in problem.batches(batch)
        ])
        self.wait = torch.cuda.synchronize if device == "gpu" else lambda: None

    def step(self):
        x, labels = next(self.batches)
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def parameters(self):
        return {name: to_minibn(p.detach()) for name, p in self.named.items()}

    def gradients(self):
        return {name: to_minibn(p.grad) for name, p in self.named.items()}


def from_minibn(value: np.ndarray) -> np.ndarray:
    """(kh, kw, C_in, C_out) to (C_out, C_in, kh, kw); vectors as they are."""
    return np.ascontiguousarray(value.transpose(3, 2, 0, 1)) if value.ndim == 4 else value


def to_minibn(tensor: torch.Tensor) -> np.ndarray:
    value = tensor.cpu().numpy()
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
