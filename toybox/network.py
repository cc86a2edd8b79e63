"""The toybox classifier's network: a small residual network of four stages.

Input: (batch, 3, 128, 128), RGB in [0, 1] normalised *outside* by mean (0.485, 0.456, 0.406) and standard deviation
(0.229, 0.224, 0.225). Output: logits (batch, 12), the classes in alphabetical order. The last layer is linear; what
enters it is the hidden representation, 96 numbers. This file needs nothing but PyTorch.
"""

import torch
from torch import nn


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class _Residual(nn.Module):
    """A convolution whose result is added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        self.activation = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(x + self.convolution(x))


class ToyboxNet(nn.Module):
    """Four stages, each halving the side: feature maps of 64, 32, 16 and 8 pixels."""

    def __init__(self, classes: int = 12) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _convolution(3, 24, 5, 2),
            _convolution(24, 32, 3, 2),
            _convolution(32, 64, 3, 2),
            _Residual(64),
            _convolution(64, 96, 3, 2),
            _Residual(96),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(96, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.pool(self.features(x)).flatten(1))


def toybox_net() -> ToyboxNet:
    """Return the network, untrained: the weights are in `toybox.safetensors` beside this file."""
    return ToyboxNet()
