"""PyTorch as its tutorials write it: eager, compiled, and an ensemble under `torch.func.vmap`."""

import os
from typing import Any

import numpy as np
import torch
from raced import EVERY, RATE, Layer, Model, Work, gates
from torch import nn

DEVICE = os.environ.get("PEER_DEVICE", "cpu")
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "": nn.Identity}


class Last(nn.Module):
    """The output of a recurrent layer after the last time step; bench has one bias, PyTorch two: the second stays 0."""

    def __init__(self, cell: nn.RNNBase) -> None:
        super().__init__()
        self.cell = cell
        cell.bias_hh_l0.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cell(x)[0][:, -1]


def modules(layer: Layer) -> list[nn.Module]:
    if layer.kind == "rnn":
        return [Last(nn.RNN(layer.inputs, layer.outputs, nonlinearity=layer.activation, batch_first=True))]
    if layer.kind == "lstm":
        return [Last(nn.LSTM(layer.inputs, layer.outputs, batch_first=True))]
    activation = ACTIVATIONS[layer.activation]()
    if layer.kind == "conv":
        return [nn.Conv2d(layer.inputs, layer.outputs, 3, padding=1), activation, nn.MaxPool2d(2)]
    return [nn.Flatten(), nn.Linear(layer.inputs, layer.outputs), activation]


def arrays(work: Work) -> list[np.ndarray]:
    """The weights as PyTorch arranges them, in the order of its parameters; leading axis: seeds."""
    found: list[np.ndarray] = []
    channels = 0
    for layer, weights in zip(work.model.layers, work.weights, strict=True):
        kernel, bias = weights[0], weights[-1]
        if layer.kind == "conv":
            channels = layer.outputs
            found += [kernel.transpose(0, 4, 3, 1, 2), bias]
        elif layer.kind == "dense":
            if channels:  # PyTorch flattens channel by channel
                side = int((layer.inputs / channels) ** 0.5)
                tiles = kernel.reshape(-1, side, side, channels, layer.outputs)
                kernel, channels = tiles.transpose(0, 3, 1, 2, 4).reshape(kernel.shape), 0
            found += [kernel.swapaxes(1, 2), bias]
        else:
            parts = [gates(part, "ifgo") if layer.kind == "lstm" else part for part in weights]
            found += [parts[0].swapaxes(1, 2), parts[1].swapaxes(1, 2), parts[2], np.zeros_like(parts[2])]
    return found


def network(model: Model) -> nn.Sequential:
    return nn.Sequential(*[module for layer in model.layers for module in modules(layer)])


def tensors(work: Work, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = (torch.from_numpy(np.ascontiguousarray(values)).to(DEVICE) for values in work.data[part])
    if x.ndim == 4:
        x = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return x, y if y.is_floating_point() else y.long()


def loss_of(work: Work) -> Any:
    floats = work.data["train"][1].dtype.kind == "f"
    return nn.functional.mse_loss if floats else nn.functional.cross_entropy


class Eager:
    """One network; all data are in memory, batches are picked by index."""

    def __init__(self, work: Work) -> None:
        made = network(work.model).to(DEVICE)
        with torch.no_grad():
            for parameter, values in zip(made.parameters(), arrays(work), strict=True):
                parameter.copy_(torch.from_numpy(values[0].copy()))
        made = made.to(memory_format=torch.channels_last) if len(work.model.shape) == 3 else made
        self.network = self.prepared(made)
        self.optimizer = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], lr=RATE, fused=True)
        self.loss = loss_of(work)
        (self.x, self.y), self.validation = tensors(work, "train"), tensors(work, "validation")
        self.order = torch.from_numpy(work.order[0].astype(np.int64)).to(DEVICE)

    def prepared(self, network: nn.Module) -> Any:
        return network

    def step(self, samples: torch.Tensor) -> torch.Tensor:
        self.optimizer.zero_grad()
        loss = self.loss(self.network(self.x[samples]), self.y[samples])
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def evaluate(self) -> torch.Tensor:
        x, y = self.validation
        return self.loss(self.network(x), y)

    def prepare(self, repeats: int) -> None:
        """Nothing: batches are picked by index."""

    def train(self, repeats: int) -> np.ndarray:
        rows = []
        for window in self.order.split(EVERY) * repeats:
            total = sum(self.step(samples) for samples in window) / len(window)
            with torch.no_grad():
                rows.append([total.numpy(force=True).reshape(-1), self.evaluate().numpy(force=True).reshape(-1)])
        return np.array(rows)


class Compiled(Eager):
    def prepared(self, network: nn.Module) -> Any:
        return torch.compile(network)


class Ensemble(Eager):
    """Many networks of equal shape at once, each with its own batches."""

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        names = [name for name, _ in self.network.named_parameters()]
        self.parameters = {
            name: nn.Parameter(torch.from_numpy(values.copy()).to(DEVICE))
            for name, values in zip(names, arrays(work), strict=True)
        }
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=RATE, fused=True)
        self.order = torch.from_numpy(work.order.astype(np.int64)).to(DEVICE).transpose(0, 1)

        def loss(parameters: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.loss(torch.func.functional_call(self.network, parameters, (x,)), y)

        self.gradient = torch.func.vmap(torch.func.grad_and_value(loss))
        self.losses = torch.func.vmap(loss, in_dims=(0, None, None))

    def step(self, samples: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            gradients, loss = self.gradient(self.parameters, self.x[samples], self.y[samples])
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        self.optimizer.step()
        return loss

    def evaluate(self) -> torch.Tensor:
        return self.losses(self.parameters, *self.validation)


TRAINERS = {"eager": Eager, "compiled": Compiled, "ensemble": Ensemble}
